"""Preference pairs in the shapes that are common, and rows that are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlearn.data import DataError
from ftlearn.data.comparisons import comparison, conversation, read_comparisons

USER = {"role": "user", "content": "Hi"}
SYSTEM = {"role": "system", "content": "Be brief."}
GOOD, BAD = ({"role": "assistant", "content": text} for text in ("Hello!", "What?"))
CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
TEXTS = st.text(CHARACTERS, min_size=1, max_size=9).filter(str.strip)


@pytest.mark.parametrize(
    "cells",
    [
        ("Hi", "Hello!", "What?"),
        ([USER], [GOOD], [BAD]),
        ([USER], "Hello!", [BAD]),
        (None, [USER, GOOD], [USER, BAD]),
        ("Hi", [USER, GOOD], [USER, BAD]),
        ([{**USER, "name": None}], [USER, {**GOOD, "name": None}], [BAD]),
    ],
)
def test_all_shapes_hold_the_same_pair(cells):
    assert comparison(*cells) == ([USER], "Hello!", "What?")


@given(st.lists(TEXTS, min_size=1, max_size=3), TEXTS, TEXTS)
def test_a_prompt_may_stand_in_the_answers_or_before_them(said, chosen, rejected):
    before = [SYSTEM]
    for text in said:
        before += [{"role": "user", "content": text}, GOOD]
    before.append(USER)
    answers = [{"role": "assistant", "content": text} for text in (chosen, rejected)]
    apart = [before, *([answer] for answer in answers)]
    whole = [None, *([*before, answer] for answer in answers)]
    if chosen == rejected:
        with pytest.raises(DataError, match="the same answer"):
            comparison(*apart)
        return
    assert comparison(*apart) == comparison(*whole) == (before, chosen, rejected)
    assert conversation(before, chosen) == [*before, answers[0]]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (("Hi", " ", "What?"), "chosen: message 2 .assistant. has no content"),
        (("Hi", "Hello!", "Hello!"), "the same answer"),
        ((None, "Hello!", "What?"), "chosen: message 1 is the assistant's"),
        (("Hi", [GOOD, USER], [BAD, USER]), "chosen: the last message is not the assistant's"),
        ((None, [USER, GOOD, USER, GOOD], [USER, BAD, USER, BAD]), "differ before the last"),
        ((7, "Hello!", "What?"), "chosen: message 1 .user. has a int"),
        (("Hi", "Hello!", [{"role": "asistant", "content": "x"}]), "rejected: .*'asistant'"),
    ],
)
def test_what_is_no_pair_is_refused(cells, message):
    with pytest.raises(DataError, match=message):
        comparison(*cells)


def write(path: Path, *rows: dict) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_a_file_is_read_with_other_columns_and_its_bad_rows_named(tmp_path):
    path = write(
        tmp_path / "pairs.jsonl",
        {"prompt": "Hi", "chosen": "Hello!", "rejected": "What?", "score": 3},
        {"prompt": "Hi", "chosen": "Hello!"},
        {"chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"prompt": "Hi", "chosen": "Hello!", "rejected": "Hello!"},
    )
    dataset, report = read_comparisons(path)
    assert dataset["prompt"][:] == [[USER], [USER]]
    assert dataset["rejected"][:] == ["What?", "What?"]
    assert dataset["score"][:] == ["3", None]
    assert [(row.line, row.reason.split(",")[0]) for row in report.rejected] == [
        (2, "there is no 'rejected'; its keys are 'prompt'"),
        (4, "chosen and rejected are the same answer"),
    ]


def test_columns_may_have_other_names_and_an_empty_rest_is_an_error(tmp_path):
    path = write(tmp_path / "a.jsonl", {"question": "Hi", "better": "Hello!", "worse": "What?"})
    names = {"prompt": "question", "chosen": "better", "rejected": "worse"}
    dataset, _ = read_comparisons(path, **names)
    assert dataset.column_names == ["question", "better", "worse"]
    with pytest.raises(DataError, match="there is no 'chosen'"):
        read_comparisons(path)


def test_texts_of_whole_dialogues_without_a_prompt_are_refused_with_the_remedy(tmp_path):
    turn = "\n\nHuman: Hi\n\nAssistant: "
    path = write(tmp_path / "hh.jsonl", {"chosen": f"{turn}Hello!", "rejected": f"{turn}What?"})
    with pytest.raises(DataError, match="there is no 'prompt', and 'chosen' is a text: give the"):
        read_comparisons(path)
