"""A strict reader for CSV, TSV, JSONL and Parquet: what it cannot read, it names by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from datasets import ClassLabel, Dataset, Features, Value

from ftlearn.data.columns import Columns
from ftlearn.data.disguises import check_suffix
from ftlearn.data.errors import DataError
from ftlearn.data.labels import label_feature
from ftlearn.data.records import Record, Rejected, Row
from ftlearn.data.streams import FORMATS, Format, Source, opened

SUFFIXES = tuple(suffix for suffix, name in FORMATS.items() if name != "txt")
SHOWN = 10


@dataclass(frozen=True)
class ReadReport:
    """What a read took and what it refused.

    Parameters
    ----------
    path : the file
    rows : number of rows read
    refused : the rows that were not read, each with the line it starts on (from 1) and the reason
    encoding, delimiter, quoting : as used; None where the format has none
    notes : what else one should know of how the file was read
    """

    path: str
    rows: int
    refused: tuple[Rejected, ...]
    encoding: str | None
    delimiter: str | None
    quoting: str | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        how = [self.encoding, self.delimiter and f"delimiter {self.delimiter!r}"]
        how.append("quoting none" if self.quoting == "none" else None)
        how = ", ".join(part for part in how if part)
        head = f"{self.path}: {self.rows} rows read" + (f" ({how})" if how else "")
        lines = [f"  line {line}: {reason}" for line, reason in self.refused[:SHOWN]]
        if len(self.refused) > SHOWN:
            lines.append(f"  ... and {len(self.refused) - SHOWN} more")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join([f"{head}, {len(self.refused)} refused", *lines])


@dataclass(frozen=True)
class Table:
    """The good rows of a file as columns of texts, the line of each, and the report."""

    columns: dict[str, list[str | None]]
    report: ReadReport
    lines: list[int]

    def without(self, refused: Sequence[Rejected]) -> Table:
        """The table without the rows on some lines, which its report then names as refused."""
        strange = {row.line for row in refused}
        kept = [at for at, line in enumerate(self.lines) if line not in strange]
        columns = {name: [cells[at] for at in kept] for name, cells in self.columns.items()}
        every = tuple(sorted([*self.report.refused, *refused]))
        report = replace(self.report, rows=len(kept), refused=every)
        return Table(columns, report, [self.lines[at] for at in kept])


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
    """Read a .csv, .tsv, .jsonl or .parquet file into a `Dataset` that keeps every cell as it is.

    text : the column with the text, or the two columns of a text pair
    label : the label column, or None for texts without labels
    kind : "class" for a `ClassLabel` in natural order (1, 2, 10), "number" for float32, "auto" for
        numbers where all labels are numbers and at least one is not whole, and classes otherwise
    delimiter : one character; by default what a first line `sep=;` states, else comma and tab
    encoding : by default UTF-8, or UTF-16 where the file starts with its mark
    quoting : "csv" for quotes around fields (RFC 4180), "none" where they are characters and each
        line is a row; "auto" is "csv" for CSV and what the file looks like for TSV (see the report)

    All other columns are strings; `NA`, `null` and `None` stay the text they are; those without a
    name, or with that of another, are left out. A row that is broken, does not decode, has ten
    million characters in a cell, or no text or label, is refused and named in the report by its
    line. Raises `DataError` where the file as a whole cannot be trusted: a quote is not closed, or
    more than one line in twenty does not decode and fewer prove the encoding right.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "notes.csv"
    >>> _ = path.write_text("text,label\\nA new chip,10\\n,2\\nNA,2\\n")
    >>> dataset, report = read(path, label="label")
    >>> dataset["text"][:], dataset.features["label"].names, report.refused[0].line
    (['A new chip', 'NA'], ['2', '10'], 3)
    """
    wanted = Columns.of(text, label, kind)
    how = {"delimiter": delimiter, "encoding": encoding, "quoting": quoting}
    table = read_table(Path(path), wanted, **how)
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
    """The good rows of a file as texts: `read` up to the features, which parts may share."""
    check_suffix(path, SUFFIXES)
    file_format = Format(FORMATS[path.suffix.lower()], delimiter, encoding, quoting)
    with opened(path, wanted, file_format) as source:
        rows = list(source.rows)
    lines = [row.line for row in rows if isinstance(row, Record)]
    good = [row.cells for row in rows if isinstance(row, Record)]
    lines = [row.line for row in rows if isinstance(row, Record)]
    names = source.names or list(dict.fromkeys(name for cells in good for name in cells))
    _need_rows(rows, source.names, path)
    report = _report(path, rows, source)
    if not good:
        raise DataError(f"every row was refused, so there is nothing to learn from. {report}")
    return Table({name: [cells.get(name) for cells in good] for name in names}, report, lines)


def _report(path: Path, rows: Sequence[Row], source: Source) -> ReadReport:
    refused = tuple(row for row in rows if isinstance(row, Rejected))
    used = source.format
    quoting = used.quoting if used.delimiter else None
    how = (used.encoding, used.delimiter, quoting, tuple(source.notes()))
    return ReadReport(str(path), len(rows) - len(refused), refused, *how)


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
    return Dataset.from_dict(columns, features=Features(features))
