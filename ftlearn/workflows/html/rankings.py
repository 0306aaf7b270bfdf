"""The rows whose item a model ranks worst."""

from __future__ import annotations

import numpy as np

from ftlearn.evaluation import Report
from ftlearn.markup import Markup
from ftlearn.tasks.ranking import RANK, SCORE
from ftlearn.workflows.html.elements import paragraph, section, table, text

ROWS = 10
"""Rows with the worst rank that are listed."""


def worst_ranks(report: Report) -> Markup:
    """The rows with the worst rank of their own item, with text, item, rank and cosine."""
    worst = np.argsort(-report.example_losses, kind="stable")[:ROWS]
    part = report.dataset.select(worst)
    columns = [part[name] for name in report.task.text]
    outputs = report.outputs[worst]
    rows = [
        (text(first), *others, int(output[RANK]), float(output[SCORE]))
        for (first, *others), output in zip(zip(*columns, strict=True), outputs, strict=True)
    ]
    intro = paragraph(f"The {len(rows)} test rows whose item is ranked worst, worst first.")
    head = (*map(text, report.task.text), "rank", "cosine")
    return section("Worst ranks", intro, table("Texts and their items", head, rows))
