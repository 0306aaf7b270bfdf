"""An n-gram language model whose orders are interpolated, each with a weight found by EM.

With h a history of up to n − 1 words, h' the same without its oldest word, and c(·) counts,

    p(w | h) = λ p_ML(w | h) + (1 − λ) p(w | h'),     p_ML(w | h) = c(h w) / c(h),

down to the uniform distribution below single words; a history that was never seen has λ = 0.
Jelinek and Mercer 1980, "Interpolated estimation of Markov source parameters from sparse data":
λ is found on text that was kept out of the counts (deleted interpolation), and histories seen
about equally often share one. As a rule, the more often a history was seen, the larger its λ.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

START, END, UNKNOWN = "<s>", "</s>", "<unk>"


class History(NamedTuple):
    """What followed a history in the counted text: how often each word, and how many in all."""

    words: Counter[str]
    total: int


@dataclass(frozen=True)
class NGrams:
    """Counts of an interpolated model of ``order`` n, and its weights (n, buckets).

    ``histories`` maps every seen history of 0 .. n − 1 words; the history of k words that was
    seen c times has the weight ``weights[k, min(⌊log₂ c⌋, buckets − 1)]``.
    """

    order: int
    vocabulary: dict[str, int]
    histories: dict[tuple[str, ...], History]
    weights: np.ndarray

    def distribution(self, text: Sequence[str]) -> np.ndarray:
        """p(w | h) of every word of the vocabulary after the words of a text so far, (V,)."""
        probabilities = np.full(len(self.vocabulary), 1 / len(self.vocabulary))
        for place, seen in self._seen(self._padded(text)):
            weight = self.weights[place]
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
        for place, seen in self._seen(history):
            weight = self.weights[place]
            share = seen.words[word] / seen.total
            probability = weight * share + (1 - weight) * probability
        return probability

    def _seen(self, history: tuple[str, ...]) -> Iterator[tuple[tuple[int, int], History]]:
        """The seen ends of a history, shortest first, each with the place of its weight."""
        for length in range(self.order):
            seen = self.histories.get(history[len(history) - length :])
            if seen is None:
                return  # what was never seen was never seen after one more word either
            yield (length, min(seen.total.bit_length(), self.weights.shape[1]) - 1), seen

    def _padded(self, text: Sequence[str]) -> tuple[str, ...]:
        known = (word if word in self.vocabulary else UNKNOWN for word in text)
        return (START,) * (self.order - 1) + tuple(known)

    def _steps(self, text: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each word and the end, with the n − 1 words before it."""
        padded = (*self._padded(text), END)
        for at in range(self.order - 1, len(padded)):
            yield padded[at], padded[at - self.order + 1 : at]


def count(
    texts: Iterable[Sequence[str]],
    *,
    order: int = 3,
    buckets: int = 1,
    vocabulary: Collection[str] | None = None,
) -> NGrams:
    """Count the n-grams of texts, each a list of words; every weight starts at 1/2.

    The vocabulary is that of the texts unless given, with ``</s>`` for the end of a text and
    ``<unk>`` for all other words. Two models to be mixed need the same one. ``buckets=1`` has one
    weight an order. Raises ValueError for an order or a number of buckets below 1.

    >>> model = count([["a", "b", "a"]], order=2)
    >>> dict(zip(model.vocabulary, model.distribution(["a"]).round(4).tolist()))
    {'a': 0.1875, 'b': 0.375, '</s>': 0.375, '<unk>': 0.0625}
    """
    if order < 1 or buckets < 1:
        raise ValueError(f"order {order} and buckets {buckets} must both be at least 1")
    texts = [list(text) for text in texts]
    words = sorted({w for text in texts for w in text} if vocabulary is None else set(vocabulary))
    ids = {word: at for at, word in enumerate(dict.fromkeys([*words, END, UNKNOWN]))}
    model = NGrams(order, ids, {}, np.full((order, buckets), 0.5))
    followers: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for text in texts:
        for word, history in model._steps(text):
            for length in range(order):
                followers[history[len(history) - length :]][word] += 1
    return replace(model, histories={h: History(c, c.total()) for h, c in followers.items()})


class WeightFit(NamedTuple):
    """A model with fitted weights, and the held-out log-likelihood a word after each step."""

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

    Read the formula as a walk from the longest seen history down, which stops at each with
    probability λ and takes the word from there. A step sets λ to the expected share of stops
    among the visits. It ends when a step wins less than ``tolerance`` nats a word, or after
    ``steps``. Weights that no held-out word visits stay as they are.

    >>> model = count([list("abab"), list("abba")], order=2)
    >>> before, *_, after = fit_weights(model, [list("aba")]).history
    >>> after > before
    True
    """
    walks = _walks(model, held_out)
    weights, history = model.weights.copy(), []
    for _ in range(steps + 1):
        better, likelihood = _step(walks, weights)
        history.append(likelihood)
        if len(history) > steps or (len(history) > 1 and likelihood - history[-2] < tolerance):
            break
        weights = better
    return WeightFit(replace(model, weights=weights), history)


class Walks(NamedTuple):
    """For N words: p_ML at each order, (N, n), 0 if unseen; the bucket, −1 if unseen; uniform."""

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
    """One step of EM: better weights, and the mean log-likelihood of the given ones."""
    rows, order = walks.shares.shape
    stop = np.where(walks.buckets < 0, 0, weights[np.arange(order), walks.buckets])
    # From the longest history down: the chance of a visit is that of no stop before it.
    visits = np.cumprod(np.hstack([np.ones((rows, 1)), 1 - stop[:, ::-1]]), 1)[:, ::-1]
    joint = np.hstack([visits[:, :1] * walks.uniform, visits[:, 1:] * stop * walks.shares])
    probability = joint.sum(1, keepdims=True)
    stopped = joint / probability  # column 0: the uniform distribution
    visited = np.cumsum(stopped, 1)
    better = weights.copy()
    for place in np.ndindex(*weights.shape):
        here, column = walks.buckets[:, place[0]] == place[1], place[0] + 1
        if here.any():
            better[place] = stopped[here, column].sum() / visited[here, column].sum()
    return better, float(np.log(probability).mean())
