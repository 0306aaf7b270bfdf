"""Rows one at a time: the same as `read` gives, in bounded memory."""

from __future__ import annotations

import io
import json
import sys
import tracemalloc
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftlearn.data import DataError, Rejected, decoding, read
from ftlearn.data.decoding import Bytes, Lines
from ftlearn.data.records import Record
from ftlearn.data.streams import Format, stream

QUICK = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
ROWS = [{"text": "NA", "note": "1"}, {"text": " ", "note": "2"}, {"text": "é, x", "note": "3"}]
WRITTEN = {
    "x.csv": 'text,note\nNA,1\n ,2\n"é, x",3\n',
    "x.tsv": "text\tnote\nNA\t1\n \t2\né, x\t3\n",
    "x.jsonl": "\n".join(map(json.dumps, ROWS)),
    "x.ndjson": "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS),
}


def typed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Put bytes on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def same_as_read(path: Path) -> None:
    rows = list(stream(path))
    dataset, report = read(path)
    assert [row.cells for row in rows if isinstance(row, Record)] == dataset.to_list() != []
    assert tuple(row for row in rows if isinstance(row, Rejected)) == report.rejected != ()


@pytest.mark.parametrize("name", WRITTEN)
def test_a_stream_gives_the_rows_and_rejections_of_read_in_order(tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.write_text(WRITTEN[name], encoding="utf-8")
    same_as_read(path)
    rows = list(stream(path))
    assert [row.line for row in rows] == sorted(row.line for row in rows)
    typed(monkeypatch, path.read_bytes())
    kind = "jsonl" if "json" in name else name[2:]
    assert list(stream("-", file_format=Format(kind))) == rows


def test_a_stream_of_parquet_gives_the_rows_of_read(tmp_path):
    path = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS * 700), path, row_group_size=500)
    same_as_read(path)
    assert [row.line for row in stream(path)] == list(range(1, 2101))


def test_a_text_file_has_one_row_per_line_and_needs_one_column(tmp_path, monkeypatch):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"\xef\xbb\xbfone, two\r\n\r\nthree\rfour\n x")
    rows = list(stream(path, text="body"))
    assert rows == [
        Record(1, {"body": "one, two"}),
        Rejected(2, "'body' is empty"),
        Record(3, {"body": "three\rfour"}),
        Record(4, {"body": " x"}),
    ]
    typed(monkeypatch, path.read_bytes())
    assert list(stream("-", text="body")) == rows
    with pytest.raises(DataError, match="one text per line, so it has no columns"):
        list(stream(path, text=("a", "b")))


def test_no_rows_are_no_error_but_a_missing_header_is(tmp_path, monkeypatch):
    for name in ("x.txt", "x.jsonl"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf")
        assert list(stream(tmp_path / name)) == []
    (tmp_path / "x.csv").write_text("text,note\n")
    assert list(stream(tmp_path / "x.csv")) == []
    typed(monkeypatch, b"\n \n")
    with pytest.raises(DataError, match="standard input is empty; it needs a header"):
        list(stream("-", file_format=Format("csv")))


@pytest.mark.parametrize(
    ("source", "options", "expected"),
    [
        ("x.log", {}, "'.log'; readable are .txt, .csv"),
        ("x.log", {"name": "jsnl"}, "Did you mean 'jsonl'?"),
        ("gone.csv", {}, "there is no file gone.csv; check the path"),
        ("x.csv", {"delimiter": '"'}, "must be one character, and no quote"),
        ("x.txt", {"delimiter": ","}, "for a .csv or .tsv file"),
        ("x.parquet", {"encoding": "cp1252"}, "has no meaning for Parquet"),
        ("-", {"name": "parquet"}, "give the path of the file, not '-'"),
    ],
)
def test_errors_of_a_format_name_the_value_and_the_remedy(source, options, expected):
    with pytest.raises(DataError) as caught:
        list(stream(source, file_format=Format(**options)))
    assert expected in str(caught.value)


def test_a_format_overrides_the_suffix(tmp_path):
    path = tmp_path / "notes.dat"
    path.write_bytes("text;note\ncafé;1\n".encode("cp1252"))
    file_format = Format("csv", delimiter=";", encoding="cp1252")
    assert list(stream(path, file_format=file_format)) == [Record(2, {"text": "café", "note": "1"})]


TEXT = st.text(st.sampled_from("ab é\n\r插🙂"), max_size=60)


@QUICK
@given(TEXT, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]), st.integers(1, 9))
def test_lines_do_not_depend_on_the_chunks_in_which_bytes_come(monkeypatch, text, name, size):
    monkeypatch.setattr(decoding, "CHUNK", size)
    lines = Lines(Bytes(io.BytesIO(text.encode(name)), "here"), newline="\n")
    assert list(lines) == io.StringIO(text, newline="\n").readlines()
    assert lines.encoding == name.removesuffix("-sig") or not text


@QUICK
@given(
    TEXT, st.sampled_from([b"\xff", b"\xc3", b"\xe6\x8f", b"\xf0\x9f\x99", b"\xed\xa0\x80"]), TEXT
)
@pytest.mark.parametrize("size", [1, 3, 2**20])
def test_bad_bytes_spoil_their_line_and_no_other(monkeypatch, size, start, bad, end):
    monkeypatch.setattr(decoding, "CHUNK", size)
    before = start.replace("\r", "").encode()
    after = end.replace("\r", "").encode()
    content = before + b"\n=" + bad + b"=\n" + after
    lines = Lines(Bytes(io.BytesIO(content), "here"), newline="\n")
    spoilt = [lines.fault(line) for line in lines]
    place = start.count("\n") + 1
    assert spoilt.pop(place) == f"byte 0x{bad[0]:02x} is not utf-8"
    assert not any(spoilt)


@pytest.mark.parametrize(("encoding", "cut"), [("utf-16", 1), ("utf-16", 3), ("utf-32", 2)])
def test_a_file_that_ends_inside_a_character_loses_its_last_row_only(tmp_path, encoding, cut):
    path = tmp_path / "x.txt"
    path.write_bytes("one\ntwo\nend🙂".encode(encoding)[:-cut])
    *good, last = stream(path)
    assert [row.cells["text"] for row in good] == ["one", "two"]
    assert last == Rejected(3, f"half a character is not {encoding}")


@pytest.mark.parametrize(
    ("spoilt", "beyond", "rows", "fails"),
    [
        (1, 0, 1, False),
        (1, 0, 9, False),
        (2, 0, 9, True),
        (5, 0, 100, False),
        (6, 0, 100, True),
        (6, 6, 100, False),
        (6, 5, 100, True),
        (60, 0, 1000, True),
        (60, 60, 1200, False),
    ],
)
def test_many_lines_that_do_not_decode_are_of_another_encoding(
    tmp_path, spoilt, beyond, rows, fails
):
    letters = [b"caf\xe9 ol\xe9"] * spoilt + ["é".encode()] * beyond
    content = letters + [b"plain"] * (rows - len(letters))
    path = tmp_path / "x.txt"
    path.write_bytes(b"\n".join(content))
    if not fails:
        assert sum(isinstance(row, Rejected) for row in stream(path)) == spoilt
        return
    with pytest.raises(DataError) as caught:
        list(stream(path))
    message = f"{spoilt} of {rows} lines hold what is not utf-8, the first is line 1 (byte 0xe9"
    assert message in str(caught.value)
    assert "encoding='cp1252' (--encoding cp1252)" in str(caught.value)


def test_another_encoding_is_found_before_a_large_file_is_read(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(b"caf\xe9\n" * 5000)
    lines = []
    with pytest.raises(DataError, match="1000 of 1000 lines"):
        lines.extend(row.line for row in stream(path))
    assert len(lines) <= 1000


@pytest.mark.parametrize(
    ("content", "encoding", "expected"),
    [
        ("text\nx".encode("utf-16-le"), None, "UTF-16 without its mark does; try encoding='utf-16"),
        ("text\nx".encode("utf-16-be"), None, "(--encoding utf-16-be)"),
        (("预训练模型，文本\n" * 9).encode("utf-16-le"), None, "(--encoding utf-16-le)"),
        (b"text\nx", "utf-16", "is not utf-16"),
        (b"\xe9t\xe9\ncaf\xe9 ol\xe9", None, "try encoding='cp1252' (--encoding cp1252)"),
        (b"\x81t\xe9\ncaf\x81 \xe9", "cp1252", "byte 0x81 is not cp1252"),
        ("文本\n预训练模型".encode("gb18030"), None, "try encoding='gb18030'"),
        (b"text\nx", "hex", "'hex' is not a known encoding"),
        (b"text\nx", "a\0b", "is not a known encoding"),
        (b"text\nx", "locale", "is not a known encoding"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".txt"])
def test_bytes_that_do_not_decode_are_named_with_a_remedy(
    tmp_path, content, encoding, expected, suffix
):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(stream(path, file_format=Format(encoding=encoding)))
    assert expected in str(caught.value)


def test_good_rows_come_before_the_place_that_breaks(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("text\none\ntwo\n" + '"open\n')
    rows = stream(path)
    assert [next(rows).cells["text"] for _ in range(2)] == ["one", "two"]
    with pytest.raises(DataError, match="line 4"):
        next(rows)


def test_bytes_know_how_far_they_were_read():
    data = Bytes(io.BytesIO(b"abc" * 10), "here")
    assert (data.first, data.done) == (b"abc" * 10, 0)
    assert [(chunk, data.done) for chunk in data] == [(b"abc" * 10, 30)]


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".jsonl"])
def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(decoding, "CHUNK", 2**14)

    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}{suffix}"
        line = json.dumps({"text": "x" * 200}) if suffix == ".jsonl" else "x" * 200
        path.write_text("text\n" * (suffix == ".csv") + f"{line}\n" * rows)
        tracemalloc.start()
        count = sum(1 for _ in stream(path))
        _, largest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == rows
        return largest

    few, many = peak(500), peak(3_000)  # 0.1 and 0.6 MB, both more than a chunk
    assert many < few + 50_000
