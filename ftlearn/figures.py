"""One figure per function: takes values and ``ax=None``, draws on it, returns the Axes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle, product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image  # comes with matplotlib

from ftlearn.markup import visible

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")

PLAIN = {"parse_math": False}
"""For names that come from data: a dollar in them starts no formula."""


def axes(ax: Axes | None = None, *, width: float = 6.0, height: float = 3.4) -> Axes:
    """The given Axes, or new ones without a frame on top and right."""
    if ax is None:
        _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def lines(
    x: Sequence[float],
    curves: Mapping[str, Any],
    *,
    xlabel: str,
    ylabel: str,
    log: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Named curves over x; a curve of shape (S, len(x)) is drawn as mean and range over S runs.

    ``log`` names the axes with a logarithmic scale: "x", "y" or "xy".
    """
    ax = axes(ax)
    styles = cycle(product(("-", "--", ":"), zip(COLORS, MARKERS, strict=True)))
    for (name, values), (style, (color, marker)) in zip(curves.items(), styles, strict=False):
        runs = np.atleast_2d(np.asarray(values, dtype=float))
        ax.plot(
            x,
            runs.mean(0),
            label=name,
            color=color,
            linestyle=style,
            marker=marker if runs.shape[1] <= 20 else None,
            markersize=4,
        )
        if len(runs) > 1:
            ax.fill_between(x, runs.min(0), runs.max(0), color=color, alpha=0.18, linewidth=0)
    if "x" in log:
        ax.set_xscale("log")
    if "y" in log:
        ax.set_yscale("log")
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    if len(curves) > 1:
        for name in ax.legend(frameon=False).get_texts():
            name.set(text=visible(name.get_text()), **PLAIN)
    return ax


def training(history: Any, *, ax: Axes | None = None, window: int = 5) -> Axes:
    """The loss of each update, its running mean, and the validation loss where measured."""
    ax = axes(ax)
    epochs = [step.epoch for step in history.steps]
    losses = pd.Series([step.loss for step in history.steps])
    ax.plot(epochs, losses, color=COLORS[0], alpha=0.3, linewidth=1)
    smooth = losses.rolling(window, min_periods=1).mean()
    ax.plot(epochs, smooth, color=COLORS[0], label="training batches")
    if history.evaluations:
        epochs = [scores["epoch"] for scores in history.evaluations]
        values = [scores[history.monitor] for scores in history.evaluations]
        ax.plot(epochs, values, color=COLORS[1], marker="s", label="validation")
    ax.set_xlabel("passes over the data (epochs)")
    ax.set_ylabel("mean squared error" if history.monitor == "mse" else "mean loss (nats)")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    return ax


def confusion(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Counts of labels (rows) against predictions (columns), written into shaded cells."""
    ax = axes(ax, width=4.2, height=3.6)
    counts = table.to_numpy()
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*counts.shape):
        shade = "white" if shares[row, column] > 0.6 else "black"
        ax.text(column, row, counts[row, column], ha="center", va="center", color=shade)
    ax.set_xticks(range(len(table.columns)), _names(table.columns), **PLAIN)
    ax.set_yticks(range(len(table.index)), _names(table.index), **PLAIN)
    ax.set_xlabel("prediction")
    ax.set_ylabel("label")
    return ax


def frame(corner: tuple[float, float]) -> Rectangle:
    """A frame around one cell of a matrix, by its upper left corner (column, row)."""
    return Rectangle(corner, 1, 1, fill=False, edgecolor=COLORS[1], linewidth=3)


def reliability(table: np.ndarray, *, ax: Axes | None = None) -> Axes:
    """Accuracy over confidence for bins (bins, 3) of ``metrics.reliability``; areas show rows."""
    ax = axes(ax, width=4.2, height=3.6)
    ax.plot([0, 1], [0, 1], color="#888888", linestyle="--", linewidth=1, label="calibrated")
    sizes = 20 + 300 * table[:, 2] / table[:, 2].sum()
    ax.scatter(table[:, 0], table[:, 1], s=sizes, color=COLORS[0], label="bins, area = rows")
    ax.set_xlabel("mean confidence")
    ax.set_ylabel("accuracy")
    ax.set(xlim=(-0.08, 1.08), ylim=(-0.08, 1.08))  # the largest dot is whole at 0 and at 1
    ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return ax


def bars(
    values: Mapping[str, Any],
    *,
    xlabel: str,
    ax: Axes | None = None,
    reference: float | None = None,
) -> Axes:
    """Named values as horizontal bars; an Interval (value, low, high) gets an error bar."""
    ax = axes(ax, height=0.6 + 0.36 * len(values))
    for row, value in enumerate(values.values()):
        point, low, high = value if isinstance(value, tuple) else (value, value, value)
        ax.barh(row, point, color=COLORS[0], alpha=0.75)
        if high > low:
            ax.plot([low, high], [row, row], color="black", linewidth=1.5)
        ax.text(max(0, point, high), row, f" {point:.3g}", va="center")  # beside a negative bar
    if reference is not None:
        ax.axvline(reference, color="#888888", linestyle="--", linewidth=1)
    ax.set_yticks(range(len(values)), _names(values), **PLAIN)
    ax.invert_yaxis()
    ax.set_xlabel(xlabel)
    return ax


def predicted(predictions: np.ndarray, truths: np.ndarray, *, ax: Axes | None = None) -> Axes:
    """Predicted against true values (N,), in the data's units; the band is the mean error."""
    ax = axes(ax, width=4.2, height=3.6)
    ends = np.array([min(predictions.min(), truths.min()), max(predictions.max(), truths.max())])
    error = np.abs(predictions - truths).mean()
    low, high = ends - error, ends + error
    label = "mean absolute error"
    ax.fill_between(ends, low, high, label=label, color="#888888", alpha=0.2, linewidth=0)
    ax.plot(ends, ends, color="#888888", linestyle="--", linewidth=1, label="without error")
    ax.scatter(truths, predictions, s=14, color=COLORS[0], alpha=0.5, linewidth=0)
    ax.set_xlabel("true value")
    ax.set_ylabel("predicted value")
    ax.legend(frameon=False, loc="upper left")
    return ax


def png(drawing: Axes | Figure, *, dpi: int = 90) -> bytes:
    """A figure as the bytes of a PNG file; it is closed, so that no notebook shows it again."""
    figure = drawing.get_figure() or drawing
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    plt.close(figure)
    return with_palette(buffer.getvalue())


def with_palette(png_file: bytes) -> bytes:
    """The PNG file with a palette: 256 colours are plenty for a chart, at a third of the size."""
    buffer = io.BytesIO()
    image = Image.open(io.BytesIO(png_file)).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _names(values: Iterable[object]) -> list[str]:
    return [visible(str(value)) for value in values]
