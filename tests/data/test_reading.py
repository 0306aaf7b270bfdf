"""The strict reader: against `csv.DictReader` and `json`, and every rejected row with its line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from datasets import ClassLabel, Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftlearn.data import DataError, columns, delimited, natural_order, quoting, read

HOSTILE = [
    "NA",
    "null",
    "None",
    "nan",
    "1,5",
    'say "hi"',
    "two\nlines",
    "a;b\tc",
    "插值法",
    "é",
    "'",
]
CELLS = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
).filter(str.strip)
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def write(folder: Path, content: str | bytes, name: str = "notes.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def fails(path: Path, *expected: str, **options: object) -> None:
    """Reading raises a `DataError` whose message holds every expected piece."""
    with pytest.raises(DataError) as caught:
        read(path, **options)
    for piece in expected:
        assert piece in str(caught.value)


@QUICK
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1), delimiter=st.sampled_from(",;\t|"))
def test_a_written_csv_reads_back_as_dictreader_reads_it(tmp_path, rows, delimiter):
    path = tmp_path / "notes.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([("text", "note"), *rows])
    with path.open(newline="", encoding="utf-8") as file:
        expected = list(csv.DictReader(file, delimiter=delimiter))
    dataset, report = read(path, delimiter=delimiter)
    assert dataset.to_list() == expected == [{"text": t, "note": n} for t, n in rows]
    assert (report.rows, report.rejected) == (len(rows), ())


@QUICK
@given(rows=st.lists(st.dictionaries(st.sampled_from(["text", "note"]), CELLS), min_size=1))
def test_jsonl_keeps_every_row_or_names_its_line(tmp_path, rows):
    path = write(tmp_path, "\n".join(json.dumps(row) for row in rows), "notes.jsonl")
    good = [row for row in rows if "text" in row]
    if not good:
        fails(path, "text")
        return
    dataset, report = read(path)
    assert dataset["text"][:] == [row["text"] for row in good]
    assert [line for line, _ in report.rejected] == [
        number for number, row in enumerate(rows, 1) if "text" not in row
    ]


@QUICK
@given(
    content=st.text(st.sampled_from('ab",\n\r;é\0{}:'), max_size=60),
    name=st.sampled_from(["x.csv", "x.tsv", "x.jsonl"]),
)
def test_whatever_a_file_holds_is_read_rejected_or_an_error(tmp_path, content, name):
    path = write(tmp_path, "text,label\n" + content, name)
    try:
        dataset, report = read(path)
    except DataError:
        return
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row][1:]
    assert len(rows) >= report.rows
    if not report.rejected:
        assert [[row["text"], row["label"]] for row in dataset] == rows
    assert all(text.strip() for text in dataset["text"])


def test_parquet_and_jsonl_give_the_same_rows(tmp_path):
    rows = [{"text": "NA", "label": 2, "more": [1]}, {"text": "b", "label": 10, "more": None}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    write(tmp_path, "\n".join(map(json.dumps, rows)), "a.jsonl")
    columnar, report = read(tmp_path / "a.parquet", label="label")
    lines, _ = read(tmp_path / "a.jsonl", label="label")
    assert columnar.to_list() == lines.to_list()
    assert columnar[0] == {"text": "NA", "label": 0, "more": "[1]"}
    assert columnar.features["label"].names == ["2", "10"]
    assert (report.encoding, report.delimiter) == (None, None)


@pytest.mark.parametrize(
    ("labels", "kind", "feature"),
    [
        (["10", "2", "1"], "auto", ClassLabel(names=["1", "2", "10"])),
        (["b", "NA", "a"], "auto", ClassLabel(names=["NA", "a", "b"])),
        (["0.5", "1", "2"], "auto", Value("float32")),
        (["0.5", "1", "2"], "class", ClassLabel(names=["0.5", "1", "2"])),
        (["1", "2", "2"], "number", Value("float32")),
        (["0.5", "1", "nan"], "auto", ClassLabel(names=["0.5", "1", "nan"])),
    ],
)
def test_labels_are_classes_in_natural_order_or_numbers(tmp_path, labels, kind, feature):
    path = write(tmp_path, "text,label\n" + "".join(f"t,{label}\n" for label in labels))
    dataset, _ = read(path, label="label", kind=kind)
    assert dataset.features["label"] == feature
    assert dataset.features["text"] == Value("string")
    if isinstance(feature, ClassLabel):
        assert feature.int2str(dataset["label"][:]) == labels
    else:
        assert dataset["label"][:] == [float(label) for label in labels]


@given(st.lists(st.integers(0, 10**30)))
def test_natural_order_sorts_numbers_inside_names_by_value(numbers):
    names = sorted((f"class {n}" for n in numbers), key=natural_order)
    assert names == [f"class {n}" for n in sorted(numbers)]


def test_a_text_pair_needs_both_texts(tmp_path):
    path = write(tmp_path, "first,second\na,b\nc,\n")
    dataset, report = read(path, text=("first", "second"))
    assert dataset.to_list() == [{"first": "a", "second": "b"}]
    assert report.rejected == ((3, "'second' is empty"),)


@pytest.mark.parametrize(
    ("encoding", "option", "used"),
    [
        ("utf-8-sig", None, "utf-8"),
        ("utf-16", None, "utf-16"),
        ("utf-32", None, "utf-32"),
        ("cp1252", "cp1252", "cp1252"),
    ],
)
def test_encodings(tmp_path, encoding, option, used):
    path = write(tmp_path, "text\ncafé\n".encode(encoding))
    dataset, report = read(path, encoding=option)
    assert (dataset["text"][:], report.encoding) == (["café"], used)


def test_rejected_rows_are_named_by_the_line_they_start_on(tmp_path):
    rows = [
        "text,label",
        '"two\nlines",a',  # lines 2 and 3
        ",a",
        "x,y,z",
        "alone",
        "",
        "x\0y,b",
        "fine,",
        "fine,b",
    ]
    dataset, report = read(write(tmp_path, "\r\n".join(rows)), label="label")
    assert dataset["text"][:] == ["two\nlines", "fine"]
    reasons = dict(report.rejected)
    assert list(reasons) == [4, 5, 6, 8, 9]
    pieces = ["'text' is empty", "3 fields", "1 fields", "NUL", "'label' is empty"]
    assert all(piece in reason for piece, reason in zip(pieces, reasons.values(), strict=True))
    assert "2 rows read (utf-8, delimiter ','), 5 refused\n  line 4: 'text' is empty" in str(report)


def test_rejected_json_lines_are_named_with_their_reason(tmp_path):
    lines = {
        '{"text": "good", "label": 1}': None,
        "{'text': 1}": "invalid JSON",
        '["text"]': "not a JSON object",
        '{"text": "a", "text": "b"}': "'text' occurs twice",
        '{"text": NaN}': "NaN is not a JSON value",
        '{"text": 3, "label": 1}': "'text' is 3, not a text",
        '{"text": null, "label": 1}': "'text' is empty",
        '{"text": "\\ud800", "label": 1}': "surrogate",
        '{"text": "\\u0000", "label": 1}': "NUL",
        '{"text": "five", "label": "many"}': "'label' is 'many', not a number",
        "[" * 100_000: "invalid JSON",
        '{"text": "a\\u2028b", "label": 2}': None,
    }
    path = write(tmp_path, "\n".join(lines), "notes.jsonl")
    dataset, report = read(path, label="label", kind="number")
    assert dataset.to_list() == [{"text": "good", "label": 1}, {"text": "a\u2028b", "label": 2}]
    expected = {number: why for number, why in enumerate(lines.values(), 1) if why}
    assert [line for line, _ in report.rejected] == list(expected)
    assert all(expected[line] in reason for line, reason in report.rejected)


def test_a_row_that_only_looks_complete_is_rejected(tmp_path):
    rows = ["text,label", "Chips are up, 'x'", 'Chips are up, "y"', "one\rtwo,x", 'say "hi",y']
    dataset, report = read(write(tmp_path, "\r\n".join(rows)), label="label")
    assert dataset["text"][:] == ["Chips are up", 'say "hi"']
    assert dataset.features["label"].names == [" 'x'", "y"]
    assert [line for line, _ in report.rejected] == [3, 4]
    assert "spaces and a quote" in report.rejected[0].reason
    assert "carriage return" in report.rejected[1].reason


def test_a_bad_byte_costs_its_row_only(tmp_path):
    rows = [f"café {row},a".encode() for row in range(9)]
    rows[3] = b"caf\xe9 3,a"
    rows[6] = b'"two\nlines, caf\xc3",a'
    dataset, report = read(write(tmp_path, b"\n".join([b"text,label", *rows])))
    assert dataset["text"][:] == [f"café {row}" for row in range(9) if row not in (3, 6)]
    assert report.rejected == ((5, "byte 0xe9 is not utf-8"), (8, "byte 0xc3 is not utf-8"))


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.jsonl"])
def test_long_fields_are_read_and_endless_ones_rejected(tmp_path, name, monkeypatch):
    def content(text: str) -> str:
        pairs = (("text", "n"), ("a", "1"), (text, "2"), ("c", "3"))
        if name == "x.jsonl":
            return "\n".join(json.dumps({"text": t, "n": n}) for t, n in pairs[1:])
        mark = "\t" if name == "x.tsv" else ","
        return "".join(f'"{t}"{mark}{n}\n' for t, n in pairs)

    limit = csv.field_size_limit()
    long = "word " * 60_000
    dataset, report = read(write(tmp_path, content(long), name))
    assert (dataset["text"][:], report.rejected) == (["a", long, "c"], ())
    assert csv.field_size_limit() == limit
    for module in (delimited, quoting, columns):
        monkeypatch.setattr(module, "LONGEST", 1000)
    for endless in ("x" * 1001, "many\n" * 201):
        dataset, report = read(write(tmp_path, content(endless), name))
        assert dataset["text"][:] == ["a", "c"]
        assert "1,00" in report.rejected[0].reason


def test_only_the_requested_columns_must_be_unique(tmp_path):
    path = write(tmp_path, "label,text,,,,note,note\na,one,,,,x,y\nb,two,,,,x,y\n")
    dataset, report = read(path, label="label")
    assert (dataset.column_names, report.rejected) == (["label", "text"], ())
    fails(path, "'note' 2 times", "columns 6 and 7", label="note")
    lines = '{"text": "one", "n": 1, "n": 2}\n{"text": "two", "text": "2", "n": 3}\n'
    dataset, report = read(write(tmp_path, lines, "x.jsonl"))
    assert dataset.to_list() == [{"text": "one"}]
    assert report.rejected == ((2, "invalid JSON: the key 'text' occurs twice"),)
    table = pyarrow.table([["one"], ["x"], ["y"]], names=["text", "n", "n"])
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet")[0].to_list() == [{"text": "one"}]
    fails(tmp_path / "x.parquet", "the column 'n' occurs twice", text="n")


def test_a_file_whose_lines_end_in_carriage_returns_is_read(tmp_path):
    dataset, _ = read(write(tmp_path, 'text,n\ra,1\r"b\nc",2\r'))
    assert dataset.to_list() == [{"text": "a", "n": "1"}, {"text": "b\nc", "n": "2"}]


@pytest.mark.parametrize("label", ["1e999", '["a"]', '{"a": 1}', "9" * 5000])
def test_json_labels_that_are_no_labels_are_rejected(tmp_path, label):
    lines = [f'{{"text": "a", "label": {value}}}' for value in ("1", "true", label)]
    dataset, report = read(write(tmp_path, "\n".join(lines), "a.jsonl"), label="label")
    assert dataset.features["label"].names == ["1", "true"]
    assert [line for line, _ in report.rejected] == [3]


@pytest.mark.parametrize("bad", [float("nan"), float("-inf"), None])
def test_missing_numbers_in_parquet_are_no_labels(tmp_path, bad):
    table = pyarrow.table({"text": list("abc"), "label": pyarrow.array([0.5, bad, 1.0])})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    dataset, report = read(tmp_path / "a.parquet", label="label")
    assert (dataset["label"][:], [line for line, _ in report.rejected]) == ([0.5, 1.0], [2])


def test_a_parquet_row_that_cannot_be_read_is_rejected(tmp_path):
    broken = pyarrow.array([b"a", b"\xff", b"c"]).view(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"text": broken}), tmp_path / "a.parquet")
    dataset, report = read(tmp_path / "a.parquet")
    assert (dataset["text"][:], report.rejected[0].line) == (["a", "c"], 2)


def test_a_flipped_bit_under_a_checksum_is_found(tmp_path):
    path = tmp_path / "a.parquet"
    table = pyarrow.table({"text": ["a sentence", "another"]})
    pyarrow.parquet.write_table(table, path, write_page_checksum=True, compression="none")
    path.write_bytes(path.read_bytes().replace(b"sentence", b"sentance"))
    fails(path, "not a readable Parquet file", "write it again")


def test_a_long_report_is_cut(tmp_path):
    _, report = read(write(tmp_path, "text,note\nfine,x\n" + ",x\n" * 30))
    assert str(report).endswith("... and 20 more")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", ["is empty", "header"]),
        ("\ufeff \n", ["is empty"]),
        ("text,label\n", ["['text', 'label']", "no rows"]),
        ("txet,label\na,b\n", ["'text'", "['txet', 'label']", "Did you mean 'txet'?"]),
        (" Text,label\na,b\n", ["Did you mean ' Text'?"]),
        ("text;label\na;b\n", ["'text;label'", "delimiter=';' (--delimiter ';')"]),
        ("text\tlabel\na\tb\n", ["delimiter='\\t' (--delimiter $'\\t')"]),
        ("text,label,text\na,b,c\n", ["'text' 2 times", "columns 1 and 3", "rename all but one"]),
        ("text\n  \n", ["every row was refused", "line 2: 'text' is empty"]),
        ('text,n\n"open,1\nb,2\nc,3\n', ["line 2", "line 4", "close the quote"]),
        ('text,n\na,1\n"open,2\n"b",3\n', ["line 3"]),
        ('text,n\na,1\n"He said "hi, all\nof you"",2\n', ["line 3"]),
        ('text,n\n"He said "hi" to me",2\n', ["every row was refused", "line 2", "double them"]),
        ('text,n\n"Well," he said,2\n', ["line 2", 'double it ("")', "--quoting none"]),
        ("text,n\na,1\n".encode("utf-16-le"), ["NUL", "encoding='utf-16-le'"]),
        ("text\ncafé olé\n".encode("cp1252"), ["0xe9", "line 2", "encoding='cp1252'"]),
        ("text\n预训练模型\n".encode("gb18030"), ["0xc1", "line 2", "encoding='gb18030'"]),
        (b"caf\xe9,text\na,b\n", ["its header cannot be read", "0xe9", "encoding='cp1252'"]),
        ('text,n\na 6" pipe,1\n', ["line 2: a quote stands alone", "(--quoting none)"]),
        ('text,a,b\n"one, two,1,x\n", three",2\n', ["opens a field on line 2", "up to line 3"]),
        ('"text";"label"\na;b\n', ["not split by ','", "delimiter=';' (--delimiter ';')"]),
    ],
)
def test_errors_of_a_file_name_the_value_and_the_remedy(tmp_path, content, expected):
    fails(write(tmp_path, content), *expected)


def test_errors_of_the_call_name_the_value_and_the_remedy(tmp_path):
    path = write(tmp_path, "text,label\nx,a\ny,a\n")
    fails(tmp_path / "gone.csv", "gone.csv", "check the path")
    fails(write(tmp_path, "{}", "notes.xlsx"), "'.xlsx'", ".csv, .tsv, .jsonl")
    fails(write(tmp_path, "PAR0", "notes.parquet"), "Parquet", "write it again")
    fails(path, "same label 'a'", "add rows of another class.", label="label")
    ones = write(tmp_path, "text,label\nx,1\ny,1\n", "ones.csv")
    fails(ones, "same label '1'", "or give kind='number'", label="label")
    fails(path, "'topic'", "['text', 'label']", label="topic")
    fails(path, "kind='classes'", "Did you mean 'class'?", label="label", kind="classes")
    fails(path, "delimiter=';;'", "one character", delimiter=";;")
    fails(path, "'utf-9'", "try 'utf-8'", encoding="utf-9")
    fails(path, "quoting='nane'", "auto, csv, none", "Did you mean 'none'?", quoting="nane")
    fails(write(tmp_path, "{}", "b.jsonl"), "quoting='csv'", ".csv or .tsv", quoting="csv")
    fails(path, "label='text'", text="text", label="text")
    fails(write(tmp_path, '{"text": "a"}', "a.jsonl"), "delimiter=','", ".csv", delimiter=",")
    fails(write(tmp_path, "x", "a.parquet"), "encoding='utf-8'", "leave it out", encoding="utf-8")
