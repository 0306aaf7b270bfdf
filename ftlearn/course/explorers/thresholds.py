"""The decision threshold of one class, and the calibration of the probabilities."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt
from scipy.special import softmax
from sklearn.metrics import precision_recall_fscore_support

from ftlearn import figures, metrics
from ftlearn.course.explorers.view import View
from ftlearn.evaluation import Report

GRID = np.linspace(0.02, 0.98, 49)


def thresholds(
    report: Report,
    label: str,
    *,
    threshold: float = 0.5,
    miss: float = 1.0,
    temperature: float = 1.0,
) -> View:
    """Precision, recall and cost of predicting ``label`` above a threshold, and the calibration.

    A false alarm costs 1 and a miss ``miss``. The logits are divided by ``temperature`` first
    (Guo et al. 2017, arXiv 1706.04599). Raises ValueError for an unknown label.
    """
    labels = list(report.task.labels)
    if label not in labels:
        raise ValueError(f"no label {label!r}: use {', '.join(labels)}")
    logits = report.outputs / temperature
    probability = softmax(logits, -1)[:, labels.index(label)]
    truth = report.targets == labels.index(label)
    curves = np.array([_scores(probability >= cut, truth, miss) for cut in GRID])
    precision, recall, cost = _scores(probability >= threshold, truth, miss)
    error = metrics.calibration_error(logits, report.targets)
    precision_text = f"precision {precision:.2f}" if precision >= 0 else "never predicted"
    sentence = (
        f"{label} from {threshold:g} on: {precision_text}, recall {recall:.2f}, cost "
        f"{cost:.0f}; least cost {curves[:, 2].min():.0f} at {GRID[curves[:, 2].argmin()]:.2f}. "
        f"Calibration error {error:.3f} at temperature {temperature:g}."
    )
    return View(sentence, (_figure(curves, threshold, logits, report.targets),))


def _scores(predicted: np.ndarray, truth: np.ndarray, miss: float) -> tuple[float, float, float]:
    """Precision (nan if nothing was predicted), recall, and the cost of false alarms and misses."""
    precision, recall, _, _ = precision_recall_fscore_support(
        truth, predicted, average="binary", zero_division=np.nan
    )
    cost = (predicted & ~truth).sum() + miss * (~predicted & truth).sum()
    return precision, recall, cost


def _figure(
    curves: np.ndarray, threshold: float, logits: np.ndarray, targets: np.ndarray
) -> plt.Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")
    named = {"precision": curves[:, 0], "recall": curves[:, 1]}
    figures.lines(GRID, named, xlabel="threshold", ylabel="share", ax=left)
    left.lines[1].set_linestyle("--")
    left.legend(frameon=False)
    left.axvline(threshold, color="black", linewidth=1, linestyle=":")
    figures.reliability(metrics.reliability(logits, targets), ax=right)
    return figure
