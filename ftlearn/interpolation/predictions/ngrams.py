"""An n-gram language model whose orders are interpolated, each with a weight found by EM.

With h a history of up to n − 1 words, h' the same without its oldest word, and c(·) counts,

    p(w | h) = λ p_ML(w | h) + (1 − λ) p(w | h'),     p_ML(w | h) = c(h w) / c(h),

down to the uniform distribution below single words; a history that was never seen has λ = 0.
Jelinek and Mercer 1980, "Interpolated estimation of Markov source parameters from sparse data":
λ is estimated on text that was held out of the counts (deleted interpolation), and histories seen
about equally often share one λ. As a rule, the more often a history was seen, the larger its λ.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

START, END, UNKNOWN = "<s>", "</s>", "<unk>"


class History(NamedTuple):
    """The words that followed a history in the counted text: counts by word, and their total."""

    words: Counter[str]
    total: int


@dataclass(frozen=True)
class NGrams:
    """Counts of an interpolated model of ``order`` n, and its weights (n, buckets).

    ``histories`` has an entry for every seen history of 0 .. n − 1 words; a history of k words
    that was seen c times has the weight ``weights[k, min(⌊log₂ c⌋, buckets − 1)]``.
    """

    order: int
    vocabulary: dict[str, int]
    histories: dict[tuple[str, ...], History]
    weights: np.ndarray

    def distribution(self, text: Sequence[str]) -> np.ndarray:
        """p(w | h) of every word of the vocabulary after the words of ``text``, (V,)."""
        probabilities = np.full(len(self.vocabulary), 1 / len(self.vocabulary))
        for index, seen in self._seen(self._padded(text)):
            weight = self.weights[index]
            probabilities *= 1 - weight
            for word, count in seen.words.items():
                probabilities[self.vocabulary[word]] += weight * count / seen.total
        return probabilities

    def log_probabilities(self, text: Sequence[str]) -> np.ndarray:
        """log p of each word of a text and of its end, (T + 1,), in nats."""
        return np.log([self._probability(word, history) for word, history in self._steps(text)])

    def perplexity(self, texts: Iterable[Sequence[str]]) -> float:
        """exp of the mean loss over all words of the texts and their ends."""
        return float(np.exp(-np.concatenate([self.log_probabilities(t) for t in texts]).mean()))

    def _probability(self, word: str, history: tuple[str, ...]) -> float:
        probability = 1 / len(self.vocabulary)
        for index, seen in self._seen(history):
            weight = self.weights[index]
            share = seen.words[word] / seen.total
            probability = weight * share + (1 - weight) * probability
        return probability

    def _seen(self, history: tuple[str, ...]) -> Iterator[tuple[tuple[int, int], History]]:
        """The seen suffixes of a history, shortest first, each with the index of its weight."""
        for length in range(self.order):
            seen = self.histories.get(history[len(history) - length :])
            if seen is None:
                return  # a longer suffix was never seen either
            yield (length, min(seen.total.bit_length(), self.weights.shape[1]) - 1), seen

    def _padded(self, text: Sequence[str]) -> tuple[str, ...]:
        known = (word if word in self.vocabulary else UNKNOWN for word in text)
        return (START,) * (self.order - 1) + tuple(known)

    def _steps(self, text: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each word and the end, with the n − 1 words before it."""
        padded = (*self._padded(text), END)
        for position in range(self.order - 1, len(padded)):
            yield padded[position], padded[position - self.order + 1 : position]


def count(
    texts: Iterable[Sequence[str]],
    *,
    order: int = 3,
    buckets: int = 1,
    vocabulary: Collection[str] | None = None,
) -> NGrams:
    """Count the n-grams of texts, each a list of words; every weight starts at 1/2.

    The vocabulary is that of the texts unless given, with ``</s>`` for the end of a text and
    ``<unk>`` for all other words. Models that are to be mixed need the same vocabulary.
    ``buckets=1`` has one weight per order. Raises ValueError for an order or a number of buckets
    below 1.

    >>> model = count([["a", "b", "a"]], order=2)
    >>> dict(zip(model.vocabulary, model.distribution(["a"]).round(4).tolist()))
    {'a': 0.1875, 'b': 0.375, '</s>': 0.375, '<unk>': 0.0625}
    """
    if order < 1 or buckets < 1:
        raise ValueError(f"order {order} and buckets {buckets} must both be at least 1")
    texts = [list(text) for text in texts]
    if vocabulary is None:
        vocabulary = [word for text in texts for word in text]
    words = dict.fromkeys([*sorted(set(vocabulary)), END, UNKNOWN])
    ids = {word: index for index, word in enumerate(words)}
    model = NGrams(order, ids, {}, np.full((order, buckets), 0.5))
    followers: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for text in texts:
        for word, history in model._steps(text):
            for length in range(order):
                followers[history[len(history) - length :]][word] += 1
    histories = {history: History(counts, counts.total()) for history, counts in followers.items()}
    return replace(model, histories=histories)


class WeightFit(NamedTuple):
    """A model with fitted weights, and the held-out log-likelihood per word after each step."""

    model: NGrams
    history: list[float]


def fit_weights(
    model: NGrams,
    held_out: Iterable[Sequence[str]],
    *,
    steps: int = 200,
    tolerance: float = 1e-9,
) -> WeightFit:
    """Weights by expectation maximisation on held-out texts; their likelihood never falls.

    Read the formula as a walk from the longest seen history down, which stops at each history
    with probability λ and draws the word there. A step sets λ to the expected share of stops
    among the visits. EM ends when a step gains less than ``tolerance`` nats per word, or after
    ``steps``. Weights that no held-out word visits stay as they are.

    >>> model = count([list("abab"), list("abba")], order=2)
    >>> before, *_, after = fit_weights(model, [list("aba")]).history
    >>> after > before
    True
    """
    walks = _walks(model, held_out)
    weights = model.weights.copy()
    history: list[float] = []
    for _ in range(steps + 1):
        updated, likelihood = _step(walks, weights)
        history.append(likelihood)
        if len(history) > steps or (len(history) > 1 and likelihood - history[-2] < tolerance):
            break
        weights = updated
    return WeightFit(replace(model, weights=weights), history)


class Walks(NamedTuple):
    """For N words: p_ML by order (N, n), 0 if unseen; buckets (N, n), −1 if unseen; and 1/V."""

    shares: np.ndarray
    buckets: np.ndarray
    uniform: float


def _walks(model: NGrams, texts: Iterable[Sequence[str]]) -> Walks:
    steps = [step for text in texts for step in model._steps(text)]
    if not steps:
        raise ValueError("no held-out texts: weights fitted on nothing mean nothing")
    shares = np.zeros((len(steps), model.order))
    buckets = np.full((len(steps), model.order), -1)
    for row, (word, history) in enumerate(steps):
        for (length, bucket), seen in model._seen(history):
            shares[row, length] = seen.words[word] / seen.total
            buckets[row, length] = bucket
    return Walks(shares, buckets, 1 / len(model.vocabulary))


def _step(walks: Walks, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """One step of EM: the updated weights, and the mean log-likelihood of the old ones."""
    words, order = walks.shares.shape
    stop = np.where(walks.buckets < 0, 0, weights[np.arange(order), walks.buckets])
    # From the longest history down: a history is visited if the walk has not stopped before it.
    visits = np.cumprod(np.hstack([np.ones((words, 1)), 1 - stop[:, ::-1]]), 1)[:, ::-1]
    joint = np.hstack([visits[:, :1] * walks.uniform, visits[:, 1:] * stop * walks.shares])
    probability = joint.sum(1, keepdims=True)
    stopped = joint / probability  # column 0: the uniform distribution
    visited = np.cumsum(stopped, 1)
    updated = weights.copy()
    for length, bucket in np.ndindex(*weights.shape):
        rows = walks.buckets[:, length] == bucket
        column = length + 1
        visits_here = visited[rows, column].sum()
        if visits_here > 0:  # a weight that no walk reaches stays as it is
            updated[length, bucket] = stopped[rows, column].sum() / visits_here
    return updated, float(np.log(probability).mean())
