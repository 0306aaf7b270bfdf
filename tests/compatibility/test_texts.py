"""Copies of a text with different labels, and in different parts."""

from __future__ import annotations

from ftlearn.compatibility.texts import Rows, contradictions, leaks, same_columns


def rows(part: str, *pairs: tuple[str, str]) -> Rows:
    texts, labels = zip(*pairs, strict=True)
    places = [f"on line {line} of {part}" for line in range(2, 2 + len(pairs))]
    return Rows(same_columns([texts]), labels, places)


def test_copies_with_two_labels_are_counted_and_the_first_is_named():
    train = rows("train", ("Fine day", "a"), ("rain", "a"), ("fine  DAY ", "b"), ("RAIN", "c"))
    (finding,) = contradictions({"train": train})
    assert not finding.error
    start = "2 texts stand there with two labels or more, first 'fine day'"
    assert finding.message.startswith(start)
    assert "on line 2 of train ('a') and on line 4 of train ('b')" in finding.message


def test_copies_are_found_across_parts():
    parts = {"train": rows("train", ("rain", "a")), "test": rows("test", ("Rain", "b"))}
    (finding,) = contradictions(parts)
    assert "on line 2 of train ('a') and on line 2 of test ('b')" in finding.message


def test_copies_that_agree_and_numbers_are_no_contradiction():
    agreed = rows("train", ("rain", "a"), ("Rain", "a"))
    assert contradictions({"train": agreed}) == []
    assert contradictions({"train": agreed._replace(labels=None)}) == []


def test_a_pair_is_a_copy_only_as_a_whole():
    one, other = same_columns([["a", "a"], ["b", "c"]])
    assert one != other


def test_each_part_is_compared_with_those_before_it():
    parts = {
        "train": rows("train", ("a", "x"), ("b", "x")),
        "valid": rows("valid", ("B", "x"), ("c", "x")),
        "test": rows("test", ("c ", "x"), ("d", "x")),
    }
    messages = [finding.message for finding in leaks(parts)]
    assert [message.split(":")[0] for message in messages] == [
        "1 of 2 texts of valid also stand in train",
        "1 of 2 texts of test also stand in valid",
    ]
