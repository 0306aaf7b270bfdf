"""Files that are damaged in a known way: every good row comes back exactly, or the file is refused.

Each test builds a file from known rows with `csv`, `json` or `pyarrow`, damages it, and knows from
the damage alone which rows are still good. More than 2,000 files in all, the same in every run.
"""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import math
import re
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from ftlearn.data import DataError, Refusal, read
from ftlearn.data.records import Record
from ftlearn.data.streams import stream

FILES = {"damaged csv": 500, "odd csv": 220, "marks": 400, "jsonl": 300, "bytes": 300} | {
    "parquet types": 200,
    "damaged parquet": 250,
    "txt": 150,
}


def files(kind: str) -> settings:
    """Settings of a test that makes so many files."""
    return settings(
        max_examples=FILES[kind],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
TEXTS = st.one_of(
    st.sampled_from(
        [
            *["NA", "null", "a, b", 'say "hi"', '"', '""', ",", "\n", "two\nlines", "a\rb", "é"],
            *["插值法; |\t", "'", '",x', ', "y"', " lead", "\u2028", "\ufeff", "x" * 9000],
        ]
    ),
    PLAIN,
).map(lambda text: "t" + text)
LABELS = st.sampled_from(["NA", "None", "null", "1", "1.0", "true", "True", "-0", "a b", " a", "é"])
ROWS = st.lists(st.tuples(TEXTS, LABELS), min_size=2, max_size=6).map(
    lambda rows: [(str(number), *row) for number, row in enumerate(rows)]
)
HEADER = ("id", "text", "label")


def contents(path: Path, **options: object) -> tuple[list[tuple], list[int]] | None:
    """Rows and lines of refusals as `read` gives them with classes; None for a `DataError`."""
    try:
        dataset, report = read(path, label="label", kind="class", **options)
    except DataError:
        return None
    label = dataset.features["label"]
    rows = [tuple(row.values()) for row in dataset]
    place = dataset.column_names.index("label")
    rows = [(*row[:place], label.int2str(row[place]), *row[place + 1 :]) for row in rows]
    return rows, [line for line, _ in report.refused]


def written(row: tuple[str, ...], delimiter: str = ",", end: str = "\n", quoting: int = 0) -> str:
    """One row as the `csv` module writes it."""
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerow(row)
    return file.getvalue()


@st.composite
def damaged_csv(draw: st.DrawFn) -> tuple[list[tuple], int, bytes]:
    """Rows, the number of the one that is damaged, and the bytes of the file."""
    rows = draw(ROWS)
    at = draw(st.integers(0, len(rows) - 1))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    lines = [written(row, end="\r\n", quoting=quoting).encode() for row in rows]
    line = lines[at]
    kind = draw(st.sampled_from(["quote out", "quote in", "field out", "field in", "nul", "byte"]))
    if kind == "quote out":
        places = [place for place, byte in enumerate(line) if byte == ord('"')]
        place = draw(st.sampled_from(places)) if places else None
        line = b"" if place is None else line[:place] + line[place + 1 :]
    elif kind == "field out":
        line = written(rows[at][:-1], quoting=quoting).encode()
    elif kind == "field in":
        line = written((*rows[at], "more"), quoting=quoting).encode()
    else:
        place = draw(st.integers(0, len(line) - 1))
        mark = {"quote in": b'"', "nul": b"\0", "byte": b"\xff"}[kind]
        line = line[:place] + mark + line[place:]
    lines[at] = line
    return rows, at, written(HEADER, end="\r\n").encode() + b"".join(lines)


@files("damaged csv")
@given(damaged_csv())
def test_a_damaged_row_of_a_csv_is_refused_and_the_others_are_kept(tmp_path, case):
    rows, at, content = case
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    result = contents(path)
    if result is not None:
        assert result[0] == rows[:at] + rows[at + 1 :]


@files("odd csv")
@given(
    rows=ROWS,
    ends=st.lists(st.sampled_from(["\n", "\r\n"]), min_size=7, max_size=7) | st.just(["\r"] * 7),
    blank=st.lists(st.booleans(), min_size=7, max_size=7),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030"]),
    suffix=st.sampled_from([".csv", ".tsv"]),
    delimiter=st.sampled_from([",", ";", "\t", "|", " "]),
)
def test_line_ends_marks_and_delimiters_change_no_cell(
    tmp_path, rows, ends, blank, encoding, suffix, delimiter
):
    text = "".join(
        written(row, delimiter, end, csv.QUOTE_ALL) + (end if more else "")
        for row, end, more in zip([HEADER, *rows], ends, blank, strict=False)
    )
    path = tmp_path / f"x{suffix}"
    path.write_bytes(text.encode(encoding))
    hint = encoding if encoding == "gb18030" else None
    result = contents(path, delimiter=delimiter, encoding=hint)
    same = len({label for *_, label in rows}) == 1
    assert result == (None if same else (rows, []))


def slow_rows(text: str) -> list[tuple[int, list[str]]] | None:
    """The grammar of RFC 4180, a character at a time; None where it is broken.

    A carriage return outside quotes that ends no line spoils its row: it has no cells.
    """
    rows, cells, cell, state, line, start = [], [], "", "start", 1, 1
    for char in text if text.endswith("\n") else text + "\n":
        if state == "quoted":
            state = "after" if char == '"' else state
            cell += "" if char == '"' else char
        elif char == '"':
            if state in ("plain", "spoilt"):
                return None
            cell += '"' if state == "after" else ""
            state = "quoted"
        elif state == "after" and char not in ",\n":
            return None
        elif char == "\n":
            if state == "spoilt" and line > start:
                return None
            row = [] if state == "spoilt" else [*cells, cell]
            rows += [] if row == [""] and state == "start" else [(start, row)]
            cells, cell, state, start = [], "", "start", line + 1
        elif char == "\r" or state == "spoilt":
            state = "spoilt"
        elif char == ",":
            cells, cell, state = [*cells, cell], "", "start"
        else:
            cell, state = cell + char, "plain"
        line += char == "\n"
    return None if state == "quoted" else rows


@files("marks")
@given(st.text(st.sampled_from('ab",,\n\n\r "'), max_size=24))
def test_what_the_slow_grammar_accepts_is_read_and_nothing_else_is_made_up(tmp_path, body):
    body = re.sub("\r+(\n|$)", r"\1", body)
    path = tmp_path / "x.csv"
    path.write_bytes(("id,text\n" + body).encode())
    try:
        dataset, report = read(path)
        rows = [tuple(row.values()) for row in dataset]
        refused = [line for line, _ in report.refused]
    except DataError:
        rows, refused = [], []
    expected = slow_rows("id,text\n" + body)
    if expected is None:  # at most lines with quotes inside bare fields are kept, as they stand
        assert all(f"{a},{b}" in body.split("\n") or '"' not in a + b for a, b in rows)
        return
    good = [(n, tuple(c)) for n, c in expected[1:] if len(c) == 2 and c[1].strip()]
    assert rows == [cells for _, cells in good]
    if rows:
        assert refused == sorted({n for n, _ in expected[1:]} - {n for n, _ in good})


NOT_ROWS = {  # lines that are no row for an independent reason, by kind
    "cut": '{"text": "a", "la',
    "nan": '{"text": "a", "label": NaN}',
    "infinity": '{"text": "a", "label": -Infinity}',
    "too large": '{"text": "a", "label": 1e999}',
    "too large elsewhere": '{"text": "a", "label": 1, "more": -1e999}',
    "many digits": '{"text": "a", "label": ' + "9" * 5000 + "}",
    "twice": '{"text": "a", "text": "b", "label": 1}',
    "twice inside": '{"text": "a", "label": 1, "more": {"x": 1, "x": 2}}',
    "list": '["a", 1]',
    "bare": '"text"',
    "number": "12",
    "single quotes": "{'text': 'a', 'label': 1}",
    "comma": '{"text": "a", "label": 1,}',
    "two": '{"text": "a", "label": 1} {"text": "b", "label": 2}',
    "comment": '{"text": "a", "label": 1} // x',
    "no label": '{"text": "a"}',
    "null label": '{"text": "a", "label": null}',
    "list label": '{"text": "a", "label": ["x"]}',
    "object label": '{"text": "a", "label": {"x": 1}}',
    "null text": '{"text": null, "label": 1}',
    "number text": '{"text": 5, "label": 1}',
    "blank text": '{"text": " \\t\\n", "label": 1}',
    "list text": '{"text": ["a"], "label": 1}',
    "surrogate": '{"text": "a\\ud800", "label": 1}',
    "nul": '{"text": "a\\u0000", "label": 1}',
    "raw nul": '{"text": "a\0", "label": 1}',
    "key": '{"te\\u0000xt": "a", "text": "a", "label": 1}',
    "control": '{"text": "a\tb", "label": 1}',
    "mark": '\ufeff{"text": "a", "label": 1}',
    "other space": "\u00a0",
    "semicolons": "text;label",
}
JSON_LABELS = st.one_of(
    LABELS, st.booleans(), st.integers(-(10**20), 10**20), st.floats(-1e9, 1e9), st.none()
)


def nested(depth: int, kind: str) -> str:
    """A row that is good but for a value nested so deep."""
    opening, closing = {"list": ("[", "]"), "object": ('{"a":', "}")}[kind]
    inner = "1" if kind == "object" else ""
    return f'{{"text": "a", "label": "x", "more": {opening * depth}{inner}{closing * depth}}}'


@files("jsonl")
@given(
    rows=st.lists(st.tuples(TEXTS, JSON_LABELS), min_size=2, max_size=5),
    bad=st.lists(st.sampled_from(sorted(NOT_ROWS)), max_size=4),
    order=st.randoms(use_true_random=False),
    ascii_only=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"]),
)
def test_a_broken_json_line_is_named_and_every_other_is_kept(
    tmp_path, rows, bad, order, ascii_only, end
):
    lines: list[tuple[str, tuple | None]] = [(NOT_ROWS[kind], None) for kind in bad]
    for text, label in rows:
        line = json.dumps({"text": text, "label": label}, ensure_ascii=ascii_only)
        spelled = label if isinstance(label, str) else json.dumps(label)
        lines.append((line, None if label is None else (text, spelled)))
    order.shuffle(lines)
    path = tmp_path / "x.jsonl"
    path.write_bytes(end.join(line for line, _ in lines).encode())
    good = [row for _, row in lines if row]
    step = end.count("\n")
    if lines[0][0].startswith("\ufeff"):  # at the start of a file it is a mark, and left out
        good = [("a", "1"), *good]
        lines[0] = (lines[0][0], ("a", "1"))
    refused = [1 + step * number for number, (_, row) in enumerate(lines) if row is None]
    fine = len({label for _, label in good}) > 1
    assert contents(path) == ((good, refused) if fine else None)


@pytest.mark.parametrize("kind", ["list", "object"])
def test_nesting_of_any_depth_is_kept_or_refused(tmp_path, kind):
    path = tmp_path / "x.jsonl"
    depths = [1, 10, 100, *range(200, 1100, 5), 5000, 100_000]
    good = '{"text": "b", "label": "y", "more": 1}'
    path.write_text("\n".join([good, *(nested(depth, kind) for depth in depths)]))
    dataset, report = read(path, label="label")
    assert dataset[0]["text"] == "b"
    assert len(dataset) + len(report.refused) == 1 + len(depths)
    assert [json.loads(text) for text in dataset[1:4]["more"]] == [
        json.loads(nested(depth, kind))["more"] for depth in (1, 10, 100)
    ]
    assert report.refused[-1].line == 1 + len(depths)


@files("bytes")
@given(
    content=st.one_of(st.binary(max_size=40), PLAIN.map(str.encode)),
    head=st.sampled_from(
        [
            *[b"", b"text,label\n", b"text\tlabel\n", b'{"text":"a","label":1}\n', b"PAR1"],
            *[b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xff\xfe\0\0", b"text;label\n"],
        ]
    ),
    suffix=st.sampled_from([".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"]),
    encoding=st.sampled_from([None, None, "utf-8", "utf-16", "cp1252", "gb18030", "x", "idna"]),
)
@example(content=b"a", head=b"", suffix=".csv", encoding="utf-16")
@example(content=b"a", head=b"", suffix=".csv", encoding="hex")
@example(content=b"a", head=b"", suffix=".csv", encoding="a\0b")
@example(content=b"a", head=b"", suffix=".csv", encoding="locale")
@example(content=b"+2AA-,1\n", head=b"text,label\n", suffix=".csv", encoding="utf-7")
def test_bytes_of_any_kind_end_in_rows_or_a_clear_error(tmp_path, content, head, suffix, encoding):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(head + content)
    try:
        dataset, _ = read(path, encoding=encoding)
    except DataError:
        return
    assert all(text.strip() and "\0" not in text for text in dataset["text"])


def spelled(label: object) -> str | None:
    """A label as a person would type it; None where it is none."""
    if label is None or isinstance(label, list | dict | bytes):
        return None
    if isinstance(label, float | decimal.Decimal) and not math.isfinite(label):
        return None
    return {True: "true", False: "false"}[label] if isinstance(label, bool) else str(label)


DATES = st.dates(datetime.date(1, 1, 1))
TYPED = st.sampled_from(
    [
        (pyarrow.string(), LABELS),
        (pyarrow.large_string(), LABELS),
        (pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), LABELS),
        (pyarrow.bool_(), st.booleans()),
        (pyarrow.int64(), st.integers(-(2**63), 2**63 - 1)),
        (pyarrow.uint8(), st.integers(0, 255)),
        (pyarrow.float64(), st.floats()),
        (pyarrow.decimal128(10, 2), st.decimals(-1000, 1000, places=2)),
        (pyarrow.date32(), DATES),
        (pyarrow.binary(), st.binary(max_size=3)),
        (pyarrow.list_(pyarrow.string()), st.lists(LABELS, max_size=2)),
        (pyarrow.struct([("a", pyarrow.int8())]), st.just({"a": 1})),
    ]
)


@st.composite
def typed_table(draw: st.DrawFn) -> tuple[list[tuple], pyarrow.Table]:
    """Texts beside labels of one Arrow type, some of them null, and the table."""
    kind, values = draw(TYPED)
    texts = st.one_of(TEXTS, st.none(), st.just(" "))
    rows = draw(st.lists(st.tuples(texts, st.one_of(values, st.none())), min_size=1, max_size=6))
    columns = {
        "text": pyarrow.array([text for text, _ in rows], pyarrow.string()),
        "label": pyarrow.array([label for _, label in rows], kind),
    }
    return rows, pyarrow.table(columns)


@files("parquet types")
@given(typed_table())
def test_labels_of_every_parquet_type_are_kept_or_refused(tmp_path, case):
    rows, table = case
    path = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(table, path, row_group_size=2)
    kept = [
        (text, spelled(label))
        for text, label in rows
        if text and text.strip() and spelled(label) is not None and spelled(label).strip()
    ]
    refused = [
        number
        for number, (text, label) in enumerate(rows, 1)
        if not (text and text.strip() and spelled(label) is not None)
    ]
    fine = len({label for _, label in kept}) > 1
    assert contents(path) == ((kept, refused) if fine else None)


@files("damaged parquet")
@given(data=st.data(), kind=st.sampled_from(["cut", "flip", "zero", "shift"]))
def test_damage_to_a_parquet_file_never_changes_a_cell(tmp_path, data, kind):
    rows = [("NA", "x"), ("b" * 50, "y"), ("é, \n", "x"), ("d", "NA")]
    table = pyarrow.table({"text": [t for t, _ in rows], "label": [y for _, y in rows]})
    path = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(table, path, write_page_checksum=True, compression="none")
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if kind == "cut":
        content = content[:place]
    elif kind == "flip":
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "zero":
        content[place : place + 8] = bytes(len(content[place : place + 8]))
    else:
        content[place:place] = b"\0"
    path.write_bytes(content)
    result = contents(path)
    if kind in ("cut", "shift"):
        assert result is None
    assert result is None or result == (rows, [])


@files("txt")
@given(
    lines=st.lists(PLAIN.map(lambda text: "".join(text.splitlines())), max_size=5),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    last=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_every_line_of_a_txt_is_a_row_or_refused(tmp_path, lines, end, last, encoding):
    lines = [line.replace("\ufeff", "") for line in lines]
    path = tmp_path / "x.txt"
    text = end.join(lines) + (end if last else "")
    assume(end != "\r" or re.search("\r[^\r]", text))  # else nothing tells that it ends a line
    path.write_bytes(text.encode(encoding))
    if not last and lines and not lines[-1]:
        lines = lines[:-1]  # nothing after the last line end is no line
    elif last and not lines:
        lines = [""]
    assert list(stream(path)) == [
        Record(number, {"text": line}) if line.strip() else Refusal(number, "'text' is empty")
        for number, line in enumerate(lines, 1)
    ]


def test_there_are_more_than_two_thousand_files():
    assert sum(FILES.values()) > 2000
