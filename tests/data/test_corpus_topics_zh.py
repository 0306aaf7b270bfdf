"""The promises of the Chinese articles, on the files themselves."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources
from itertools import combinations

import pytest
from datasets import DatasetDict

from ftlearn.data import leaks, load, near_duplicates, repair_text, split
from ftlearn.data.bundled import TOPICS

CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def articles() -> DatasetDict:
    return load("topics_zh")


def column(articles: DatasetDict, name: str) -> list[str]:
    """One column over all parts."""
    return [value for part in articles.values() for value in part[name]]


def grams(text: str, n: int) -> list[str]:
    """All runs of n characters.

    >>> grams("球进了", 2)
    ['球进', '进了']
    """
    return [text[i : i + n] for i in range(len(text) - n + 1)]


def test_parts_are_balanced_and_ids_and_titles_unique(articles):
    sizes = {name: Counter(part["label"]) for name, part in articles.items()}
    assert sizes == {
        "train": dict.fromkeys(range(3), 100),
        "valid": dict.fromkeys(range(3), 20),
        "test": dict.fromkeys(range(3), 40),
    }
    for name in ("id", "title", "text"):
        assert len(set(column(articles, name))) == 480


def test_texts_are_chinese_of_70_to_240_characters(articles):
    for text in column(articles, "text"):
        assert 70 <= len(text) <= 240
        assert len(CHINESE.findall(text)) > 0.65 * len(text), text
        assert not re.search(f"{CHINESE.pattern}[,;:?!]", text), text
        assert repair_text(text).changes == ()


def test_registers_are_even_and_a_quarter_touches_another_topic(articles):
    registers = Counter(column(articles, "register"))
    assert len(registers) == 6
    assert max(registers.values()) - min(registers.values()) <= 4
    near = list(zip(column(articles, "label"), column(articles, "near"), strict=True))
    assert sum(bool(other) for _, other in near) >= 120
    assert all(other in ("", *TOPICS) and other != TOPICS[label] for label, other in near)


def test_no_event_is_told_in_two_parts(articles):
    stories = {name: set(part["story"]) - {""} for name, part in articles.items()}
    assert all(stories.values())
    for a, b in combinations(stories, 2):
        assert stories[a] & stories[b] == set()
    assert leaks(articles, group="story", threshold=0.4) == []


def test_the_split_is_that_of_the_card(articles):
    rows = [row for part in articles.values() for row in part]
    rows.sort(key=lambda row: row["id"])
    dataset = articles["train"].from_list(rows, features=articles["train"].features)
    again = split(dataset, sizes=(300, 60, 120), stratify="label", group="story", seed=0)
    assert {name: part["id"][:] for name, part in again.items()} == {
        name: part["id"][:] for name, part in articles.items()
    }


def test_texts_do_not_repeat_each_other(articles):
    texts = column(articles, "text")
    assert near_duplicates(texts, threshold=0.4) == []
    counts = Counter(gram for text in texts for gram in set(grams(text, 8)))
    assert sum(n == 1 for n in counts.values()) > 0.97 * len(counts)
    openings = Counter(text[:4] for text in texts)
    assert max(openings.values()) <= 3


def test_no_word_gives_the_topic_away(articles):
    """The names of the topics stand in few of their articles."""
    for topic, word in zip(TOPICS, ("科技", "健康", "体育"), strict=True):
        label = TOPICS.index(topic)
        pairs = zip(column(articles, "label"), column(articles, "text"), strict=True)
        assert sum(word in text for number, text in pairs if number == label) <= 16


def test_the_card_states_lengths_and_counts(articles):
    lengths = [len(text) for text in column(articles, "text")]
    near = sum(map(bool, column(articles, "near")))
    stories = len(set(column(articles, "story")) - {""})
    card = (resources.files("ftlearn.data") / "files" / "CARD.md").read_text(encoding="utf-8")
    assert f"of {min(lengths)} to {max(lengths)} characters" in card
    assert f"about {sum(lengths) / len(lengths):.0f} on average" in card
    assert f"{near} touch another topic" in card
    assert f"{stories} pairs of pieces" in card
