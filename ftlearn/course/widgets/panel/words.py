"""The texts of the panel: events, progress, and the equivalent call as code."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import pandas as pd
import torch

from ftlearn import runtime
from ftlearn.config import TrainConfig
from ftlearn.experiments import Record
from ftlearn.experiments.codegen import config_text, quoted, value_text
from ftlearn.markup import Markup, join, tag


def status(text: str) -> Markup:
    """A sentence that a screen reader reads aloud when it changes."""
    return tag("p", text, role="status", aria_live="polite")


def event(run: Record, monitor: str, *, paused: bool) -> str:
    """The latest event of a run: its end, or its last evaluation."""
    best = run.best(monitor)
    best_text = f" Best {scores_text(best, monitor)} at update {best['step']:g}." if best else ""
    if run.status == "failed":
        return f"{run.name} failed after update {len(run.steps)}. {run.error}"
    if run.status != "training":
        return f"{run.name} {run.status} after update {len(run.steps)} of {run.total}.{best_text}"
    if paused:
        return f"{run.name} is paused. Resume lets it go on, Stop ends it."
    evaluations = [
        scores for scores in run.evaluations if scores["step"] > run.start or not run.start
    ]
    if not evaluations:
        return f"{run.name} is training."
    last = evaluations[-1]
    return f"{run.name} is training. Update {last['step']:g}: {scores_text(last, monitor)}."


def scores_text(scores: dict[str, float], monitor: str) -> str:
    """The monitored metric and the accuracy of an evaluation."""
    names = [name for name in (monitor, "accuracy") if name in scores]
    return ", ".join(f"{name.replace('_', ' ')} {scores[name]:.3f}" for name in names)


def rewind_options(runs: Iterable[Record], monitor: str) -> list[tuple[str, tuple[str, int]]]:
    """Every evaluation of every run as pairs of a text and (run, update)."""
    return [
        (
            f"{run.name}, update {scores['step']:g}: {scores_text(scores, monitor)}",
            (run.name, round(scores["step"])),
        )
        for run in runs
        for scores in run.evaluations
    ]


def progress(run: Record) -> Markup:
    """The progress of a run, the time left, and the memory in use."""
    done = len(run.steps)
    bar = tag("progress", value=done, max=run.total, aria_label=f"updates of {run.name}")
    parts = [f"update {done} of {run.total}"]
    if run.status == "training":
        parts.append(run.doing or "waiting")
        left = run.seconds_left()
        parts.append("time left: not yet known" if left is None else f"time left: {duration(left)}")
    else:
        parts.append(run.status)
    parts.append(f"{runtime.format_bytes(memory())} of memory in use")
    return tag("p", bar, join(" ", " · ".join(parts)))


def table(runs: pd.DataFrame) -> Markup:
    """A table of the runs; numbers have four significant digits."""
    if runs.empty:
        return join()
    names = [runs.index.name, *runs.columns]
    heads = [tag("th", name.replace("_", " "), scope="col", align="left") for name in names]
    rows = [
        tag("tr", tag("th", name, scope="row", align="left"), *map(_cell, values))
        for name, values in zip(runs.index, runs.itertuples(index=False), strict=True)
    ]
    head = tag("thead", tag("tr", *heads))
    return tag("table", head, tag("tbody", *rows), cellpadding=4)


def _cell(value: Any) -> Markup:
    if isinstance(value, float):
        value = "" if math.isnan(value) else f"{value:.4g}"
    return tag("td", value, align="left")


def memory() -> int:
    """Memory in use on the training device, in bytes."""
    return torch.cuda.memory_allocated() if torch.cuda.is_available() else runtime.memory_used()


def duration(seconds: float) -> str:
    """Seconds as text.

    >>> duration(9.4), duration(130)
    ('9 s', '2 min 10 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def run_call(name: str, config: TrainConfig, *, rows: int, checkpoint: str, every: int) -> str:
    """The call that trains such a run without the panel.

    >>> print(run_call("a", TrainConfig(epochs=1), rows=96, checkpoint="minilm", every=6))
    bench.run("a", TrainConfig(epochs=1), rows=96, checkpoint="minilm", every=6)
    """
    options = f"rows={rows}, checkpoint={quoted(checkpoint)}, every={every}"
    return f"bench.run({quoted(name)}, {config_text(config)}, {options})"


def branch_call(parent: str, at: int, name: str, changes: dict[str, Any]) -> str:
    """The call that branches without the panel.

    >>> print(branch_call("a", 6, "b", {"epochs": 5}))
    bench.branch("a", 6, "b", epochs=5)
    """
    settings = "".join(f", {setting}={value_text(value)}" for setting, value in changes.items())
    return f"bench.branch({quoted(parent)}, {at}, {quoted(name)}{settings})"


def changes(before: TrainConfig, after: TrainConfig) -> dict[str, Any]:
    """The settings that differ, with their new values.

    >>> changes(TrainConfig(), TrainConfig(epochs=5))
    {'epochs': 5}
    """
    old = asdict(before)
    return {name: value for name, value in asdict(after).items() if value != old[name]}
