"""Files damaged in a known way: every good row is read exactly, or the file is an error.

Each test builds a file from known rows with `csv`, `json` or `pyarrow`, damages it, and knows from
the damage alone which rows are still good. At least 2,000 files are malformed for a reason that is
independent of the reader; they are counted as they are written. Every run makes the same files.
"""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from ftlearn.data import DataError, Rejected, read
from ftlearn.data.records import Record
from ftlearn.data.streams import stream

FILES = {  # by kind: the number of files, and how many different ones are malformed at least
    "damaged csv": (600, 570),
    "cut csv": (260, 150),
    "odd csv": (220, 0),
    "marks": (400, 340),
    "wrong encoding": (150, 140),
    "jsonl": (300, 285),
    "damaged json": (320, 270),
    "bytes": (500, 250),
    "parquet types": (200, 0),
    "damaged parquet": (250, 230),
    "txt": (150, 0),
}


def files(kind: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Settings of a test that makes the number of files in `FILES`."""

    def with_settings(test: Callable[..., None]) -> Callable[..., None]:
        test.kind = kind
        return settings(
            max_examples=FILES[kind][0],
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )(test)

    return with_settings


@pytest.fixture
def malformed(request: pytest.FixtureRequest) -> Iterator[set[bytes]]:
    """The malformed files of a test, which fails where they are fewer than `FILES` says."""
    seen: set[bytes] = set()
    yield seen
    assert len(seen) >= FILES[request.function.kind][1]


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
    """Rows, and lines of rejected rows, as `read` gives them with classes; None for an error."""
    try:
        dataset, report = read(path, label="label", kind="class", **options)
    except DataError:
        return None
    label = dataset.features["label"]
    rows = [tuple(row.values()) for row in dataset]
    place = dataset.column_names.index("label")
    rows = [(*row[:place], label.int2str(row[place]), *row[place + 1 :]) for row in rows]
    return rows, [line for line, _ in report.rejected]


def unlabelled(path: Path, **options: object) -> tuple[list[tuple], list[int]] | None:
    """Rows, and lines of rejected rows, as `read` gives them without a label; None for an error."""
    try:
        dataset, report = read(path, **options)
    except DataError:
        return None
    return [tuple(row.values()) for row in dataset], [line for line, _ in report.rejected]


def written(row: tuple[str, ...], delimiter: str = ",", end: str = "\n", quoting: int = 0) -> str:
    """One row as the `csv` module writes it."""
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerow(row)
    return file.getvalue()


@st.composite
def damaged_csv(draw: st.DrawFn) -> tuple[list[tuple], int, str, list[bytes]]:
    """Rows, the number of the one that is damaged, how, and the lines of the file."""
    rows = draw(ROWS)
    at = draw(st.integers(0, len(rows) - 1))
    kind = draw(st.sampled_from(["quote out", "quote in", "field out", "field in", "nul", "byte"]))
    few = [csv.QUOTE_MINIMAL] if kind != "quote out" else []
    quoting = draw(st.sampled_from([*few, csv.QUOTE_ALL]))
    lines = [written(row, end="\r\n", quoting=quoting).encode() for row in rows]
    line = lines[at]
    if kind == "quote out":
        place = draw(st.sampled_from([n for n, byte in enumerate(line) if byte == ord('"')]))
        line = line[:place] + line[place + 1 :]
    elif kind == "field out":
        line = written(rows[at][:-1], quoting=quoting).encode()
    elif kind == "field in":
        line = written((*rows[at], "more"), quoting=quoting).encode()
    else:
        place = draw(st.integers(0, len(line) - 1))
        mark = {"quote in": b'"', "nul": b"\0", "byte": b"\xff"}[kind]
        line = line[:place] + mark + line[place:]
    lines[at] = line
    return rows, at, kind, [written(HEADER, end="\r\n").encode(), *lines]


@files("damaged csv")
@given(damaged_csv())
def test_a_damaged_row_of_a_csv_is_rejected_and_the_others_are_read(tmp_path, malformed, case):
    rows, at, kind, lines = case
    path = tmp_path / "x.csv"
    path.write_bytes(b"".join(lines))
    malformed.add(b"".join(lines))
    result = unlabelled(path)
    header_and_rows_before, damaged_line = lines[: at + 1], lines[at + 1]
    start = 1 + sum(line.count(b"\n") for line in header_and_rows_before)
    others = rows[:at] + rows[at + 1 :]
    if kind.startswith("field") or (kind == "byte" and b'"' not in damaged_line):
        assert result == (others, [start])
    elif result is not None:  # None: all after the damage may be in doubt
        damaged = range(start, start + damaged_line.count(b"\n"))
        assert result[0] == others
        assert set(result[1]) <= set(damaged)
        assert result[1]


@files("cut csv")
@given(ROWS, st.data())
def test_a_csv_that_is_cut_short_keeps_complete_rows_only(tmp_path, malformed, rows, data):
    lines = [written(row, quoting=csv.QUOTE_ALL).encode() for row in rows]
    last = data.draw(st.integers(1, len(rows) - 1))
    place = data.draw(st.integers(1, len(lines[last]) - 2))  # the last quote is gone at least
    head = written(HEADER).encode() + b"".join(lines[:last])
    content = head + lines[last][:place]
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    malformed.add(content)
    result = unlabelled(path, text=("text", "label"))  # so that an empty label is no cell
    assert result in ((rows[:last], [1 + head.count(b"\n")]), None)


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
    """The grammar of RFC 4180, one character at a time; None where the end of a row is uncertain.

    A row that breaks the grammar on its first line ends with it for certain unless one of its
    fields begins with a quote, after spaces or not, and the quotes are odd in number or the field
    is not closed by a quote before a comma. Then it has no cells where a field begins with a
    quote, a carriage return stands in it, or its quotes are odd; else they stand for themselves.
    """
    rows, at = [], 0
    lines = text.split("\n")
    while at < len(lines):
        start = at
        cells = [""]
        state = slow_line(lines[at], "start", cells)
        while state == "quoted" and at + 1 < len(lines):
            at += 1
            cells[-1] += "\n"
            state = slow_line(lines[at], state, cells)
        if state == "quoted" or (state == "broken" and at > start):
            return None
        if state == "broken":
            cells = slow_cells(lines[at])
            if cells is None:
                return None
        if lines[at] or at > start:
            rows.append((start + 1, cells))
        at += 1
    return rows


def slow_line(line: str, state: str, cells: list[str]) -> str:
    """The state after a line of a row, whose cells are filled."""
    for char in line:
        if state == "quoted":
            state = "after" if char == '"' else state
            cells[-1] += "" if char == '"' else char
        elif char == ",":
            cells.append("")
            state = "start"
        elif char == '"' and state != "plain":
            cells[-1] += '"' if state == "after" else ""
            state = "quoted"
        elif char in '"\r' or state == "after":
            return "broken"
        else:
            cells[-1] += char
            state = "plain"
    return state


def slow_cells(line: str) -> list[str] | None:
    """The cells of a line that breaks the grammar; none, or None, where they are in doubt."""
    begun = any(cell.strip(" \r").startswith('"') for cell in line.split(","))
    opened, even = False, line.count('"') % 2 == 0
    for at, char in enumerate(line):
        if char == '"' and not opened:
            opened = at == 0 or line[at - 1] == ","
        elif char == '"':
            opened = at + 1 < len(line) and line[at + 1] != ","
    if begun and (opened or not even):
        return None
    return line.split(",") if even and not begun and "\r" not in line else []


@files("marks")
@given(st.text(st.sampled_from('ab",,\n\n\r "'), max_size=24))
def test_what_the_slow_grammar_accepts_is_read_and_nothing_else(tmp_path, malformed, body):
    body = re.sub("\r+(\n|$)", r"\1", body)
    path = tmp_path / "x.csv"
    path.write_bytes(("id,text\n" + body).encode())
    expected = slow_rows("id,text\n" + body)
    rows = [] if expected is None else expected[1:]
    good = [(line, tuple(cells)) for line, cells in rows if len(cells) == 2 and cells[1].strip()]
    rejected = sorted({line for line, _ in rows} - {line for line, _ in good})
    if expected is None or rejected:
        malformed.add(body.encode())
    assert unlabelled(path) == (([cells for _, cells in good], rejected) if good else None)


@files("wrong encoding")
@given(
    rows=st.lists(st.text("aé插值ü ,", min_size=1, max_size=9), min_size=1, max_size=5),
    encoding=st.sampled_from(["latin-1", "cp1252", "gb18030", "utf-16-le", "utf-16-be", "utf-16"]),
    suffix=st.sampled_from([".csv", ".tsv", ".jsonl"]),
)
def test_a_file_in_another_encoding_than_the_stated_one_is_an_error(
    tmp_path, malformed, rows, encoding, suffix
):
    if suffix == ".jsonl":
        lines = [json.dumps({"text": f"é{row}"}, ensure_ascii=False) + "\n" for row in rows]
    else:
        lines = [
            written((row,), quoting=csv.QUOTE_ALL) for row in ["text", *map("é{}".format, rows)]
        ]
    content = "".join(lines).encode(encoding, errors="ignore")
    content = content[:-1] if encoding == "utf-16" else content  # the last character is half
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    malformed.add(content)
    if encoding == "utf-16" and len(rows) > 1:
        last = len(rows) + (suffix != ".jsonl")
        assert unlabelled(path) == ([(f"é{row}",) for row in rows[:-1]], [last])
    else:
        assert unlabelled(path) is None


NOT_ROWS = {  # lines that are not rows, for a reason independent of the reader, by kind
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
    """A row that is good except for a value nested `depth` levels deep."""
    opening, closing = {"list": ("[", "]"), "object": ('{"a":', "}")}[kind]
    inner = "1" if kind == "object" else ""
    return f'{{"text": "a", "label": "x", "more": {opening * depth}{inner}{closing * depth}}}'


@files("jsonl")
@given(
    rows=st.lists(st.tuples(TEXTS, JSON_LABELS), min_size=2, max_size=5),
    bad=st.lists(st.sampled_from(sorted(NOT_ROWS)), min_size=1, max_size=4),
    order=st.randoms(use_true_random=False),
    ascii_only=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"]),
)
def test_a_broken_json_line_is_named_and_every_other_is_read(
    tmp_path, malformed, rows, bad, order, ascii_only, end
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
    rejected = [1 + step * number for number, (_, row) in enumerate(lines) if row is None]
    if rejected:
        malformed.add(path.read_bytes())
    several_classes = len({label for _, label in good}) > 1
    assert contents(path) == ((good, rejected) if several_classes else None)


@files("damaged json")
@given(ROWS, st.data(), st.sampled_from(["out", "twice", "cut"]), st.booleans())
def test_a_json_line_without_one_of_its_marks_is_rejected(
    tmp_path, malformed, rows, data, kind, ascii_only
):
    lines = [
        json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=ascii_only) for row in rows
    ]
    at = data.draw(st.integers(0, len(rows) - 1))
    line = lines[at]
    ends = [token.span() for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[{}:,]', line)]
    char = data.draw(st.sampled_from('{}:,"'))
    marks = [place for start, end in ends for place in {start, end - 1} if line[place] == char]
    place = data.draw(st.integers(1, len(line) - 1) if kind == "cut" else st.sampled_from(marks))
    rest = {"out": line[place + 1 :], "twice": line[place:], "cut": ""}[kind]
    lines[at] = line[: place + (kind == "twice")] + rest
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    malformed.add(path.read_bytes())
    assert unlabelled(path) == (rows[:at] + rows[at + 1 :], [at + 1])


@pytest.mark.parametrize("kind", ["list", "object"])
def test_nesting_of_any_depth_is_read_or_rejected(tmp_path, kind):
    path = tmp_path / "x.jsonl"
    depths = [1, 10, 100, *range(200, 1100, 5), 5000, 100_000]
    good = '{"text": "b", "label": "y", "more": 1}'
    path.write_text("\n".join([good, *(nested(depth, kind) for depth in depths)]))
    dataset, report = read(path, label="label")
    assert dataset[0]["text"] == "b"
    assert len(dataset) + len(report.rejected) == 1 + len(depths)
    assert [json.loads(text) for text in dataset[1:4]["more"]] == [
        json.loads(nested(depth, kind))["more"] for depth in (1, 10, 100)
    ]
    assert report.rejected[-1].line == 1 + len(depths)


PIECES = [
    "a,b\n", "a\tb\n", '"a, ""b""\n",c\n', '"a\t\n"\tc\n', '{"text": "a"}\n', "\n", " ,\n",
    '"a"b,c\n', '{"text": ""}\n', "é", "a", ",", '"', "\t", ";", "{", "\0", "\r", "\ufeff",
]  # fmt: skip
LINES = st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: "".join(pieces).encode())
HEADS = {
    ".csv": b"text,label\n",
    ".tsv": b"text\tlabel\n",
    ".jsonl": b'{"text":"a","label":1}\n',
    ".ndjson": b"",
    ".parquet": b"PAR1",
}
MARKS = [b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"]


def table_of(content: bytes, suffix: str, encoding: str | None) -> tuple[list[dict], bool]:
    """The rows that the standard library finds in a file, and whether it reads all of the file."""
    width = next((len(mark) for mark in MARKS[:4] if content.startswith(mark)), 1)
    name = encoding or f"utf-{8 * width}"
    try:
        text = content.decode(name, "replace")
        sound = "\ufffd" not in text
    except (LookupError, ValueError):
        return [], False
    text = text.removeprefix("\ufeff")
    if suffix in (".jsonl", ".ndjson"):
        rows = []
        for line in filter(str.strip, text.split("\n")):
            try:
                rows.append(json.loads(line))
            except ValueError:
                sound = False
        good = [row for row in rows if isinstance(row, dict)]
        return good, sound and good == rows
    delimiter = "\t" if suffix == ".tsv" else ","
    rows, complete = csv_table(text, delimiter)
    plain = [line.split("\t") for line in text.splitlines()] if suffix == ".tsv" else []
    good = [
        dict(zip(table[0], row, strict=True))
        for table in (rows, plain)
        for row in table[1:]
        if len(row) == len(table[0])
    ]
    return good, sound and complete and len(good) >= len(rows) - 1


def csv_table(text: str, delimiter: str) -> tuple[list[list[str]], bool]:
    """The rows that the `csv` module reads, without broken lines, and whether there were none."""
    lines = io.StringIO(text, newline="").readlines()
    rows, sound = [], True
    while lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        before = 0
        try:
            for row in reader:
                rows += [row] if row else []
                before = reader.line_num
            lines = []
        except csv.Error:
            sound = False
            rows.append(lines[before].rstrip("\r\n").split(delimiter))  # as it stands
            lines = lines[before + 1 :]
    return rows, sound


@files("bytes")
@given(
    content=st.one_of(LINES, LINES, st.binary(max_size=40), PLAIN.map(str.encode)),
    head=st.one_of(st.none(), st.none(), st.sampled_from([b"", *HEADS.values(), *MARKS])),
    suffix=st.sampled_from(sorted(HEADS)),
    encoding=st.sampled_from([*[None] * 4, "utf-8", "utf-16", "cp1252", "gb18030", "x", "idna"]),
)
@example(content=b"a", head=b"", suffix=".csv", encoding="utf-16")
@example(content=b"a", head=b"", suffix=".csv", encoding="hex")
@example(content=b"a", head=b"", suffix=".csv", encoding="a\0b")
@example(content=b"a", head=b"", suffix=".csv", encoding="locale")
@example(content=b"+2AA-,1\n", head=b"text,label\n", suffix=".csv", encoding="utf-7")
def test_bytes_of_any_kind_end_in_their_rows_or_a_clear_error(
    tmp_path, malformed, content, head, suffix, encoding
):
    path = tmp_path / f"x{suffix}"
    content = (HEADS[suffix] if head is None else head) + content
    path.write_bytes(content)
    known = encoding in (None, "utf-8", "utf-16", "cp1252", "gb18030")
    parquet = suffix == ".parquet"
    rows, sound = ([], False) if parquet else table_of(content, suffix, encoding)
    if known and not sound:
        malformed.add(suffix.encode() + content)
    try:
        dataset, _ = read(path, encoding=encoding)
    except DataError:
        return
    remaining = iter([row.get("text") for row in rows])
    assert len(dataset)
    assert all(text.strip() and "\0" not in text for text in dataset["text"])
    assert all(text in remaining for text in dataset["text"])  # same order, and none invented


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
def test_labels_of_every_parquet_type_are_read_or_rejected(tmp_path, case):
    rows, table = case
    path = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(table, path, row_group_size=2)
    good = [
        (text, spelled(label))
        for text, label in rows
        if text and text.strip() and spelled(label) is not None and spelled(label).strip()
    ]
    rejected = [
        number
        for number, (text, label) in enumerate(rows, 1)
        if not (text and text.strip() and spelled(label) is not None)
    ]
    several_classes = len({label for _, label in good}) > 1
    assert contents(path) == ((good, rejected) if several_classes else None)


@files("damaged parquet")
@given(data=st.data(), kind=st.sampled_from(["cut", "flip", "zero", "shift"]))
def test_damage_to_a_parquet_file_never_changes_a_cell(tmp_path, malformed, data, kind):
    rows = [("NA", "x"), ("b" * 50, "y"), ("é, \n", "x"), ("d", "NA")]
    table = pyarrow.table({"text": [t for t, _ in rows], "label": [y for _, y in rows]})
    path = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(table, path, write_page_checksum=True, compression="none")
    original = path.read_bytes()
    content = bytearray(original)
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
    if content != original:
        malformed.add(bytes(content))
    result = contents(path)
    if kind == "cut":
        assert result is None
    assert result is None or result == (rows, [])


@files("txt")
@given(
    lines=st.lists(PLAIN.map(lambda text: "".join(text.splitlines())), max_size=5),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    last=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_every_line_of_a_txt_is_a_row_or_rejected(tmp_path, lines, end, last, encoding):
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
        Record(number, {"text": line}) if line.strip() else Rejected(number, "'text' is empty")
        for number, line in enumerate(lines, 1)
    ]


def test_at_least_two_thousand_files_are_malformed():
    assert sum(least for _, least in FILES.values()) >= 2000
