"""Scores of predicted classes, numbers and levels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import pearsonr, spearmanr

from ftlearn.metrics.probabilities import briers, certainty, log_losses, mean_gap


class ClassifiedRows(NamedTuple):
    """What the metrics of classification need of each row, all (N,)."""

    predicted: np.ndarray
    targets: np.ndarray
    log_losses: np.ndarray
    briers: np.ndarray
    confidences: np.ndarray
    hits: np.ndarray
    """Whether the class of the highest probability is the target."""


def classification(logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Accuracy, macro-averaged precision, recall and F1, log loss, Brier score, calibration error.

    logits (N, C), targets (N,) as class ids. Macro averages run over the classes that occur in
    targets or predictions; a class that is never predicted has precision 0.

    >>> scores = classification(np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([0, 1]))
    >>> scores["accuracy"], round(scores["log_loss"], 3)
    (1.0, 0.127)
    """
    return classification_of_rows(*classified_rows(logits, targets))


def classified_rows(logits: np.ndarray, targets: np.ndarray) -> ClassifiedRows:
    """The columns of ``classification_of_rows``, of which a bootstrap draws its samples.

    >>> classified_rows(np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([0, 0])).hits.tolist()
    [True, False]
    """
    return ClassifiedRows(
        logits.argmax(-1),
        targets,
        log_losses(logits, targets),
        briers(logits, targets),
        *certainty(logits, targets),
    )


def classification_of_rows(*columns: np.ndarray) -> dict[str, float]:
    """``classification``, from what ``classified_rows`` computed once for all samples of the rows.

    >>> columns = classified_rows(np.eye(2), np.array([0, 1]))
    >>> classification_of_rows(*columns)["accuracy"]
    1.0
    """
    rows = ClassifiedRows(*columns)
    precision, recall, f1 = _macro(rows.predicted, rows.targets)
    return {
        "accuracy": float((rows.predicted == rows.targets).mean()),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "log_loss": float(rows.log_losses.mean()),
        "brier": float(rows.briers.mean()),
        "calibration_error": mean_gap(rows.confidences, rows.hits),
    }


def _macro(predicted: np.ndarray, targets: np.ndarray) -> list[float]:
    """Macro-averaged precision, recall and F1 of class ids (N,)."""
    classes = max(predicted.max(), targets.max()) + 1
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
