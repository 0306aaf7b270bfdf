"""Augmented texts: the same for the same seed, and never more than the operation changes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity

from ftlearn.data.augmentation import (
    OPERATIONS,
    augment,
    delete,
    insert,
    neighbours,
    replace,
    swap,
    vocabulary,
)

NEAR = {"cold": ("chilly", "icy"), "match": ("game",)}
TEXT = "A cold match, a cold crowd and one late goal for the home side."
texts = st.lists(st.sampled_from(TEXT.split()), min_size=1, max_size=30)
counts = st.integers(1, 10)
seeds = st.integers(0, 2**20)


def draw(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(texts, counts, seeds)
def test_delete_leaves_a_part_in_order_and_never_nothing(words, count, seed):
    left = delete(words, count, draw(seed), {})
    assert len(left) == max(1, len(words) - count)
    remaining = iter(words)
    assert all(word in remaining for word in left)  # in the same order


@given(texts, counts, seeds)
def test_swap_keeps_the_words_and_moves_at_most_two_per_swap(words, count, seed):
    swapped = swap(words, count, draw(seed), {})
    assert Counter(swapped) == Counter(words)
    assert sum(a != b for a, b in zip(words, swapped, strict=True)) <= 2 * count


@given(texts, counts, seeds)
def test_insert_only_adds_neighbours_of_words_that_are_there(words, count, seed):
    longer = insert(words, count, draw(seed), NEAR)
    known = sum(word.strip(",.").lower() in NEAR for word in words)
    added = Counter(longer) - Counter(words)
    assert Counter(words) <= Counter(longer)
    assert sum(added.values()) == min(count, known)
    assert set(added) <= {"chilly", "icy", "game"}


@given(texts, counts, seeds)
def test_replace_exchanges_only_known_words_and_keeps_their_marks(words, count, seed):
    new = replace(words, count, draw(seed), NEAR)
    assert len(new) == len(words)
    changed = [(a, b) for a, b in zip(words, new, strict=True) if a != b]
    known = sum(word.strip(",.").lower() in NEAR for word in words)
    assert len(changed) == min(count, known)
    assert all(
        (a, b) in {("cold", "chilly"), ("cold", "icy"), ("match,", "game,")} for a, b in changed
    )


def test_replace_keeps_a_capital_and_takes_backslashes_as_they_are():
    assert replace(["Match!"], 1, draw(0), NEAR) == ["Game!"]
    assert replace(["cold"], 1, draw(0), {"cold": [r"\1"]}) == [r"\1"]


def test_the_same_numbers_give_the_same_text_and_others_vary():
    def augmented(seed=1, epoch=2, index=3):
        return augment(TEXT, seed=seed, epoch=epoch, index=index, neighbours=NEAR)

    assert augmented() == augmented()
    assert len({augmented(epoch=epoch) for epoch in range(20)}) > 10
    assert len({augmented(index=index) for index in range(20)}) > 10
    assert len({augmented(seed=seed) for seed in range(20)}) > 10


def test_all_operations_come_about_equally_often_and_without_neighbours_only_two():
    words, length = Counter(TEXT.split()), len(TEXT.split())
    kinds = Counter()
    for index in range(400):
        new = augment(TEXT, seed=0, epoch=0, index=index, neighbours=NEAR).split()
        if len(new) != length:
            kind = "delete" if len(new) < length else "insert"
        else:
            kind = "swap" if Counter(new) == words else "replace"
        kinds[kind] += 1
    assert set(kinds) == set(OPERATIONS)
    assert min(kinds.values()) > 60
    alone = {len(augment(TEXT, seed=0, epoch=0, index=i).split()) for i in range(100)}
    assert alone == {13, 14}


@pytest.mark.parametrize("share", [0, -0.1, 1.2])
def test_an_impossible_share_is_named(share):
    with pytest.raises(ValueError, match=f"share is {share}"):
        augment(TEXT, seed=0, epoch=0, index=0, share=share)


def test_a_blank_text_is_named_by_its_row_and_a_single_word_survives():
    with pytest.raises(ValueError, match="row 7 holds no words"):
        augment("  ", seed=0, epoch=0, index=7)
    assert {augment("word", seed=0, epoch=e, index=0) for e in range(9)} == {"word"}


@given(st.integers(2, 12), seeds)
def test_neighbours_are_those_of_a_slow_search(rows, seed):
    vectors = draw(seed).normal(size=(rows, 3))
    words = [f"w{i}" for i in range(rows)]
    nearest = neighbours(words, vectors, count=2, least=0.5)
    cosine = cosine_similarity(vectors)
    for i, word in enumerate(words):
        others = sorted((j for j in range(rows) if j != i), key=lambda j: -cosine[i, j])
        expected = tuple(words[j] for j in others[:2] if cosine[i, j] >= 0.5)
        assert nearest.get(word, ()) == expected


def test_vectors_that_do_not_fit_are_an_error():
    with pytest.raises(ValueError, match=r"2 words and vectors of shape \(3, 4\)"):
        neighbours(["a", "b"], np.ones((3, 4)))
    with pytest.raises(ValueError, match="'b' has a vector of length 0"):
        neighbours(["a", "b"], np.array([[1.0], [0.0]]))


def test_the_vocabulary_is_frequent_words_without_marks():
    words = vocabulary([TEXT, "The crowd! The crowd's late."], most=3)
    assert words == ["cold", "crowd", "late"]
