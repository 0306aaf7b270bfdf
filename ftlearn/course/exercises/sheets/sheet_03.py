"""Exercises of notebook 03: agreement, similarity, padding, and a split without leaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ftlearn.course.exercises.base import Exercise, NotYetError, close, require_function

LENGTHS = (12, 40, 16, 36, 20, 44)
LETTERS = np.array(list("abAB "))


def exercises() -> list[Exercise]:
    """The four exercises of the sheet."""
    return [_kappa(), _similarity(), _padding(), _split()]


def _kappa() -> Exercise:
    return Exercise(
        name="agreement beyond chance",
        difficulty=1,
        minutes=5,
        verify=_verify_kappa,
        hints=(
            "the diagonal of the table holds 40 and 45 of 100 letters",
            "A says urgent for 50 letters, B for 45: by chance both would say so for 0.5 · 0.45",
            "add the same for not urgent: 0.5 · 0.55; then (p_o - p_e) / (1 - p_e)",
        ),
        worked=(
            "observed = (40 + 45) / 100\n"
            "by_chance = 0.5 * 0.45 + 0.5 * 0.55  # both say urgent, both say not\n"
            "answer = (observed - by_chance) / (1 - by_chance)  # 0.35 / 0.5 = 0.7"
        ),
        example=0.7,
        mistakes=(
            (0.85, "observed agreement"),
            (0.5, "agreement by chance"),
            (0.35, "divide"),
            (70, "between -1 and 1"),
            (0.6, "by chance"),
        ),
    )


def _verify_kappa(answer: Any) -> str:
    table = np.array([[40, 10], [5, 45]]) / 100
    observed, expected = np.trace(table), table.sum(axis=1) @ table.sum(axis=0)
    if close(answer, (observed - expected) / (1 - expected)):
        return "right: they fill 0.7 of the room that chance leaves"
    if close(answer, observed):
        raise NotYetError("this is the observed agreement; chance has not been taken out")
    if close(answer, expected):
        raise NotYetError("this is the agreement by chance; it is what has to be taken out")
    if close(answer, observed - expected):
        raise NotYetError("divide by the room that chance leaves, 1 - p_e")
    if not close(answer, 0.0, tolerance=1.0):
        raise NotYetError("kappa is a number between -1 and 1")
    raise NotYetError("check what both would call alike by chance: sum both classes")


def _similarity() -> Exercise:
    return Exercise(
        name="the share of common pieces",
        difficulty=2,
        minutes=8,
        verify=_verify_similarity,
        hints=(
            "a text of length L has L - n + 1 pieces of n characters",
            "{text[i : i + n] for i in range(len(text) - n + 1)} is the set of the pieces",
            "fold the case first; then len(A & B) / len(A | B)",
        ),
        worked=(
            "def similarity(first, second, n):\n"
            "    A, B = (\n"
            "        {t[i : i + n] for i in range(len(t) - n + 1)}\n"
            "        for t in (first.casefold(), second.casefold())\n"
            "    )\n"
            "    return len(A & B) / len(A | B)\n\n\n"
            "answer = similarity"
        ),
        example=_shared,
        mistakes=(
            (lambda first, second, n: _shared(first, second, n - 1), "n characters"),
            (lambda first, second, n: _folded_share(first, second, n, str), "case"),
            (_share_of_first, "changes when the two texts are swapped"),
            (_share_of_words, "characters, not words"),
            (lambda first, second, n: 1 - _shared(first, second, n), "with itself"),
            (lambda first, second, n: 2.0, "between 0 and 1"),
            (0.5, "function"),
        ),
    )


def _pieces(text: str, n: int) -> set[str]:
    return {text[i : i + n] for i in range(len(text) - n + 1)}


def _folded_share(first: str, second: str, n: int, fold: Callable[[str], str]) -> float:
    a, b = _pieces(fold(first), n), _pieces(fold(second), n)
    return len(a & b) / len(a | b)


def _shared(first: str, second: str, n: int) -> float:
    return _folded_share(first, second, n, str.casefold)


def _share_of_first(first: str, second: str, n: int) -> float:
    a, b = _pieces(first.casefold(), n), _pieces(second.casefold(), n)
    return len(a & b) / len(a)


def _share_of_words(first: str, second: str, n: int) -> float:
    a, b = set(first.casefold().split()), set(second.casefold().split())
    return len(a & b) / len(a | b)


def _verify_similarity(answer: Any) -> str:
    require_function(answer, "first, second and n")
    rng = np.random.default_rng()
    for _ in range(30):
        first, second = ("".join(rng.choice(LETTERS, size)) for size in (14, 40))
        _check_laws(answer, first, second)
    for n, common, union in ((2, 2, 6), (3, 1, 5)):  # abcd-, bcd, cde | xbcdz
        if not close(answer("abcde", "xbcdz", n), common / union):
            raise NotYetError(
                f"'abcde' and 'xbcdz' share {common} of {union} pieces of n characters for n={n}"
            )
    return "right: symmetric, 1 for equal texts, and case does not count"


def _check_laws(answer: Callable[..., float], first: str, second: str) -> None:
    value = answer(first, second, 3)
    if not 0 <= value <= 1:
        raise NotYetError(f"a share lies between 0 and 1, yours is {value}")
    if not close(answer(first, first, 3), 1.0):
        raise NotYetError("the similarity of a text with itself must be 1")
    if not close(answer(first, first.swapcase(), 3), 1.0):
        raise NotYetError("the case of the letters must not count: fold it first")
    if not close(answer(second, first, 3), value):
        raise NotYetError("the value changes when the two texts are swapped: divide by the union")
    if close(answer("sunnydays", "sunnyways", 3), 0.0):
        raise NotYetError("compare pieces of n characters, not words: 'sunnydays' has 7 of them")


def _padding() -> Exercise:
    return Exercise(
        name="what sorting saves",
        difficulty=2,
        minutes=5,
        verify=_verify_padding,
        hints=(
            "the first batch holds 12 and 40 tokens in 2 · 40 cells",
            "all texts together have 168 tokens; count the cells of the three batches",
        ),
        worked=(
            "tokens = 12 + 40 + 16 + 36 + 20 + 44  # 168\n"
            "in_order = 2 * (40 + 36 + 44)  # each batch as long as its longest: 240 cells\n"
            "in_rank = 2 * (16 + 36 + 44)  # 12 and 16, 20 and 36, 40 and 44: 192 cells\n"
            "answer = 1 - tokens / in_order, 1 - tokens / in_rank  # 0.3 and 0.125"
        ),
        example=(0.3, 0.125),
        mistakes=(
            ((0.7, 0.875), "share of tokens"),
            ((0.125, 0.3), "other way round"),
            ((0.3, 0.3), "sorted"),
            ((0.364, 0.364), "all six"),
            ((30, 12.5), "shares"),
            (0.3, "two numbers"),
        ),
    )


def _verify_padding(answer: Any) -> str:
    try:
        first, second = (float(value) for value in answer)
    except (TypeError, ValueError):
        raise NotYetError("give two numbers, such as (0.5, 0.25)") from None
    truth = _padded(LENGTHS), _padded(sorted(LENGTHS))

    def like(unsorted: float, by_length: float) -> bool:
        return close(first, unsorted, tolerance=0.006) and close(second, by_length, tolerance=0.006)

    padded_to_longest = 1 - sum(LENGTHS) / (len(LENGTHS) * max(LENGTHS))
    if like(*truth):
        return "right: sorting saves more than half of the padding, and not one token"
    if like(1 - truth[0], 1 - truth[1]):
        raise NotYetError("this is the share of tokens; padding is the rest")
    if like(truth[1], truth[0]):
        raise NotYetError("it is the other way round: sorting saves padding")
    if like(padded_to_longest, padded_to_longest):
        raise NotYetError("each batch is padded to its own longest text, not to that of all six")
    if first > 1 or second > 1:
        raise NotYetError("give shares of 1, not per cent")
    if close(first, truth[0]):
        raise NotYetError("the first is right; sorted, the batches are 12 and 16, 20 and 36, ...")
    raise NotYetError("count the cells: two times the longest of each batch, then add them")


def _padded(lengths: Sequence[int]) -> float:
    cells = sum(2 * max(lengths[at : at + 2]) for at in range(0, len(lengths), 2))
    return 1 - sum(lengths) / cells


def _split() -> Exercise:
    return Exercise(
        name="a split that keeps stories whole",
        difficulty=3,
        minutes=12,
        verify=_verify_split,
        hints=(
            "shuffle the groups, not the rows",
            "go through the shuffled groups and add whole groups to the test part",
            "stop as soon as the test part has share · N rows or more",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def split_rows(groups, share, seed):\n"
            "    names = sorted(set(groups))\n"
            "    test = []\n"
            "    for at in np.random.default_rng(seed).permutation(len(names)):\n"
            "        if len(test) >= share * len(groups):\n"
            "            break\n"
            "        test += [row for row, g in enumerate(groups) if g == names[at]]\n"
            "    return sorted(set(range(len(groups))) - set(test)), test\n\n\n"
            "answer = split_rows"
        ),
        example=_by_group,
        mistakes=(
            (_by_row, "on both sides"),
            (lambda groups, share, seed: _by_group(groups, share, 0), "seed"),
            (lambda groups, share, seed: _by_group(groups, 2 * share, seed), "more than needed"),
            (lambda groups, share, seed: _by_group(groups, share / 3, seed), "too few"),
            (lambda groups, share, seed: (_by_group(groups, share, seed)[0], []), "exactly one"),
            (lambda groups, share, seed: _by_group(groups, share, seed)[::-1], "more than needed"),
            ([1, 2], "function"),
        ),
    )


def _by_row(groups: Sequence[str], share: float, seed: int) -> tuple[list[int], list[int]]:
    order = np.random.default_rng(seed).permutation(len(groups))
    cut = int(share * len(groups))
    return order[cut:].tolist(), order[:cut].tolist()


def _by_group(groups: Sequence[str], share: float, seed: int) -> tuple[list[int], list[int]]:
    names = sorted(set(groups))
    test: list[int] = []
    for at in np.random.default_rng(seed).permutation(len(names)):
        if len(test) >= share * len(groups):
            break
        test += [row for row, group in enumerate(groups) if group == names[at]]
    return sorted(set(range(len(groups))) - set(test)), test


def _verify_split(answer: Any) -> str:
    require_function(answer, "groups, share and seed")
    rng = np.random.default_rng()
    seen = set()
    for seed in range(20):
        groups = [f"story {n}" for n in rng.permutation(np.arange(60) // 3)]
        _check_parts(groups, *answer(groups, 0.25, seed))
        fixed = [f"story {n // 3}" for n in range(60)]
        first, again = (frozenset(answer(fixed, 0.25, seed)[1]) for _ in range(2))
        if first != again:
            raise NotYetError("the same seed must give the same split")
        seen.add(first)
    if len(seen) < 10:
        raise NotYetError("another seed must give another split: use the seed you are given")
    return "right: no story on both sides, and not a row lost"


def _check_parts(groups: Sequence[str], train: Sequence[int], test: Sequence[int]) -> None:
    if sorted([*train, *test]) != list(range(len(groups))):
        raise NotYetError("every row must be in exactly one part")
    both = {groups[row] for row in train} & {groups[row] for row in test}
    if both:
        raise NotYetError(f"{sorted(both)[0]!r} and {len(both) - 1} others are on both sides")
    if len(test) < 15:
        raise NotYetError(f"the test part has too few rows: {len(test)} of 60, but 15 are needed")
    if len(test) > 15:
        raise NotYetError(f"the test part has {len(test)} rows, more than needed: 15 are enough")
