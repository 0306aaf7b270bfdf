"""Measures of generated texts against closed forms and laws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlearn.errors import ArgumentError, ArgumentTypeError
from ftlearn.generation import Generated, measures

WORDS = st.lists(st.sampled_from("abc"), min_size=1, max_size=30)


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("times", [5, 9])
def test_a_loop_of_k_words_repeats_all_but_k_ngrams(n: int, times: int):
    loop = " ".join(["to", "be", "or", "not"] * times)
    total = 4 * times - n + 1
    assert measures.repetition(loop, n) == pytest.approx(1 - 4 / total)
    assert measures.distinct([loop], n) == pytest.approx(4 / total)


def test_repetition_starts_anew_in_each_text_and_distinct_does_not():
    assert measures.repetition("a b c d e", 2) == 0
    assert measures.distinct(["a b c", "a b c"], 2) == 0.5


@given(WORDS, st.integers(1, 5))
def test_repetition_counts_ngrams_that_stood_before(words: list[str], n: int):
    grams = [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]
    slow = [gram in grams[:at] for at, gram in enumerate(grams)]
    share = measures.repetition(words, n)
    assert math.isnan(share) if not grams else share == pytest.approx(sum(slow) / len(slow))
    assert measures.repetition(" ".join(words), n) == pytest.approx(share, nan_ok=True)


@given(WORDS, WORDS, st.integers(1, 4))
def test_copied_is_the_share_of_ngrams_found_in_a_source(words, source, n):
    grams = ["".join(words[at : at + n]) for at in range(len(words) - n + 1)]
    slow = [gram in "".join(source) for gram in grams]
    share = measures.copied(words, ["unrelated words", source], n)
    assert math.isnan(share) if not grams else share == pytest.approx(sum(slow) / len(slow))


def test_a_text_copies_itself_and_no_ngram_crosses_from_one_source_to_the_next():
    text = "one two three four five six seven eight nine"
    assert measures.copied(text, ["x", text]) == 1
    assert measures.copied("a b c d", ["a b", "c d"], n=2) == pytest.approx(2 / 3)


def test_a_uniform_model_of_bytes_has_eight_bits_per_byte():
    texts = ["日本", "plain"]
    nats = math.log(256) * (6 + 5)
    assert measures.bits_per_byte(nats, texts) == pytest.approx(8)
    with pytest.raises(ArgumentError, match="texts have no byte"):
        measures.bits_per_byte(1.0, [""])


def test_stop_rate_is_the_share_that_ended():
    answers = [Generated("a", 2, number % 4 == 0) for number in range(8)]
    assert measures.stop_rate(answers) == 0.25
    assert math.isnan(measures.stop_rate([]))


def test_one_string_is_no_list_of_texts():
    for call in (
        lambda: measures.distinct("a b"),
        lambda: measures.copied("a b", "a b"),
        lambda: measures.bits_per_byte(1.0, "a b"),
    ):
        with pytest.raises(ArgumentTypeError, match="texts is one string, 'a b': pass a list"):
            call()
