"""Runs side by side: a table, a figure, and all numbers as one long table."""

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
    """One row per run: the settings in which runs differ, then its best evaluation.

    The best evaluation is the one with the lowest ``monitor``.
    """
    runs = list(runs)
    rows = {run.name: {**_settings(run), **_outcome(run, monitor)} for run in runs}
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("run")
    if len(runs) < 2:
        return frame
    settings = _settings(runs[0])
    same = [name for name in settings if frame[name].astype(str).nunique() == 1]
    return frame.drop(columns=same)


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
    updates = len(run.steps)
    metrics = [name for name in (monitor, "accuracy") if name in best]
    return {
        "status": run.status,
        "updates": updates,
        "seconds": run.steps[-1].seconds if updates else 0.0,
        "best at": round(best["step"]) if best else None,
        **{name: best[name] for name in metrics},
    }


def smooth(run: Record) -> list[float]:
    """The training loss of each update, averaged over the last ``WINDOW`` updates."""
    losses = pd.Series([step.loss for step in list(run.steps)], dtype=float)
    return losses.rolling(WINDOW, min_periods=1).mean().tolist()


def figure(runs: Iterable[Record], monitor: str, *, ax: Axes | None = None) -> Axes:
    """Training loss (thin) and validation loss (with markers) of each run over its updates."""
    ax = figures.axes(ax)
    styles = cycle(product(("-", "--", ":"), zip(figures.COLORS, figures.MARKERS, strict=True)))
    for run, (style, (color, marker)) in zip(runs, styles, strict=False):
        losses = smooth(run)
        ax.plot(range(1, len(losses) + 1), losses, color=color, linestyle=style, alpha=0.35)
        updates = [scores["step"] for scores in run.evaluations]
        values = [scores[monitor] for scores in run.evaluations]
        ax.plot(updates, values, color=color, linestyle=style, marker=marker, label=run.name)
    ax.set_xlabel("update")
    ax.set_ylabel("mean squared error" if monitor == "mse" else "mean loss (nats)")
    if ax.get_legend_handles_labels()[0]:
        for text in ax.legend(frameon=False, title="validation; thin: training").get_texts():
            text.set(**figures.PLAIN)
    return ax


def long(runs: Iterable[Record]) -> pd.DataFrame:
    """One row per number: run, update, what it is, its value."""
    rows: list[tuple[str, int, str, float]] = []
    for run in runs:
        for step in run.steps:
            for name in ("loss", "learning_rate", "gradient_norm", "seconds"):
                rows.append((run.name, step.number, name, getattr(step, name)))
        for scores in run.evaluations:
            rows += [
                (run.name, round(scores["step"]), f"valid {name}", value)
                for name, value in scores.items()
                if name != "step"
            ]
    return pd.DataFrame(rows, columns=["run", "update", "what", "value"])
