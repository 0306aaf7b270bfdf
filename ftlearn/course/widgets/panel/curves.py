"""Curves of runs as inline SVG, which a page redraws without flickering."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ftlearn.experiments import Record
from ftlearn.experiments.compare import smooth
from ftlearn.figures import COLORS
from ftlearn.markup import Markup, join, tag

WIDTH, HEIGHT = 420, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 24, 26, 34
LEGEND_ROW, NAMES_IN_ROW = 20, 3
POINTS = 150
"""At most this many points of a curve are drawn."""
DASHES = ("none", "7 3", "2 3")
MARKS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",  # a circle
    "M-3.5 -3.5h7v7h-7z",  # a square
    "M0 -5l5 8.5h-10z",  # a triangle
    "M0 -5.5l4.5 5.5l-4.5 5.5l-4.5 -5.5z",  # a diamond
)
Points = list[tuple[float, float]]


class Plot:
    """One plot with axes; maps data to coordinates. ``top`` is the largest value it shows."""

    def __init__(self, left: float, title: str, *, last: int, top: float) -> None:
        self.left = left + LEFT
        self.title = title
        self.last = max(1, last)
        self.top = top
        self.width = WIDTH - LEFT - RIGHT
        self.height = HEIGHT - TOP - BOTTOM

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The coordinates of a point; a point above the frame is drawn on its edge."""
        share = min(max(y / self.top, 0), 1) if math.isfinite(y) else 1
        return self.left + self.width * x / self.last, TOP + self.height * (1 - share)

    def frame(self) -> Markup:
        """Title, axes and labelled ticks."""
        bottom, right = TOP + self.height, self.left + self.width
        parts = [_text(self.title, self.left, TOP - 10, anchor="start", weight="bold")]
        for tick in ticks(self.top):
            y = self.at(0, tick)[1]
            parts += [_line(self.left, y, right, y), _text(f"{tick:g}", self.left - 6, y + 4)]
        for tick in ticks(self.last):
            x = self.at(tick, 0)[0]
            parts.append(_text(f"{tick:g}", x, bottom + 15, anchor="middle"))
        parts.append(_text("update", right, bottom + 30))
        return join(*parts)

    def curve(self, points: Points, look: Look, *, marked: bool) -> Markup:
        """A line through points: thin and pale, or thick with a mark at each point."""
        if not points:
            return join()
        coordinates = [self.at(x, y) for x, y in points]
        line = tag(
            "path",
            d="M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in coordinates),
            fill="none",
            stroke=look.color,
            stroke_width=2 if marked else 1.3,
            stroke_dasharray=look.dash,
            stroke_opacity=1 if marked else 0.55,
        )
        return join(line, *(look.mark(x, y) for x, y in coordinates if marked))


class Look:
    """The style of one run: twelve runs differ even without colour."""

    def __init__(self, number: int) -> None:
        self.color = COLORS[number % 6]
        self.dash = DASHES[number % len(DASHES)]
        self.shape = MARKS[number % len(MARKS)]

    def mark(self, x: float, y: float) -> Markup:
        """The mark of the run at these coordinates."""
        return tag("path", d=self.shape, fill=self.color, transform=f"translate({x:.1f} {y:.1f})")


class Curves:
    """Losses and the second metric of runs; caches what does not change any more."""

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor
        self._smooth: dict[str, tuple[int, Points]] = {}

    def svg(self, runs: Sequence[Record]) -> Markup:
        """Both plots with a legend, and a description for screen readers."""
        second = second_metric(runs, self.monitor)
        lengths = [run.total if run.status == "training" else len(run.steps) for run in runs]
        last = max(lengths, default=1)
        losses = {run.name: self._losses(run) for run in runs}
        scores = {run.name: evaluated(run, self.monitor) for run in runs}
        others = {run.name: evaluated(run, second) for run in runs}
        left = Plot(0, "loss (thin: training)", last=last, top=top_of(losses, scores))
        highest = max((value for points in others.values() for _, value in points), default=1)
        title = f"{second.replace('_', ' ')}, validation"
        right = Plot(WIDTH, title, last=last, top=max(1.0, highest))
        elements = [left.frame(), right.frame()]
        for number, run in enumerate(runs):
            look = Look(number)
            elements.append(left.curve(losses[run.name], look, marked=False))
            elements.append(left.curve(scores[run.name], look, marked=True))
            elements.append(right.curve(others[run.name], look, marked=True))
            elements.append(_legend(number, run.name, look))
        rows = -(-len(runs) // NAMES_IN_ROW)
        box = f"0 0 {2 * WIDTH} {HEIGHT + LEGEND_ROW * rows + 6}"
        label = description(runs, self.monitor, second)
        return tag("svg", *elements, viewBox=box, width="100%", role="img", aria_label=label)

    def _losses(self, run: Record) -> Points:
        count = len(run.steps)
        if self._smooth.get(run.name, (None,))[0] != count:
            values = smooth(run)[:count]
            self._smooth[run.name] = count, thinned(list(enumerate(values, start=1)))
        return self._smooth[run.name][1]


def evaluated(run: Record, metric: str) -> Points:
    """The values of a metric at the evaluations of a run."""
    return [(scores["step"], scores[metric]) for scores in run.evaluations if metric in scores]


def second_metric(runs: Sequence[Record], monitor: str) -> str:
    """The metric shown beside the loss: accuracy, or else the first other metric."""
    for run in runs:
        for scores in run.evaluations:
            if "accuracy" not in scores:
                return next(name for name in scores if name not in ("step", "epoch", monitor))
    return "accuracy"


def top_of(*groups: dict[str, Points]) -> float:
    """The upper end of the loss axis: the largest loss, but at most 3 × the first."""
    curves = [points for group in groups for points in group.values() if points]
    values = [value for points in curves for _, value in points if math.isfinite(value)]
    first = max((points[0][1] for points in curves), default=1.0)
    return max(min(max(values, default=1.0), 3 * first), 0.1)


def thinned(points: Points) -> Points:
    """At most ``POINTS`` of the points, including the last one."""
    every = -(-len(points) // POINTS)
    return points[::-every][::-1] if points else []


def ticks(top: float) -> list[float]:
    """Round numbers from 0 to the top, at most six.

    >>> ticks(36)
    [0.0, 10.0, 20.0, 30.0]
    """
    size = 10.0 ** math.floor(math.log10(top))
    step = next(size * part for part in (0.2, 0.5, 1, 2, 5) if top / (size * part) <= 5)
    return [round(step * number, 10) for number in range(int(top / step + 1e-9) + 1)]


def description(runs: Sequence[Record], monitor: str, second: str) -> str:
    """The curves in words."""
    if not runs:
        return "No run yet."
    sentences = []
    for run in runs:
        numbers = [f"update {len(run.steps)} of {run.total}"]
        numbers += [f"training loss {smooth(run)[-1]:.3f}"] if run.steps else []
        for metric in (monitor, second):
            name = metric.replace("_", " ")
            last = evaluated(run, metric)[-1:]
            numbers += [f"validation {name} {value:.3f}" for _, value in last]
        sentences.append(f"{run.name}: {', '.join(numbers)}.")
    return " ".join([f"Loss and {second.replace('_', ' ')} of {len(runs)} runs.", *sentences])


def _legend(number: int, name: str, look: Look) -> Markup:
    row, column = divmod(number, NAMES_IN_ROW)
    x, y = LEFT + column * (2 * WIDTH - LEFT) / NAMES_IN_ROW, HEIGHT + 10 + LEGEND_ROW * row
    line = _line(x, y, x + 34, y, color=look.color, dash=look.dash)
    return join(line, look.mark(x + 17, y), _text(name, x + 42, y + 4, anchor="start"))


def _line(x: float, y: float, to_x: float, to_y: float, *, color: str = "", dash: str = "none"):
    ends = {"x1": f"{x:.1f}", "y1": f"{y:.1f}", "x2": f"{to_x:.1f}", "y2": f"{to_y:.1f}"}
    if color:
        return tag("line", **ends, stroke=color, stroke_width=2, stroke_dasharray=dash)
    return tag("line", **ends, stroke="currentColor", stroke_opacity=0.2)  # a grid line


def _text(content: Any, x: float, y: float, *, anchor: str = "end", weight: str = "normal"):
    return tag(
        "text",
        content,
        x=f"{x:.1f}",
        y=f"{y:.1f}",
        text_anchor=anchor,
        font_size=12,
        fill="currentColor",
        font_weight=weight,
    )
