"""The promises of the course's own corpus, on the files themselves."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from datasets import ClassLabel, DatasetDict, Value
from text_measures import share_once

from ftlearn.data import leaks, load, near_duplicates, repair_text

NAMES = ("topics", "topics_shift", "topics_raw", "ratings")


@pytest.fixture(scope="module")
def corpus() -> dict[str, DatasetDict]:
    """Every bundled data set by name."""
    return {name: load(name) for name in NAMES}


def column(parts: DatasetDict, name: str) -> list:
    """One column over all parts."""
    return [value for part in parts.values() for value in part[name]]


def test_parts_and_features(corpus):
    articles = ["id", "title", "text", "label", "register", "near", "story"]
    raw = ["id", "title", "text", "register", "near", "story"]
    raw += ["annotator_a", "annotator_b", "editor"]
    assert {name: list(parts) for name, parts in corpus.items()} == {
        "topics": ["train", "valid", "test"],
        "topics_shift": ["test"],
        "topics_raw": ["raw", "verdicts"],
        "ratings": ["train", "valid", "test"],
    }
    for name in ("topics", "topics_shift"):
        for part in corpus[name].values():
            assert part.column_names == articles
            assert part.features["label"] == ClassLabel(names=["technology", "health", "sports"])
    for part in corpus["ratings"].values():
        assert set(part.column_names) == {"id", "text", "product", "label"}
        assert part.features["label"] == Value("float32")
    for part, columns in (("raw", raw), ("verdicts", ["id", "label"])):
        features = corpus["topics_raw"][part].features
        assert features == dict.fromkeys(columns, Value("string"))


@pytest.mark.parametrize("name", ["topics", "topics_shift", "ratings"])
def test_ids_are_unique(corpus, name):
    ids = column(corpus[name], "id")
    assert len(set(ids)) == len(ids)


def test_topics_are_many_balanced_titled_and_of_several_registers(corpus):
    counts = Counter(column(corpus["topics"], "label"))
    assert sum(counts.values()) >= 900
    assert min(counts[label] for label in range(3)) >= 300
    assert all(title.strip() for title in column(corpus["topics"], "title"))
    registers = Counter(column(corpus["topics"], "register"))
    assert len(registers) >= 3
    assert all(register and register.strip() for register in registers)


def test_topics_have_40_to_120_words(corpus):
    lengths = {text: len(text.split()) for text in column(corpus["topics"], "text")}
    assert {text: n for text, n in lengths.items() if not 40 <= n <= 120} == {}


def test_topics_shift_is_large_enough_and_holds_all_topics(corpus):
    counts = Counter(column(corpus["topics_shift"], "label"))
    assert sum(counts.values()) >= 150
    assert set(counts) == {0, 1, 2}


def test_ratings_fill_all_five_stars(corpus):
    counts = Counter(column(corpus["ratings"], "label"))
    assert sum(counts.values()) >= 300
    assert set(counts) == {1, 2, 3, 4, 5}
    assert min(counts.values()) >= 50


def test_there_are_no_near_duplicates(corpus):
    texts = [
        text
        for name in ("topics", "topics_shift", "ratings")
        for text in column(corpus[name], "text")
    ]
    assert [[texts[i] for i in group] for group in near_duplicates(texts, threshold=0.5)] == []


def test_most_word_4_grams_of_topics_occur_once(corpus):
    assert share_once(column(corpus["topics"], "text"), n=4) >= 0.85


def test_topics_are_stratified_to_within_one_row(corpus):
    labels = Counter(column(corpus["topics"], "label"))
    for part in corpus["topics"].values():
        share = len(part) / labels.total()
        for label, count in labels.items():
            assert abs(part["label"][:].count(label) - count * share) <= 1


def test_no_story_is_shared_between_parts(corpus):
    stories = {name: set(part["story"]) - {None, ""} for name, part in corpus["topics"].items()}
    assert all(stories.values())
    for a, b in combinations(stories, 2):
        assert stories[a] & stories[b] == set()
    assert leaks(corpus["topics"], group="story", threshold=0.5) == []


def test_repair_leaves_clean_texts_and_brings_back_every_one_from_topics_raw(corpus):
    clean = [
        text for name in NAMES if name != "topics_raw" for text in column(corpus[name], "text")
    ]
    assert [text for text in clean if repair_text(text).changes] == []
    repaired = {repair_text(text or "").text for text in corpus["topics_raw"]["raw"]["text"]}
    assert set(column(corpus["topics"], "text")) <= repaired


def test_every_clean_topic_has_a_verdict(corpus):
    verdicts = corpus["topics_raw"]["verdicts"]
    assert len(set(verdicts["id"])) == len(verdicts)
    known = dict(zip(verdicts["id"], verdicts["label"], strict=True))
    for part in corpus["topics"].values():
        names = part.features["label"].int2str(part["label"][:])
        assert {i: known.get(i) for i in part["id"]} == dict(zip(part["id"], names, strict=True))
