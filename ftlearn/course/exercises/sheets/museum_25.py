"""The bug museum of lesson 25: a threshold from test, labels in a set, copies of a query apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ftlearn.course.exercises.base import Exercise, NotYetError, require_function


def exercises() -> list[Exercise]:
    """The three broken functions, which run and do the wrong thing."""
    return [_cut(), _ids(), _groups()]


# --- q4: huggingface/sentence-transformers#755 ----------------------------------------------------


def _verify_cut(answer: Callable[..., Any]) -> str:
    require_function(answer, "scores and truths of valid, then those of test, all (N,)")
    random = np.random.default_rng()
    for _ in range(20):
        # Sizes without a common divisor: a share on one part is never one on the other.
        valid_truth, test_truth = (random.random(size) < 0.5 for size in (59, 71))
        valid, test = (
            2 + truth + 0.8 * random.normal(size=len(truth)) for truth in (valid_truth, test_truth)
        )
        value = float(answer(valid.copy(), valid_truth.copy(), test.copy(), test_truth.copy()))
        _judge_cut(value, valid, valid_truth, test, test_truth)
    return "right: the cut comes from valid, and test measures it once"


def _judge_cut(
    value: float, valid: np.ndarray, valid_truth: np.ndarray, test: np.ndarray, truth: np.ndarray
) -> None:
    cuts = _best_cuts(valid, valid_truth)
    if any(np.isclose(value, _at(cut, test, truth)) for cut in cuts):
        return
    typical = (
        (
            max(_at(cut, test, truth) for cut in test),
            "that is the best cut for the test rows themselves: they were to be unseen",
        ),
        (
            max(_at(cut, valid, valid_truth) for cut in valid),
            "that is the score on valid, where the cut was chosen: measure it on test",
        ),
        (_at(0.5, test, truth), "0.5 was chosen by nobody: let the validation rows choose"),
    )
    for known, reason in typical:
        if np.isclose(value, known):
            raise NotYetError(reason)
    raise NotYetError(f"with the cut from valid the accuracy is {_at(cuts[0], test, truth):.3f}")


def _at(cut: float, scores: np.ndarray, truth: np.ndarray) -> float:
    return float(((scores >= cut) == truth).mean())


def _best_cuts(scores: np.ndarray, truth: np.ndarray) -> list[float]:
    """All cuts at a score that are best: a tie may be settled in any way."""
    values = [_at(cut, scores, truth) for cut in scores]
    return [cut for cut, value in zip(scores, values, strict=True) if value == max(values)]


def _mended_cut(
    valid: np.ndarray, valid_truth: np.ndarray, test: np.ndarray, test_truth: np.ndarray
) -> float:
    return _at(_best_cuts(valid, valid_truth)[0], test, test_truth)


def _cut() -> Exercise:
    return Exercise(
        name="a threshold of the test rows",
        difficulty=1,
        minutes=6,
        verify=_verify_cut,
        hints=(
            "which rows does the broken function look at when it chooses?",
            "choose the cut by `valid` and `valid_truth`, then compute one accuracy on `test`",
        ),
        worked=(
            "def answer(valid, valid_truth, test, test_truth):\n"
            "    scores = [((valid >= cut) == valid_truth).mean() for cut in valid]\n"
            "    cut = valid[scores.index(max(scores))]  # chosen before test is looked at\n"
            "    return ((test >= cut) == test_truth).mean()"
        ),
        broken=(
            "def answer(valid, valid_truth, test, test_truth):\n"
            '    """The test accuracy of scores that are cut at the best threshold."""\n'
            "    return max(((test >= cut) == test_truth).mean() for cut in test)\n\n"
        ),
        example=_mended_cut,
        mistakes=(
            (lambda v, a, t, b: max(_at(cut, t, b) for cut in t), "to be unseen"),
            (lambda v, a, t, b: max(_at(cut, v, a) for cut in v), "measure it on test"),
            (lambda v, a, t, b: _at(0.5, t, b), "chosen by nobody"),
            (lambda v, a, t, b: 0.123, "with the cut from valid"),
        ),
    )


# --- q5: agemagician/ProtTrans#37 -----------------------------------------------------------------


def _verify_ids(answer: Callable[..., Any]) -> str:
    require_function(answer, "the labels of all rows, as strings")
    random = np.random.default_rng()
    names = ["spam", "bill", "thanks", "order", "complaint", "return"]
    for _ in range(5):
        labels = [*names, *random.choice(names, 20)]
        first = answer(list(random.permutation(labels)))
        second = answer(list(random.permutation(labels)))
        _judge_ids(first, second, names)
    return "right: the same labels get the same ids in every process"


def _judge_ids(first: Any, second: Any, names: Sequence[str]) -> None:
    if not isinstance(first, dict) or set(first) != set(names):
        raise NotYetError("return a dictionary with each label once")
    if sorted(first.values()) == list(range(1, len(names) + 1)):
        raise NotYetError("ids begin at 0: the head has one row per label, and the first is row 0")
    if sorted(first.values()) != list(range(len(names))):
        raise NotYetError(f"six labels need the ids 0 to 5, not {sorted(first.values())}")
    if first != second:
        raise NotYetError("another order of the rows gives other ids: the saved model is misread")
    if sorted(first, key=first.get) != sorted(names):
        raise NotYetError(
            "the ids are those of a set, which has another order in every process: sort the labels"
        )


def _sorted_ids(labels: Sequence[str]) -> dict[str, int]:
    return {label: number for number, label in enumerate(sorted(set(labels)))}


def _in_a_set(labels: Sequence[str]) -> dict[str, int]:
    """A set's order as another process would have it: by a hash, here one that is fixed."""
    ordered = sorted(set(labels), key=lambda label: sum(map(ord, label)) % 7 * 100 + len(label))
    return {label: number for number, label in enumerate(ordered)}


def _ids() -> Exercise:
    return Exercise(
        name="labels in a set",
        difficulty=2,
        minutes=6,
        verify=_verify_ids,
        hints=(
            "start Python twice and print list(set(names)): what do you see?",
            "sort the labels before they are numbered",
        ),
        worked=(
            "def answer(labels):\n"
            "    # strings are hashed with another seed in every process; sorting needs none\n"
            "    return {label: number for number, label in enumerate(sorted(set(labels)))}"
        ),
        broken=(
            "def answer(labels):\n"
            '    """The id of each label; a saved model is read with it in another process."""\n'
            "    return {label: number for number, label in enumerate(set(labels))}\n\n"
        ),
        example=_sorted_ids,
        mistakes=(
            (_in_a_set, "order in every process"),
            (
                lambda labels: {name: i for i, name in enumerate(dict.fromkeys(labels))},
                "order of the rows",
            ),
            (lambda labels: {n: i for i, n in enumerate(sorted(set(labels)), 1)}, "begin at 0"),
            (lambda labels: sorted(set(labels)), "dictionary"),
            (lambda labels: dict.fromkeys(labels, 0), "need the ids"),
        ),
    )


# --- q6: ai-evals-course/recipe-chatbot#36 --------------------------------------------------------


def _verify_groups(answer: Callable[..., Any]) -> str:
    require_function(answer, "the query of each row, a share, and a seed")
    random = np.random.default_rng()
    queries = random.permutation([f"query {number}" for number in range(40) for _ in range(5)])
    masks = [np.asarray(answer(queries.tolist(), 0.25, seed)) for seed in (0, 0, 1)]
    if masks[0].shape != (200,) or masks[0].dtype != bool:
        raise NotYetError("return one truth value per row: whether it is in the test part")
    _judge_groups(queries, masks)
    return "right: all rows of a query are on one side"


def _judge_groups(queries: np.ndarray, masks: list[np.ndarray]) -> None:
    test, train = set(queries[masks[0]]), set(queries[~masks[0]])
    if not (masks[0] == masks[1]).all():
        raise NotYetError("the same seed gives another split: draw from default_rng(seed)")
    if not 0.15 <= masks[0].mean() <= 0.35:
        raise NotYetError(f"{masks[0].mean():.0%} of the rows are in test: a quarter was asked for")
    if test & train:
        raise NotYetError(
            f"{len(test & train)} queries have rows on both sides: draw queries, not rows"
        )
    if (masks[0] == masks[2]).all():
        raise NotYetError("another seed gives the same split: use the seed")


def _by_query(queries: Sequence[str], share: float, seed: int) -> np.ndarray:
    names = sorted(set(queries))
    drawn = np.random.default_rng(seed).permutation(names)[: round(share * len(names))]
    return np.isin(queries, drawn)


def _by_row(queries: Sequence[str], share: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(len(queries)) < share


def _groups() -> Exercise:
    return Exercise(
        name="copies of a query apart",
        difficulty=2,
        minutes=8,
        verify=_verify_groups,
        hints=(
            "there are five answers to each query: where do they go?",
            "draw a quarter of the *distinct* queries, then mark the rows whose query was drawn",
        ),
        worked=(
            "import numpy as np\n\n"
            "def answer(queries, share, seed):\n"
            "    names = sorted(set(queries))  # what is drawn: queries, in a stable order\n"
            "    order = np.random.default_rng(seed).permutation(names)\n"
            "    return np.isin(queries, order[: round(share * len(names))])"
        ),
        broken=(
            "import numpy as np\n\n\n"
            "def answer(queries, share, seed):\n"
            '    """Whether each row belongs to the test part, about `share` of all."""\n'
            "    return np.random.default_rng(seed).random(len(queries)) < share\n\n"
        ),
        example=_by_query,
        mistakes=(
            (_by_row, "draw queries, not rows"),
            (
                lambda queries, share, seed: _by_query(queries, share, 0),
                "use the seed",
            ),
            (lambda queries, share, seed: _by_query(queries, 0.9, seed), "was asked for"),
            (lambda queries, share, seed: sorted(set(queries))[:10], "one truth value per row"),
        ),
    )
