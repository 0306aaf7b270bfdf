"""Exercises of notebook 11: mixtures of predictions, EM, smoothed targets, honest weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)


def exercises() -> list[Exercise]:
    """The five exercises of the sheet."""
    return [_gap(), _best_weight(), _log_mixture(), _smallest_loss(), _roles()]


# --- q1 -----------------------------------------------------------------------------------------

P, Q, WEIGHT = 0.02, 0.08, 0.25
LOSS_OF_MIXTURE = -np.log(WEIGHT * P + (1 - WEIGHT) * Q)
MEAN_LOSS = -WEIGHT * np.log(P) - (1 - WEIGHT) * np.log(Q)


def _verify_gap(answer: Any) -> str:
    gap = MEAN_LOSS - LOSS_OF_MIXTURE
    if close(answer, gap, tolerance=2e-3):
        return f"right: {MEAN_LOSS:.3f} − {LOSS_OF_MIXTURE:.3f} = {gap:.3f} nats, as Jensen says"
    swapped = np.log(0.75 * P + 0.25 * Q) - 0.75 * np.log(P) - 0.25 * np.log(Q)
    reject_known(
        answer,
        (
            (-gap, "the mixture is better, so the difference asked for is positive"),
            (swapped, "the weights are swapped: 0.25 belongs to the topic model's 0.02"),
            (LOSS_OF_MIXTURE, "that is the mixture's loss; subtract it from the mean loss"),
            (MEAN_LOSS, "that is the mean of the losses; subtract the mixture's loss"),
            (gap / np.log(2), "that is in bits: take natural logarithms"),
            (WEIGHT * P + (1 - WEIGHT) * Q, "that is the mixture's probability; its loss is −ln"),
        ),
        tolerance=2e-3,
    )
    raise NotYetError("mean loss −0.25 ln 0.02 − 0.75 ln 0.08, minus −ln of the mixed probability")


def _gap() -> Exercise:
    return Exercise(
        name="Jensen's gap at one word",
        difficulty=1,
        minutes=5,
        verify=_verify_gap,
        hints=(
            "mix the probabilities first: 0.25 · 0.02 + 0.75 · 0.08",
            "a loss is −ln of a probability; the mean of losses takes ln first, then mixes",
        ),
        worked=(
            "from math import log\n\n"
            "mixture = -log(0.25 * 0.02 + 0.75 * 0.08)  # -ln 0.065 = 2.733\n"
            "mean = -0.25 * log(0.02) - 0.75 * log(0.08)  # 0.978 + 1.894 = 2.872\n"
            "answer = mean - mixture  # 0.139 nats"
        ),
        example=0.139,
        mistakes=(
            (-0.139, "positive"),
            (0.2138, "swapped"),
            (2.733, "mixture's loss"),
            (0.2006, "in bits"),
            (0.065, "mixture's probability"),
            (1.0, "minus −ln"),
        ),
    )


# --- q2 -----------------------------------------------------------------------------------------


def _truth(p: np.ndarray, q: np.ndarray) -> float:
    # Another way than EM: the loss is convex in the weight, so any line search finds its bottom.
    loss = minimize_scalar(
        lambda w: -np.log(w * p + (1 - w) * q).mean(), bounds=(0, 1), options={"xatol": 1e-9}
    )
    return float(loss.x)


def _verify_weight(answer: Callable[[np.ndarray, np.ndarray], Any]) -> str:
    require_function(answer, "two arrays of probabilities")
    random = np.random.default_rng()
    for share in (0.25, 0.6, 0.7):
        first = random.random(500) < share
        high, low = random.uniform(0.02, 0.2, 500), random.uniform(0.001, 0.02, 500)
        p, q = np.where(first, high, low), np.where(first, low, high * 0.8)
        _judge_weight(answer(p.copy(), q.copy()), p, q)
    return "right: the mean share of p over all words is the next weight, until it stops changing"


def _judge_weight(weight: Any, p: np.ndarray, q: np.ndarray) -> None:
    truth, share = _truth(p, q), 0.5 * p / (0.5 * p + 0.5 * q)
    if close(weight, truth, tolerance=1.5e-3):
        return
    reject_known(weight, ((1 - truth, "that is the weight of q"),), tolerance=1.5e-3)
    reject_known(  # a small tolerance: two of these values may be close together by chance
        weight,
        (
            (share.mean(), "that is one step of EM from 0.5: repeat until it stops changing"),
            ((p > q).mean(), "counting wins ignores how clear each win is: use shares, repeat"),
            (p.sum() / (p.sum() + q.sum()), "take the share word by word, then the mean"),
        ),
        tolerance=1e-6,
    )
    loss = [-np.log(w * p + (1 - w) * q).mean() for w in (float(weight), truth)]
    raise NotYetError(
        f"weight {float(weight):.4f} has loss {loss[0]:.4f}, {truth:.4f} {loss[1]:.4f}"
    )


def _by_em(p: np.ndarray, q: np.ndarray) -> float:
    weight = 0.5
    for _ in range(5000):
        weight = (weight * p / (weight * p + (1 - weight) * q)).mean()
    return float(weight)


def _best_weight() -> Exercise:
    return Exercise(
        name="the best weight by EM",
        difficulty=2,
        minutes=10,
        verify=_verify_weight,
        hints=(
            "the share of p in a word is weight · p / (weight · p + (1 − weight) · q)",
            "the mean share is the next weight; a few hundred rounds are enough",
        ),
        worked=(
            "def answer(p, q):\n"
            "    weight = 0.5\n"
            "    for _ in range(1000):\n"
            "        weight = (weight * p / (weight * p + (1 - weight) * q)).mean()\n"
            "    return weight"
        ),
        example=_by_em,
        mistakes=(
            (lambda p, q: (p / (p + q)).mean(), "one step"),
            (lambda p, q: 1 - _by_em(p, q), "weight of q"),
            (lambda p, q: (p > q).mean(), "counting wins"),
            (lambda p, q: p.sum() / (p.sum() + q.sum()), "word by word"),
            (lambda p, q: 0.5, "has loss"),
            (0.5, "function"),
        ),
    )


# --- q3 -----------------------------------------------------------------------------------------


def _verify_mixture(answer: Callable[..., Any]) -> str:
    require_function(answer, "log_p, log_q and weight")
    random = np.random.default_rng()
    for weight in (0.2, 0.7):
        p, q = random.dirichlet(np.ones(6), size=2)
        result = np.asarray(answer(np.log(p), np.log(q), weight), dtype=float)
        _judge_mixture(result, p, q, weight)
    return "right: probabilities are mixed, not their logarithms, so they still sum to one"


def _judge_mixture(result: np.ndarray, p: np.ndarray, q: np.ndarray, weight: float) -> None:
    truth = weight * p + (1 - weight) * q
    line = weight * np.log(p) + (1 - weight) * np.log(q)
    cases = (
        (truth, "these are probabilities: return their logarithms"),
        (np.log((1 - weight) * p + weight * q), "the weight belongs to p, 1 − weight to q"),
        (np.log((p + q) / 2), "that is the mean of the two, whatever the weight: use it"),
        (line - logsumexp(line), "that is the geometric mixture, normalised; give the linear one"),
    )
    if result.shape == truth.shape and np.allclose(result, np.log(truth)):
        return
    for wrong, reason in cases:
        if result.shape == wrong.shape and np.allclose(result, wrong):
            raise NotYetError(reason)
    total = np.exp(result).sum()
    if abs(total - 1) > 1e-6:
        raise NotYetError(f"the probabilities sum to {total:.3f}, not to 1: what is mixed?")
    raise NotYetError(f"a distribution, but not weight · p + (1 − weight) · q: {np.exp(result)}")


def _linear(log_p: np.ndarray, log_q: np.ndarray, weight: float) -> np.ndarray:
    return np.log(weight * np.exp(log_p) + (1 - weight) * np.exp(log_q))


def _line(log_p: np.ndarray, log_q: np.ndarray, weight: float) -> np.ndarray:
    return weight * log_p + (1 - weight) * log_q


def _geometric(log_p: np.ndarray, log_q: np.ndarray, weight: float) -> np.ndarray:
    line = _line(log_p, log_q, weight)
    return line - logsumexp(line)


def _log_mixture() -> Exercise:
    return Exercise(
        name="the mixture that was none",
        difficulty=2,
        minutes=5,
        verify=_verify_mixture,
        hints=(
            "what does np.exp of the answer sum to?",
            "a linear mixture mixes probabilities; go there, mix, and come back",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(log_p, log_q, weight):\n"
            "    return np.log(weight * np.exp(log_p) + (1 - weight) * np.exp(log_q))"
        ),
        example=_linear,
        mistakes=(
            (_line, "sum to 0."),
            (_geometric, "geometric"),
            (lambda p, q, w: np.exp(_linear(p, q, w)), "return their logarithms"),
            (lambda p, q, w: _linear(q, p, w), "belongs to p"),
            (lambda p, q, w: _linear(p, q, 0.5), "whatever the weight"),
            (lambda p, q, w: p, "a distribution, but"),
        ),
    )


# --- q4 -----------------------------------------------------------------------------------------


def _entropy(*q: float) -> float:
    return float(-(np.array(q) * np.log(q)).sum())


def _verify_smallest(answer: Any) -> str:
    eps, classes = 0.1, 3
    other = eps / classes
    truth = _entropy(1 - eps + other, other, other)
    if close(answer, truth, tolerance=2e-3):
        return (
            f"right: {truth:.3f}, the entropy of the target, reached where p equals it. A loss "
            "that stays there is no failure"
        )
    reject_known(
        answer,
        (
            (0, "a certain answer is punished: −ln 0 is infinite, and the others have a share"),
            (-np.log(0.9), "the true class gets 0.9 + 0.1 / 3, and the other two count as well"),
            (-np.log(1 - eps + other), "that is one term without its weight: sum −q ln q over all"),
            (_entropy(0.9, 0.05, 0.05), "ε is shared by all three classes, the true one too"),
            (_entropy(0.9, 0.1), "there are three classes: the target is (0.933, 0.033, 0.033)"),
            (truth / np.log(2), "that is in bits: take natural logarithms"),
            (np.log(3), "that is the loss of knowing nothing"),
        ),
        tolerance=2e-3,
    )
    raise NotYetError("CE(q, p) is smallest where p = q: which number is CE(q, q)?")


def _smallest_loss() -> Exercise:
    return Exercise(
        name="the floor under a smoothed loss",
        difficulty=2,
        minutes=5,
        verify=_verify_smallest,
        hints=(
            "write down the smoothed target of one row: three numbers that sum to 1",
            "cross-entropy with a target q is smallest at p = q",
        ),
        worked=(
            "import numpy as np\n\n"
            "q = np.array([0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3])  # the smoothed target\n"
            "answer = -(q * np.log(q)).sum()  # its entropy, reached at p = q: 0.291 nats"
        ),
        example=0.291,
        mistakes=(
            (0, "punished"),
            (0.1054, "the other two count"),
            (0.069, "one term"),
            (0.3944, "shared by all three"),
            (0.3251, "three classes"),
            (1.0986, "knowing nothing"),
            (0.7, "CE(q, q)"),
        ),
    )


# --- q5 -----------------------------------------------------------------------------------------

PARTS = ("train 1", "train 2", "valid", "test")
ROLES = ("probe", "store", "weight", "score")


def _verify_roles(answer: Any) -> str:
    if not isinstance(answer, Mapping) or set(answer) != set(ROLES):
        raise NotYetError(f"the answer is a dictionary with the keys {', '.join(ROLES)}")
    unknown = [part for part in answer.values() if part not in PARTS]
    if unknown:
        raise NotYetError(f"{unknown[0]!r} is no part: choose from {', '.join(PARTS)}")
    _judge_roles(*(answer[role] for role in ROLES))
    return "right: learned, remembered, chosen and measured on four different sets of articles"


def _judge_roles(probe: str, store: str, weight: str, score: str) -> None:
    if score != "test":
        raise NotYetError("the score belongs to test, which nothing else has touched")
    if "test" in (probe, store):
        raise NotYetError("articles of test that are learned or stored are no test any more")
    if weight == score:
        raise NotYetError("a weight chosen where it is scored flatters itself: choose elsewhere")
    if weight == store:
        raise NotYetError("each stored article finds itself at distance 0: the weight becomes 1")
    if weight == probe:
        raise NotYetError("the probe knows these articles, so the store gets too little weight")
    if probe == store:
        raise NotYetError("the store holds what the probe has learned already: give it the others")
    if weight != "valid":
        raise NotYetError("valid is there for choices: learn and store with the parts of train")


def _plan(probe: str, store: str, weight: str, score: str) -> dict[str, str]:
    return {"probe": probe, "store": store, "weight": weight, "score": score}


def _roles() -> Exercise:
    return Exercise(
        name="four roles, four parts",
        difficulty=3,
        minutes=5,
        verify=_verify_roles,
        hints=(
            "where would an article find itself among the stored ones?",
            "every choice, λ too, is made on articles that are neither learned nor scored",
        ),
        worked=(
            'answer = {"probe": "train 1", "store": "train 2", "weight": "valid", "score": "test"}'
        ),
        example=_plan("train 1", "train 2", "valid", "test"),
        mistakes=(
            (_plan("train 1", "train 2", "test", "test"), "flatters itself"),
            (_plan("train 1", "train 2", "train 2", "test"), "distance 0"),
            (_plan("train 1", "train 2", "train 1", "test"), "too little weight"),
            (_plan("train 1", "train 1", "valid", "test"), "learned already"),
            (_plan("train 1", "train 2", "valid", "valid"), "belongs to test"),
            (_plan("train 1", "test", "valid", "test"), "no test any more"),
            (_plan("train 1", "valid", "train 2", "test"), "there for choices"),
            (_plan("train", "train 2", "valid", "test"), "is no part"),
        ),
    )
