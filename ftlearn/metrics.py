"""Scores from predictions, with intervals: scikit-learn and SciPy where they have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax, softmax
from scipy.stats import binomtest, pearsonr, spearmanr


class Interval(NamedTuple):
    """A measured value and the bounds between which repeated sampling puts it."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def classification(logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Accuracy, macro-averaged precision, recall and F1, log loss, Brier score, calibration error.

    logits (N, C), targets (N,) as class ids. Macro averages run over the classes that occur in
    targets or predictions; a class that is never predicted has precision 0.

    >>> scores = classification(np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([0, 1]))
    >>> scores["accuracy"], round(scores["log_loss"], 3)
    (1.0, 0.127)
    """
    predicted = logits.argmax(-1)
    precision, recall, f1 = _macro(predicted, targets, logits.shape[-1])
    return {
        "accuracy": float((predicted == targets).mean()),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "log_loss": float(log_losses(logits, targets).mean()),
        "brier": brier(logits, targets),
        "calibration_error": calibration_error(logits, targets),
    }


def _macro(predicted: np.ndarray, targets: np.ndarray, classes: int) -> list[float]:
    # A bootstrap asks a thousand times; scikit-learn's functions take about fifty times as long.
    said, true, hits = (
        np.bincount(column, minlength=classes)
        for column in (predicted, targets, targets[predicted == targets])
    )
    occurs = said + true > 0
    parts = ((hits, said), (hits, true), (2 * hits, said + true))
    return [float((top / np.maximum(1, bottom))[occurs].mean()) for top, bottom in parts]


def regression(predictions: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Mean absolute and squared error, R², Pearson's and Spearman's correlation.

    predictions and targets (N,), in the units of the data. R² is 0 for always answering the
    mean of the targets. Correlations are NaN when either side does not vary.

    >>> regression(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 6.0]))["mae"]
    1.0
    """
    error = predictions - targets
    spread = np.square(targets - targets.mean()).mean()
    varies = len(targets) > 1 and np.ptp(predictions) > 0 and np.ptp(targets) > 0
    return {
        "mae": float(np.abs(error).mean()),
        "mse": float(np.square(error).mean()),
        "r2": float(1 - np.square(error).mean() / spread) if spread else float("nan"),
        "pearson": float(pearsonr(predictions, targets)[0]) if varies else float("nan"),
        "spearman": float(spearmanr(predictions, targets)[0]) if varies else float("nan"),
    }


def log_losses(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """−log p(y) of each row, (N,), in nats.

    >>> log_losses(np.zeros((1, 4)), np.array([2])).round(4).tolist()
    [1.3863]
    """
    rows = np.arange(len(targets))
    return -log_softmax(logits.astype(np.float64), axis=-1)[rows, targets]


def brier(logits: np.ndarray, targets: np.ndarray) -> float:
    """Mean of ‖p − onehot(y)‖² over rows, between 0 and 2 (Brier 1950)."""
    probabilities = softmax(logits.astype(np.float64), axis=-1)
    probabilities[np.arange(len(targets)), targets] -= 1
    return float(np.square(probabilities).sum(-1).mean())


def calibration_error(logits: np.ndarray, targets: np.ndarray, *, bins: int = 10) -> float:
    """Expected calibration error: mean gap between confidence and accuracy over equal-width bins.

    Guo et al. 2017, arXiv 1706.04599, equation 3.

    >>> calibration_error(np.log([[0.8, 0.2], [0.8, 0.2]]), np.array([0, 1])).__round__(3)
    0.3
    """
    table = reliability(logits, targets, bins=bins)
    share = table[:, 2] / len(targets)
    return float((share * np.abs(table[:, 0] - table[:, 1])).sum())


def reliability(logits: np.ndarray, targets: np.ndarray, *, bins: int = 10) -> np.ndarray:
    """Mean confidence, accuracy and number of rows in each non-empty bin, (bins, 3)."""
    probabilities = softmax(logits.astype(np.float64), axis=-1)
    confidence, right = probabilities.max(-1), probabilities.argmax(-1) == targets
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = [
        (confidence[which == at].mean(), right[which == at].mean(), (which == at).sum())
        for at in np.unique(which)
    ]
    return np.array(rows)


def bootstrap(
    score: Callable[..., float],
    *columns: np.ndarray,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The score and its percentile bootstrap interval; all columns are resampled together.

    Rows are drawn with replacement; the interval covers the sampling of test rows, not the
    seeds of training (Efron 1979).

    >>> bootstrap(np.mean, np.array([0.0, 1.0] * 50)).value
    0.5
    """
    scores = resample(score, *columns, draws=draws, seed=seed)
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(score(*columns)), float(low), float(high))


def resample(
    score: Callable[..., float | list[float]], *columns: np.ndarray, draws: int, seed: int
) -> np.ndarray:
    """The score, or scores, of ``draws`` samples of the rows with replacement, (draws, ...).

    >>> resample(np.mean, np.ones(5), draws=3, seed=0)
    array([1., 1., 1.])
    """
    columns = tuple(map(np.asarray, columns))
    random, rows = np.random.default_rng(seed), len(columns[0])
    # One sample at a time: all of them take 8 kB a row where 1,000 are drawn.
    picks = (random.integers(0, rows, size=rows) for _ in range(draws))
    return np.array([score(*(column[pick] for column in columns)) for pick in picks])


def crossed(
    values: np.ndarray, *, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """The mean of values (S, N) over S seeds and N test rows, and its interval with both resampled.

    Several models scored on the same rows are lucky or not in two ways, by their seeds and by the
    rows: seeds and rows are each drawn with replacement (Owen 2007, "The pigeonhole bootstrap").

    >>> crossed(np.ones((3, 5)))
    Interval(value=1.0, low=1.0, high=1.0)
    """
    if values.ndim != 2 or not values.size:
        raise ValueError(f"values have shape {values.shape}: give one row a seed, (S, N)")
    random, (seeds, rows) = np.random.default_rng(seed), values.shape
    means = [
        values[random.integers(0, seeds, seeds)][:, random.integers(0, rows, rows)].mean()
        for _ in range(draws)
    ]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


class McNemar(NamedTuple):
    """How often only the first or only the second model was right, and the exact p-value."""

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> McNemar:
    """Exact McNemar test of two classifiers on the same rows (McNemar 1947).

    Only rows on which exactly one of them is right count; under the null hypothesis each of
    the two is right on half of those.

    >>> mcnemar(np.array([1, 1, 1, 1, 0]), np.array([0, 0, 0, 0, 1]))
    McNemar(only_first=4, only_second=1, p_value=0.375)
    """
    first, second = np.asarray(first_right, bool), np.asarray(second_right, bool)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return McNemar(0, 0, 1.0)
    test = binomtest(only_first, only_first + only_second, 0.5)
    return McNemar(only_first, only_second, float(test.pvalue))
