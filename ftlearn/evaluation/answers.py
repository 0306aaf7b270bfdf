"""When a reader should rather give no answer: its threshold, and risk against coverage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ftlearn.errors import UnknownNameError
from ftlearn.evaluation.report import Report
from ftlearn.tasks.question_answering import NULL_SCORE, SCORE

METRICS = ("exact_match", "f1")


def margins(report: Report) -> np.ndarray:
    """By how much each row's best span outscores "no answer", (N,)."""
    return report.outputs[:, SCORE] - report.outputs[:, NULL_SCORE]


def best_threshold(report: Report, metric: str = "f1") -> float:
    """The threshold with the highest mean of ``exact_match`` or ``f1`` over the rows of a report.

    Choose it on validation data: on test data it flatters the model. Of thresholds that are as
    good the lowest, between two margins that occur. Use it with ``dataclasses.replace(task,
    threshold=...)``. Raises UnknownNameError for another metric.
    """
    given, withheld = _gains(report, metric)
    order = np.argsort(margins(report), kind="stable")
    levels = margins(report)[order]
    # Below a threshold that withholds the k lowest rows, k = 0..N.
    total = np.concatenate(([given.sum()], given.sum() + np.cumsum((withheld - given)[order])))
    between = np.concatenate(([levels[0] - 1], (levels[1:] + levels[:-1]) / 2, [levels[-1] + 1]))
    possible = np.concatenate(([True], np.diff(levels) > 0, [True]))  # equal margins go together
    total[~possible] = -np.inf
    return float(between[total.argmax()])


def risk_coverage(report: Report, metric: str = "exact_match") -> pd.DataFrame:
    """What answering only the k rows with the largest margins costs, one row per k = 1..N.

    Columns: threshold (the margin of the last row answered), coverage (the share of rows that are
    answered) and risk (1 − the mean metric over them).
    """
    given, _ = _gains(report, metric)
    order = np.argsort(-margins(report), kind="stable")
    counts = np.arange(1, len(order) + 1)
    return pd.DataFrame(
        {
            "threshold": margins(report)[order],
            "coverage": counts / len(order),
            "risk": 1 - np.cumsum(given[order]) / counts,
        }
    )


def _gains(report: Report, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """The metric of each row if its span is given, and if no answer is given, (N,) each."""
    if metric not in METRICS:
        raise UnknownNameError(
            f"no metric {metric!r} of single answers; use {' or '.join(METRICS)}"
        )
    lowest, highest = margins(report).min(), margins(report).max()
    index = METRICS.index(metric)
    always, never = (
        replace(report.task, threshold=float(threshold)).row_scores(report.outputs, report.targets)
        for threshold in (lowest - 1, highest + 1)
    )
    return always[index], never[index]
