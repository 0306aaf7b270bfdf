"""Near-duplicates against all pairs compared one by one."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlearn.data import DataError, Leak, exact_duplicates, leaks, near_duplicates

WORDS = ["match", "late", "after", "rain", "while", "her", "phone", "lost", "doctor", "run", "a"]


def brute_force(texts: list[str], threshold: float, ngram: int) -> list[list[int]]:
    """Groups found by comparing all pairs and merging sets until nothing changes."""
    folded = [" ".join(text.lower().split()) for text in texts]
    grams = [{t[i : i + ngram] for i in range(len(t) - ngram + 1)} or {t} for t in folded]
    groups = [{i} for i in range(len(texts))]
    for i, j in combinations(range(len(texts)), 2):
        if len(grams[i] & grams[j]) / len(grams[i] | grams[j]) >= threshold:
            merged = set().union(*(g for g in groups if g & {i, j}))
            groups = [g for g in groups if not g & {i, j}] + [merged]
    return sorted(sorted(group) for group in groups if len(group) > 1)


def variants(seed: int, rows: int = 40) -> list[str]:
    """Texts of twelve words, many of them another one with a few words changed."""
    rng = random.Random(seed)
    texts = [" ".join(rng.choices(WORDS, k=12))]
    for _ in range(rows - 1):
        words = rng.choice(texts).split() if rng.random() < 0.6 else rng.choices(WORDS, k=12)
        for place in rng.sample(range(12), rng.randint(0, 3)):
            words[place] = rng.choice(WORDS)
        texts.append(" ".join(words))
    return texts


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_near_duplicates_are_those_of_all_pairs(threshold, seed):
    texts = variants(seed)
    expected = brute_force(texts, threshold, 5)
    assert expected
    assert near_duplicates(texts, threshold=threshold, seed=seed) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("aB \n", max_size=8), max_size=8), st.integers(1, 6))
def test_short_and_empty_texts(texts, ngram):
    assert near_duplicates(texts, threshold=0.5, ngram=ngram) == brute_force(texts, 0.5, ngram)


def test_the_seed_of_the_hash_does_not_matter():
    texts = variants(9)
    assert near_duplicates(texts, seed=1) == near_duplicates(texts, seed=2)


@given(st.lists(st.sampled_from("abcA ")))
def test_exact_duplicates_partition_the_repeated_rows(texts):
    groups = exact_duplicates(texts)
    assert all(len({texts[i] for i in group}) == 1 and len(group) > 1 for group in groups)
    alone = len(texts) - sum(map(len, groups)) + len(groups)
    assert alone == len(set(texts))


def test_leaks_are_what_crosses_a_border():
    train = {
        "text": ["The match was a draw.", "Sleep well.", "Sleep well!"],
        "story": ["1", "2", ""],
    }
    test = {"text": ["the match was a draw!", "A new phone."], "story": ["3", "2"]}
    parts = {"train": Dataset.from_dict(train), "test": Dataset.from_dict(test)}
    assert leaks(parts, group="story") == [
        Leak("near-duplicate", (("train", 0), ("test", 0))),
        Leak("story='2'", (("train", 1), ("test", 1))),
    ]
    assert leaks({"train": parts["train"]}) == []


def test_errors_name_the_value():
    with pytest.raises(DataError, match=r"threshold=1\.5"):
        near_duplicates(["a"], threshold=1.5)
    with pytest.raises(DataError, match="ngram=0"):
        near_duplicates(["a"], ngram=0)
    with pytest.raises(DataError, match=r"part 'x' has no column 'text'.*'txt'"):
        leaks({"x": Dataset.from_dict({"txt": ["a"]})})
