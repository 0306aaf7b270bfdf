"""Shares of tasks by size and temperature, and the rows that an epoch draws."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlearn.errors import ArgumentError
from ftlearn.multitask import drawn_rows, rows_per_epoch, sampling_shares

SIZES = st.lists(st.integers(1, 5000), min_size=1, max_size=5)
TEMPERATURES = st.floats(0.5, 50)


@given(SIZES, TEMPERATURES, st.none() | st.integers(1, 3000))
def test_shares_are_powers_of_the_capped_sizes(sizes, temperature, cap):
    powers = [min(size, cap or size) ** (1 / temperature) for size in sizes]
    expected = np.array(powers) / sum(powers)
    shares = sampling_shares(sizes, temperature=temperature, cap=cap)
    np.testing.assert_allclose(shares, expected, rtol=1e-9)


def test_an_infinite_temperature_draws_from_all_tasks_alike():
    shares = sampling_shares([5000, 100, 3], temperature=float("inf"))
    np.testing.assert_allclose(shares, 1 / 3)


@given(SIZES, TEMPERATURES, st.none() | st.integers(1, 3000))
def test_an_epoch_has_the_capped_rows_and_their_shares_to_one_row(sizes, temperature, cap):
    counts = rows_per_epoch(sizes, temperature=temperature, cap=cap)
    total = sum(min(size, cap or size) for size in sizes)
    exact = sampling_shares(sizes, temperature=temperature, cap=cap) * total
    assert sum(counts) == total
    assert min(counts) >= 1
    assert np.abs(counts - exact).max() < len(sizes)
    if exact.min() >= 1:
        assert np.abs(counts - exact).max() < 1


@given(SIZES)
def test_temperature_one_without_a_cap_draws_every_row_once(sizes):
    assert rows_per_epoch(sizes) == sizes
    rows = drawn_rows(sizes[0], sizes[0], seed=(0,), epoch=3)
    assert sorted(rows.tolist()) == list(range(sizes[0]))


@given(st.integers(1, 40), st.integers(1, 100), st.integers(1, 8))
def test_all_rows_are_drawn_equally_often_but_for_one_time(size, count, epochs):
    times = Counter(dict.fromkeys(range(size), 0))
    for epoch in range(epochs):
        times.update(drawn_rows(size, count, seed=(1, 2), epoch=epoch).tolist())
    assert sum(times.values()) == count * epochs
    assert max(times.values()) - min(times.values()) <= 1


def test_an_epoch_is_a_function_of_seed_and_number():
    draw = {
        key: drawn_rows(50, 20, seed=(key[0],), epoch=key[1]).tolist()
        for key in ((0, 5), (0, 6), (1, 5))
    }
    assert draw[0, 5] == drawn_rows(50, 20, seed=(0,), epoch=5).tolist()
    assert draw[0, 5] != draw[0, 6]
    assert draw[0, 5] != draw[1, 5]


@pytest.mark.parametrize(
    ("sizes", "settings", "message"),
    [
        ([5, 0], {}, "task 1 has 0 rows"),
        ([5], {"temperature": 0.0}, "temperature is 0.0"),
        ([5], {"temperature": float("nan")}, "temperature is nan"),
        ([5], {"cap": 0}, "cap is 0"),
    ],
)
def test_impossible_settings_are_refused(sizes, settings, message):
    with pytest.raises(ArgumentError, match=message):
        rows_per_epoch(sizes, **settings)
