"""Exercises of notebook 09: weights of data and prior, interpolated residuals, double descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.interpolate import RBFInterpolator

from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)


def exercises() -> list[Exercise]:
    """The four exercises of the sheet."""
    return [_weight_of_data(), _toward_prior(), _joined_residuals(), _sizes()]


# --- q1 -----------------------------------------------------------------------------------------


def _verify_weight(answer: Any) -> str:
    left = 1.0
    for _ in range(10):
        left -= 0.5 * 0.2 * left
    if close(answer, 1 - left, tolerance=2e-3):
        return "right: each step leaves nine tenths of the way, ten steps leave 0.349 of it"
    reject_known(
        answer,
        (
            (left, "that is the weight of the pretrained head: the data have the rest"),
            (1.0, "ten tenths would be all, but each step takes a tenth of what is *left*"),
            (0.1, "that is one step; there are ten"),
            (1 - np.exp(-1), "that is gradient flow, the limit of ever smaller steps"),
            (1 - 0.8**10, "the rate is missing: a step takes the share rate times eigenvalue"),
            (1 - 0.5**10, "the eigenvalue is missing: a step takes the share rate times it"),
        ),
        tolerance=5e-4,
    )
    raise NotYetError("which share of the way is left after one step, and after ten?")


def _weight_of_data() -> Exercise:
    return Exercise(
        name="the weight after ten steps",
        difficulty=1,
        minutes=5,
        verify=_verify_weight,
        hints=(
            "one step multiplies the distance to the optimum by 1 − rate · eigenvalue",
            "after ten steps (1 − 0.1) to the power of ten is left",
        ),
        worked=(
            "# each step leaves 1 - 0.5 * 0.2 = 0.9 of the distance\n"
            "answer = 1 - (1 - 0.5 * 0.2) ** 10"
        ),
        example=0.651,
        mistakes=(
            (0.349, "pretrained head"),
            (1.0, "what is *left*"),
            (0.1, "one step"),
            (0.632, "gradient flow"),
            (0.893, "rate is missing"),
            (0.999, "eigenvalue is missing"),
            (0.5, "which share"),
        ),
    )


# --- q2 -----------------------------------------------------------------------------------------

Head = Callable[..., np.ndarray]


def _stacked(A: np.ndarray, B: np.ndarray, W_P: np.ndarray, penalty: float) -> np.ndarray:
    """An independent way: the penalty as extra rows of an ordinary least-squares problem."""
    rows, width = A.shape
    weighted = np.vstack([A / rows**0.5, penalty**0.5 * np.eye(width)])
    wanted = np.vstack([B / rows**0.5, penalty**0.5 * W_P])
    return np.linalg.lstsq(weighted, wanted, rcond=None)[0]


def _ridge(A: np.ndarray, B: np.ndarray, W_P: np.ndarray, penalty: float) -> np.ndarray:
    rows, width = A.shape
    system = A.T @ A / rows + penalty * np.eye(width)
    return np.linalg.solve(system, A.T @ B / rows + penalty * W_P)


def _ridge_to_zero(A: np.ndarray, B: np.ndarray, W_P: np.ndarray, penalty: float) -> np.ndarray:
    return _ridge(A, B, 0 * W_P, penalty)


def _ridge_without_rows(
    A: np.ndarray, B: np.ndarray, W_P: np.ndarray, penalty: float
) -> np.ndarray:
    return _ridge(A, B, W_P, penalty / len(A))


def _ridge_shifted(A: np.ndarray, B: np.ndarray, W_P: np.ndarray, penalty: float) -> np.ndarray:
    return W_P + _ridge(A, B, 0 * W_P, penalty)


def _verify_toward(answer: Head) -> str:
    require_function(answer, "A, B, W_P and penalty")
    random = np.random.default_rng()
    for rows, width in ((6, 9), (20, 4)):  # fewer rows than columns, and more
        A, B = random.normal(size=(rows, width)), random.normal(size=(rows, 3))
        W_P, penalty = random.normal(size=(width, 3)), random.uniform(0.1, 1)
        head = np.asarray(answer(A.copy(), B.copy(), W_P.copy(), penalty), dtype=float)
        _judge_head(head, (A, B, W_P, penalty))
    return "right: at penalty → ∞ the head is W_P, at penalty → 0 it fits the rows"


def _judge_head(head: np.ndarray, problem: tuple[Any, ...]) -> None:
    truth = _stacked(*problem)
    if head.shape != truth.shape:
        raise NotYetError(f"a head has the shape of W_P, {truth.shape}, not {head.shape}")
    if np.allclose(head, truth, atol=1e-8):
        return
    if np.allclose(head, _ridge_to_zero(*problem)):
        raise NotYetError("that shrinks to zero: the penalty pulls towards W_P")
    if np.allclose(head, _ridge_without_rows(*problem)):
        raise NotYetError("the squared error is a mean: divide AᵀA and AᵀB by the rows m")
    if np.allclose(head, _ridge_shifted(*problem)):
        raise NotYetError("if you add W_P at the end, the rest must fit the residuals B − A W_P")
    gap = np.abs(head - truth).max()
    raise NotYetError(f"the head is off by up to {gap:.2g}: set the gradient to zero and solve")


def _toward_prior() -> Exercise:
    return Exercise(
        name="a head that stays near the pretrained one",
        difficulty=2,
        minutes=10,
        verify=_verify_toward,
        hints=(
            "the gradient is Aᵀ(AW − B)/m + λ(W − W_P)",
            "collect what multiplies W on one side: (AᵀA/m + λI) W = AᵀB/m + λ W_P",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(A, B, W_P, penalty):\n"
            "    rows, width = A.shape\n"
            "    system = A.T @ A / rows + penalty * np.eye(width)  # gradient = 0, solved for W\n"
            "    return np.linalg.solve(system, A.T @ B / rows + penalty * W_P)"
        ),
        example=_ridge,
        mistakes=(
            (_ridge_to_zero, "shrinks to zero"),
            (_ridge_without_rows, "is a mean"),
            (_ridge_shifted, "residuals"),
            (lambda A, B, W_P, penalty: W_P[0], "shape of W_P"),
            (lambda A, B, W_P, penalty: W_P, "set the gradient to zero"),
            (0.5, "is a function"),
        ),
    )


# --- q3 -----------------------------------------------------------------------------------------


def _bell(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.exp(-np.square(x[:, None] - z).sum(-1))


def _verify_joined(answer: Callable[..., Any]) -> str:
    require_function(answer, "K, k, prior_train, prior_test and y")
    random = np.random.default_rng()
    nodes, others = random.normal(size=(8, 3)), random.normal(size=(5, 3))
    slope, y = random.normal(size=3), random.normal(size=8)
    K, prior_train = _bell(nodes, nodes), nodes @ slope
    on_nodes = np.asarray(answer(K, K, prior_train, prior_train, y), dtype=float)
    if on_nodes.shape != y.shape:
        raise NotYetError(f"8 articles have 8 scores; yours have the shape {on_nodes.shape}")
    if not np.allclose(on_nodes, y, atol=1e-6):
        if np.allclose(on_nodes, y + prior_train, atol=1e-6):
            raise NotYetError("prior and labels are added: fit the *residuals* y − prior_train")
        raise NotYetError("at the training articles the scores must equal y exactly")
    far = np.asarray(answer(K, np.zeros((5, 8)), prior_train, others @ slope, y), dtype=float)
    if not np.allclose(far, others @ slope):
        raise NotYetError("far from all articles (k = 0) the scores must be the pretrained ones")
    joined = RBFInterpolator(nodes, y - prior_train, kernel="gaussian", epsilon=1.0, degree=-1)
    got = answer(K, _bell(others, nodes), prior_train, others @ slope, y)
    if not np.allclose(got, others @ slope + joined(others), atol=1e-5):
        raise NotYetError("between the articles it differs from SciPy's kernel interpolation")
    return "right: interpolated is what pretraining got wrong; SciPy's RBFInterpolator agrees"


def _joined(K: Any, k: Any, prior_train: Any, prior_test: Any, y: Any) -> Any:
    return prior_test + k @ np.linalg.solve(K, y - prior_train)


def _joined_residuals() -> Exercise:
    return Exercise(
        name="the interpolant that forgot its pretraining",
        difficulty=2,
        minutes=10,
        verify=_verify_joined,
        hints=(
            "far from all training articles every product in k is 0: what is returned there?",
            "start from prior_test, and interpolate what prior_train left over",
        ),
        worked=(
            "import numpy as np\n\n\n"
            "def answer(K, k, prior_train, prior_test, y):\n"
            "    residual = y - prior_train  # what pretraining got wrong\n"
            "    return prior_test + k @ np.linalg.solve(K, residual)"
        ),
        example=_joined,
        mistakes=(
            (lambda K, k, p, q, y: k @ np.linalg.solve(K, y), "far from all"),
            (lambda K, k, p, q, y: q + k @ np.linalg.solve(K, y), "are added"),
            (lambda K, k, p, q, y: q, "equal y exactly"),
            (lambda K, k, p, q, y: _joined(K + np.eye(8), k, p, q, y), "equal y exactly"),
            (lambda K, k, p, q, y: _joined(K, k, p, q, y)[:3], "have the shape"),
            (0.5, "is a function"),
        ),
    )


# --- q4 -----------------------------------------------------------------------------------------

ROWS, WIDEST = 40, 2000


def _errors(sizes: list[int]) -> list[float]:
    """Median test error of the minimum-norm least-squares model on the first p features."""
    errors = []
    for seed in range(25):
        random = np.random.default_rng(seed)
        X, test = random.normal(size=(ROWS, WIDEST)), random.normal(size=(100, WIDEST))
        y = X[:, :10].sum(1) + random.normal(size=ROWS)  # ten features matter, and there is noise
        truth = test[:, :10].sum(1)
        fits = [np.linalg.lstsq(X[:, :p], y, rcond=None)[0] for p in sizes]
        guesses = [test[:, :p] @ fit for p, fit in zip(sizes, fits, strict=True)]
        errors.append([np.square(guess - truth).mean() for guess in guesses])
    return np.median(errors, axis=0).tolist()


def _verify_sizes(answer: Any) -> str:
    sizes = sorted({int(p) for p in answer})
    if len(sizes) > 5:
        raise NotYetError(f"at most five sizes may be fitted; these are {len(sizes)}")
    if not sizes or sizes[0] < 1 or sizes[-1] > WIDEST:
        raise NotYetError(f"give sizes between 1 and {WIDEST}")
    errors = _errors(sizes)
    at = int(np.argmax(errors))
    if not 0.9 * ROWS <= sizes[at] <= 1.1 * ROWS:
        raise NotYetError(
            f"the highest error you show is at p = {sizes[at]}: the peak lies where p equals the "
            f"number of rows, {ROWS}"
        )
    if errors[-1] > errors[at] / 2:
        raise NotYetError("no second descent is visible: add a size far beyond the peak")
    before = errors[:at]
    if not any(later < 0.8 * max(before[:i]) for i, later in enumerate(before) if i):
        raise NotYetError(
            "no first descent is visible: it needs two sizes well below the peak, the smaller "
            "one with the larger error"
        )
    shown = ", ".join(f"{error:.1f}" for error in errors)
    return f"right: squared errors {shown} at p = {sizes}"


def _sizes() -> Exercise:
    return Exercise(
        name="five sizes that show double descent",
        difficulty=3,
        minutes=10,
        verify=_verify_sizes,
        hints=(
            "three features must show; how many points does each need?",
            "the peak is at p = n; the first descent lies far to the left of it",
        ),
        worked=(
            "# 1 and 10 show the first descent, 40 = n the peak, 100 and 1000 the second\n"
            "answer = [1, 10, 40, 100, 1000]"
        ),
        example=[1, 10, 40, 100, 1000],
        mistakes=(
            ([10, 20, 30, 50, 100], "the peak lies"),
            ([1, 10, 40], "no second descent"),
            ([30, 40, 100, 1000], "no first descent"),
            (list(range(1, 100, 10)), "at most five"),
            ([0, 40, 100], "between 1 and"),
        ),
    )
