"""Scores of probabilities: log loss, Brier score, calibration."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, softmax, xlog1py, xlogy
from scipy.stats import entropy


def log_losses(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """−log p(y) of each row, (N,), in nats.

    >>> log_losses(np.zeros((1, 4)), np.array([2])).round(4).tolist()
    [1.3863]
    """
    rows = np.arange(len(targets))
    return -log_softmax(logits.astype(np.float64), axis=-1)[rows, targets]


def brier(logits: np.ndarray, targets: np.ndarray) -> float:
    """Mean of ‖p − onehot(y)‖² over rows, between 0 and 2 (Brier 1950)."""
    return float(briers(logits, targets).mean())


def briers(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """‖p − onehot(y)‖² of each row, (N,).

    >>> briers(np.zeros((1, 2)), np.array([1])).tolist()
    [0.5]
    """
    probabilities = softmax(logits.astype(np.float64), axis=-1)
    probabilities[np.arange(len(targets)), targets] -= 1
    return np.square(probabilities).sum(-1)


def certainty(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The highest probability of each row, (N,), and whether its class is the target, (N,).

    >>> [column.tolist() for column in certainty(np.zeros((1, 2)), np.array([1]))]
    [[0.5], [False]]
    """
    probabilities = softmax(logits.astype(np.float64), axis=-1)
    return probabilities.max(-1), probabilities.argmax(-1) == targets


def calibration_error(logits: np.ndarray, targets: np.ndarray, *, bins: int = 10) -> float:
    """Expected calibration error: mean gap between confidence and accuracy over equal-width bins.

    Guo et al. 2017, arXiv 1706.04599, equation 3.

    >>> calibration_error(np.log([[0.8, 0.2], [0.8, 0.2]]), np.array([0, 1])).__round__(3)
    0.3
    """
    table = reliability(logits, targets, bins=bins)
    share = table[:, 2] / len(targets)
    return float((share * np.abs(table[:, 0] - table[:, 1])).sum())


def mean_gap(confidences: np.ndarray, hits: np.ndarray, *, bins: int = 10) -> float:
    """``calibration_error`` of rows whose ``certainty`` is known.

    >>> round(mean_gap(np.array([0.8, 0.8]), np.array([True, False])), 3)
    0.3
    """
    table = _bin_table(confidences, hits, bins)
    share = table[:, 2] / len(hits)
    return float((share * np.abs(table[:, 0] - table[:, 1])).sum())


def reliability(logits: np.ndarray, targets: np.ndarray, *, bins: int = 10) -> np.ndarray:
    """Mean confidence, accuracy and number of rows in each non-empty bin, (bins, 3)."""
    return _bin_table(*certainty(logits, targets), bins)


def _bin_table(confidences: np.ndarray, hits: np.ndarray, bins: int) -> np.ndarray:
    bin_of_row = _bin_of_row(confidences, bins)
    counts = np.bincount(bin_of_row, minlength=bins)
    filled = np.flatnonzero(counts)
    # Bin by bin: sums in pairs round less than those of bincount, which adds row after row.
    sums = np.array([confidences[bin_of_row == index].sum() for index in filled])
    right = np.bincount(bin_of_row, hits, minlength=bins)[filled]
    counts = counts[filled]
    return np.stack([sums / counts, right / counts, counts], axis=1)


def _bin_of_row(confidence: np.ndarray, bins: int) -> np.ndarray:
    return np.minimum((confidence * bins).astype(int), bins - 1)


def calibrated_errors(
    logits: np.ndarray, *, bins: int = 10, draws: int = 1000, seed: int = 0
) -> np.ndarray:
    """Calibration errors that a perfectly calibrated model would show on as many rows, (draws,).

    Each prediction is correct with the probability that the model gives to it, so every error is
    sampling noise: a model is called miscalibrated only if its error lies above most of these.

    >>> errors = calibrated_errors(np.zeros((50, 2)), draws=200)
    >>> bool(0.02 < errors.mean() < 0.1)
    True
    """
    random = np.random.default_rng(seed)
    confidence = softmax(logits.astype(np.float64), axis=-1).max(-1)
    bin_of_row = _bin_of_row(confidence, bins)
    errors = []
    for _ in range(draws):
        correct = random.random(len(confidence)) < confidence
        # A bin's share times its gap is the sum of its differences over all rows.
        gaps = np.abs(np.bincount(bin_of_row, confidence - correct))
        errors.append(gaps.sum() / len(confidence))
    return np.array(errors)


def normalised_log_loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The log loss of yes-or-no predictions over that of always saying the share of yes.

    probabilities of yes (N,) and targets (N,) of 0 and 1. It is 1 for the share of yes in
    ``targets`` and 0 for perfect predictions; log losses of data sets with other shares cannot be
    compared, these can (He et al. 2014, "Practical lessons from predicting clicks on ads at
    Facebook", equation 1). An impossible event that happened costs infinity.

    Raises ValueError when all targets are alike, since their share leaves nothing to predict.

    >>> normalised_log_loss(np.full(4, 0.25), np.array([0, 0, 0, 1]))
    1.0
    """
    targets = np.asarray(targets, dtype=float)
    share = targets.mean()
    if share in (0, 1):
        raise ValueError(f"all {len(targets)} targets are {share:.0f}: use rows of both kinds")
    loss = -(xlogy(targets, probabilities) + xlog1py(1 - targets, -np.asarray(probabilities)))
    return float(loss.mean() / entropy([share, 1 - share]))
