"""Scores of predictions, with confidence intervals and McNemar's test."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax, softmax
from scipy.stats import binomtest, pearsonr, spearmanr

WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Interval(NamedTuple):
    """A measured value and the bounds of its confidence interval."""

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
    """Macro-averaged precision, recall and F1 of class ids (N,)."""
    # A bootstrap calls this a thousand times; scikit-learn's functions take 50 times as long.
    correct = targets[predicted == targets]
    predicted_counts, target_counts, hits = (
        np.bincount(ids, minlength=classes) for ids in (predicted, targets, correct)
    )
    occurs = predicted_counts + target_counts > 0
    ratios = (
        hits / np.maximum(1, predicted_counts),
        hits / np.maximum(1, target_counts),
        2 * hits / np.maximum(1, predicted_counts + target_counts),
    )
    return [float(ratio[occurs].mean()) for ratio in ratios]


def regression(predictions: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Mean absolute and squared error, R², Pearson's and Spearman's correlation.

    predictions and targets (N,), in the units of the data. R² is 0 for always predicting the
    mean of the targets. Correlations are NaN if predictions or targets do not vary.

    >>> regression(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 6.0]))["mae"]
    1.0
    """
    error = predictions - targets
    variance = np.square(targets - targets.mean()).mean()
    varies = len(targets) > 1 and np.ptp(predictions) > 0 and np.ptp(targets) > 0
    return {
        "mae": float(np.abs(error).mean()),
        "mse": float(np.square(error).mean()),
        "r2": float(1 - np.square(error).mean() / variance) if variance else float("nan"),
        "pearson": float(pearsonr(predictions, targets)[0]) if varies else float("nan"),
        "spearman": float(spearmanr(predictions, targets)[0]) if varies else float("nan"),
    }


def ordinal(predicted: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Accuracy, the share at most one level off, mean absolute error and quadratic kappa.

    predicted and targets (N,) as numbers of levels, so errors are counted in levels. Quadratic
    kappa is 1 − the mean squared error over that of shuffled predictions (Cohen 1968): 0 is chance,
    1 perfect, and it is NaN where one level is all that occurs.

    >>> ordinal(np.array([0, 2, 2]), np.array([0, 1, 2]))["within_one"]
    1.0
    """
    distances = np.abs(predicted - targets)
    shift = predicted.mean() - targets.mean()
    by_chance = predicted.var() + targets.var() + shift**2
    kappa = 1 - np.square(distances).mean() / by_chance if by_chance else float("nan")
    return {
        "accuracy": float((distances == 0).mean()),
        "within_one": float((distances <= 1).mean()),
        "mae": float(distances.mean()),
        "quadratic_kappa": float(kappa),
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
    confidence = probabilities.max(-1)
    correct = probabilities.argmax(-1) == targets
    bin_of_row = np.minimum((confidence * bins).astype(int), bins - 1)
    table = []
    for index in np.unique(bin_of_row):
        rows = bin_of_row == index
        table.append((confidence[rows].mean(), correct[rows].mean(), rows.sum()))
    return np.array(table)


def bootstrap(
    score: Callable[..., float],
    *columns: np.ndarray,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The score and its percentile bootstrap interval; all columns are resampled together.

    Rows are drawn with replacement; the interval accounts for the sampling of test rows, not for
    the seeds of training (Efron 1979).

    >>> bootstrap(np.mean, np.array([0.0, 1.0] * 50)).value
    0.5
    """
    scores = resample(score, *columns, draws=draws, seed=seed)
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(score(*columns)), float(low), float(high))


def resample(
    score: Callable[..., float | list[float]], *columns: np.ndarray, draws: int, seed: int
) -> np.ndarray:
    """The score, or scores, of ``draws`` bootstrap samples of the rows, (draws, ...).

    >>> resample(np.mean, np.ones(5), draws=3, seed=0)
    array([1., 1., 1.])
    """
    columns = tuple(np.asarray(column) for column in columns)
    random = np.random.default_rng(seed)
    rows = len(columns[0])
    # One sample at a time: 1,000 at once would take 8 kB per row.
    scores = []
    for _ in range(draws):
        sample = random.integers(0, rows, size=rows)
        scores.append(score(*(column[sample] for column in columns)))
    return np.array(scores)


def crossed(
    values: np.ndarray, *, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """The mean of values (S, N) over S seeds and N test rows, and its interval with both resampled.

    The scores of several models on the same rows vary for two reasons, the seeds and the rows:
    both are drawn with replacement (Owen 2007, "The pigeonhole bootstrap").

    >>> crossed(np.ones((3, 5)))
    Interval(value=1.0, low=1.0, high=1.0)
    """
    if values.ndim != 2 or not values.size:
        raise ValueError(f"values have shape {values.shape}: give one row per seed, (S, N)")
    random = np.random.default_rng(seed)
    seeds, rows = values.shape
    means = [
        values[random.integers(0, seeds, seeds)][:, random.integers(0, rows, rows)].mean()
        for _ in range(draws)
    ]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


class McNemar(NamedTuple):
    """How often only the first or only the second model was correct, and the exact p-value."""

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> McNemar:
    """Exact McNemar test of two classifiers on the same rows (McNemar 1947).

    Only rows on which exactly one of the two is correct count; under the null hypothesis each is
    correct on half of those.

    >>> mcnemar(np.array([1, 1, 1, 1, 0]), np.array([0, 0, 0, 0, 1]))
    McNemar(only_first=4, only_second=1, p_value=0.375)
    """
    first, second = np.asarray(first_right, bool), np.asarray(second_right, bool)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return McNemar(0, 0, 1.0)
    test = binomtest(only_first, only_first + only_second, 0.5)
    return McNemar(only_first, only_second, float(test.pvalue))


def normalised_answer(text: str) -> str:
    """An answer as SQuAD compares it: lower case, without punctuation and articles.

    >>> normalised_answer("The  U.S.A., a country")
    'usa country'
    """
    words = text.lower().translate(WITHOUT_PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", words).split())


def exact_match(answer: str, references: Sequence[str]) -> float:
    """1 where the answer equals one of the references after ``normalised_answer``, else 0.

    Without references the right answer is none, "".

    >>> exact_match("the Eiffel Tower.", ["Eiffel tower"]), exact_match("", [])
    (1.0, 1.0)
    """
    answer = normalised_answer(answer)
    return float(any(answer == normalised_answer(text) for text in references or [""]))


def token_f1(answer: str, references: Sequence[str]) -> float:
    """The F1 of an answer's words against those of the reference that it fits best.

    A word counts as often as it occurs in both. Two empty answers have 1 (Rajpurkar et al. 2016,
    arXiv 1606.05250; 2018, arXiv 1806.03822).

    >>> token_f1("in March 1889", ["March 1889", "31 March 1889"])
    0.8
    """
    words = normalised_answer(answer).split()
    return max(_words_f1(words, normalised_answer(text).split()) for text in references or [""])


def _words_f1(words: list[str], truth: list[str]) -> float:
    if not words or not truth:
        return float(words == truth)
    shared = sum((Counter(words) & Counter(truth)).values())
    return 2 * shared / (len(words) + len(truth))
