"""Runs side by side: a table, a figure, and every number as one long table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from itertools import cycle, product
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from ftlearn import figures
from ftlearn.experiments.record import Record

WINDOW = 5
"""Updates over which a training loss is averaged."""


def table(runs: Iterable[Record], monitor: str) -> pd.DataFrame:
    """One row a run: settings that are not the same in all, then its best evaluation.

    A run is judged by its lowest ``monitor``; ``loss`` is its mean training loss then.
    """
    runs = list(runs)
    rows = {run.name: {**_settings(run), **_outcome(run, monitor)} for run in runs}
    whole = pd.DataFrame.from_dict(rows, orient="index").rename_axis("run")
    same = [
        name
        for name in (_settings(runs[0]) if runs else ())
        if len(runs) > 1 and whole[name].astype(str).nunique() == 1
    ]
    return whole.drop(columns=same)


def _settings(run: Record) -> dict[str, Any]:
    origin = f"{run.parent}, update {run.start}" if run.parent else "beginning"
    return {
        "from": origin,
        "checkpoint": run.checkpoint,
        "rows": run.rows,
        **asdict(run.config),
    }


def _outcome(run: Record, monitor: str) -> dict[str, Any]:
    best = run.best(monitor) or {}
    made = len(run.steps)
    scores = {name: value for name, value in best.items() if name not in ("step", "epoch")}
    first = [name for name in (monitor, "accuracy") if name in scores]
    return {
        "status": run.status,
        "updates": made,
        "seconds": run.steps[-1].seconds if made else 0.0,
        "best at": round(best["step"]) if best else None,
        **{name: scores[name] for name in first},
    }


def smooth(run: Record) -> list[float]:
    """The training loss of each update, averaged over the last five."""
    losses = pd.Series([step.loss for step in list(run.steps)], dtype=float)
    return losses.rolling(WINDOW, min_periods=1).mean().tolist()


def figure(runs: Iterable[Record], monitor: str, *, ax: Axes | None = None) -> Axes:
    """Training loss (thin) and validation loss (with marks) of each run over its updates."""
    ax = figures.axes(ax)
    looks = cycle(product(("-", "--", ":"), zip(figures.COLORS, figures.MARKERS, strict=True)))
    for run, (style, (color, marker)) in zip(runs, looks, strict=False):
        losses = smooth(run)
        ax.plot(range(1, len(losses) + 1), losses, color=color, linestyle=style, alpha=0.35)
        at = [scores["step"] for scores in run.evaluations]
        values = [scores[monitor] for scores in run.evaluations]
        ax.plot(at, values, color=color, linestyle=style, marker=marker, label=run.name)
    ax.set_xlabel("update")
    ax.set_ylabel("mean squared error" if monitor == "mse" else "mean loss (nats)")
    if ax.get_legend_handles_labels()[0]:
        for name in ax.legend(frameon=False, title="validation; thin: training").get_texts():
            name.set(**figures.PLAIN)
    return ax


def long(runs: Iterable[Record]) -> pd.DataFrame:
    """One row a number: run, update, what it is, its value."""
    rows: list[tuple[str, int, str, float]] = []
    for run in runs:
        for step in run.steps:
            for name in ("loss", "learning_rate", "gradient_norm", "seconds"):
                rows.append((run.name, step.number, name, getattr(step, name)))
        for scores in run.evaluations:
            measured = {name: value for name, value in scores.items() if name != "step"}
            rows += [
                (run.name, round(scores["step"]), f"valid {name}", value)
                for name, value in measured.items()
            ]
    return pd.DataFrame(rows, columns=["run", "update", "what", "value"])
