"""Nearest neighbours against scikit-learn's, and their votes against a loop over the store."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from ftlearn.interpolation.predictions import knn, mixtures
from ftlearn.interpolation.predictions.knn import Datastore

seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int, rows: int = 30, classes: int = 4) -> tuple[Datastore, torch.Tensor]:
    """A store of random keys (rows, 5) in float64, and 7 queries."""
    random = np.random.default_rng(seed)
    keys = torch.tensor(random.normal(size=(rows, 5)))
    queries = torch.tensor(random.normal(size=(7, 5)))
    values = torch.tensor(random.integers(classes, size=rows))
    return Datastore(keys, values, classes), queries


@given(seeds, st.integers(1, 30))
def test_nearest_are_scikit_learns(seed: int, k: int):
    store, queries = drawn(seed)
    distances, rows = store.nearest(queries, k=k)
    expected = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(store.keys.numpy())
    expected_distances, expected_rows = expected.kneighbors(queries.numpy())
    assert rows.tolist() == expected_rows.tolist()
    np.testing.assert_allclose(distances, expected_distances**2, atol=1e-10)


@given(seeds, st.integers(1, 30), st.floats(0.1, 20))
def test_votes_are_those_of_the_formula(seed: int, k: int, temperature: float):
    store, queries = drawn(seed)
    found = store.log_probabilities(queries, k=k, temperature=temperature).exp()
    for row, query in zip(found.tolist(), queries, strict=True):
        nearest = sorted(
            (sum((a - b) ** 2 for a, b in zip(key.tolist(), query.tolist(), strict=True)), value)
            for key, value in zip(store.keys, store.values.tolist(), strict=True)
        )[:k]
        votes = [0.0] * store.classes
        for distance, value in nearest:
            votes[value] += math.exp(-distance / temperature)
        assert row == pytest.approx([vote / sum(votes) for vote in votes], abs=1e-10)


def test_a_stored_text_is_recalled_when_the_temperature_is_low():
    store, _ = drawn(1)
    recalled = store.log_probabilities(store.keys, k=5, temperature=1e-3)
    assert torch.equal(recalled.argmax(-1), store.values)


def test_at_a_high_temperature_all_neighbours_count_the_same():
    store, queries = drawn(2)
    share = torch.bincount(store.values, minlength=4) / len(store)
    flat = store.log_probabilities(queries, k=len(store), temperature=1e9).exp()
    torch.testing.assert_close(flat, share.double().expand(7, 4), rtol=0, atol=1e-6)


def test_small_distances_between_far_away_keys_are_exact():
    keys = torch.tensor([[1000.0], [1000.01], [1000.03]])
    found = Datastore(keys, torch.tensor([0, 1, 1]), 2).nearest(keys[:1].expand(40, 1), k=3)
    expected = (keys - keys[0]).square().T.expand(40, 3)
    torch.testing.assert_close(found.distances, expected, rtol=1e-6, atol=0)


def test_queries_in_chunks_have_the_same_neighbours(monkeypatch: pytest.MonkeyPatch):
    store, queries = drawn(3)
    at_once = store.nearest(queries, k=4)
    monkeypatch.setattr(knn, "CHUNK", 2 * len(store))
    in_chunks = store.nearest(queries, k=4)
    assert torch.equal(at_once.rows, in_chunks.rows)
    assert torch.equal(at_once.distances, in_chunks.distances)


def test_mixed_with_a_model_no_class_is_impossible():
    store, queries = drawn(4)
    recalled = store.log_probabilities(queries, k=1)
    model = torch.zeros(7, 4, dtype=torch.float64).log_softmax(-1)
    mixed = mixtures.mixture([model, recalled], [0.75, 0.25]).exp()
    assert torch.isneginf(recalled).any()
    assert mixed.min().item() == pytest.approx(0.75 / 4)
    assert mixed.max().item() == pytest.approx(0.75 / 4 + 0.25)


def test_impossible_stores_and_queries_are_refused():
    store, queries = drawn(5)
    for k in (0, 31):
        with pytest.raises(ValueError, match=f"k is {k}, but the store has 30"):
            store.nearest(queries, k=k)
    with pytest.raises(ValueError, match="temperature is 0"):
        store.log_probabilities(queries, temperature=0)
    with pytest.raises(ValueError, match="one row per example"):
        Datastore(store.keys, store.values[1:], 4)
    with pytest.raises(ValueError, match="3 classes have the ids"):
        Datastore(store.keys, torch.full((30,), 3), 3)
