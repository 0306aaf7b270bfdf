"""Exercises of notebook 14: BM25, F1 of words, the chain; three real bugs of readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)


def exercises() -> list[Exercise]:
    """The six exercises of the sheet; the last three are the bug museum."""
    return [_bm25(), _f1(), _chain(), _argmax(), _cut_answer(), _offsets()]


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


# --- q4: the manual way --------------------------------------------------------------------------


def _best_span(a: Any, b: Any, in_context: Any, longest: int) -> tuple[int, int]:
    spans = [
        (i, j)
        for i in range(len(a))
        for j in range(i, min(i + longest, len(b)))
        if in_context[i] and in_context[j]
    ]
    return max(spans, key=lambda span: a[span[0]] + b[span[1]])


def _verify_argmax(answer: Callable[..., Any]) -> str:
    require_function(answer, "a, b, in_context and longest")
    random = np.random.default_rng()
    for _ in range(40):
        a, b = random.normal(size=(2, 14)) * 3
        in_context = np.arange(14) >= 5
        truth = _best_span(a, b, in_context, 3)
        got = answer(a.copy(), b.copy(), in_context.copy(), 3)
        i, j = (int(position) for position in got)
        if (i, j) != truth:
            _explain_span(i, j, in_context)
            raise NotYetError(
                f"you point at {i}..{j} with the score {a[i] + b[j]:.2f}, and {truth[0]}.."
                f"{truth[1]} has {a[truth[0]] + b[truth[1]]:.2f}"
            )
    return "right: the best pair that is a span of the context"


def _explain_span(i: int, j: int, in_context: np.ndarray) -> None:
    if not (in_context[i] and in_context[j]):
        raise NotYetError(f"you answer {i}..{j}, which is not in the context but in the question")
    if j < i:
        raise NotYetError(f"you answer {i}..{j}, which ends before it begins")
    if j >= i + 3:
        raise NotYetError(f"you answer {i}..{j}, which is longer than 3 tokens")


def _independent(a: Any, b: Any, in_context: Any, longest: int) -> tuple[int, int]:
    return int(np.argmax(a)), int(np.argmax(b))


def _independent_in_context(a: Any, b: Any, in_context: Any, longest: int) -> tuple[int, int]:
    return _independent(
        np.where(in_context, a, -np.inf), np.where(in_context, b, -np.inf), in_context, longest
    )


def _any_length(a: Any, b: Any, in_context: Any, longest: int) -> tuple[int, int]:
    return _best_span(a, b, in_context, len(a))


def _start_first(a: Any, b: Any, in_context: Any, longest: int) -> tuple[int, int]:
    i = int(np.argmax(np.where(in_context, a, -np.inf)))
    return i, i + int(np.argmax(b[i : i + longest]))


def _argmax() -> Exercise:
    return Exercise(
        name="the manual way",
        difficulty=2,
        minutes=10,
        verify=_verify_argmax,
        hints=(
            "look at three answers of your function: do all begin in the context, and before "
            "they end?",
            "go through the pairs i ≤ j < i + longest with both ends in the context",
            "the best start alone need not belong to the best pair: maximise a[i] + b[j]",
        ),
        worked=(
            "def answer(a, b, in_context, longest):\n"
            "    spans = [\n"
            "        (i, j)\n"
            "        for i in range(len(a))\n"
            "        for j in range(i, min(i + longest, len(b)))  # ends after it begins\n"
            "        if in_context[i] and in_context[j]  # no word of the question\n"
            "    ]\n"
            "    return max(spans, key=lambda span: a[span[0]] + b[span[1]])"
        ),
        broken=(
            "import numpy as np\n\n\n"
            "def answer(a, b, in_context, longest):\n"
            "    return int(np.argmax(a)), int(np.argmax(b))\n\n"
        ),
        example=_best_span,
        mistakes=(
            (_independent, "you "),
            (_independent_in_context, "you "),
            (_any_length, "longer than 3"),
            (_start_first, "has"),
            (0.5, "is a function"),
        ),
    )


# --- q5: an answer cut by the window ---


def _label(start: int, end: int, first: int, last: int) -> tuple[int, int] | None:
    if end < first or start > last:
        return (0, 0)
    if start < first or end > last:
        return None
    return (start - first + 1, end - first + 1)


def _verify_cut(answer: Callable[..., Any]) -> str:
    require_function(answer, "start, end, first and last")
    cases = {
        "whole in the window": (12, 14, 10, 20),
        "the window's last tokens": (19, 20, 10, 20),
        "before the window": (3, 5, 10, 20),
        "after the window": (25, 27, 10, 20),
        "cut at the end": (18, 23, 10, 20),
        "cut at the beginning": (8, 11, 10, 20),
    }
    for name, case in cases.items():
        got, truth = answer(*case), _label(*case)
        if got is not None:
            got = tuple(got)
        if got != truth and truth is None and got == (0, 0):
            raise NotYetError(
                f"{name}: the window shows a part of the answer, and you teach that it has none"
            )
        if got != truth:
            raise NotYetError(f"{name}: the label is {truth}, and yours is {got}")
    return "right: whole, absent, or left out; no window is taught a falsehood"


def _zero_if_cut(start: int, end: int, first: int, last: int) -> tuple[int, int]:
    return _label(start, end, first, last) or (0, 0)


def _never_zero(start: int, end: int, first: int, last: int) -> tuple[int, int] | None:
    label = _label(start, end, first, last)
    return label if label != (0, 0) else None


def _clipped(start: int, end: int, first: int, last: int) -> tuple[int, int] | None:
    return _label(max(start, first), min(end, last), first, last) if end >= first else (0, 0)


def _without_cls(start: int, end: int, first: int, last: int) -> tuple[int, int] | None:
    label = _label(start, end, first, last)
    return (label[0] - 1, label[1] - 1) if label and label[0] else label


def _cut_answer() -> Exercise:
    return Exercise(
        name="an answer cut by the window",
        difficulty=2,
        minutes=8,
        verify=_verify_cut,
        hints=(
            "there are three cases: the answer is whole in the window, absent, or cut",
            "(0, 0) says: no answer here. Is that true of a window that shows half of it?",
            "absent: end < first or start > last; cut: None",
        ),
        worked=(
            "def answer(start, end, first, last):\n"
            "    if end < first or start > last:\n"
            "        return (0, 0)  # nothing of it is here\n"
            "    if start < first or end > last:\n"
            "        return None  # a part: both labels would be false, so it is left out\n"
            "    return (start - first + 1, end - first + 1)"
        ),
        broken=(
            "def answer(start, end, first, last):\n"
            "    if start < first or end > last:\n"
            "        return (0, 0)\n"
            "    return (start - first + 1, end - first + 1)\n\n"
        ),
        example=_label,
        mistakes=(
            (_zero_if_cut, "you teach that it has none"),
            (_never_zero, "before the window"),
            (_clipped, "cut at the end"),
            (_without_cls, "whole in the window"),
            (0.5, "is a function"),
        ),
    )


# --- q6: offsets off by one token ---

CONTEXT = "Nerys Bowen mended the spring in Wrexham."
OFFSETS = [(0, 5), (6, 11), (12, 18), (19, 22), (23, 29), (30, 32), (33, 40), (40, 41)]


def _cut_out(context: str, offsets: list[tuple[int, int]], first: int, i: int, j: int) -> str:
    return context[offsets[i - first][0] : offsets[j - first][1]]


def _verify_offsets(answer: Callable[..., Any]) -> str:
    require_function(answer, "context, offsets, first, i and j")
    for i, j in ((9, 9), (12, 13), (9, 16), (15, 15)):
        truth = _cut_out(CONTEXT, OFFSETS, 9, i, j)
        got = answer(CONTEXT, list(OFFSETS), 9, i, j)
        if got != truth:
            raise NotYetError(f"positions {i}..{j} hold {truth!r}, and you cut out {got!r}")
    return "right: from the first character of the first token to the end of the last"


def _offsets() -> Exercise:
    return Exercise(
        name="one token short",
        difficulty=1,
        minutes=5,
        verify=_verify_offsets,
        hints=(
            "compare what you cut out with what was pointed at: what is missing?",
            "each offset is a pair: the token's first character, and the one after its last",
            "the answer ends where its last token ends: offsets[j - first][1]",
        ),
        worked=(
            "def answer(context, offsets, first, i, j):\n"
            "    begin = offsets[i - first][0]\n"
            "    end = offsets[j - first][1]  # where the last token ends, not where it begins\n"
            "    return context[begin:end]"
        ),
        broken=(
            "def answer(context, offsets, first, i, j):\n"
            "    begin = offsets[i - first][0]\n"
            "    end = offsets[j - first][0]\n"
            "    return context[begin:end]\n\n"
        ),
        example=_cut_out,
        mistakes=(
            (
                lambda context, offsets, first, i, j: _cut_out(context, offsets, first, i, j)[:-1],
                "you cut out",
            ),
            (
                lambda context, offsets, first, i, j: context[
                    offsets[i - first][0] : offsets[j - first][0]
                ],
                "you cut out ''",
            ),
            (
                lambda context, offsets, first, i, j: _cut_out(context, offsets, first + 1, i, j),
                "you cut out",
            ),
            (lambda context, offsets, first, i, j: context[i:j], "you cut out"),
            (0.5, "is a function"),
        ),
    )
