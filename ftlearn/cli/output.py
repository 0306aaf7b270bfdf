"""All that a command prints: ``say``, and results as lines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

import typer

from ftlearn import language
from ftlearn.language.catalogue import Catalogue, LanguageError
from ftlearn.language.files import COMMANDS
from ftlearn.markup import plain

if TYPE_CHECKING:
    from ftlearn.evaluation import Report
    from ftlearn.workflows import Scored


class Data(str):
    """A line that is the user's own, and stays as it is in every language."""


def say(text: object, *, err: bool = False) -> None:
    """Print a line, in the language of FTLEARN_LANG unless it is ``Data``.

    Nothing in the data can move the cursor or reverse the text.

    >>> say("\\x1b[2Jgone")
    [U+001B][2Jgone
    """
    line = text if isinstance(text, Data) else translated(str(text))
    typer.echo(plain(line), err=err)


def translated(text: str) -> str:
    """A line in the language that is asked for; as it is where that language does not exist.

    The command ends with an error about such a language, in English.
    """
    try:
        chosen = language.chosen()
    except LanguageError:
        return text
    return text if chosen == "en" else language.lines(text, _catalogue(chosen))


@cache
def _catalogue(chosen: str) -> Catalogue:
    return language.load(chosen, COMMANDS)


def write(piece: str) -> None:
    """Print a piece of a line, cleaned as by ``say``; the next piece continues it."""
    typer.echo(plain(piece), nl=False)


def is_main_process() -> bool:
    """Whether this is the process that prints: with `torchrun`, which sets RANK, the first one.

    Unlike ``distributed.is_main`` it holds before and after the process group, and without torch.
    """
    return os.environ.get("RANK", "0") == "0"


def fit_lines(summary: Mapping[str, Any], out: Path) -> Iterator[str]:
    """The results of a run: the scores beside the baselines, the cost, the files."""
    rows = summary["data"]["rows"]
    yield ""
    yield f"on the {rows['test']} test rows, with 95 % intervals:"
    yield from score_lines(summary["test"])
    if summary["baselines"]:
        yield from _baseline_lines(summary["baselines"])
    if "writing" in summary:
        yield from _writing_lines(summary["writing"])
    seconds = summary["seconds"]
    yield ""
    yield (
        f"trained for {seconds['training']:.0f} s ({summary['examples_per_second']:.0f} texts per "
        f"second), {seconds['total']:.0f} s in all, "
        f"at most {summary['peak_memory_bytes'] / 1e9:.1f} GB of memory"
    )
    if summary["training"]["stopped"]:
        yield f"stopped early: {summary['training']['stopped']}"
    models = _models_written(summary["configuration"])
    if summary["configuration"].get("labels"):
        yield (
            f"written into {out!s}: report.html (read this first), report.json, history.csv, "
            f"{models}, tasks/ with a model for each"
        )
    else:
        yield (
            f"written into {out!s}: report.html (read this first), report.json, history.csv, "
            f"{models}"
        )
    if summary["configuration"]["pooling"] != "pretrained":
        yield "the model has its own pooling: ftlearn opens it, transformers.pipeline does not"
    command = "generate" if "writing" in summary else "predict"
    yield f"next: ftlearn {command} {out!s} --input FILE --output answers.jsonl"
    yield f"or answer over HTTP: ftlearn serve {out!s}"


def _models_written(configuration: Mapping[str, Any]) -> str:
    """The folders of the model: its adapter, and the merged model where there is one."""
    if configuration["adapter"] in ("prefix", "prompt"):
        return "adapter/"
    adapted = configuration["adapter"] or configuration["lora"]
    return "model/, adapter/" if adapted else "model/"


def _baseline_lines(baselines: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The metric of each baseline that people ask for first; of several tasks they may differ."""
    from ftlearn.workflows.html.overview import HEADLINES

    headlines = {
        name: next(metric for metric in HEADLINES if metric in scores)
        for name, scores in baselines.items()
    }
    metrics = dict.fromkeys(headlines.values())
    names = translated(" or ").join(translated(metric.replace("_", " ")) for metric in metrics)
    yield f"for comparison, {names}:"
    yield from _table({name: baselines[name][metric] for name, metric in headlines.items()})


def _writing_lines(writing: Mapping[str, Any]) -> Iterator[str]:
    """How the model wrote before and after its training."""
    yield "what it writes, before and after (see report.html for the texts):"
    for name, value in writing["after"].items():
        before, shown = writing["before"][name], padded(translated(name.replace("_", " ")), 14)
        yield Data(f"  {shown}  {_number(before):>7}  {_number(value):>7}")


def evaluation_lines(file: Scored, errors: int) -> Iterator[str]:
    """How one file was read, the scores on it, and the worst errors."""
    yield str(file.read)
    yield from score_lines(file.summary()["test"])
    if not errors:
        return
    parts = getattr(file.report, "reports", None)  # of several tasks
    for name, report in (parts or {"": file.report}).items():
        if name:
            yield f"{name}:"
        ranked = "mrr" in report.scores
        yield from _rank_lines(report, errors) if ranked else _error_lines(report, errors)


def _rank_lines(report: Report, most: int) -> Iterator[str]:
    """The texts whose own item is not the first of all items, the highest loss first."""
    from ftlearn.tasks.ranking import RANK

    ranks, losses = report.outputs[:, RANK], report.example_losses
    wrong = [row for row in (-losses).argsort(kind="stable").tolist() if ranks[row] > 1]
    yield f"worst of {len(wrong)} errors:" if wrong else "no errors"
    for row in wrong[:most]:
        yield f"  rank {ranks[row]:.0f} of its own item (loss {losses[row]:.3g})"
        texts = " | ".join(report.dataset[row][name] for name in report.task.text)
        yield Data(f"    {_shorten(texts)}")


def _error_lines(report: Report, most: int) -> Iterator[str]:
    """The wrong predictions with the highest loss, each with its text."""
    from ftlearn.evaluation import shown_as

    rows = report.rows()
    ranked = "margin" in report.scores  # the prediction is a margin, and the label a text
    is_wrong = rows["prediction"] < 0 if ranked else rows["label"] != rows["prediction"]
    wrong = rows[is_wrong].sort_values("loss", ascending=False)
    yield f"worst of {len(wrong)} errors:" if len(wrong) else "no errors"
    names = report.task.text_columns
    for row in wrong.head(most).to_dict(orient="records"):
        label, prediction = _shown(row["label"]), _shown(row["prediction"])
        if ranked:
            label = _shorten(label, 60)
            yield f"  margin {prediction} over {label!r} (loss {row['loss']:.3g})"
        else:
            yield f"  {prediction} instead of {label} (loss {row['loss']:.3g})"
        texts = " | ".join(_as_text(row[shown_as(name)]) for name in names)
        yield Data(f"    {_shorten(texts)}")


def _as_text(cell: Any) -> str:
    """A text as it is; of messages the last one.

    >>> _as_text([{"role": "user", "content": "Where is it?"}])
    'Where is it?'
    """
    return cell if isinstance(cell, str) else cell[-1]["content"]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else _number(value)


def score_lines(scores: Mapping[str, Mapping[str, float | None]]) -> Iterator[str]:
    """A table of metrics with their intervals."""
    return _table({name.replace("_", " "): score for name, score in scores.items()})


def _table(rows: Mapping[str, Mapping[str, float | None]]) -> Iterator[str]:
    names = [translated(name) for name in rows]
    width = max(map(columns, names), default=0)
    for name, score in zip(names, rows.values(), strict=True):
        value, low, high = (_number(score[key]) for key in ("value", "low", "high"))
        yield Data(f"  {padded(name, width)}  {value:>7}  [{low}, {high}]")


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: two for a Chinese character.

    >>> columns("loss"), columns("损失")
    (4, 4)
    """
    return sum(1 + (east_asian_width(character) in "FW") for character in text)


def padded(text: str, width: int) -> str:
    """The text with spaces up to a number of columns."""
    return text + " " * (width - columns(text))


def _number(value: float | None) -> str:
    """Three digits after the point, or four significant ones for larger numbers.

    >>> _number(0.91666), _number(1234.5), _number(None)
    ('0.917', '1234', '-')
    """
    if value is None or value != value:
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def _shorten(text: str, most: int = 200) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 3]}..."
