"""How far the predictions of an ordinal model are off."""

from __future__ import annotations

import numpy as np

from ftlearn.evaluation import Report
from ftlearn.markup import Markup
from ftlearn.workflows.html.elements import paragraph, percent, section, table

MEANINGS = {
    "accuracy": "share of rows with the right level",
    "within_one": "share of rows with the right level or a neighbour of it",
    "mae": "mean number of levels that a prediction is off; lower is better",
    "quadratic_kappa": "1 − squared error over that of chance; 0 is chance, 1 perfect",
    "loss": "nats: cross-entropy summed over thresholds (coral), or −log of the true level's "
    "probability (cumulative-link); lower is better",
}
BEST_FOR = {
    "mode": "the most probable level, which makes the accuracy highest",
    "median": "the median of the levels' probabilities, which makes the absolute error least",
    "mean": "the mean of the levels' probabilities, rounded, which makes the squared error least",
}


def distances(report: Report) -> Markup:
    """How many test rows are predicted too low or too high, by how many levels."""
    off = report.task.class_ids(report.outputs) - report.targets
    rows = [
        (_described(distance), int(np.sum(off == distance)), percent(np.mean(off == distance)))
        for distance in range(off.min(), off.max() + 1)
    ]
    head = ("prediction", "test rows", "share")
    meaning = f"The prediction is {BEST_FOR[report.task.decoding]} if the probabilities are right."
    caption = "Test rows by the distance of the predicted from the true level"
    return section(
        "How far off?", table(caption, head, rows, kind="numbers"), paragraph(meaning, kind="note")
    )


def _described(distance: int) -> str:
    """A distance in words.

    >>> _described(-2), _described(0), _described(1)
    ('2 levels too low', 'right', '1 level too high')
    """
    if not distance:
        return "right"
    if abs(distance) == 1:
        return "1 level too high" if distance > 0 else "1 level too low"
    return f"{distance} levels too high" if distance > 0 else f"{-distance} levels too low"
