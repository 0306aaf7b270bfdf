"""Labels that look alike, and labels of one part that another does not have."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest

from ftlearn.compatibility.labels import (
    listed,
    lookalikes,
    missing,
    placeholders,
    spelling,
    unseen,
)

ALIKE = [
    ("garden", "Garden"),
    ("garden", " garden\t"),
    ("new york", "new   york"),
    ("new york", "new\u00a0york"),
    ("new-york", "new_york"),
    ("new york", "new\u2010york"),
    (unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")),
    ("garden", "ｇａｒｄｅｎ"),
    ("fine", "ﬁne"),
    ("garden", "gar\u200bden"),
    ("garden", "\ufeffgarden"),
    ("Straße", "STRASSE"),
    ("sports", "s\u0440orts"),  # a Cyrillic er
    ("KOMETA", "КОМЕТА"),
    ("garden", '"garden"'),
    ("garden", "“garden”"),
    ("garden", "'garden'"),
    ("don't", "don’t"),
    ("garden", "garden."),
    ("1", "1.0"),
    ("1", "01"),
    ("1", "+1"),
    ("1", "１"),
    ("-1", "−1.0"),
    ("100", "1e2"),
]
APART = [
    ("C", "C++"),
    ("C", "C#"),
    ("1", "-1"),
    ("1", "1.5"),
    ("5", ".5"),
    ("12", "1-2"),
    ("A", "A-"),
    ("cafe", "café"),
    (":)", ":("),
    ("?", "!"),
    ("否", "不"),
    ("спорт", "споры"),
    ("α", "a"),
    ("12345678901234567890", "12345678901234567891"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_the_spelling_of_a_label_is_ignored(one: str, other: str):
    assert one != other
    assert spelling(one) == spelling(other)
    (note,) = lookalikes({one: 3, other: 2, "kitchen": 5})
    assert not note.error
    assert "(3)" in note.message
    assert "(2)" in note.message
    assert "kitchen" not in note.message


def test_a_letter_of_another_alphabet_is_shown_by_its_code_point():
    (note,) = lookalikes({"sports": 4, "s\u0440orts": 5})
    assert r"'s\u0440orts' (5)" in note.message


@pytest.mark.parametrize(("one", "other"), APART)
def test_what_means_something_else_stays_apart(one: str, other: str):
    assert lookalikes({one: 3, other: 2}) == []


def test_forms_that_look_the_same_are_told_apart_in_the_note():
    (note,) = lookalikes({"caf\u00e9": 4, "cafe\u0301": 5})
    assert "'café' (4)" in note.message
    assert r"'cafe\u0301' (5)" in note.message


def test_many_groups_are_counted_instead_of_named():
    counts = {name: 1 for i in range(20) for name in (f"label {i}", f"LABEL {i}")}
    (note,) = lookalikes(counts)
    assert note.message.startswith("20 groups")
    assert "and 15 more groups" in note.message
    assert len(note.message) < 400


def test_no_label_in_common_is_an_error_that_names_both_sides():
    (finding,) = unseen("test", {"0.0": 9, "1.0": 8}, ["0", "1"], fate="they are left out")
    assert finding.error
    for part in ("'0.0' (9)", "'1.0' (8)", "'0', '1'", "'0.0' may mean '0'"):
        assert part in finding.message


def test_some_unknown_labels_are_a_note_with_their_rows_and_fate():
    (finding,) = unseen("valid", {"warm": 9, "hot": 2}, ["warm", "cold"], fate="they are left out")
    assert not finding.error
    assert "2 of 11 rows of valid" in finding.message
    assert "'hot' (2): they are left out" in finding.message
    assert unseen("valid", {"warm": 9}, ["warm", "cold"], fate="") == []


def test_a_missing_label_is_reported_only_where_chance_would_not_leave_it_out():
    even = Counter(a=50, b=50)
    assert missing("test", Counter(a=5), even) == []  # one in 32
    (finding,) = missing("test", Counter(a=20), even)  # one in a million
    assert "no row with 'b' (50 in train)" in finding.message
    assert missing("test", Counter(a=20), Counter(a=99, b=1)) == []


@pytest.mark.parametrize("label", ["NaN", "N/A", "null", " None ", "-"])
def test_a_label_that_may_stand_for_a_missing_value_is_noted(label: str):
    (note,) = placeholders({"1.0": 40, label: 3})
    assert not note.error
    assert f"{label!r} (3) is a class" in note.message
    assert "empty these cells" in note.message


def test_words_and_numbers_are_labels():
    assert placeholders({"0": 5, "unknown": 2, "nano": 3, "no": 9, "无": 1}) == []


def test_a_list_of_many_labels_is_short():
    assert listed([f"label {number}" for number in range(150)]).endswith("and 145 more")
