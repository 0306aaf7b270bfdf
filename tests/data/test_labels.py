"""Labels that are numbers in another notation: found, named by line, with the plain notation."""

from __future__ import annotations

import pytest
from datasets import ClassLabel, Value
from hypothesis import given
from hypothesis import strategies as st

from ftlearn.data import DataError, load, read
from ftlearn.data.labels import label_feature, parse_number
from ftlearn.data.number_notation import notation

PLAIN = [f"{number / 4}" for number in range(1, 41)]


def fails(values: list[str], *expected: str, lines: list[int] | None = None) -> None:
    with pytest.raises(DataError) as caught:
        label_feature(values, "auto", lines or range(2, len(values) + 2))
    for piece in expected:
        assert piece in str(caught.value)


def test_labels_of_their_own_for_nearly_every_row_may_be_numbers():
    fails(
        [str(number) for number in range(20)],
        "nearly every row has its own label (20 labels for 20 rows)",
        "kind='number' (--task regression)",
        "kind='class' (--task classification)",
    )
    assert isinstance(label_feature(["1", "2", "3"] * 9), ClassLabel)
    assert isinstance(label_feature([str(number) for number in range(20)], "class"), ClassLabel)
    assert isinstance(label_feature([f"name {number}" for number in range(20)]), ClassLabel)


@pytest.mark.parametrize(
    ("odd", "shown"),
    [
        ("N/A", "line 7: 'N/A' (no number)"),
        ("12,5", "line 7: '12,5' (decimal comma: write 12.5)"),
        ("1,271.50", "line 7: '1,271.50' (thousands separator: write 1271.50)"),
        ("1.271,50", "line 7: '1.271,50' (thousands separator: write 1271.50)"),
        ("1,271", "line 7: '1,271' (comma: write 1271 or 1.271)"),
        ("20.5 %", "line 7: '20.5 %' (percent sign: write 20.5)"),
        ("$ 7.5", "line 7: '$ 7.5' (currency sign: write 7.5)"),
        ("good", "line 7: 'good'"),
    ],
)
def test_the_rows_that_are_no_numbers_are_named_by_line(odd, shown):
    fails([*PLAIN[:5], odd, *PLAIN[6:]], "1 row is refused then as not a number", shown)


@pytest.mark.parametrize("spelt", ["{},{}", "{}.{}%", "{} {}00,5"])
def test_labels_that_are_all_in_another_notation_are_seen(spelt):
    values = [spelt.format(number % 6 + 1, 5) for number in range(60)]
    fails(values, "6 labels of 60 rows seem to be numbers", "60 rows are refused", "and 57 more")


def test_few_numbers_among_words_and_whole_numbers_are_classes():
    for values in (["1", "2", "N/A"] * 9, ["0.5", "good", "bad"] * 9, ["1.0", "2.0", "x"] * 9):
        assert isinstance(label_feature(values), ClassLabel)
    assert label_feature(PLAIN) == Value("float32")


@given(st.decimals(-(10**7), 10**7, places=2))
def test_a_number_in_any_notation_is_recognised(number):
    plain = f"{number:.2f}"
    english = f"{number:,.2f}"
    swapped = english.translate(str.maketrans(",.", ".,"))
    for spelt in (english, swapped, english + "%", f"{swapped} €", english.replace(",", "\u202f")):
        if parse_number(spelt) is None:
            assert notation(spelt).plain == plain
        else:
            assert spelt == plain


def test_a_rejected_number_says_how_to_write_it(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("text;score\na;0,5\nb;1.5\nc;N/A\n")
    dataset, report = read(path, label="score", kind="number", delimiter=";")
    assert dataset["score"][:] == [1.5]
    assert [reason for _, reason in report.rejected] == [
        "'score' is '0,5', not a number (decimal comma): write 0.5",
        "'score' is 'N/A', not a number",
    ]


def test_the_lines_are_those_of_the_file(tmp_path):
    rows = [f"text {number},{value}\n" for number, value in enumerate(PLAIN)]
    rows[2:2] = [",1\n", "\n", 'odd,"0,5"\n']
    path = tmp_path / "train.csv"
    path.write_text("text,label\n" + "".join(rows))
    with pytest.raises(DataError, match=r"line 6: '0,5' \(decimal comma: write 0\.5\)"):
        read(path, label="label")
    with (
        pytest.warns(UserWarning, match="1 refused"),
        pytest.raises(DataError, match="line 6: '0,5'"),
    ):
        load(tmp_path, label="label")
