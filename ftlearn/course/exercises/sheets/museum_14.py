"""The bug museum of notebook 14: spans, windows and offsets of real threads, to be mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ftlearn.course.exercises.base import Exercise, NotYetError, require_function


def exercises() -> list[Exercise]:
    """The three broken functions, which run and do the wrong thing."""
    return [_argmax(), _cut_answer(), _offsets()]


# --- q4: the manual way -------------------------------------------------------------------------


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


# --- q5: an answer cut by the window ------------------------------------------------------------


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


# --- q6: offsets off by one token ---------------------------------------------------------------

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


def _without_last_character(
    context: str, offsets: list[tuple[int, int]], first: int, i: int, j: int
) -> str:
    return _cut_out(context, offsets, first, i, j)[:-1]


def _without_last_token(
    context: str, offsets: list[tuple[int, int]], first: int, i: int, j: int
) -> str:
    return context[offsets[i - first][0] : offsets[j - first][0]]


def _one_token_early(
    context: str, offsets: list[tuple[int, int]], first: int, i: int, j: int
) -> str:
    return _cut_out(context, offsets, first + 1, i, j)


def _tokens_as_characters(
    context: str, offsets: list[tuple[int, int]], first: int, i: int, j: int
) -> str:
    return context[i:j]


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
            (_without_last_character, "you cut out"),
            (_without_last_token, "you cut out ''"),
            (_one_token_early, "you cut out"),
            (_tokens_as_characters, "you cut out"),
            (0.5, "is a function"),
        ),
    )
