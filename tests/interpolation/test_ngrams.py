"""The n-gram model against its recursive definition, and its EM against a walk counted by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlearn.interpolation.predictions import ngrams

words = st.lists(st.sampled_from("abc"), max_size=6)
corpora = st.lists(words, min_size=1, max_size=8)
orders = st.integers(1, 4)


def padded(text: list[str], order: int) -> list[str]:
    return ["<s>"] * (order - 1) + list(text) + ["</s>"]


def occurrences(texts: list[list[str]], sequence: list[str], order: int, *, followed: bool) -> int:
    """How often a sequence occurs in texts, anywhere or only before another word."""
    count = 0
    for text in texts:
        words = padded(text, order)
        for position in range(order, len(words) + 1):
            end = position - 1 if followed else position
            count += words[max(0, end - len(sequence)) : end] == sequence
    return count


def slow_probability(model, texts, word: str, history: list[str]) -> float:
    """The formula of the module, with counts made by reading all texts again."""
    if len(history) >= model.order:
        history = history[len(history) - model.order + 1 :]
    seen = occurrences(texts, history, model.order, followed=True)
    if history:
        shorter = slow_probability(model, texts, word, history[1:])
    else:
        shorter = 1 / len(model.vocabulary)
    if not seen:
        return shorter
    bucket = min(int(math.log2(seen)), model.weights.shape[1] - 1)
    weight = model.weights[len(history), bucket]
    share = occurrences(texts, [*history, word], model.order, followed=False) / seen
    return weight * share + (1 - weight) * shorter


@given(corpora, words, orders, st.integers(1, 3), st.integers(0, 99))
def test_probabilities_are_those_of_the_definition(texts, text, order, buckets, seed):
    model = ngrams.count(texts, order=order, buckets=buckets, vocabulary="abc")
    model.weights[:] = np.random.default_rng(seed).random(model.weights.shape)
    sequence = padded(text, order)
    slow = [
        slow_probability(model, texts, sequence[end], sequence[end - order + 1 : end])
        for end in range(order - 1, len(sequence))
    ]
    assert np.exp(model.log_probabilities(text)) == pytest.approx(slow, rel=1e-12)


@given(corpora, words, orders)
def test_distribution_sums_to_one_and_agrees_with_single_words(texts, text, order):
    model = ngrams.count(texts, order=order, buckets=2)
    model.weights[:] = np.linspace(0.1, 0.9, model.weights.size).reshape(model.weights.shape)
    assert model.distribution(text).sum() == pytest.approx(1, abs=1e-12)
    known = [word if word in model.vocabulary else "<unk>" for word in text]
    for position, word in enumerate([*known, "</s>"]):
        expected = math.log(model.distribution(text[:position])[model.vocabulary[word]])
        assert model.log_probabilities(text)[position] == pytest.approx(expected, abs=1e-12)


@given(corpora, words, orders)
def test_probabilities_of_texts_sum_to_at_most_one(texts, text, order):
    model = ngrams.count(texts, order=order, vocabulary="a")
    per_length = [
        sum(np.exp(model.log_probabilities(t).sum()) for t in itertools.product("ab", repeat=n))
        for n in range(4)
    ]
    assert 0 < sum(per_length) < 1 + 1e-12


@given(corpora, corpora, orders, st.integers(1, 3))
def test_likelihood_never_falls_and_is_that_of_the_model(texts, held_out, order, buckets):
    model = ngrams.count(texts, order=order, buckets=buckets, vocabulary="abc")
    fitted, history = ngrams.fit_weights(model, held_out, steps=30)
    assert (np.diff(history) >= -1e-12).all()
    assert ((fitted.weights >= 0) & (fitted.weights <= 1)).all()
    assert fitted.perplexity(held_out) == pytest.approx(math.exp(-history[-1]), rel=1e-9)
    assert model.perplexity(held_out) == pytest.approx(math.exp(-history[0]), rel=1e-9)
    assert (model.weights == 0.5).all()


def test_weights_are_the_best_of_a_grid():
    texts = [list(t) for t in ("abab", "abba", "aabb", "cab", "abc")]
    held_out = [list(t) for t in ("abb", "bab", "acab", "cc")]
    fitted, history = ngrams.fit_weights(
        ngrams.count(texts, order=2), held_out, steps=5000, tolerance=1e-14
    )
    best = -math.inf
    for first, second in itertools.product(np.linspace(0.01, 0.99, 50), repeat=2):
        model = ngrams.count(texts, order=2)
        model.weights[:] = [[first], [second]]
        best = max(best, -math.log(model.perplexity(held_out)))
    assert history[-1] >= best - 1e-9
    assert history[-1] == pytest.approx(best, abs=1e-3)
    assert ((fitted.weights > 0.05) & (fitted.weights < 0.95)).all()


def test_one_step_is_the_expected_share_of_stops():
    texts, held_out = [list("aab")], [list("ab")]
    model = ngrams.count(texts, order=2)  # a 2, b 1, </s> 1 of 4; vocabulary of 4
    assert model.histories[("a",)].words == {"a": 1, "b": 1}
    stops, visits = np.zeros(2), np.zeros(2)
    # The held-out words: a after <s>, b after a, </s> after b, with p_ML of order 2 and order 1.
    for bigram, unigram in ((1, 1 / 2), (1 / 2, 1 / 4), (1, 1 / 4)):
        ways = np.array([0.5 * bigram, 0.25 * unigram, 0.25 / 4])
        bigram_stop, unigram_stop, uniform = ways / ways.sum()
        stops += [unigram_stop, bigram_stop]
        visits += [unigram_stop + uniform, 1]
    fitted, _ = ngrams.fit_weights(model, held_out, steps=1)
    assert fitted.weights[:, 0] == pytest.approx(stops / visits, abs=1e-12)


def test_a_history_seen_more_often_has_a_larger_weight():
    random = np.random.default_rng(0)
    chain = random.dirichlet(np.full(40, 0.2), size=40)

    def written(length: int) -> list[str]:
        text = [0]
        for _ in range(length):
            # Squared, so that some words are common and others rare.
            chance = chain[text[-1]] * np.linspace(1, 0.02, 40) ** 2
            text.append(random.choice(40, p=chance / chance.sum()))
        return [str(word) for word in text]

    train, held_out = [written(1500)], [written(3000)]
    model = ngrams.count(train, order=2, buckets=7)
    fitted, _ = ngrams.fit_weights(model, held_out)
    weights = fitted.weights[1]
    assert weights[-1] > weights[3] > weights[0]
    single, _ = ngrams.fit_weights(ngrams.count(train, order=2), held_out)
    assert fitted.perplexity(held_out) < single.perplexity(held_out)


def test_unknown_words_and_unseen_histories_have_a_probability():
    model = ngrams.count([["a", "b"]], order=3)
    assert np.isfinite(model.log_probabilities(["never", "seen", "before"])).all()
    assert list(model.vocabulary) == ["a", "b", "</s>", "<unk>"]


def test_impossible_orders_buckets_and_texts_are_refused():
    with pytest.raises(ValueError, match="order 0"):
        ngrams.count([["a"]], order=0)
    with pytest.raises(ValueError, match="buckets 0"):
        ngrams.count([["a"]], buckets=0)
    with pytest.raises(ValueError, match="no held-out texts"):
        ngrams.fit_weights(ngrams.count([["a"]]), [])
