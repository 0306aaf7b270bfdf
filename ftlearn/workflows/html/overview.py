"""The overview of a run: headline, scores beside the baselines, data, curves and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ftlearn import figures
from ftlearn.evaluation import JointReport, Report
from ftlearn.markup import Markup, join, tag
from ftlearn.metrics import Interval
from ftlearn.training.history import History
from ftlearn.workflows.html import comparisons, levels
from ftlearn.workflows.html.elements import (
    facts,
    interval,
    number,
    paragraph,
    percent,
    picture,
    scored,
    section,
    table,
    text,
    words,
)

REFUSED = 50
"""Refused rows that the page shows; report.json has all."""
SHOWN_ELSEWHERE = {"title", "test", "valid", "baselines", "data", "notes", "writing"}
NAMES = {"f1": "F1", "brier": "Brier score", "mae": "MAE", "mse": "MSE", "r2": "R²"}
MEANINGS = {
    "accuracy": "share of rows with the right label",
    "precision": "share of predictions of a label that are right, mean over labels",
    "recall": "share of rows of a label that are found, mean over labels",
    "f1": "harmonic mean of precision and recall, mean over labels",
    "log_loss": "mean of −log of the true label's probability; lower is better",
    "brier": "squared error of the probabilities; lower is better",
    "calibration_error": "gap between confidence and accuracy; lower is better",
    "mae": "mean absolute error; lower is better",
    "mse": "mean squared error; lower is better",
    "r2": "share of the variation explained; 0 for always the mean",
    "pearson": "linear correlation",
    "spearman": "correlation of ranks",
    "loss": "nats: mean of −log of the probability of what stands there; lower is better",
    "perplexity": "e to the power of the loss: as uncertain as among so many equal tokens",
    "exact_match": "share of questions whose answer is the right one, word for word",
    "has_answer_f1": "F1 of the questions that have an answer",
    "mrr": "mean of 1 / rank of the true item, among all items of these rows",
    "recall@1": "share of rows whose item comes first",
    "recall@5": "share of rows whose item is among the first 5",
    "recall@10": "share of rows whose item is among the first 10",
    "no_answer_accuracy": "share of the questions without an answer of which the model says so",
}


HEADLINES = {
    "mae": (
        number,
        -1,
        "The model is off by ",
        " on average over {rows} test rows{interval}.".format,
    ),
    "accuracy": (
        percent,
        1,
        "The model gives the right label to ",
        " of {rows} test rows{interval}.".format,
    ),
    "f1": (
        percent,
        1,
        "The model's answers share ",
        " of their words with the right ones, in {rows} test rows{interval}.".format,
    ),
    "mrr": (
        number,
        1,
        "The true item's reciprocal rank is ",
        " on average over {rows} test rows{interval}.".format,
    ),
    "loss": (
        number,
        -1,
        "The model's loss is ",
        " nats per token on {rows} test rows{interval}.".format,
    ),
}
"""By metric, in the order in which people ask for them: how a value is written, whether more is
better, and the sentence around it."""
RANKED = ("The model puts the chosen answer first in ", " of {rows} test rows{interval}.".format)
LEVELS = " levels on average over {rows} test rows{interval}.".format


def headline(summary: Mapping[str, Any], report: Report) -> Markup:
    """The test score with its interval beside the baselines, in one or two plain sentences."""
    if isinstance(report, JointReport):
        parts = [
            join(tag("h2", text(name)), headline(part_of(summary, name), part))
            for name, part in report.reports.items()
        ]
        return join(*parts)
    metric = next(name for name in HEADLINES if name in report.scores)
    written, sign, start, end = HEADLINES[metric]
    if metric == "accuracy" and "margin" in report.scores:
        start, end = RANKED
    if "within_one" in report.scores:
        end = LEVELS
    score = interval(summary.get("test", {}).get(metric))
    if score is None:
        value = report.scores[metric]
        score = Interval(value, value, value)
    between = ""
    if score.low < score.high:
        between = f" (95\u00a0% interval {written(score.low)} to {written(score.high)})"
    sentences = [end(rows=number(len(report.targets)), interval=between)]
    baselines = _baseline_values(summary, metric)
    comparison = ", ".join(f"{name} {written(value)}" for name, value in baselines.items())
    if comparison:
        sentences.append(f"For comparison: {comparison}.")
    sentences += _doubt(score, baselines, sign=sign)
    value = tag("strong", written(score.value))
    return paragraph(start, value, " ".join(sentences), kind="headline")


def part_of(summary: Mapping[str, Any], task: str) -> dict[str, Any]:
    """The scores and baselines in a summary that are of one task of several.

    >>> summary = {"test": {"tone f1": 0.5}, "baselines": {"tone: words": {"f1": 0.25}}}
    >>> part_of(summary, "tone")
    {'test': {'f1': 0.5}, 'baselines': {'words': {'f1': 0.25}}}
    """
    scores = {"test": f"{task} ", "baselines": f"{task}: "}
    return {
        key: {
            name.removeprefix(start): value
            for name, value in summary.get(key, {}).items()
            if name.startswith(start)
        }
        for key, start in scores.items()
    }


def _baseline_values(summary: Mapping[str, Any], metric: str) -> dict[str, float]:
    baselines = summary.get("baselines", {})
    scores = {name: interval(values.get(metric)) for name, values in baselines.items()}
    return {name: score.value for name, score in scores.items() if score}


def _doubt(score: Interval, baselines: Mapping[str, float], *, sign: int) -> list[str]:
    """A warning where a baseline is as good; ``sign`` is −1 where less is better."""
    better = [name for name, value in baselines.items() if sign * (value - score.value) >= 0]
    near = [name for name, value in baselines.items() if score.low <= value <= score.high]
    if better:
        return [f"The model does no better than the baseline “{better[-1]}”."]
    if near:
        return [f"The interval holds the value of “{near[-1]}”: the gain is not certain."]
    return []


def scores(summary: Mapping[str, Any]) -> Markup:
    """Every metric of the test rows beside validation rows and baselines."""
    columns = {"test rows": summary.get("test"), "validation rows": summary.get("valid")}
    columns |= summary.get("baselines", {})
    columns = {name: measured for name, measured in columns.items() if measured}
    metrics = dict.fromkeys(key for measured in columns.values() for key in measured)
    rows = [
        (
            NAMES.get(metric, metric).replace("_", " "),
            *(tag("td", _score(columns[name], metric), class_="number") for name in columns),
        )
        for metric in metrics
    ]
    caption = "Value and 95 % interval; the model on test and validation rows, then baselines"
    values = table(caption, ("metric", *columns), rows, kind="numbers")
    return section("Scores", values, _meanings(metrics))


def _meanings(metrics: Iterable[str]) -> Markup:
    metrics = list(metrics)
    meanings = MEANINGS | (comparisons.MEANINGS if "margin" in metrics else {})
    meanings |= levels.MEANINGS if "within_one" in metrics else {}
    pairs = [
        tag(
            "div",
            tag("dt", NAMES.get(metric, metric).replace("_", " ")),
            tag("dd", meanings[metric]),
        )
        for metric in metrics
        if metric in meanings
    ]
    return tag("dl", *pairs, class_="meanings note")


def _score(measured: Mapping[str, Any], metric: str) -> str:
    return scored(measured[metric]) if metric in measured else "–"


def notes(summary: Mapping[str, Any]) -> Markup:
    """The warnings of the run, so that whoever reads the scores knows them."""
    items = [tag("li", words(note, 400)) for note in summary.get("notes") or ()]
    return section("Warnings on the way", tag("ul", *items) if items else "")


def data(summary: Mapping[str, Any]) -> Markup:
    """What the model was trained on: files, rows of each part, labels, and refused rows."""
    rest = dict(summary.get("data", {}))
    files, rows, refused = (rest.pop(key, None) for key in ("files", "rows", "refused"))
    head = ("part", "rows")
    parts = [
        table("Rows of each part", head, rows.items(), kind="numbers") if rows else "",
        _records("Files and their fingerprints", files) if files else "",
        _refused(refused or []),
        facts("More about the data", rest) if rest else "",
    ]
    return section("What it was trained on", *parts)


def _records(caption: str, records: Sequence[Any]) -> Markup:
    """A table of records with whatever keys they have."""
    records = [record if isinstance(record, Mapping) else {"value": record} for record in records]
    keys = list(dict.fromkeys(key for record in records for key in record))
    first, *others = keys
    rows = [
        (text(record.get(first, "–")), *(record.get(key, "–") for key in others))
        for record in records
    ]
    return table(caption, keys, rows)


def _refused(refused: Sequence[Any]) -> Markup:
    if not refused:
        return paragraph("No row was refused.")
    sentences = [f"{number(len(refused))} rows were refused and took no part."]
    if len(refused) == 1:
        sentences = ["1 row was refused and took no part."]
    if len(refused) > REFUSED:
        sentences.append(f"The first {REFUSED} are shown; report.json lists all.")
    return join(paragraph(" ".join(sentences)), _records("Refused rows", refused[:REFUSED]))


def curves(history: History, report: Report) -> Markup:
    """The losses of training and validation, and how the run ended."""
    if not history.steps:
        return section("How training went", paragraph("No update was recorded."))
    first, last = history.steps[0], history.steps[-1]
    sentences = [f"{number(last.number)} updates, {last.epoch:.3g} passes over the training rows."]
    if history.best:
        passes = history.best["epoch"]
        sentences.append(f"The best validation loss came after {passes:.3g} passes.")
    if history.stopped:
        sentences.append(f"It ended early: {history.stopped}.")
    ax = figures.training(_in_units(history, report))
    if "mse" in report.scores:
        ax.set_ylabel("mean squared error")
    alt = (
        f"The training loss goes from {number(first.loss)} at the first update to "
        f"{number(last.loss)} at the last."
    )
    caption = "Faint: every update; strong: their running mean; squares: validation rows."
    return section(
        "How training went",
        paragraph(" ".join(sentences)),
        picture(ax, alt, caption, kind="wide"),
    )


def _in_units(history: History, report: Report) -> History:
    # A regression learns in standard deviations; its validation errors are in the data's units.
    scale = getattr(report.task, "scale", 1.0) ** 2
    return replace(history, steps=[replace(step, loss=step.loss * scale) for step in history.steps])


def settings(summary: Mapping[str, Any]) -> Markup:
    """Configuration, versions, time and memory, and whatever else a summary holds."""
    rest = {key: value for key, value in summary.items() if key not in SHOWN_ELSEWHERE}
    captions = {"configuration": "Configuration", "versions": "Versions of the software"}
    exact = {key: rest.pop(key) for key in captions if rest.get(key)}
    return section(
        "How it was made",
        facts("Time, memory and machine", rest) if rest else "",
        *(facts(captions[key], values, exact=True) for key, values in exact.items()),
    )
