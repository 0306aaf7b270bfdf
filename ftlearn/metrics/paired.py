"""Tests of two models on the same rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest, permutation_test


class McNemar(NamedTuple):
    """How often only the first or only the second model was correct, and the exact p-value."""

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> McNemar:
    """Exact McNemar test of two classifiers on the same rows (McNemar 1947).

    Only rows on which exactly one of the two is correct count; under the null hypothesis each is
    correct on half of those.

    >>> mcnemar(np.array([1, 1, 1, 1, 0]), np.array([0, 0, 0, 0, 1]))
    McNemar(only_first=4, only_second=1, p_value=0.375)
    """
    first, second = np.asarray(first_right, bool), np.asarray(second_right, bool)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return McNemar(0, 0, 1.0)
    test = binomtest(only_first, only_first + only_second, 0.5)
    return McNemar(only_first, only_second, float(test.pvalue))


class PairedTest(NamedTuple):
    """The mean difference of two models' scores, and its p-value."""

    difference: float
    p_value: float


def paired_test(
    first: np.ndarray, second: np.ndarray, *, draws: int = 9999, seed: int = 0
) -> PairedTest:
    """Two-sided permutation test of the scores (N,) of two models on the same rows.

    If the models are alike, it is chance which of a row's two scores belongs to which: the mean
    difference is compared with those after random swaps, or after all 2^N where these are fewer
    than ``draws`` (Fisher 1935). Scores per document, such as log losses, need no normal
    distribution for it.

    Raises ValueError for scores of different shape.

    >>> paired_test(np.array([3.0, 4.0, 5.0]), np.array([1.0, 3.0, 1.0])).p_value
    0.25
    """
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    if np.shape(first) != np.shape(second) or differences.ndim != 1:
        raise ValueError(
            f"scores of shape {np.shape(first)} and {np.shape(second)}: give both as (N,)"
        )
    test = permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=draws,
        batch=1000,
        rng=np.random.default_rng(seed),
    )
    return PairedTest(float(differences.mean()), float(test.pvalue))
