"""Files that are not what their name says are named, each made by the library that writes it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest

from ftlearn.data import DataError, read
from ftlearn.data.streams import Format, stream

CSV = b"text,label\n" + b"a note,cold\nanother,warm\n" * 20
ROWS = [{"text": "a note", "label": "cold"}, {"text": "another", "label": "warm"}] * 20


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, "<x/>" * 30)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("notes.csv"))
    return file.getvalue()


def saved(write) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


TABLE = pyarrow.Table.from_pylist(ROWS)
DISGUISED = {
    "Excel workbook": zipped("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"),
    "Word document": zipped("[Content_Types].xml", "word/document.xml"),
    "a ZIP archive": zipped("notes.csv"),
    "gzip": gzip.compress(CSV),
    "bzip2": bz2.compress(CSV),
    "compressed by xz": lzma.compress(CSV),
    "tar archive": tarred(),
    "old Office file": bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600),
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "Rich Text": rb"{\rtf1\ansi a note}",
    "a Parquet file": saved(lambda file: pyarrow.parquet.write_table(TABLE, file)),
    "Feather": saved(lambda file: pyarrow.feather.write_feather(TABLE, file)),
    "NumPy": saved(lambda file: np.save(file, np.arange(9))),
    "pickled": pickle.dumps(ROWS),
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(60),
    "NUL bytes": bytes(5000),
    "web page": b"\n<!DOCTYPE html>\n<html><body>Log in</body></html>\n",
    "XML": b'<?xml version="1.0"?>\n<Workbook/>\n',
}


def fails(path: Path, *expected: str) -> None:
    with pytest.raises(DataError) as caught:
        read(path, label="label")
    for piece in (path.name, *expected):
        assert piece in str(caught.value)


@pytest.mark.parametrize("what", DISGUISED)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_file_in_disguise_is_named_as_what_it_is(tmp_path, what, suffix):
    if (what, suffix) == ("a Parquet file", ".parquet"):
        return
    path = tmp_path / f"notes{suffix}"
    path.write_bytes(DISGUISED[what])
    fails(path, what, "whatever its name says")


def test_a_database_is_named(tmp_path):
    path = tmp_path / "notes.csv"
    with sqlite3.connect(path) as database:
        database.execute("create table notes (text, label)")
    database.close()
    fails(path, "SQLite")


@pytest.mark.parametrize("what", ["gzip", "PDF", "Excel workbook"])
def test_a_text_file_in_disguise_is_named_too_but_not_one_that_holds_html(tmp_path, what):
    path = tmp_path / "notes.txt"
    path.write_bytes(DISGUISED[what])
    with pytest.raises(DataError, match=what):
        list(stream(path))
    path.write_bytes(DISGUISED["web page"])
    assert len(list(stream(path, file_format=Format("txt")))) == 3


@pytest.mark.parametrize("indent", [None, 0, 1, 4])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_that_is_not_one_object_on_each_line_is_named(tmp_path, indent, encoding):
    path = tmp_path / "notes.jsonl"
    path.write_text(json.dumps(ROWS, indent=indent), encoding=encoding)
    fails(path, "one JSON array", "jq -c '.[]'")
    if indent is not None:
        objects = [json.dumps(row, indent=indent) for row in ROWS]
        path.write_text("\n".join(objects), encoding=encoding)
        fails(path, "spreads a JSON object over several lines", "jq -c .")


def test_lines_of_an_array_without_its_brackets_are_refused_one_by_one(tmp_path):
    path = tmp_path / "notes.jsonl"
    path.write_text('{"text": "a", "label": "x"}\n["text"]\n{\n{"text": "b", "label": "y"}\n')
    dataset, report = read(path, label="label")
    assert dataset["text"][:] == ["a", "b"]
    assert [line for line, _ in report.rejected] == [2, 3]


@pytest.mark.parametrize(
    ("suffix", "remedy"),
    [
        (".json", "one JSON object on each line"),
        (".xlsx", "save the sheet as CSV"),
        (".gz", "unpack it"),
        (".docx", "as .csv, .jsonl or .parquet"),
    ],
)
def test_suffixes_that_are_not_read_have_a_remedy(tmp_path, suffix, remedy):
    path = tmp_path / f"notes{suffix}"
    path.write_text("[]")
    fails(path, f"has the suffix '{suffix}'", remedy)
    with pytest.raises(DataError, match="any file whose format is named"):
        list(stream(path))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["a note,cold\n", "预训练模型的文本,标签\n", "привет мир,метка\n"])
def test_utf_16_without_its_mark_is_named(tmp_path, encoding, text):
    path = tmp_path / "notes.csv"
    path.write_bytes(("text,label\n" + text * 9).encode(encoding))
    fails(path, "as UTF-16 without its mark does", f"(--encoding {encoding})")
    path.write_bytes((text * 9).encode(encoding))
    fails(path, f"(--encoding {encoding})")
