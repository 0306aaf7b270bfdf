"""A strict reader for CSV, TSV, JSONL and Parquet: it names by line what it cannot read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from datasets import ClassLabel, Dataset, Features, Value

from ftlearn.data.columns import Columns
from ftlearn.data.errors import DataError
from ftlearn.data.labels import label_feature
from ftlearn.data.records import Record, Rejected, Row
from ftlearn.data.streams import FORMATS, Format, Source, opened
from ftlearn.data.wrong_formats import check_suffix

SUFFIXES = tuple(suffix for suffix, name in FORMATS.items() if name != "txt")
SHOWN = 10


@dataclass(frozen=True)
class ReadReport:
    """What was read from a file, and what was rejected.

    Parameters
    ----------
    path : the file
    rows : number of rows read
    rejected : the rows that were not read, each with the line it starts on (from 1) and the reason
    encoding, delimiter, quoting : as used; None where the format has none
    notes : further remarks on how the file was read
    """

    path: str
    rows: int
    rejected: tuple[Rejected, ...]
    encoding: str | None
    delimiter: str | None
    quoting: str | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [self._counts()]
        lines += [f"  line {line}: {reason}" for line, reason in self.rejected[:SHOWN]]
        if len(self.rejected) > SHOWN:
            lines.append(f"  ... and {len(self.rejected) - SHOWN} more")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)

    def _counts(self) -> str:
        """How many rows were read and refused, with the encoding and the dialect if it has any."""
        path, rows, refused = self.path, self.rows, len(self.rejected)
        how = f"{self.encoding}, delimiter {self.delimiter!r}"
        if self.delimiter and self.quoting == "none":
            return f"{path!s}: {rows} rows read ({how}, quoting none), {refused} refused"
        if self.delimiter:
            return f"{path!s}: {rows} rows read ({how}), {refused} refused"
        if self.encoding:
            return f"{path!s}: {rows} rows read ({self.encoding!s}), {refused} refused"
        return f"{path!s}: {rows} rows read, {refused} refused"


@dataclass(frozen=True)
class Table:
    """The good rows of a file as columns of strings, the line of each row, and the report."""

    columns: dict[str, list[str | None]]
    report: ReadReport
    lines: list[int]

    def without(self, rejected: Sequence[Rejected]) -> Table:
        """The table without the rejected rows, which are added to those of its report."""
        rejected_lines = {row.line for row in rejected}
        indices = [index for index, line in enumerate(self.lines) if line not in rejected_lines]
        columns = {
            name: [cells[index] for index in indices] for name, cells in self.columns.items()
        }
        all_rejected = tuple(sorted([*self.report.rejected, *rejected]))
        report = replace(self.report, rows=len(indices), rejected=all_rejected)
        return Table(columns, report, [self.lines[index] for index in indices])


def read(
    path: str | Path,
    *,
    text: str | tuple[str, str] = "text",
    label: str | None = None,
    kind: str = "auto",
    delimiter: str | None = None,
    encoding: str | None = None,
    quoting: str = "auto",
) -> tuple[Dataset, ReadReport]:
    """Read a .csv, .tsv, .jsonl or .parquet file into a `Dataset` that leaves every cell unchanged.

    text : the column with the text, or the two columns of a text pair
    label : the label column, or None for texts without labels
    kind : "class" for a `ClassLabel` in natural order (1, 2, 10), "number" for float32, "auto" for
        numbers where all labels are numbers and at least one is not whole, and classes otherwise
    delimiter : one character; by default what a first line `sep=;` states, else comma or tab
    encoding : by default UTF-8, or UTF-16 where the file starts with its mark
    quoting : "csv" for quotes around fields (RFC 4180), "none" where they are characters and each
        line is a row; "auto" is "csv" for CSV and is detected for TSV (see the report)

    All other columns are strings, and `NA`, `null` and `None` stay text; columns whose name is
    empty or repeated are left out. A row that is broken, does not decode, has more than ten
    million characters in a cell, or lacks a text or a label, is rejected and named in the report
    by its line. Raises `DataError` where the whole file cannot be trusted: a quote is not closed,
    or more than one line in twenty does not decode and fewer lines confirm the encoding.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "notes.csv"
    >>> _ = path.write_text("text,label\\nA new chip,10\\n,2\\nNA,2\\n")
    >>> dataset, report = read(path, label="label")
    >>> dataset["text"][:], dataset.features["label"].names, report.rejected[0].line
    (['A new chip', 'NA'], ['2', '10'], 3)
    """
    wanted = Columns.of(text, label, kind)
    table = read_table(Path(path), wanted, delimiter=delimiter, encoding=encoding, quoting=quoting)
    feature = label_feature(table.columns[label], kind, table.lines) if label else None
    return to_dataset(table, wanted, feature), table.report


def read_table(
    path: Path,
    wanted: Columns,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    quoting: str = "auto",
) -> Table:
    """The good rows of a file as strings: `read` without the features, which parts may share."""
    check_suffix(path, SUFFIXES)
    file_format = Format(FORMATS[path.suffix.lower()], delimiter, encoding, quoting)
    with opened(path, wanted, file_format) as source:
        rows = list(source.rows)
    lines = [row.line for row in rows if isinstance(row, Record)]
    good = [row.cells for row in rows if isinstance(row, Record)]
    names = source.names or list(dict.fromkeys(name for cells in good for name in cells))
    _need_rows(rows, source.names, path)
    report = _report(path, rows, source)
    if not good:
        raise DataError(f"every row was refused, so there is nothing to learn from. {report}")
    return Table({name: [cells.get(name) for cells in good] for name in names}, report, lines)


def _report(path: Path, rows: Sequence[Row], source: Source) -> ReadReport:
    rejected = tuple(row for row in rows if isinstance(row, Rejected))
    used = source.format
    return ReadReport(
        str(path),
        rows=len(rows) - len(rejected),
        rejected=rejected,
        encoding=used.encoding,
        delimiter=used.delimiter,
        quoting=used.quoting if used.delimiter else None,
        notes=tuple(source.notes()),
    )


def _need_rows(rows: Sequence[Row], names: list[str] | None, path: Path) -> None:
    if not rows and names:
        raise DataError(f"{path} has a header {names} but no rows; add rows below it.")
    if not rows:
        raise DataError(f"{path} is empty; it needs a header or keys, and rows.")


def to_dataset(table: Table, wanted: Columns, feature: ClassLabel | Value | None) -> Dataset:
    """A `Dataset` with explicit features: strings, and `feature` for the label."""
    features = {name: Value("string") for name in table.columns}
    columns = dict(table.columns)
    if feature is not None:
        features[wanted.label] = feature
        if isinstance(feature, Value):
            columns[wanted.label] = [float(value) for value in columns[wanted.label]]
    # Dataset turns the names of a ClassLabel into their ids.
    return Dataset.from_dict(columns, features=Features(features))
