"""Exercises of notebook 16: Chow's threshold, its cost, the mask; three real bugs of dialogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)
from ftlearn.course.exercises.sheets.museum_16 import exercises as museum


def exercises() -> list[Exercise]:
    """The six exercises of the sheet; the last three are the bug museum."""
    return [_chow(), _cost(), _labels(), *museum()]


# --- q1 -----------------------------------------------------------------------------------------

ERROR_COST, HUMAN_COST = 8.0, 2.0


def _verify_chow(answer: Any) -> str:
    if close(answer, 1 - HUMAN_COST / ERROR_COST):
        return "right: an answer costs 8 (1 − p) on average, a colleague 2; they meet at p = 3/4"
    reject_known(
        answer,
        (
            (HUMAN_COST / ERROR_COST, "that is the risk 1 − p at which both cost the same"),
            (ERROR_COST / HUMAN_COST, "a probability is at most 1"),
            (1 - ERROR_COST / HUMAN_COST, "which of the two costs is divided by which?"),
            (
                HUMAN_COST / (ERROR_COST + HUMAN_COST),
                "a request is answered or handed over, so the two costs are never added",
            ),
            (
                ERROR_COST / (ERROR_COST + HUMAN_COST),
                "a request is answered or handed over, so the two costs are never added",
            ),
            (0.5, "that would be right if a colleague cost half as much as a wrong answer"),
        ),
    )
    raise NotYetError("what does an answer cost on average, if it is right with probability p?")


def _chow() -> Exercise:
    return Exercise(
        name="when to hand over",
        difficulty=1,
        minutes=4,
        verify=_verify_chow,
        hints=(
            "an answer that is right with probability p costs 8 (1 − p) on average",
            "hand over as soon as that is more than 2",
        ),
        worked=(
            "# answering costs 8 (1 - p), a colleague costs 2: they are equal at 1 - p = 2 / 8\n"
            "answer = 1 - 2 / 8"
        ),
        example=0.75,
        mistakes=(
            (0.25, "the risk"),
            (4.0, "at most 1"),
            (-3.0, "divided by which"),
            (0.2, "never added"),
            (0.8, "never added"),
            (0.5, "half as much"),
            (0.9, "cost on average"),
        ),
    )


# --- q2 -----------------------------------------------------------------------------------------


def _slow_cost(p: np.ndarray, right: np.ndarray, threshold: float, human: float, error: float):
    """One request after the other."""
    total = 0.0
    for confidence, is_right in zip(p, right, strict=True):
        if confidence < threshold:
            total += human
        elif not is_right:
            total += error
    return total / len(p)


def _verify_cost(answer: Callable[..., Any]) -> str:
    require_function(answer, "p, right, threshold, c_human and c_error")
    random = np.random.default_rng()
    for threshold in (0.0, 0.4, 0.7, 1.01):
        p, right = random.uniform(size=50), random.uniform(size=50) < 0.7
        human, error = random.uniform(1, 3), random.uniform(5, 15)
        got = answer(p.copy(), right.copy(), threshold, human, error)
        truth = _slow_cost(p, right, threshold, human, error)
        if close(got, truth, tolerance=1e-9):
            continue
        handed = p < threshold
        known = (
            (truth * 50, "that is the sum over the 50 requests: give the mean"),
            (handed.mean() * human + (~right).mean() * error, "a request that is handed over"),
            ((~handed).mean() * human + (handed & ~right).mean() * error, "are handed over"),
            (handed.mean() * human + (~handed & right).mean() * error, "right answers cost"),
            ((~handed & ~right).mean() * error, "a colleague costs something, too"),
        )
        for value, reason in known:
            if close(got, value, tolerance=1e-9):
                raise NotYetError(_COST_REASONS.get(reason, reason))
        raise NotYetError(f"with threshold {threshold} the mean cost is {truth:.4f}, not {got!r}")
    return (
        "right: a request costs c_human if handed over, c_error if answered wrongly, else nothing"
    )


_COST_REASONS = {
    "a request that is handed over": "a request that is handed over costs c_human alone: nobody "
    "reads what the model would have answered",
    "are handed over": "requests with p *below* the threshold are handed over",
    "right answers cost": "right answers cost nothing; wrong ones cost c_error",
}


def _mean_cost(p: Any, right: Any, threshold: float, c_human: float, c_error: float) -> float:
    handed = p < threshold
    return np.where(handed, c_human, np.where(right, 0, c_error)).mean()


def _cost() -> Exercise:
    return Exercise(
        name="the cost of a threshold",
        difficulty=2,
        minutes=8,
        verify=_verify_cost,
        hints=(
            "each request falls into one of three cases: handed over, answered rightly, or wrongly",
            "np.where(p < threshold, c_human, ...) gives the cost of each request",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(p, right, threshold, c_human, c_error):\n"
            "    answered = np.where(right, 0, c_error)\n"
            "    # whoever is handed over never sees the model's answer, right or wrong\n"
            "    return np.where(p < threshold, c_human, answered).mean()"
        ),
        example=_mean_cost,
        mistakes=(
            (lambda p, r, t, h, e: 50 * _mean_cost(p, r, t, h, e), "give the mean"),
            (lambda p, r, t, h, e: (p < t).mean() * h + (~r).mean() * e, "costs c_human alone"),
            (lambda p, r, t, h, e: _mean_cost(-p, r, -t, h, e), "*below*"),
            (lambda p, r, t, h, e: _mean_cost(p, ~r, t, h, e), "right answers cost nothing"),
            (lambda p, r, t, h, e: _mean_cost(p, r, t, 0, e), "a colleague costs something"),
            (lambda p, r, t, h, e: 1.0, "the mean cost is"),
            (0.5, "is a function"),
        ),
    )


# --- q3 -----------------------------------------------------------------------------------------

IGNORED = -100
HEADER, END = (1, 90, 9), 2  # <|im_start|> assistant ↵, and <|im_end|>


def _conversation(random: np.random.Generator) -> tuple[list[int], list[int]]:
    """Ids of a conversation of two or three rounds, and their right labels."""
    ids: list[int] = []
    labels: list[int] = []
    for _ in range(random.integers(2, 4)):
        question = [1, 91, 9, *random.integers(10, 80, size=4).tolist(), END, 9]
        said = [*random.integers(10, 80, size=random.integers(1, 5)).tolist(), END]
        ids += [*question, *HEADER, *said, 9]
        labels += [IGNORED] * (len(question) + len(HEADER)) + said + [IGNORED]
    return ids, labels


def _verify_labels(answer: Callable[..., Any]) -> str:
    require_function(answer, "ids, header and end")
    random = np.random.default_rng()
    for _ in range(5):
        ids, truth = _conversation(random)
        got = [int(label) for label in answer(list(ids), list(HEADER), END)]
        if len(got) != len(ids):
            raise NotYetError(f"one label per token: {len(ids)} ids, and you gave {len(got)}")
        _judge_labels(got, truth, ids)
    return "right: every answer with its end token, and nothing that somebody else wrote"


def _judge_labels(got: list[int], truth: list[int], ids: list[int]) -> None:
    if got == truth:
        return
    counted = [index for index, label in enumerate(got) if label != IGNORED]
    if any(got[index] != ids[index] for index in counted):
        raise NotYetError("a label that counts is the token's own id, at its own position")
    wanted = [index for index, label in enumerate(truth) if label != IGNORED]
    missing = sorted(set(wanted) - set(counted))
    extra = sorted(set(counted) - set(wanted))
    if missing and not extra and all(ids[index] == END for index in missing):
        raise NotYetError("the end token of an answer does not count: this model never stops")
    if missing and not extra:
        raise NotYetError(f"{len(wanted) - len(missing)} of {len(wanted)} tokens of the answers")
    if extra and all(ids[index] in HEADER for index in extra):
        raise NotYetError("the header, or the line break after an answer, is no part of an answer")
    if extra:
        raise NotYetError("tokens of the user count: the model would learn to speak for customers")
    raise NotYetError("which tokens did the assistant write?")


def _slow_labels(
    ids: Sequence[int], header: Sequence[int], end: int, *, with_end: bool = True
) -> list[int]:
    labels = [IGNORED] * len(ids)
    inside = False
    for index in range(len(ids)):
        inside = inside or list(ids[index - len(header) : index]) == list(header)
        if inside and (ids[index] != end or with_end):
            labels[index] = ids[index]
        inside = inside and ids[index] != end
    return labels


def _last_only(ids: list[int], header: list[int], end: int) -> list[int]:
    labels = _slow_labels(ids, header, end)
    last = max(index for index in range(len(ids)) if ids[index : index + 3] == list(header))
    return [IGNORED] * last + labels[last:]


def _with_header(ids: list[int], header: list[int], end: int) -> list[int]:
    labels = _slow_labels(ids, header, end)
    starts = [index for index in range(len(ids)) if ids[index : index + 3] == list(header)]
    for start in starts:
        labels[start : start + 3] = header
    return labels


def _labels() -> Exercise:
    return Exercise(
        name="the mask by hand",
        difficulty=2,
        minutes=12,
        verify=_verify_labels,
        hints=(
            "walk through the ids and remember whether you are inside an answer",
            "you enter an answer where the tokens just before are the header",
            "you leave it *after* its end token, which still counts",
        ),
        worked=(
            "def answer(ids, header, end):\n"
            "    labels = [-100] * len(ids)\n"
            "    inside = False\n"
            "    for index in range(len(ids)):\n"
            "        before = ids[max(0, index - len(header)) : index]\n"
            "        inside = inside or before == header\n"
            "        if inside:\n"
            "            labels[index] = ids[index]\n"
            "            inside = ids[index] != end  # the end token counts, and ends the answer\n"
            "    return labels"
        ),
        example=_slow_labels,
        mistakes=(
            (lambda i, h, e: _slow_labels(i, h, e, with_end=False), "never stops"),
            (_last_only, "tokens of the answers"),
            (_with_header, "no part of an answer"),
            (lambda i, h, e: i, "speak for customers"),
            (lambda i, h, e: i[:3], "one label per token"),
            (lambda i, h, e: [0 if x != -100 else x for x in _slow_labels(i, h, e)], "own id"),
            (0.5, "is a function"),
        ),
    )
