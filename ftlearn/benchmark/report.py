"""The measurements as tables, a figure and JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt

from ftlearn import figures
from ftlearn.benchmark.part_result import RATIOS, Part
from ftlearn.runtime import files
from ftlearn.runtime.versions import machine, versions

FORMATS = {
    "padding": "{:.0%}",
    "share": "{:.0%}",
    "accuracy": "{:.3f}",
    "accuracy at the end": "{:.3f}",
    "lowest": "{:.3f}",
    "highest": "{:.3f}",
    "speed over default": "{:.2f}",
    "peak GB": "{:.2f}",
}

LEGEND = {
    "train": "median, low and high are examples per second; padding is the share of positions that "
    "hold no token; share is useful arithmetic (no padding, nothing computed twice) over the rate "
    "of bare matrix products in the same process, round and precision.",
    "predict": "median, low and high are texts per second, from text to prediction.",
    "accuracy": "median, low and high are seconds of training until the target was reached.",
    "few": "median, low and high are seconds of training.",
    "generate": "median, low and high are generated tokens per second, end tokens included.",
    "sft": "median, low and high are trained tokens per second: those that the loss counts; "
    "peak GB is the most memory of a process in which this contender alone trains.",
    "formats": "median, low and high are texts per second, from text to logits; onnx and int8 are "
    "ONNX Runtime inside, so their ratios are those of batching and quantisation.",
    "levers": "median, low and high are examples per second; lower half frozen and embeddings "
    "frozen train less of the model, all others do the same work.",
}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of equal columns as a Markdown table with aligned cells.

    >>> print(table([{"contender": "a", "median": 1.25}, {"contender": "bc", "median": None}]))
    | contender | median |
    |-----------|-------:|
    | a         |    1.2 |
    | bc        |      – |
    """
    if not rows:
        return "(nothing was measured)"
    names = list(rows[0])
    cells = [names, *([_cell(name, row[name]) for name in names] for row in rows)]
    columns, rule = [], []
    for name, column in zip(names, zip(*cells, strict=True), strict=True):
        width = max(map(len, column))
        if any(isinstance(row[name], str) for row in rows):
            columns.append([cell.ljust(width) for cell in column])
            rule.append("-" * (width + 2))
        else:
            columns.append([cell.rjust(width) for cell in column])
            rule.append("-" * (width + 1) + ":")
    head, *body = (f"| {' | '.join(line)} |" for line in zip(*columns, strict=True))
    return "\n".join([head, f"|{'|'.join(rule)}|", *body])


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "–"
    return FORMATS.get(name, "{:.1f}").format(value) if isinstance(value, float) else str(value)


def text(part: Part) -> str:
    """A part for the screen: title, table, legend, notes, ratios and failures."""
    lines = [f"\n{part.title}\n", table(part.rows), "", LEGEND[part.name], *part.notes]
    for name, values in part.ratios.items():
        if values:
            middle, low, high = statistics.median(values), min(values), max(values)
            lines.append(f"{name}: {middle:.2f} ({low:.2f} to {high:.2f})")
    lines += [f"FAILED {name}: {error}" for name, error in part.failures.items()]
    return "\n".join(lines)


def as_json(parts: Sequence[Part], settings: dict[str, Any]) -> dict[str, Any]:
    """All measurements as values that JSON can hold; null where nothing was measured."""
    ratios = {name: values for part in parts for name, values in part.ratios.items()}
    measured = {name: ratios.get(name, []) for name in RATIOS}
    by_name = {part.name: part for part in parts}
    return {
        "machine": machine(),
        "versions": versions(),
        "settings": settings,
        "ratios": {
            name: statistics.median(values) if values else None for name, values in measured.items()
        },
        "ratio_rounds": measured,
        "not_measured": {
            name: _reason(by_name.get(RATIOS[name]))
            for name, values in measured.items()
            if not values
        },
        "parts": {part.name: {"title": part.title, "rows": part.rows} for part in parts},
        "levers": _levers(by_name["levers"]) if "levers" in by_name else None,
        "rounds": [{"part": part.name, **run} for part in parts for run in part.rounds],
        "notes": [note for part in parts for note in part.notes],
        "failures": {part.name: part.failures for part in parts if part.failures},
    }


def _reason(part: Part | None) -> str:
    if part is None:
        return "its part was not run"
    failures = [f"{name}: {error}" for name, error in part.failures.items()]
    return "; ".join(failures or part.notes)


def _levers(part: Part) -> dict[str, dict[str, Any]]:
    rates: dict[str, list[float]] = {row["contender"]: [] for row in part.rows}
    for run in part.rounds:
        if run["round"] and run["contender"] in rates:
            rates[run["contender"]].append(run["examples_per_second"])
    return {row["contender"]: {**row, "rounds": rates[row["contender"]]} for row in part.rows}


def write_json(parts: Sequence[Part], settings: dict[str, Any], file: Path) -> None:
    """Write ``as_json`` to a file."""
    files.write_json(file, as_json(parts, settings), indent=1)


def write_figure(parts: Sequence[Part], file: Path) -> None:
    """Draw one panel of bars with their ranges for each part."""
    parts = [part for part in parts if part.bars]
    heights = [0.9 + 0.36 * len(part.bars) for part in parts] or [1.0]
    figure, axes = plt.subplots(
        len(parts) or 1,
        figsize=(8, sum(heights)),
        height_ratios=heights,
        layout="constrained",
        squeeze=False,
    )
    for part, ax in zip(parts, axes[:, 0], strict=False):
        figures.bars(part.bars, xlabel=part.unit, ax=ax)
    figure.savefig(file, dpi=150)
    plt.close(figure)
