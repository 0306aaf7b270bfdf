"""What a language model wrote before and after its training, side by side, and its hardest rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ftlearn.evaluation import Report
from ftlearn.markup import Markup, join, tag
from ftlearn.tasks import LanguageModelling
from ftlearn.workflows.html.elements import (
    LONG_TEXT,
    number,
    paragraph,
    section,
    table,
    text,
    words,
)
from ftlearn.workflows.text_splits import row_texts

ROWS = 10
"""Rows with the highest loss that are listed."""
MEANINGS = {
    "stop_rate": "share of the answers that the model ended by itself",
    "tokens": "mean length of the answers",
    "repetition": "share of word 4-grams that an answer has had before",
    "distinct_2": "share of the word pairs of all answers that are different",
    "generic_loss": "nats per token on articles that no run is about: what was forgotten",
}
WRITTEN = ("reference", "before", "after")
"""What is shown beside a prompt."""


def section_of(summary: Mapping[str, Any]) -> Markup:
    """The measures and samples of a run whose model writes; empty for others."""
    writing = summary.get("writing")
    return join(_measures(writing), _samples(writing)) if writing else join()


def _measures(writing: Mapping[str, Any]) -> Markup:
    before, after = writing.get("before", {}), writing.get("after", {})
    rows = [
        (name.replace("_", " "), before.get(name), after[name], meaning(name)) for name in after
    ]
    head = ("measure", "before", "after", "what it is")
    caption = "Greedy answers to prompts of test rows, before and after the training"
    return section("How it writes", table(caption, head, rows, kind="numbers"))


def meaning(name: str) -> Markup:
    """What a measure says, in a cell."""
    return tag("td", words(MEANINGS.get(name, ""), LONG_TEXT), class_="text")


def _samples(writing: Mapping[str, Any]) -> Markup:
    rows = [
        [text(sample.get("prompt", "")), *(sample.get(key, "") for key in WRITTEN)]
        for sample in writing.get("samples", ())
    ]
    head = ("prompt", "in the data", "before", "after")
    if not rows:
        return join()
    note = paragraph("These are the first prompts of those that were measured, not a choice.")
    return section("What it writes", note, table("Answers side by side", head, rows))


def hardest_rows(report: Report) -> Markup:
    """The rows that the model finds least likely, by loss per token."""
    if not isinstance(report.task, LanguageModelling):
        return join()
    worst = np.argsort(-report.example_losses, kind="stable")[:ROWS]
    rows = row_texts(report.dataset.select(worst), report.task)
    items = [
        tag("li", tag("div", text(row, LONG_TEXT), class_="quoted"), tag("p", _loss(loss)))
        for row, loss in zip(rows, report.example_losses[worst], strict=True)
    ]
    intro = paragraph(f"The {len(items)} test rows with the highest loss, highest first.")
    return section("Hardest rows", intro, tag("ol", *items, class_="errors"))


def _loss(loss: float) -> str:
    return f"{number(float(loss))} nats per token"
