"""Files that are not what their name says: what they are, and what to do about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ftlearn.data.errors import DataError

START = 2**16
"""Bytes at the start of a file by which it is recognised."""
AS_TABLE = "write its rows as .csv, .jsonl or .parquet"
AS_CSV = "open it in its program and save the sheet as CSV (UTF-8)"
UNPACK = "unpack it and give the file inside"


class Kind(NamedTuple):
    """A kind of file that is not text: a pattern for its start, its name and the remedy."""

    start: bytes
    name: str
    remedy: str


BINARY = (  # the more specific ones first
    Kind(rb"PK\x03\x04.*?xl/", "an Excel workbook (.xlsx)", AS_CSV),
    Kind(rb"PK\x03\x04.*?opendocument\.spreadsheet", "an OpenDocument sheet (.ods)", AS_CSV),
    Kind(rb"PK\x03\x04.*?word/", "a Word document (.docx)", AS_TABLE),
    Kind(rb"PK(\x03\x04|\x05\x06)", "a ZIP archive", UNPACK),
    Kind(rb"\x1f\x8b", "compressed by gzip (.gz)", UNPACK + " (gunzip)"),
    Kind(rb"BZh[1-9]1AY&SY", "compressed by bzip2 (.bz2)", UNPACK + " (bunzip2)"),
    Kind(rb"\xfd7zXZ\x00", "compressed by xz (.xz)", UNPACK + " (unxz)"),
    Kind(rb"\x28\xb5\x2f\xfd", "compressed by Zstandard (.zst)", UNPACK + " (unzstd)"),
    Kind(rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive (.7z)", UNPACK),
    Kind(rb"Rar!\x1a\x07", "a RAR archive (.rar)", UNPACK),
    Kind(rb".{257}ustar", "a tar archive (.tar)", UNPACK),
    Kind(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file, as .xls and .doc are", AS_CSV),
    Kind(rb"%PDF-", "a PDF document", AS_TABLE),
    Kind(rb"\{\\rtf", "a document in Rich Text Format (.rtf)", AS_TABLE),
    Kind(rb"PAR1", "a Parquet file", "give it the suffix .parquet"),
    Kind(rb"ARROW1|FEA1", "an Arrow or Feather file", "write it as .parquet (pandas.read_feather)"),
    Kind(rb"SQLite format 3\x00", "an SQLite database", AS_TABLE),
    Kind(rb"\x89HDF", "an HDF5 file", AS_TABLE),
    Kind(rb"\x93NUMPY", "a NumPy array (.npy)", AS_TABLE),
    Kind(rb"\x80[\x02-\x05][\x95(}\]c]", "a pickled Python object", AS_TABLE),
    Kind(rb"\x89PNG|\xff\xd8\xff|GIF8[79]a", "a picture", "give a file with texts"),
    Kind(rb"\x00{16}", "nothing but NUL bytes at its start", "the copy is damaged: copy it again"),
)
MARKUP = (
    Kind(
        rb"\s*<(!doctype html|html)\b",
        "a web page (HTML), as one gets in place of a file that needs a login",
        "download the file itself",
    ),
    Kind(rb"\s*<\?xml\b", "an XML document", AS_TABLE),
)
ARRAY = re.compile(r"\s*\[\s*([{\]]|$)")
OPENED = re.compile(r"\s*\{\s*$")
MEMBER = re.compile(r'\s*"(?:[^"\\]|\\.)*"\s*:')
SUFFIXES = {
    AS_CSV: (".xlsx", ".xls", ".xlsm", ".ods", ".numbers"),
    UNPACK: (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".tgz"),
    AS_TABLE: (".pdf", ".doc", ".docx", ".rtf", ".feather", ".arrow", ".pkl", ".npz", ".xml"),
    "put one JSON object on each line (jq -c '.[]' OLD > NEW.jsonl) and name it .jsonl": (".json",),
}


def check_start(start: bytes, place: str, file_format: str) -> None:
    """Raise `DataError` where the first bytes are those of another kind of file.

    >>> check_start(b"%PDF-1.7", "notes.csv", "csv")
    Traceback (most recent call last):
    ftlearn.data.errors.DataError: notes.csv is a PDF document, whatever its name says; write its
    rows as .csv, .jsonl or .parquet.
    """
    start = start.removeprefix(b"\xef\xbb\xbf")
    kinds = BINARY if file_format == "txt" else BINARY + MARKUP  # a text may be HTML
    for kind in kinds:
        expected = file_format == "parquet" and kind.start == b"PAR1"
        if not expected and re.match(kind.start, start[:START], re.DOTALL | re.IGNORECASE):
            raise DataError(f"{place} is {kind.name}, whatever its name says; {kind.remedy}.")


def check_objects(previous: str, line: str, place: str) -> None:
    """Raise `DataError` where the first two lines begin JSON that is not one object per line.

    `previous` is "" for the first line.

    >>> check_objects("", '[{"text": "A new chip"},', "notes.jsonl")
    Traceback (most recent call last):
    ftlearn.data.errors.DataError: notes.jsonl is one JSON array, not one object on each line; write
    each object on a line of its own (jq -c '.[]' OLD > NEW.jsonl, or json.dumps in Python).
    """
    if not previous and ARRAY.match(line):
        raise DataError(
            f"{place} is one JSON array, not one object on each line; write each object on a line "
            "of its own (jq -c '.[]' OLD > NEW.jsonl, or json.dumps in Python)."
        )
    if OPENED.match(previous) and MEMBER.match(line):
        raise DataError(
            f"{place} spreads a JSON object over several lines; write each object on one line "
            "(jq -c . OLD > NEW.jsonl, or json.dumps in Python)."
        )


def check_exists(path: Path) -> None:
    """Raise `DataError` where there is no such file, with the folder that we are in."""
    if not path.is_file():
        raise DataError(f"there is no file {path}; check the path (now in {Path.cwd()}).")


def check_suffix(path: Path, readable: tuple[str, ...], more: str = "") -> None:
    """Raise `DataError` for an unreadable suffix, with a remedy for those of known kinds."""
    suffix = path.suffix.lower()
    if suffix in readable:
        return
    remedy = next((remedy for remedy, known in SUFFIXES.items() if suffix in known), None)
    raise DataError(
        f"{path} has the suffix {suffix!r}; readable are {', '.join(readable)}{more}."
        + (f" Of this one: {remedy}." if remedy else "")
    )
