"""A strict reader for CSV, TSV, JSONL and Parquet: what it cannot read, it names by line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets import ClassLabel, Dataset, Features, Value

from .decoding import decode
from .errors import DataError, close_match, need_columns
from .labels import KINDS, label_feature, parse_number
from .records import Record, Refusal, Row, csv_rows, json_rows, parquet_rows, storable

DELIMITED = {".csv": ",", ".tsv": "\t"}
LINES = (".jsonl", ".ndjson")
SUFFIXES = (*DELIMITED, *LINES, ".parquet")
SHOWN = 10


@dataclass(frozen=True)
class ReadReport:
    """What a read took and what it refused.

    Parameters
    ----------
    path : the file
    rows : number of rows read
    refused : the rows that were not read, each with the line it starts on (from 1) and the reason
    encoding, delimiter : as used; None where the format has none
    """

    path: str
    rows: int
    refused: tuple[Refusal, ...]
    encoding: str | None
    delimiter: str | None

    def __str__(self) -> str:
        how = [self.encoding, self.delimiter and f"delimiter {self.delimiter!r}"]
        how = ", ".join(part for part in how if part)
        head = f"{self.path}: {self.rows} rows read" + (f" ({how})" if how else "")
        lines = [f"  line {line}: {reason}" for line, reason in self.refused[:SHOWN]]
        if len(self.refused) > SHOWN:
            lines.append(f"  ... and {len(self.refused) - SHOWN} more")
        return "\n".join([f"{head}, {len(self.refused)} refused", *lines])


@dataclass(frozen=True)
class Wanted:
    """The columns that a caller wants: one text or a pair, a label or none, and its kind."""

    text: tuple[str, ...]
    label: str | None
    kind: str

    @classmethod
    def of(cls, text: str | Sequence[str], label: str | None, kind: str) -> Wanted:
        """Check and store the three arguments as the public functions take them."""
        names = (text,) if isinstance(text, str) else tuple(text)
        if not 1 <= len(names) <= 2 or len({*names, label}) < len(names) + 1:
            raise DataError(
                f"text={text!r} with label={label!r} must be one or two columns and another one."
            )
        if kind not in KINDS:
            raise DataError(f"kind={kind!r} is not one of {KINDS}.{close_match(kind, KINDS)}")
        return cls(names, label, kind)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every wanted column."""
        return self.text if self.label is None else (*self.text, self.label)

    def reason_to_refuse(self, cells: dict[str, object]) -> str | None:
        """Why a row cannot be used, or None."""
        for name, cell in cells.items():
            if not storable(as_text(cell) or ""):
                return f"{name!r} holds a NUL byte or half a surrogate pair"
        for name in self.columns:
            if not (as_text(cells.get(name)) or "").strip():
                return f"{name!r} is empty"
        for name in self.text:
            if not isinstance(cells[name], str):
                return f"{name!r} is {_shorten(cells[name])}, not a text"
        if (
            self.kind == "number"
            and self.label
            and parse_number(as_text(cells[self.label])) is None
        ):
            return f"{self.label!r} is {_shorten(cells[self.label])}, not a number"
        return None


@dataclass(frozen=True)
class Table:
    """The good rows of a file as columns of texts, and the report."""

    columns: dict[str, list[str | None]]
    report: ReadReport


def read(
    path: str | Path,
    *,
    text: str | tuple[str, str] = "text",
    label: str | None = None,
    kind: str = "auto",
    delimiter: str | None = None,
    encoding: str | None = None,
) -> tuple[Dataset, ReadReport]:
    """Read a .csv, .tsv, .jsonl or .parquet file into a `Dataset` that keeps every cell as it is.

    Parameters
    ----------
    text : the column with the text, or the two columns of a text pair
    label : the label column, or None for texts without labels
    kind : "class" for a `ClassLabel` in natural order (1, 2, 10), "number" for float32, "auto" for
        numbers where all labels are numbers and at least one is not whole, and classes otherwise
    delimiter : one character for CSV and TSV; by default the comma and the tab
    encoding : by default UTF-8, or UTF-16 where the file starts with its mark

    All other columns are strings; `NA`, `null` and `None` stay the text they are. A row that is
    broken, or whose text or label is empty, is refused and named in the report by the line on
    which it starts. Blank lines are no rows. Raises `DataError` where the file as a whole cannot
    be trusted.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "notes.csv"
    >>> _ = path.write_text("text,label\\nA new chip,10\\n,2\\nNA,2\\n")
    >>> dataset, report = read(path, label="label")
    >>> dataset["text"][:], dataset.features["label"].names
    (['A new chip', 'NA'], ['2', '10'])
    >>> report.refused
    (Refusal(line=3, reason="'text' is empty"),)
    """
    wanted = Wanted.of(text, label, kind)
    table = read_table(Path(path), wanted, delimiter=delimiter, encoding=encoding)
    feature = label_feature(table.columns[label], kind) if label else None
    return to_dataset(table, wanted, feature), table.report


def read_table(
    path: Path, wanted: Wanted, *, delimiter: str | None = None, encoding: str | None = None
) -> Table:
    """The good rows of a file as texts: `read` up to the features, which parts may share."""
    names, rows, encoding, delimiter = _open(path, delimiter, encoding)
    if not rows:
        raise DataError(f"{path} has a header {names} but no rows; add rows below it.")
    if names:
        need_columns(wanted.columns, names, str(path))
    rows = [_check(row, wanted) for row in rows]
    good = [row.cells for row in rows if isinstance(row, Record)]
    refused = tuple(row for row in rows if isinstance(row, Refusal))
    report = ReadReport(str(path), len(good), refused, encoding, delimiter)
    if not good:
        raise DataError(f"every row was refused, so there is nothing to learn from. {report}")
    return Table({name: [as_text(cells.get(name)) for cells in good] for name in names}, report)


def to_dataset(table: Table, wanted: Wanted, feature: ClassLabel | Value | None) -> Dataset:
    """A `Dataset` with explicit features: strings, and `feature` for the label."""
    features = {name: Value("string") for name in table.columns}
    columns = dict(table.columns)
    if feature is not None:
        features[wanted.label] = feature
        if isinstance(feature, Value):
            columns[wanted.label] = [float(value) for value in columns[wanted.label]]
    return Dataset.from_dict(columns, features=Features(features))


def as_text(cell: object) -> str | None:
    """A cell as text: strings and None as they are, other values as JSON writes them.

    >>> as_text(3), as_text(True), as_text(["a"]), as_text("3.0")
    ('3', 'true', '["a"]', '3.0')
    """
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool | int | float | list | dict):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return str(cell)


def _open(
    path: Path, delimiter: str | None, encoding: str | None
) -> tuple[list[str], list[Row], str | None, str | None]:
    """Names, rows, encoding and delimiter, by the suffix of the file."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path} has the suffix {suffix!r}; readable are {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise DataError(f"there is no file {path}; check the path (now in {Path.cwd()}).")
    if delimiter is not None and (suffix not in DELIMITED or len(delimiter) != 1):
        raise DataError(f"delimiter={delimiter!r} must be one character, for a .csv or .tsv file.")
    if suffix == ".parquet":
        if encoding is not None:
            raise DataError(f"encoding={encoding!r} has no meaning for Parquet; leave it out.")
        return *parquet_rows(path), None, None
    content, encoding = decode(path, encoding)
    if suffix in LINES:
        return *json_rows(content), encoding, None
    delimiter = delimiter or DELIMITED[suffix]
    return *csv_rows(content, delimiter, path), encoding, delimiter


def _check(row: Row, wanted: Wanted) -> Row:
    reason = wanted.reason_to_refuse(row.cells) if isinstance(row, Record) else None
    return Refusal(row.line, reason) if reason else row


def _shorten(cell: object) -> str:
    return repr(cell) if len(repr(cell)) <= 40 else repr(cell)[:37] + "..."
