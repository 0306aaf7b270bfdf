"""The pairs of answers that a model ranks worst."""

from __future__ import annotations

import numpy as np

from ftlearn.evaluation import Report
from ftlearn.markup import Markup
from ftlearn.tasks.sequences import comparisons
from ftlearn.workflows.html.elements import paragraph, section, table, text

ROWS = 10
"""Pairs with the lowest margin that are listed."""
MEANINGS = {
    "loss": "of the objective, mean over pairs; lower is better",
    "accuracy": "share of pairs whose chosen answer is ahead; one that is tied counts half",
    "margin": "by how much the chosen answer is ahead, mean over pairs",
    "chosen_log_probability": "nats per chosen answer; it may fall while the margin grows",
    "rejected_log_probability": "nats per rejected answer",
}


def worst_pairs(report: Report) -> Markup:
    """The pairs with the lowest margin, each with its prompt and both answers."""
    margins = np.asarray(report.task.decode(report.outputs))
    worst = np.argsort(margins, kind="stable")[:ROWS]
    names = (*report.task.text, report.task.target)
    pairs = comparisons(report.dataset.select(worst), names)
    rows = [
        (text(pair.prompt[-1]["content"]), pair.chosen, pair.rejected, float(margin))
        for pair, margin in zip(pairs, margins[worst], strict=True)
    ]
    intro = paragraph(f"The {len(rows)} test pairs with the lowest margin, lowest first.")
    head = ("prompt", "chosen", "rejected", "margin")
    return section("Worst pairs", intro, table("Pairs of answers", head, rows))
