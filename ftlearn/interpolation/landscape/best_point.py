"""Find and save the best model on the line between two saved models."""

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
from ftlearn.tasks.file_rows import read_for


@dataclass(frozen=True)
class Merged:
    """The model that was saved, its α, and the measured line that chose it, if there was one."""

    folder: Path
    alpha: float
    line: Line | None = None


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
    """All of ``ftlearn interpolate``: measure the line between two saved models, save the best.

    With ``valid``, a file or data set with the task's columns, writes out/path.csv, out/path.png
    and, at the α that is best there by a metric (``task.monitor`` unless named), out/model.
    Without it there is nothing to choose by: give one α, and out/model is written at that.
    ``reading`` holds the ``delimiter``, ``encoding`` and ``quoting`` of a file, as ``data.read``
    takes them, and ``device`` is where the points are measured, by default the best one.
    Library and command line only: no lesson uses it yet.

    Raises ExistsError when ``out`` exists, and ValueError or KeyError, before anything is
    measured, when the two models differ in architecture, an α is no finite number, or the metric
    is unknown. A call that fails leaves nothing behind.
    """
    out = Path(out)
    ends = [saving.locate(folder) for folder in (start, end)]
    check_new_folder(out)
    _check_choice(valid, alphas, by)
    on_disk.check_mergeable(ends)
    line = None
    if valid is not None:
        line = _evaluate_folders(ends, valid, alphas, by, reading or {}, device)
    alpha = float(alphas[0]) if line is None else line.best(by)
    with written_folder(out) as folder:
        if line is not None:
            line.table.to_csv(folder / "path.csv", index=False)
            (folder / "path.png").write_bytes(figures.png(_figure(line)))
        on_disk.interpolate(*ends, alpha, folder / "model")
    return Merged(out / "model", alpha, line)


def _check_choice(valid: object, alphas: Sequence[float], by: str | None) -> None:
    if valid is None and len(alphas) != 1:
        raise ArgumentError(
            f"{len(alphas)} alphas and no data to choose by: give `valid`, or one `alpha`"
        )
    if valid is None and by is not None:
        raise ArgumentError(f"by={by!r} chooses by a metric, and there is no data: give `valid`")
    invalid = [alpha for alpha in alphas if not math.isfinite(alpha)]
    if invalid:
        raise ArgumentError(f"`alpha` is {invalid[0]}: it must be a number, such as 0.5")


def _evaluate_folders(
    ends: Sequence[Path],
    valid: str | Path | Dataset,
    alphas: Sequence[float],
    by: str | None,
    reading: Mapping[str, str | None],
    device: str | None,
) -> Line:
    (model, tokenizer, task), (other, *_) = (
        models.load_finetuned(folder, device) for folder in ends
    )
    check_metric(by, task)
    rows = valid if isinstance(valid, Dataset) else _rows(valid, task, reading)
    return evaluate_line(model, model, other, rows, task, tokenizer, alphas=alphas)


def _rows(file: str | Path, task: Task, reading: Mapping[str, str | None]) -> Dataset:
    rows, report = read_for(task, Path(file), **reading)
    if report.rejected or report.notes:
        warnings.warn(str(report), stacklevel=4)
    return rows


def _figure(line: Line) -> Figure:
    """The monitor over α, with accuracy beside it where the task has one."""
    metrics = [None, "accuracy"] if "accuracy" in line.table else [None]
    figure, axes = plt.subplots(
        1, len(metrics), figsize=(5 * len(metrics), 3.4), layout="constrained", squeeze=False
    )
    for metric, ax in zip(metrics, axes[0], strict=True):
        line.draw(metric, ax=figures.axes(ax))
    return figure
