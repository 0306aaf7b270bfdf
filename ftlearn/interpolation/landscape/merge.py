"""From two saved models to the best one between them, saved."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from ftlearn import figures, models
from ftlearn.errors import ArgumentError
from ftlearn.interpolation.landscape.line import ALPHAS, Line, check_metric, evaluate_line
from ftlearn.interpolation.weights import on_disk
from ftlearn.models import saving
from ftlearn.runtime.files import check_new_folder, written_folder
from ftlearn.tasks import Task
from ftlearn.tasks.reading import read_for


@dataclass(frozen=True)
class Merged:
    """The model that was saved, the α it lies at, and the walk that chose it, if there was one."""

    folder: Path
    alpha: float
    walk: Line | None = None


def interpolate_folders(
    start: str | Path,
    end: str | Path,
    valid: str | Path | Dataset | None,
    out: str | Path,
    alphas: Sequence[float] = ALPHAS,
    *,
    by: str | None = None,
    reading: Mapping[str, str | None] | None = None,
    device: str | None = None,
) -> Merged:
    """All of ``ftlearn interpolate``: the line between two saved models, and its best point.

    With ``valid``, a file or data set with the task's columns, writes out/path.csv, out/path.png
    and, at the α that is best there by a metric (``task.monitor`` unless named), out/model.
    Without it nothing can choose: give one α, and out/model is written at that. ``reading`` holds
    the ``delimiter``, ``encoding`` and ``quoting`` of a file, as ``data.read`` takes them, and
    ``device`` is where the points are measured, by default the best one.

    Raises ExistsError when ``out`` exists, and ValueError, before anything is measured, when
    the two models are not of one make, or a metric or an α is none. Nothing is left of a call
    that fails.
    """
    out, ends = Path(out), [saving.locate(folder) for folder in (start, end)]
    check_new_folder(out)
    _check_choice(valid, alphas, by)
    on_disk.compared(ends)
    found = None
    if valid is not None:
        found = _walk_folders(ends, valid, alphas, by, reading or {}, device)
    alpha = float(alphas[0]) if found is None else found.best(by)
    with written_folder(out) as fresh:
        if found is not None:
            found.table.to_csv(fresh / "path.csv", index=False)
            (fresh / "path.png").write_bytes(figures.png(_panels(found)))
        on_disk.interpolate(*ends, alpha, fresh / "model")
    return Merged(out / "model", alpha, found)


def _check_choice(valid: object, alphas: Sequence[float], by: str | None) -> None:
    if valid is None and len(alphas) != 1:
        raise ArgumentError(
            f"{len(alphas)} alphas and no data to choose by: give `valid`, or one `alpha`"
        )
    if valid is None and by is not None:
        raise ArgumentError(f"by={by!r} chooses by a metric, and there is no data: give `valid`")
    odd = [alpha for alpha in alphas if not math.isfinite(alpha)]
    if odd:
        raise ArgumentError(f"`alpha` is {odd[0]}: it must be a number, such as 0.5")


def _walk_folders(
    ends: Sequence[Path],
    valid: str | Path | Dataset,
    alphas: Sequence[float],
    by: str | None,
    reading: Mapping[str, str | None],
    device: str | None,
) -> Line:
    (model, tokenizer, task), (other, *_) = (models.load(folder, device) for folder in ends)
    check_metric(by, task)
    rows = valid if isinstance(valid, Dataset) else _rows(valid, task, reading)
    return evaluate_line(model, model, other, rows, task, tokenizer, alphas=alphas)


def _rows(file: str | Path, task: Task, reading: Mapping[str, str | None]) -> Dataset:
    rows, report = read_for(task, Path(file), **reading)
    if report.refused or report.notes:
        warnings.warn(str(report), stacklevel=4)
    return rows


def _panels(found: Line) -> Figure:
    """The monitor, and accuracy beside it where there is one."""
    shown = [None, "accuracy"] if "accuracy" in found.table else [None]
    figure, axes = plt.subplots(
        1, len(shown), figsize=(5 * len(shown), 3.4), layout="constrained", squeeze=False
    )
    for metric, ax in zip(shown, axes[0], strict=True):
        found.draw(metric, ax=figures.axes(ax))
    return figure
