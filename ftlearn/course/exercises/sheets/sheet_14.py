"""Exercises of notebook 14: BM25, F1 of words, the chain; three real bugs of readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)
from ftlearn.course.exercises.sheets.museum_14 import exercises as museum


def exercises() -> list[Exercise]:
    """The six exercises of the sheet; the last three are the bug museum."""
    return [_bm25(), _f1(), _chain(), *museum()]


# --- q1 -----------------------------------------------------------------------------------------

IDF, COUNT, RATIO, K1, B = 2.0, 3, 2.0, 1.2, 0.75


def _verify_bm25(answer: Any) -> str:
    saturated = COUNT * (K1 + 1) / (COUNT + K1 * (1 - B + B * RATIO))
    if close(answer, IDF * saturated, tolerance=5e-3):
        return "right: three occurrences in a long article count less than two idf of the word"
    reject_known(
        answer,
        (
            (IDF * COUNT, "that is idf times the count: the count saturates"),
            (saturated, "the idf of the word is a factor, too"),
            (IDF * COUNT / 5.1, "the numerator is f (k1 + 1)"),
            (
                IDF * COUNT * 2.2 / 4.2,
                "that is an article of average length: this one has twice it",
            ),
            (IDF * COUNT * 2.2 / 5.4, "with b = 1 the length would count fully; here b = 0.75"),
        ),
        tolerance=5e-3,
    )
    raise NotYetError("put f = 3, ℓ/ℓ̄ = 2, k1 = 1.2 and b = 0.75 into the formula, then times idf")


def _bm25() -> Exercise:
    return Exercise(
        name="one term of BM25",
        difficulty=1,
        minutes=4,
        verify=_verify_bm25,
        hints=(
            "the length enters as 1 − b + b · 2 = 1.75",
            "the fraction is 3 · 2.2 / (3 + 1.2 · 1.75)",
        ),
        worked=(
            "length = 1 - 0.75 + 0.75 * 2  # 1.75: a long article has to say a word more often\n"
            "answer = 2.0 * 3 * (1.2 + 1) / (3 + 1.2 * length)"
        ),
        example=2.588,
        mistakes=(
            (6.0, "saturates"),
            (1.294, "a factor"),
            (1.176, "numerator"),
            (3.143, "average length"),
            (2.444, "b = 1"),
            (9.0, "formula"),
        ),
    )


# --- q2 -----------------------------------------------------------------------------------------


def _words_f1(answer: list[str], truth: list[str]) -> float:
    if not answer or not truth:
        return float(answer == truth)
    shared = sum((Counter(answer) & Counter(truth)).values())
    return 2 * shared / (len(answer) + len(truth))


def _verify_f1(answer: Callable[..., Any]) -> str:
    require_function(answer, "two lists of words")
    cases = (
        ([], []),
        ([], ["two"]),
        (["two"], []),
        (["fog", "fog", "fog"], ["fog", "horn"]),
        (["red", "van"], ["red", "van"]),
        (["a", "very", "red", "van"], ["red", "van"]),
        (["blue"], ["red"]),
    )
    for words, truth in cases:
        got = answer(list(words), list(truth))
        if not close(got, _words_f1(words, truth), tolerance=1e-6):
            raise NotYetError(f"for the answer {words} and the truth {truth} yours is {got!r}")
    return "right: also for no answer, and a repeated word does not count twice"


def _f1_of_sets(answer: list[str], truth: list[str]) -> float:
    if not answer or not truth:
        return float(answer == truth)
    return 2 * len(set(answer) & set(truth)) / (len(set(answer)) + len(set(truth)))


def _recall(answer: list[str], truth: list[str]) -> float:
    shared = sum((Counter(answer) & Counter(truth)).values())
    return shared / len(truth) if truth else float(not answer)


def _without_empty(answer: list[str], truth: list[str]) -> float:
    return _words_f1(answer, truth) if answer and truth else 0.0


def _f1() -> Exercise:
    return Exercise(
        name="F1 of words",
        difficulty=2,
        minutes=8,
        verify=_verify_f1,
        hints=(
            "collections.Counter(x) & Counter(y) keeps the smaller count of every word",
            "F1 = 2 · shared / (words of the answer + words of the truth)",
            "two empty lists agree: 1; one empty list: 0",
        ),
        worked=(
            "from collections import Counter\n\n\n"
            "def answer(words, truth):\n"
            "    if not words or not truth:\n"
            "        return float(words == truth)  # no answer is right where there is none\n"
            "    # & keeps the smaller count, so a repeated word is not rewarded\n"
            "    shared = sum((Counter(words) & Counter(truth)).values())\n"
            "    return 2 * shared / (len(words) + len(truth))"
        ),
        example=_words_f1,
        mistakes=(
            (_f1_of_sets, "'fog'"),
            (_recall, "'fog'"),
            (_without_empty, "[]"),
            (lambda words, truth: float(words == truth), "yours is"),
            (0.5, "is a function"),
        ),
    )


# --- q3 -----------------------------------------------------------------------------------------


def _verify_chain(answer: Any) -> str:
    if close(answer, 0.6, tolerance=5e-3):
        return "right: 0.8 · 0.6 + 0.2 · 0.1 = 0.5"
    reject_known(
        answer,
        (
            (0.625, "that takes 0 for the misses: here a tenth of them is right, by no answer"),
            (0.5, "that is the exact match of the whole chain"),
            (0.48, "that is what the hits contribute: divide by their share"),
            (0.4, "the chain is no product of 0.5 and 0.8: solve for EM of the hits"),
        ),
        tolerance=5e-3,
    )
    raise NotYetError("solve 0.5 = 0.8 · x + 0.2 · 0.1 for x")


def _chain() -> Exercise:
    return Exercise(
        name="the chain",
        difficulty=1,
        minutes=4,
        verify=_verify_chain,
        hints=("EM = R · EM_hit + (1 − R) · EM_miss", "0.5 − 0.02 is what the hits contribute"),
        worked="answer = (0.5 - 0.2 * 0.1) / 0.8  # without what the misses contribute, per hit",
        example=0.6,
        mistakes=(
            (0.625, "0 for the misses"),
            (0.5, "whole chain"),
            (0.48, "divide"),
            (0.4, "no product"),
            (0.9, "solve"),
        ),
    )
