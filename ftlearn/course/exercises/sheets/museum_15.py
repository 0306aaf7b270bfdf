"""The bug museum of notebook 15: levels, class weights and copies of real threads, to be mended."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from ftlearn.course.exercises.base import Exercise, NotYetError, require_function


def exercises() -> list[Exercise]:
    """The three broken functions, which run and do the wrong thing."""
    return [_level(), _weights(), _copies()]


# --- q4: Raschka-research-group/coral-cnn#28 ------------------------------------------------------

LEVELS = np.array(
    [[0.8, 0.6, 0.55, 0.45, 0.1], [0.4, 0.3, 0.2, 0.1, 0.0], [0.9, 0.9, 0.9, 0.8, 0.7]]
)


def _verify_level(answer: Callable[[np.ndarray], Any]) -> str:
    require_function(answer, "probabilities (N, K - 1)")
    fresh = np.sort(np.random.default_rng().random((50, 5)))[:, ::-1]
    above = np.concatenate((LEVELS, fresh))
    levels = np.asarray(answer(above.copy()))
    if levels.shape != (53,):
        raise NotYetError(f"53 rows need 53 levels; the answer has the shape {levels.shape}")
    truth = [sum(1 for p in row if p > 0.5) for row in above.tolist()]
    if levels.tolist() == truth:
        return "right: the level is the number of questions 'more than k?' answered with yes"
    if (levels == 0).all():
        raise NotYetError(
            "every row gets level 0: P(y > k) falls with k, so the first one is always the largest"
        )
    if (levels == np.array(truth) + 1).all():
        raise NotYetError("levels begin at 0: without a single yes the level is 0")
    if (levels == np.array(truth) - 1).all():
        raise NotYetError("five questions have six levels: with five times yes it is 5")
    shown = levels[0].item()
    raise NotYetError(f"0.8, 0.6, 0.55, 0.45, 0.1 is level 3, three times yes; yours is {shown}")


def _count_yes(above: np.ndarray) -> np.ndarray:
    return (above > 0.5).sum(1)


def _level() -> Exercise:
    return Exercise(
        name="the level that is always 0",
        difficulty=1,
        minutes=5,
        verify=_verify_level,
        hints=(
            "the numbers are not probabilities of levels: which one is always the largest?",
            "P(y > 2) = 0.55 says yes, P(y > 3) = 0.45 says no: where is the median?",
        ),
        worked=(
            "def answer(above):\n"
            "    # each P(y > k) above one half says yes, one level up: the median\n"
            "    return (above > 0.5).sum(1)"
        ),
        broken=(
            "def answer(above):\n"
            '    """Levels (N,) from 0, from the probabilities (N, K - 1) of P(y > k)."""\n'
            "    return above.argmax(1)\n\n"
        ),
        example=_count_yes,
        mistakes=(
            (lambda above: above.argmax(1), "every row gets level 0"),
            (lambda above: _count_yes(above) + 1, "begin at 0"),
            (lambda above: _count_yes(above) - 1, "six levels"),
            (lambda above: above > 0.5, "the shape"),
            (lambda above: above.sum(1).round(), "three times yes"),
            (0.5, "is a function"),
        ),
    )


# --- q5: scikit-learn/scikit-learn#5250 -----------------------------------------------------------

BIAS = -3.2
SLOPE = 1.5


def _law(x: np.ndarray) -> np.ndarray:
    return expit(BIAS + SLOPE * x[:, 0])


def _verify_weights(answer: Callable[..., Any]) -> str:
    require_function(answer, "x, y and new rows")
    chance = np.random.default_rng(0)
    x, new = chance.normal(size=(6000, 2)), chance.normal(size=(2000, 2))
    y = (chance.random(6000) < _law(x)).astype(int)
    p = np.asarray(answer(x.copy(), y.copy(), new.copy()), dtype=float)
    if p.shape != (2000,):
        raise NotYetError(f"2000 new rows need 2000 probabilities; the shape is {p.shape}")
    truth = _law(new)
    if p.min() < 0 or p.max() > 1:
        raise NotYetError("probabilities lie between 0 and 1")
    if np.ptp(p) < 0.05:
        raise NotYetError("all rows get the same probability: the model has to stay")
    if np.corrcoef(p, truth)[0, 1] < 0:
        raise NotYetError("that is the probability of the frequent class, 0")
    if p.mean() > 1.5 * truth.mean():
        raise NotYetError(
            f"on average you promise {p.mean():.2f}, and {truth.mean():.2f} of the rows are of "
            "class 1: the weights made both classes equally frequent"
        )
    if np.abs(p - truth).mean() > 0.02:
        raise NotYetError(
            f"the mean may fit, but single probabilities are off by {np.abs(p - truth).mean():.2f} "
            "on average: a probability is not moved by a factor, its odds are"
        )
    return f"right: {p.mean():.3f} promised, and {truth.mean():.3f} come on average"


def _plain(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    return LogisticRegression().fit(x, y).predict_proba(new)[:, 1]


def _balanced(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    return LogisticRegression(class_weight="balanced").fit(x, y).predict_proba(new)[:, 1]


def _by_a_factor(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    p = _balanced(x, y, new)
    return p * y.mean() / p.mean()


def _weights() -> Exercise:
    return Exercise(
        name="probabilities of another world",
        difficulty=2,
        minutes=8,
        verify=_verify_weights,
        hints=(
            "compare the mean of what the function returns with the share of class 1",
            "which shares of the classes does class_weight='balanced' pretend?",
            "leave the weights out, or take log(share of 0 / share of 1) off the log-odds",
        ),
        worked=(
            "from sklearn.linear_model import LogisticRegression\n\n\n"
            "def answer(x, y, new):\n"
            "    # without weights: they fit a world of equally frequent classes\n"
            "    return LogisticRegression().fit(x, y).predict_proba(new)[:, 1]"
        ),
        broken=(
            "from sklearn.linear_model import LogisticRegression\n\n\n"
            "def answer(x, y, new):\n"
            '    """P(y = 1) of the rows `new`, (N,), by a model of rows x, labels y (0 or 1)."""\n'
            '    model = LogisticRegression(class_weight="balanced").fit(x, y)\n'
            "    return model.predict_proba(new)[:, 1]\n\n"
        ),
        example=_plain,
        mistakes=(
            (_balanced, "equally frequent"),
            (_by_a_factor, "by a factor"),
            (lambda x, y, new: np.full(len(new), y.mean()), "same probability"),
            (lambda x, y, new: 1 - _plain(x, y, new), "frequent class"),
            (lambda x, y, new: _plain(x, y, new)[:, None], "the shape"),
            (0.5, "is a function"),
        ),
    )


# --- q6: scikit-learn-contrib/imbalanced-learn#751 ------------------------------------------------

COUNT, RARE = 200, 20


def _verify_copies(answer: Callable[..., Any]) -> str:
    require_function(answer, "labels and a seed")
    for seed in range(5):
        labels = [0] * (COUNT - RARE) + [1] * RARE
        random.Random(seed).shuffle(labels)
        train, test = (list(map(int, rows)) for rows in answer(list(labels), seed))
        _judge_split(train, test, labels)
    return "right: what is copied was drawn for train, so test holds only rows that are new"


def _judge_split(train: list[int], test: list[int], labels: Sequence[int]) -> None:
    both = set(train) & set(test)
    if both:
        raise NotYetError(
            f"{len(both)} rows are in train and in test: copies were made before the split, so the "
            "model is tested on what it has learned by heart"
        )
    if len(set(test)) < len(test):
        raise NotYetError("test has rows twice: copy rows of train only")
    if set(train) | set(test) != set(range(COUNT)):
        raise NotYetError("some rows are in neither part: copy rare rows, and drop none")
    if abs(len(test) - COUNT // 5) > 1:
        raise NotYetError(f"test has {len(test)} rows, and a fifth of {COUNT} is {COUNT // 5}")
    counts = Counter(labels[row] for row in train)
    if counts[0] != counts[1]:
        raise NotYetError(f"train has {counts[0]} rows of label 0 and {counts[1]} of label 1")


def _split_then_copy(labels: Sequence[int], seed: int) -> tuple[list[int], list[int]]:
    rows, chance = list(range(len(labels))), random.Random(seed)
    chance.shuffle(rows)
    test, train = rows[: len(rows) // 5], rows[len(rows) // 5 :]
    rare = [row for row in train if labels[row] == 1]
    return train + chance.choices(rare, k=len(train) - 2 * len(rare)), test


def _copy_then_split(labels: Sequence[int], seed: int) -> tuple[list[int], list[int]]:
    rows, chance = list(range(len(labels))), random.Random(seed)
    rare = [row for row in rows if labels[row] == 1]
    rows += chance.choices(rare, k=len(rows) - 2 * len(rare))
    chance.shuffle(rows)
    return rows[len(rows) // 5 :], rows[: len(rows) // 5]


def _copied_in_both(labels: Sequence[int], seed: int) -> tuple[list[int], list[int]]:
    train, test = _split_then_copy(labels, seed)
    return train, test + test[:1]


def _not_copied(labels: Sequence[int], seed: int) -> tuple[list[int], list[int]]:
    train, test = _split_then_copy(labels, seed)
    return list(dict.fromkeys(train)), test


def _dropped(labels: Sequence[int], seed: int) -> tuple[list[int], list[int]]:
    train, test = _split_then_copy(labels, seed)
    common = [row for row in dict.fromkeys(train) if labels[row] == 0]
    rare = [row for row in dict.fromkeys(train) if labels[row] == 1]
    return rare + common[: len(rare)], test


COPIED_TOO_EARLY = (
    "import random\n\n\n"
    "def answer(labels, seed):\n"
    '    """Numbers of the rows for train and for test (a fifth); in train 0 and 1 are as '
    'frequent."""\n'
    "    rows, chance = list(range(len(labels))), random.Random(seed)\n"
    "    rare = [row for row in rows if labels[row] == 1]\n"
    "    rows += chance.choices(rare, k=len(rows) - 2 * len(rare))\n"
    "    chance.shuffle(rows)\n"
    "    cut = len(rows) // 5\n"
    "    return rows[cut:], rows[:cut]\n\n"
)


def _copies() -> Exercise:
    return Exercise(
        name="copies on both sides",
        difficulty=2,
        minutes=8,
        verify=_verify_copies,
        hints=(
            "how many row numbers are in both lists?",
            "shuffle and cut first; then look for rare rows in train only",
        ),
        worked=(
            "import random\n\n\n"
            "def answer(labels, seed):\n"
            "    rows, chance = list(range(len(labels))), random.Random(seed)\n"
            "    chance.shuffle(rows)\n"
            "    cut = len(rows) // 5\n"
            "    train, test = rows[cut:], rows[:cut]  # first the split, of rows that occur once\n"
            "    rare = [row for row in train if labels[row] == 1]\n"
            "    return train + chance.choices(rare, k=len(train) - 2 * len(rare)), test"
        ),
        broken=COPIED_TOO_EARLY,
        example=_split_then_copy,
        mistakes=(
            (_copy_then_split, "before the split"),
            (_copied_in_both, "test has rows twice"),
            (_not_copied, "rows of label 0"),
            (_dropped, "in neither part"),
            (lambda labels, seed: (list(range(100, 200)), list(range(100))), "a fifth"),
            (0.5, "is a function"),
        ),
    )
