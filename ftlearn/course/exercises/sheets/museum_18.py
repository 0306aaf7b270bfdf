"""The bug museum of notebook 18: a sign, a logarithm and old films of real threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ftlearn import losses
from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)


def exercises() -> list[Exercise]:
    """The three broken functions, which run and do the wrong thing."""
    return [_sign(), _logarithm(), _known()]


# --- q4: tensorflow/recommenders#219 --------------------------------------------------------------


def _verify_sign(answer: Callable[..., Any]) -> str:
    require_function(answer, "scores (B, B) and shares (B,)")
    chance = torch.Generator().manual_seed(int(np.random.default_rng().integers(1 << 30)))
    scores = torch.randn(6, 6, generator=chance)
    share = torch.rand(6, generator=chance).softmax(0) ** 2
    value = float(answer(scores.clone(), share.clone()))
    truth = _softmax_loss(scores, -share.log())
    if close(value, truth, tolerance=1e-5):
        return "right: a frequent item is a rival more often, so each time it counts for less"
    typical = (
        (
            _softmax_loss(scores, share.log()),
            "that adds log share, and so punishes frequent items twice: once by being rivals more "
            "often, once by the correction",
        ),
        (_softmax_loss(scores, 0 * share), "that is the plain softmax: the correction is gone"),
        (_softmax_loss(scores, -share), "subtract the logarithm of the share, not the share"),
        (
            _softmax_loss(scores.T, -share.log()),
            "the softmax runs over the items, in the rows: dim=1",
        ),
        (6 * truth, "return the mean over the rows"),
    )
    reject_known(value, typical, tolerance=1e-5)
    raise NotYetError(f"the loss of six random rows is {truth:.4f}, not {value:.4f}")


def _softmax_loss(scores: torch.Tensor, added: torch.Tensor) -> float:
    """The package's loss on scores + added."""
    return losses.in_batch_softmax(scores, torch.arange(len(scores)), -added).mean.item()


def _minus_log(scores: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    return -(scores - share.log()).log_softmax(1).diagonal().mean()


def _sign() -> Exercise:
    head = (
        "def answer(scores, share):\n"
        '    """The in-batch softmax loss, corrected for how often each item is a rival."""\n'
    )
    return Exercise(
        name="a correction that makes it worse",
        difficulty=1,
        minutes=5,
        verify=_verify_sign,
        hints=(
            "what happens to the score of an item with share 0.5, and of one with share 0.01?",
            "the best score without correction is log P - log share; which sign makes it log P?",
        ),
        broken=(
            head
            + "    corrected = scores + share.log()\n"
            + "    return -corrected.log_softmax(1).diagonal().mean()\n\n"
        ),
        worked=(
            head
            + "    corrected = scores - share.log()  # frequent rivals count for less each time\n"
            + "    return -corrected.log_softmax(1).diagonal().mean()\n\n"
        ),
        example=_minus_log,
        mistakes=(
            (lambda s, q: -(s + q.log()).log_softmax(1).diagonal().mean(), "twice"),
            (lambda s, q: -s.log_softmax(1).diagonal().mean(), "the correction is gone"),
            (lambda s, q: -(s - q).log_softmax(1).diagonal().mean(), "not the share"),
            (lambda s, q: -(s - q.log()).log_softmax(1).diagonal().sum(), "the mean over"),
            (lambda s, q: 0.5, "not 0.5000"),
            (0.5, "is a function"),
        ),
    )


# --- q5: ray-project/ray#12047 --------------------------------------------------------------------


def _verify_logarithm(answer: Callable[..., Any]) -> str:
    require_function(answer, "rewards, log-likelihoods and propensities")
    random = np.random.default_rng()
    rewards = random.integers(0, 2, 60).astype(float)
    rewards[:5] = 1
    likelihoods, propensities = random.uniform(0.02, 0.9, 60), random.uniform(0.1, 0.9, 60)
    value = float(answer(rewards.copy(), np.log(likelihoods), propensities.copy()))
    truth = float((likelihoods / propensities * rewards).mean())
    if close(value, truth, tolerance=1e-9):
        return f"right: {truth:.3f}, the mean of weight times reward"
    if value < 0:
        raise NotYetError(
            f"the estimate is {value:.3f}, and no reward is below 0: a weight cannot be negative, "
            "but a logarithm of a probability is"
        )
    weights = likelihoods / propensities
    typical = (
        ((weights * rewards).sum() / weights.sum(), "that is SNIPS; the docstring asks for IPS"),
        (
            (-np.log(likelihoods) / propensities * rewards).mean(),
            "no longer negative, and still a logarithm: which function takes it back?",
        ),
        (rewards.mean(), "that is the mean reward of the old policy"),
        ((weights * rewards).sum(), "return the mean over the rows"),
    )
    reject_known(value, typical, tolerance=1e-9)
    raise NotYetError(f"on 60 rows IPS is {truth:.4f}, not {value:.4f}")


def _exp(rewards: np.ndarray, log_likelihoods: np.ndarray, propensities: np.ndarray) -> float:
    return float((np.exp(log_likelihoods) / propensities * rewards).mean())


def _logarithm() -> Exercise:
    head = (
        "import numpy as np\n\n\n"
        "def answer(rewards, log_likelihoods, propensities):\n"
        '    """IPS, from the logs of the new policy\'s probabilities of the logged actions."""\n'
    )
    return Exercise(
        name="a value below every reward",
        difficulty=2,
        minutes=5,
        verify=_verify_logarithm,
        hints=(
            "print the weights: which sign do they have?",
            "the policy gives log-probabilities, the weight needs probabilities",
        ),
        broken=(
            head
            + "    weights = log_likelihoods / propensities\n"
            + "    return np.mean(weights * rewards)\n\n"
        ),
        worked=(
            head
            + "    weights = np.exp(log_likelihoods) / propensities  # probabilities, not logs\n"
            + "    return np.mean(weights * rewards)\n\n"
        ),
        example=_exp,
        mistakes=(
            (lambda r, logs, p: (logs / p * r).mean(), "cannot be negative"),
            (lambda r, logs, p: (-logs / p * r).mean(), "still a logarithm"),
            (lambda r, logs, p: ((w := np.exp(logs) / p) * r).sum() / w.sum(), "SNIPS"),
            (lambda r, logs, p: r.mean(), "old policy"),
            (lambda r, logs, p: (np.exp(logs) / p * r).sum(), "the mean over"),
            (lambda r, logs, p: 5.0, "not 5.0000"),
            (0.5, "is a function"),
        ),
    )


# --- q6: lyst/lightfm#312 -------------------------------------------------------------------------

USERS, ITEMS, TOP = 30, 20, 4


def _verify_known(answer: Callable[..., Any]) -> str:
    require_function(answer, "scores, train, test and k")
    for seed in range(3):  # fixed, since shares of few users agree by chance now and then
        scores, train, test = _users(seed)
        before = scores.copy(), [set(items) for items in train], [set(items) for items in test]
        value = float(answer(scores, train, test, TOP))
        if not (np.array_equal(scores, before[0]) and (train, test) == before[1:]):
            raise NotYetError("the function changes its arguments: work on a copy")
        truth = _precision(scores, train, test, TOP)
        if not close(value, truth, tolerance=1e-9):
            _judge_known(value, truth, (scores, train, test))
    return f"right: {truth:.2f}, and no place in the lists is lost to old films"


def _users(seed: int) -> tuple[np.ndarray, list[set[int]], list[set[int]]]:
    """Scores (users, items) of a model that has learned something, and the items liked."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(USERS, ITEMS))
    liked = [random.permutation(ITEMS)[:9].tolist() for _ in range(USERS)]
    for user in range(USERS):
        scores[user, liked[user]] += 1.5
    return scores, [set(items[:5]) for items in liked], [set(items[5:]) for items in liked]


def _judge_known(value: float, truth: float, case: tuple) -> None:
    scores, train, test = case
    nothing = [set() for _ in train]
    both = [one | two for one, two in zip(train, test, strict=True)]
    typical = (
        (
            _precision(scores, nothing, test, TOP),
            "the lists still hold films of train, which can never be in test",
        ),
        (
            _precision(scores, nothing, both, TOP),
            "films of train count as hits: the model is praised for what it was told",
        ),
        (_cut_then_drop(scores, train, test, TOP), "take the old films out before the best k"),
        (truth * TOP, "divide by k: a precision is a share"),
    )
    reject_known(value, typical, tolerance=1e-9)
    raise NotYetError(f"precision at {TOP} is {truth:.4f} here, not {value:.4f}")


def _precision(scores: np.ndarray, train: Sequence, test: Sequence, k: int) -> float:
    """The slow, obvious way: rank the items that are not in train, and count hits."""
    hits = 0
    for row, old, liked in zip(scores.tolist(), train, test, strict=True):
        candidates = [item for item in range(len(row)) if item not in old]
        best = sorted(candidates, key=lambda item: -row[item])[:k]
        hits += sum(item in liked for item in best)
    return hits / (k * len(train))


def _cut_then_drop(scores: np.ndarray, train: Sequence, test: Sequence, k: int) -> float:
    shares = []
    for row, old, liked in zip(scores, train, test, strict=True):
        best = [item for item in np.argsort(-row)[:k].tolist() if item not in old]
        shares.append(len(liked.intersection(best)) / max(1, len(best)))
    return float(np.mean(shares))


def _changed(scores: np.ndarray, train: Sequence, test: Sequence, k: int) -> float:
    value = _precision(scores, train, test, k)
    scores[:] = -math.inf
    return value


def _told(scores, train, test, k):
    """What is in train counts as a hit."""
    both = [first | second for first, second in zip(train, test, strict=True)]
    return _precision(scores, [set()] * len(train), both, k)


def _known() -> Exercise:
    head = (
        "import numpy as np\n\n\n"
        "def answer(scores, train, test, k):\n"
        '    """Mean precision of the best k; train and test hold a set of items per user."""\n'
        "    shares = []\n"
        "    for user, liked in enumerate(test):\n"
    )
    tail = (
        "        shares.append(len(liked.intersection(best.tolist())) / k)\n"
        "    return np.mean(shares)\n\n"
    )
    return Exercise(
        name="recommending what is known",
        difficulty=2,
        minutes=8,
        verify=_verify_known,
        hints=(
            "can an item that the user had in train be a hit in test?",
            "give the items of train the score minus infinity, in a copy, before sorting",
        ),
        broken=head + "        best = np.argsort(-scores[user])[:k]\n" + tail,
        worked=(
            head
            + "        unseen = scores[user].copy()\n"
            + "        unseen[list(train[user])] = -np.inf  # what is known takes no place\n"
            + "        best = np.argsort(-unseen)[:k]\n"
            + tail
        ),
        example=_precision,
        mistakes=(
            (lambda s, a, b, k: _precision(s, [set()] * len(a), b, k), "never be in test"),
            (_told, "praised for what it was told"),
            (_cut_then_drop, "before the best k"),
            (_changed, "changes its arguments"),
            (lambda s, a, b, k: k * _precision(s, a, b, k), "divide by k"),
            (lambda s, a, b, k: 9.0, "not 9.0000"),
            (0.5, "is a function"),
        ),
    )
