"""The promises of the course's questions on its articles, on the files themselves."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from statistics import mean

import pytest
from datasets import ClassLabel, DatasetDict, List, Value
from sklearn.metrics import roc_auc_score
from text_measures import (
    content_words,
    names,
    question_alone_auc,
    sentence_at,
    share_once,
    words,
)

from ftlearn.data import leaks, load, near_duplicates, repair_text


@pytest.fixture(scope="module")
def parts() -> DatasetDict:
    """The three parts."""
    return load("questions")


@pytest.fixture(scope="module")
def rows(parts) -> list[dict]:
    """The rows of all parts."""
    return [row for part in parts.values() for row in part]


@pytest.fixture(scope="module")
def answerable(rows) -> list[dict]:
    """The rows whose text has an answer."""
    return [row for row in rows if row["answer"]]


def end(row: dict) -> int:
    """Where the answer ends in the text."""
    return row["start"] + len(row["answer"])


def words_shared_with_the_sentence(row: dict) -> int:
    """Content words of the question in the sentence of the answer, compared by five letters."""
    sentence = sentence_at(row["context"], row["start"], end(row))
    stems = {word[:5] for word in content_words(row["question"])}
    return len(stems & {word[:5] for word in words(sentence)})


def share_of_words_in_the_text(row: dict) -> float:
    """The share of the question's words, without names, that its text has."""
    question = set(words(row["question"])) - names(row["question"])
    return len(question & set(words(row["context"]))) / len(question)


def test_columns(parts):
    assert list(parts) == ["train", "valid", "test"]
    strings = ("id", "article", "title", "context", "question", "wording", "answer")
    for part in parts.values():
        assert part.features == {
            **dict.fromkeys(strings, Value("string")),
            "start": Value("int32"),
            "answers": {"text": List(Value("string")), "answer_start": List(Value("int32"))},
            "label": ClassLabel(names=["technology", "health", "sports"]),
        }


def test_answers_have_the_shape_of_squad_too(rows):
    for row in rows:
        pairs = zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
        assert list(pairs) == ([(row["answer"], row["start"])] if row["answer"] else [])


def test_there_are_many_with_three_or_four_per_article(rows):
    counts = Counter(row["article"] for row in rows)
    assert len(rows) >= 600
    assert len(counts) >= 200
    assert set(counts.values()) == {3, 4}


@pytest.mark.parametrize("column", ["id", "question"])
def test_ids_and_questions_are_unique(rows, column):
    assert len({row[column].lower() for row in rows}) == len(rows)


def test_article_title_text_and_label_are_those_of_topics_in_the_same_part(parts):
    for name, articles in load("topics").items():
        known = {article["id"]: article for article in articles}
        for row in parts[name]:
            article = known[row["article"]]
            assert (row["title"], row["label"]) == (article["title"], article["label"])
            assert row["context"] == article["text"]


def test_nothing_leaks_between_parts(parts):
    assert leaks(parts, text="question", group="article", threshold=0.5) == []
    for first, second in combinations(parts.values(), 2):
        assert not set(first["context"]) & set(second["context"])


def test_a_quarter_has_no_answer_in_every_part(parts):
    for part in parts.values():
        assert 0.2 <= part["answer"][:].count("") / len(part) <= 0.3


def test_a_third_of_the_answerable_ask_in_other_words_in_every_part(parts):
    for part in parts.values():
        wordings = Counter(row["wording"] for row in part if row["answer"])
        assert set(wordings) == {"same", "other"}
        assert 0.28 <= wordings["other"] / wordings.total() <= 0.4


def test_without_an_answer_there_is_no_start_and_no_other_wording(rows):
    without = {(row["start"], row["wording"]) for row in rows if not row["answer"]}
    assert without == {(-1, "same")}


def test_answers_stand_where_they_start(answerable):
    for row in answerable:
        assert row["context"][row["start"] : end(row)] == row["answer"]


def test_answers_begin_and_end_at_the_border_of_a_word(answerable):
    for row in answerable:
        before = row["context"][: row["start"]]
        after = row["context"][end(row) :]
        assert not before[-1:].isalnum(), row
        assert not after[:1].isalnum(), row
        assert not (row["answer"][-1].isdigit() and re.match(r"[.,]\d", after)), row
        assert row["answer"] == row["answer"].strip(" .,;:!?"), row


def test_answers_are_short_and_not_given_away(answerable):
    for row in answerable:
        assert 1 <= len(row["answer"].split()) <= 8
        assert row["answer"].lower() not in row["question"].lower()


def test_answers_stand_everywhere_in_the_texts(answerable):
    thirds = Counter(3 * row["start"] // len(row["context"]) for row in answerable)
    assert min(thirds.values()) >= 0.25 * len(answerable)


def test_other_words_are_really_other_words(answerable):
    shared = {
        wording: [
            words_shared_with_the_sentence(row) for row in answerable if row["wording"] == wording
        ]
        for wording in ("same", "other")
    }
    assert max(shared["other"]) <= 2
    assert mean(count == 0 for count in shared["other"]) >= 0.85
    assert mean(count == 0 for count in shared["same"]) <= 0.15
    assert mean(shared["other"]) < 0.1 * mean(shared["same"])


def test_questions_without_an_answer_use_the_words_of_their_text_too(rows):
    shares = {"same": [], "other": [], "none": []}
    for row in rows:
        kind = row["wording"] if row["answer"] else "none"
        shares[kind].append(share_of_words_in_the_text(row))
    same, other, none = (mean(values) for values in shares.values())
    assert abs(none - same) < abs(none - other)
    overlap = [share_of_words_in_the_text(row) for row in rows]
    assert 0.4 <= roc_auc_score([bool(row["answer"]) for row in rows], overlap) <= 0.6


def test_a_question_alone_does_not_tell_whether_it_has_an_answer(parts):
    assert question_alone_auc(parts) <= 0.8


def test_there_are_no_near_duplicates(rows):
    questions = [row["question"] for row in rows]
    groups = near_duplicates(questions, threshold=0.5)
    assert [[questions[i] for i in group] for group in groups] == []


def test_questions_are_written_one_by_one(rows):
    questions = [row["question"] for row in rows]
    assert share_once(questions) >= 0.9
    openings = Counter(tuple(words(question)[:4]) for question in questions)
    assert max(openings.values()) <= 0.02 * len(rows)
    firsts = Counter(words(question)[0] for question in questions)
    assert max(firsts.values()) <= 0.25 * len(rows)
    assert min(len(question.split()) for question in questions) >= 4


def test_questions_from_templates_would_fail(rows):
    templates = (
        "What does the text about {} say at its end?",
        "Who is the first person named in the story of {}?",
        "How many people does the piece on {} mention?",
        "When did the events in the text on {} happen?",
    )
    titles = sorted({row["title"] for row in rows})
    questions = [template.format(title) for title in titles for template in templates]
    assert share_once(questions) < 0.5


def test_repair_leaves_them_unchanged(rows):
    texts = [row[column] for row in rows for column in ("question", "answer")]
    assert [text for text in texts if repair_text(text).changes] == []
