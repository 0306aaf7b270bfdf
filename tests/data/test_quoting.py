"""Quotes as marks or as characters: what was written is read, and no row is lost in another."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftlearn.data import DataError, load, read
from ftlearn.data.quoting import Grammar, choose, raw_rows
from ftlearn.data.records import Record
from ftlearn.data.streams import Format, stream

QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
CELL = st.text(st.sampled_from("ab \",;|'é"), min_size=1, max_size=6).filter(str.strip)
ROWS = st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8)
HEADER = ("text", "note")


def write_unquoted(path: Path, rows: list[tuple], delimiter: str = "\t") -> Path:
    """Write rows as a program does that knows nothing of quotes."""
    lines = [delimiter.join(row) + "\n" for row in [HEADER, *rows]]
    path.write_text("".join(lines), encoding="utf-8", newline="")
    return path


def write_csv(
    path: Path, rows: list[tuple], delimiter: str, quoting: int = csv.QUOTE_MINIMAL
) -> Path:
    """Write rows with the `csv` module."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter, quoting=quoting).writerows([HEADER, *rows])
    return path


def cells(path: Path, **options: str) -> list[tuple]:
    return [tuple(row.values()) for row in read(path, **options)[0]]


def notes(count: int = 20) -> list[tuple[str, str]]:
    return [(f"note {number}", "cold" if number % 2 else "warm") for number in range(count)]


@QUICK
@given(ROWS, st.sampled_from(["x.csv", "x.tsv"]))
def test_what_was_written_without_quoting_is_read_so(tmp_path, rows, name):
    path = write_unquoted(tmp_path / name, rows)
    assert cells(path, delimiter="\t", quoting="none") == rows


@QUICK
@given(rows=ROWS, quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
@pytest.mark.parametrize(("name", "delimiter"), [("x.csv", ","), ("x.tsv", "\t"), ("x.csv", "\t")])
def test_what_the_csv_module_wrote_is_read_so_by_itself(tmp_path, rows, quoting, name, delimiter):
    path = write_csv(tmp_path / name, rows, delimiter, quoting)
    assert (
        cells(path, delimiter=delimiter) == rows == cells(path, delimiter=delimiter, quoting="csv")
    )


@QUICK
@given(ROWS)
def test_every_cell_of_a_tsv_is_that_of_its_own_line(tmp_path, rows):
    path = write_unquoted(tmp_path / "x.tsv", rows)
    try:
        records = [row for row in stream(path) if isinstance(row, Record)]
    except DataError:  # a quote that is not closed among many that are
        return
    for record in records:
        for cell, written in zip(record.cells.values(), rows[record.line - 2], strict=True):
            assert cell in (written, written[1:-1].replace('""', '"'))


@pytest.mark.parametrize(
    ("first", "second"),
    [('"please plan', 'hostel"'), ('a 5" pot', "six"), ('"Well," he said', "yes"), ('"open', "x")],
)
def test_quotes_of_an_unquoted_tsv_are_characters(tmp_path, first, second):
    rows = notes()
    rows[8:10] = [(first, "cold"), (second, "warm")]
    dataset, report = read(write_unquoted(tmp_path / "x.tsv", rows), label="note")
    assert (dataset["text"][:], report.rejected) == ([text for text, _ in rows], ())
    assert report.quoting == "none"
    (note,) = report.notes
    assert "quoting='csv' (--quoting csv)" in note
    assert "line 10" in note or "lines 10 to" in note
    assert "quoting none), 0 refused\n  note: quotes were read as characters" in str(report)


def test_a_row_of_a_quoted_tsv_that_takes_in_others_is_rejected(tmp_path):
    rows = [(f'"{text}"', note) for text, note in notes()]
    rows[3:5] = [('"open', "cold"), ('closed"', "warm")]
    dataset, report = read(write_unquoted(tmp_path / "x.tsv", rows))
    assert len(dataset) == 18
    assert dataset["text"][0] == "note 0"
    ((line, reason),) = report.rejected
    assert (line, "on to line 6" in reason, "--quoting none" in reason) == (5, True, True)


def test_a_tsv_with_texts_in_several_lines_is_quoted(tmp_path):
    rows = [*notes(), ("two\nlines", "cold"), ('say "hi"', "warm")]
    path = write_csv(tmp_path / "x.tsv", rows, "\t")
    assert cells(path) == rows
    path.write_text(path.read_text() + 'a 5" pot\tcold\n')
    _, report = read(path)
    assert [line for line, _ in report.rejected] == [25]


def test_rows_that_a_quote_swallows_in_a_csv_are_reported(tmp_path):
    rows = notes(300)
    rows[4], rows[250] = ('"open', "cold"), ("closed", 'warm"')
    path = write_unquoted(tmp_path / "x.csv", rows, ",")
    dataset, report = read(path)
    assert len(dataset) == 300 - 247
    (note,) = report.notes
    assert "line 6 (247 lines)" in note
    assert "quoting='none' (--quoting none)" in note
    with pytest.warns(UserWarning, match=r"line 6 \(247 lines\)"):
        load(path)
    assert cells(path, quoting="none") == rows
    assert read(path, quoting="csv")[1].notes == ()  # the quoting was explicit


def test_a_quote_that_is_never_closed_is_named_by_its_line(tmp_path):
    rows = notes(300)
    rows[4] = ('"open', "cold")
    path = write_unquoted(tmp_path / "x.csv", rows, ",")
    with pytest.raises(DataError) as caught:
        read(path)
    assert "opens a field on line 6" in str(caught.value)
    assert "quoting='none' (--quoting none)" in str(caught.value)


def test_a_stray_quote_in_a_csv_costs_its_row_only(tmp_path):
    rows = notes()
    rows[4], rows[6] = ('a 5" pot', "cold"), ('"He said "hi" to me"', "cold")
    dataset, report = read(write_unquoted(tmp_path / "x.csv", rows, ","))
    assert len(dataset) == 18
    assert [line for line, _ in report.rejected] == [6, 8]
    assert all("quoting='none' (--quoting none)" in reason for _, reason in report.rejected)


def test_texts_of_several_lines_in_a_csv_are_no_cause_for_a_note(tmp_path):
    rows = [("Dear all,\nit rains.\nYours", "cold"), ("two\nlines", "warm")]
    dataset, report = read(write_csv(tmp_path / "x.csv", rows, ","))
    assert (dataset["text"][:], report.notes) == ([text for text, _ in rows], ())


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;"])
def test_a_first_line_may_state_the_delimiter(tmp_path, line):
    path = tmp_path / "x.csv"
    path.write_text(f"\ufeff{line}\r\ntext;note\r\na,b;1\r\n;2\r\n", encoding="utf-8")
    dataset, report = read(path)
    assert dataset.to_list() == [{"text": "a,b", "note": "1"}]
    assert (report.delimiter, report.rejected) == (";", ((4, "'text' is empty"),))
    with pytest.raises(DataError, match="one column 'text;note' was found"):
        read(path, delimiter="|")


def test_without_a_file_to_look_at_tabs_mean_no_quoting(tmp_path, monkeypatch):
    typed = b'text\tnote\n"open\tcold\nclosed"\twarm\n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed)))
    rows = list(stream("-", file_format=Format("tsv")))
    assert [row.cells["text"] for row in rows] == ['"open', 'closed"']


@given(st.lists(st.sampled_from(['a,"b\n', 'c",d\n', "e\n", '"f"\n', 'g"h\n', '"i"j\n', "\n"])))
def test_raw_rows_hold_every_line_once_and_in_order(lines):
    rows = list(raw_rows(lines, Grammar.of(",")))
    assert "".join(row.text for row in rows) == "".join(lines)
    ends = [0, *(row.last for row in rows)]
    assert [row.line for row in rows] == [end + 1 for end in ends[:-1]]
    assert ends[-1] == len(lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\tb\nc\td\n", "csv"),  # no quotes: the same either way
        ('a\tb\n"c"\td\n', "csv"),
        ('a\tb\n"c\td\ne"\tf\n', "none"),  # a quoted field with a tab and a line end
        ('a\tb\n"c\nd"\te\ni"j\tk\n', "csv"),  # texts in several lines
        ('a\tb\nc\t"d\ne"\tf\ni"j\tk\n', "none"),  # seems so, but leaves too many fields
        ('"a"\t"b"\n"c"\t"d"\n"e"f"\t"g"\n', "csv"),  # most rows are quoted
    ],
)
def test_the_quoting_is_chosen_by_what_the_lines_look_like(text, expected):
    assert choose(text.splitlines(keepends=True), Grammar.of("\t")).quoting == expected
