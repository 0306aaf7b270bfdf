"""The promises of the course's summaries of its articles, on the files themselves."""

from __future__ import annotations

import re
from statistics import mean

import pytest
from datasets import ClassLabel, DatasetDict, Value
from text_measures import ngrams, share_once, words

from ftlearn.data import leaks, load, near_duplicates, repair_text

CARDINALS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred "
    "thousand million billion"
)
FORMS = {word: word for word in CARDINALS.split()}
FORMS |= {f"{word}th": word for word in FORMS}
FORMS |= {"second": "two", "third": "three", "fifth": "five", "eighth": "eight", "ninth": "nine"}
FORMS |= {"twelfth": "twelve", "twice": "two"}
"""Numbers as words, and the cardinal number that each of them stands for."""
SENTENCE_END = re.compile(r"[.!?]['’\"”]?(?= [A-Z'‘\"“]|$)")


@pytest.fixture(scope="module")
def parts() -> DatasetDict:
    """The three parts."""
    return load("summaries")


@pytest.fixture(scope="module")
def rows(parts) -> list[dict]:
    """The rows of all parts."""
    return [row for part in parts.values() for row in part]


def numbers(text: str) -> set[str]:
    """Numbers in digits, and the parts of those in words; "one" is rather an article."""
    digits = re.findall(r"\d[\d.,:]*\d|\d", text)
    spelled = [FORMS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in FORMS]
    return {*digits, *spelled}


def test_columns(parts):
    assert list(parts) == ["train", "valid", "test"]
    for part in parts.values():
        assert part.features == {
            **dict.fromkeys(("id", "article", "title", "text", "summary"), Value("string")),
            "label": ClassLabel(names=["technology", "health", "sports"]),
        }


def test_there_are_many_and_ids_and_articles_are_unique(rows):
    assert len(rows) >= 300
    for column in ("id", "article", "summary"):
        assert len({row[column] for row in rows}) == len(rows)


def test_they_are_on_the_articles_of_the_questions(parts):
    for name, questions in load("questions").items():
        assert set(parts[name]["article"]) == set(questions["article"])


def test_title_text_and_label_are_those_of_topics_in_the_same_part(parts):
    for name, articles in load("topics").items():
        known = {article["id"]: article for article in articles}
        for row in parts[name]:
            article = known[row["article"]]
            assert {key: row[key] for key in ("title", "text", "label")} == {
                key: article[key] for key in ("title", "text", "label")
            }


def test_topics_are_balanced_in_every_part(parts):
    for part in parts.values():
        labels = part["label"][:]
        assert {labels.count(label) for label in range(3)} == {len(part) // 3}


def test_nothing_leaks_between_parts(parts):
    for text in ("text", "summary"):
        assert leaks(parts, text=text, group="article", threshold=0.5) == []


def test_they_are_one_or_two_sentences_much_shorter_than_the_text(rows):
    for row in rows:
        assert 1 <= len(SENTENCE_END.findall(row["summary"])) <= 2, row["summary"]
        assert row["summary"][0].isupper(), row["summary"]
        assert row["summary"].endswith((".", "!", "?", ".'", "?'")), row["summary"]
        assert 12 <= len(row["summary"].split()) <= 32, row["summary"]
        assert len(row["summary"]) < 0.6 * len(row["text"]), row["summary"]


def test_the_numbers_of_a_summary_stand_in_its_article(rows):
    wrong = {
        row["summary"]: numbers(row["summary"]) - numbers(f"{row['title']} {row['text']}")
        for row in rows
    }
    assert {summary: missing for summary, missing in wrong.items() if missing} == {}


def test_they_are_not_copied(rows):
    copied = [set(ngrams(row["summary"], 7)) & set(ngrams(row["text"], 7)) for row in rows]
    assert not any(copied)
    runs = mean(bool(set(ngrams(row["summary"], 5)) & set(ngrams(row["text"], 5))) for row in rows)
    assert runs <= 0.15


def test_they_are_about_their_own_article(rows):
    """Of all articles of a part of the data, its own shares most words with the summary."""
    texts = [set(words(f"{row['title']} {row['text']}")) for row in rows]
    best = 0
    for number, row in enumerate(rows):
        summary = set(words(row["summary"]))
        shared = [len(summary & text) / len(text) ** 0.5 for text in texts]
        best += shared[number] == max(shared)
    assert best / len(rows) >= 0.95


def test_there_are_no_near_duplicates(rows):
    assert near_duplicates([row["summary"] for row in rows], threshold=0.5) == []


def test_summaries_are_written_one_by_one(rows):
    summaries = [row["summary"] for row in rows]
    assert share_once(summaries) >= 0.97
    openings = [tuple(words(summary)[:3]) for summary in summaries]
    assert len(set(openings)) >= 0.95 * len(rows)


def test_summaries_from_a_template_would_fail(rows):
    frame = "The text, called {}, tells its readers about this and about what comes of it."
    assert share_once([frame.format(row["title"]) for row in rows]) < 0.5


def test_repair_leaves_them_unchanged(rows):
    assert [row["summary"] for row in rows if repair_text(row["summary"]).changes] == []
