"""A model on the test rows: scores per label, confidence, numbers, and its worst errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from ftlearn import figures, metrics
from ftlearn.evaluation import JointReport, Report, shown_as
from ftlearn.markup import Markup, join, tag
from ftlearn.tasks import (
    LanguageModelling,
    Ordinal,
    Preference,
    QuestionAnswering,
    Ranking,
    RewardModelling,
)
from ftlearn.workflows.html import comparisons, levels, rankings, writing
from ftlearn.workflows.html.elements import (
    LONG_TEXT,
    number,
    paragraph,
    percent,
    picture,
    scored,
    section,
    table,
    text,
)
from ftlearn.workflows.html.overview import part_of

MATRIX_LABELS = 12
"""Up to this many labels the confusions are shown as a matrix, beyond as a list."""
PAIRS, ERRORS = 30, 20
"""Confusions and worst errors that are listed."""


def per_class(counts: pd.DataFrame) -> pd.DataFrame:
    """Precision, recall, F1 and support of each label from counts (label, prediction).

    A label that is never predicted has precision 0, one without rows recall 0.

    >>> per_class(pd.DataFrame([[3, 1], [0, 4]], index=["a", "b"])).loc["b"].to_dict()
    {'precision': 0.8, 'recall': 1.0, 'f1': 0.8888888888888888, 'support': 4.0}
    """
    hits = np.diag(counts)
    predicted, support = counts.sum(0).to_numpy(), counts.sum(1).to_numpy()
    columns = {
        "precision": hits / np.maximum(1, predicted),
        "recall": hits / np.maximum(1, support),
        "f1": 2 * hits / np.maximum(1, predicted + support),
        "support": support,
    }
    return pd.DataFrame(columns, index=counts.index)


def labels(report: Report) -> Markup:
    """Scores of each label, and which labels are taken for which others."""
    counts = report.confusion()
    rows = [
        (
            text(name),
            *(float(row[key]) for key in ("precision", "recall", "f1")),
            int(row["support"]),
        )
        for name, row in per_class(counts).iterrows()
    ]
    meaning = (
        "Precision is the share of predictions of this label that are right, recall the share of "
        "its rows that were found, F1 their harmonic mean, support its number of test rows."
    )
    head = ("label", "precision", "recall", "F1", "support")
    confusions = confused_pairs if len(counts) > MATRIX_LABELS else confusion_matrix
    return section(
        "Label by label",
        table("Scores of each label on the test rows", head, rows, kind="numbers"),
        paragraph(meaning, kind="note"),
        confusions(counts),
    )


def confusion_matrix(counts: pd.DataFrame) -> Markup:
    """Counts of labels (rows) by predictions (columns); darker is a larger share of its row."""
    rows = [
        (text(name), *(_shaded(count, sum(row)) for count in row))
        for name, row in zip(counts.index, counts.to_numpy().tolist(), strict=True)
    ]
    caption = "Confusion matrix: test rows by true label (row) and predicted label (column)"
    return table(caption, ("label ↓ prediction →", *map(text, counts.columns)), rows, kind="counts")


def _shaded(count: int, total: int) -> Markup:
    shade = int(np.ceil(5 * count / total)) if total else 0
    return tag("td", number(count), class_=f"s{shade}" if shade else None)


def confused_pairs(counts: pd.DataFrame) -> Markup:
    """The pairs of labels that are confused most often, for more labels than a matrix holds."""
    pairs = [
        (label, prediction, int(counts.iat[row, column]))
        for row, label in enumerate(counts.index)
        for column, prediction in enumerate(counts.columns)
        if row != column and counts.iat[row, column]
    ]
    if not pairs:
        return paragraph("No label was taken for another.")
    pairs = sorted(pairs, key=lambda pair: -pair[2])[:PAIRS]
    pairs = [(text(label), *rest) for label, *rest in pairs]
    return table(
        f"The {len(pairs)} most frequent confusions", ("label", "prediction", "test rows"), pairs
    )


def calibration(report: Report, measured: Any) -> Markup:
    """Whether the model's confidence can be believed: the calibration error and its figure."""
    bins = metrics.reliability(report.outputs, report.targets)
    confidence = float(np.average(bins[:, 0], weights=bins[:, 2]))
    gap = _gap(confidence, float(report.correct.mean()))
    meaning = (
        f"The expected calibration error is {scored(measured)}: the mean distance between "
        "confidence and accuracy over ten bins of confidence; 0 is ideal."
    )
    alt = "Accuracy over confidence: " + "; ".join(
        f"{int(rows)} rows with mean confidence {mean:.2f} are right in {percent(share, 0)}"
        for mean, share, rows in bins
    )
    caption = "Dots on the dashed line are well calibrated; below it the model is too certain."
    figure = picture(figures.reliability(bins), alt, caption, kind="narrow")
    return section("Can its confidence be believed?", paragraph(gap, " ", meaning), figure)


def _gap(confidence: float, accuracy: float) -> str:
    """How far the mean confidence is from the accuracy, and on which side of it."""
    points = abs(confidence - accuracy) * 100
    if confidence > accuracy:
        return (
            f"On average the model claims {percent(confidence)} certainty and is right on "
            f"{percent(accuracy)} of the rows: it is more certain than it should be, "
            f"by {points:.1f} points."
        )
    return (
        f"On average the model claims {percent(confidence)} certainty and is right on "
        f"{percent(accuracy)} of the rows: it is less certain than it should be, "
        f"by {points:.1f} points."
    )


def numbers(report: Report) -> Markup:
    """Predicted against true values, and how large the errors are."""
    predictions = np.asarray(report.task.decode(report.outputs))
    truths = np.asarray(report.dataset[report.task.target], dtype=float)
    errors = np.abs(predictions - truths)
    shares = [
        (percent(share, 0), float(np.quantile(errors, share))) for share in (0.5, 0.8, 0.95, 1)
    ]
    alt = (
        f"Predicted against true values of {len(truths)} test rows; true values lie between "
        f"{number(truths.min())} and {number(truths.max())}, predictions between "
        f"{number(predictions.min())} and {number(predictions.max())}."
    )
    caption = "One dot per test row; on the dashed line the prediction is exact."
    return section(
        "Predicted and true numbers",
        picture(figures.predicted(predictions, truths), alt, caption, kind="narrow"),
        table(
            "Size of the errors", ("share of test rows", "off by at most"), shares, kind="numbers"
        ),
    )


def worst_errors(report: Report) -> Markup:
    """The rows with the highest loss: most certain of a wrong label, or farthest off."""
    names = report.task.text
    names = [names] if isinstance(names, str) else list(names)
    rows, confidence = report.rows(), None
    if getattr(report.task, "labels", None):
        predicted = report.task.class_ids(report.outputs)[:, None]
        confidence = np.take_along_axis(softmax(report.outputs, axis=-1), predicted, axis=-1)[:, 0]
        rows = rows[~report.correct]
    rows = rows.sort_values("loss", ascending=False, kind="stable")[:ERRORS]
    if rows.empty:
        return section("Worst errors", paragraph("No test row was answered wrongly."))
    intro = f"The {len(rows)} wrong test rows with the highest loss, worst first."
    if confidence is None:
        intro = f"The {len(rows)} test rows that are farthest off, worst first."
    items = [
        _error(row, names, None if confidence is None else float(confidence[at]))
        for at, row in zip(rows.index, rows.to_dict("records"), strict=True)
    ]
    return section("Worst errors", paragraph(intro), tag("ol", *items, class_="errors"))


def _error(row: dict[str, Any], names: list[str], confidence: float | None) -> Markup:
    texts = [tag("div", text(row[shown_as(name)], LONG_TEXT), class_="quoted") for name in names]
    label, prediction = row["label"], row["prediction"]
    if confidence is None:
        shown = f"true: {number(label)} · predicted: {number(prediction)}"
        verdict = tag("p", f"{shown} (off by {number(prediction - label)})")
    else:
        certainty = f" with {percent(confidence, 0)} certainty"
        verdict = tag("p", "true: ", text(label), " · predicted: ", text(prediction), certainty)
    return tag("li", *texts, verdict)


def answers(report: Report) -> Markup:
    """The questions that were answered worst, each with the right answer and the model's."""
    question, context = report.task.text_columns
    _, f1 = report.task.row_scores(report.outputs, report.targets)
    rows = report.rows()
    worst = np.argsort(f1, kind="stable")[:ERRORS]
    shown = [
        (
            text(rows[shown_as(question)].iat[at]),
            rows["label"].iat[at] or "(no answer)",
            rows["prediction"].iat[at] or "(no answer)",
            float(f1[at]),
            rows[shown_as(context)].iat[at],
        )
        for at in worst
        if f1[at] < 1
    ]
    head = ("question", "right answer", "model's answer", "F1", "context")
    if not shown:
        return section("Worst answers", paragraph("Every test question was answered rightly."))
    return section("Worst answers", table("Questions with the lowest F1", head, shown))


def test_rows(report: Report, test: dict[str, Any]) -> Markup:
    """Everything about the test rows, for the kind of task."""
    if isinstance(report, JointReport):
        parts = report.reports.items()
        return join(*(_of_task(name, part, test) for name, part in parts))
    if isinstance(report.task, Preference | RewardModelling):
        return comparisons.worst_pairs(report)
    if isinstance(report.task, Ranking):
        return rankings.worst_ranks(report)
    if isinstance(report.task, LanguageModelling):
        return writing.hardest_rows(report)
    if isinstance(report.task, QuestionAnswering):
        return answers(report)
    if isinstance(report.task, Ordinal):
        parts = (levels.distances(report), labels(report))
    elif getattr(report.task, "labels", None):
        parts = (labels(report), calibration(report, test.get("calibration_error")))
    else:
        parts = (numbers(report),)
    return join(*parts, worst_errors(report))


def _of_task(name: str, report: Report, test: dict[str, Any]) -> Markup:
    """Everything about the test rows of one task of several, below its name."""
    scores = part_of({"test": test}, name)["test"]
    return join(tag("h2", text(name)), test_rows(report, scores))
