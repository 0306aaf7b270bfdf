"""``ftlearn evaluate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ftlearn.cli.options import (
    DATA,
    RUN,
    DeviceOptions,
    ReadingOptions,
    SavedModelOptions,
    TextColumnOptions,
    grouped,
    option,
)
from ftlearn.cli.output import evaluation_lines, say


@dataclass(frozen=True, kw_only=True)
class LabelledOptions:
    """Labelled files, and their label column where it is not called as in training."""

    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Labelled texts: .csv, .tsv, .jsonl or .parquet."),
    ]
    label: Annotated[
        str | None,
        option("The label column, if it is not called as in training.", DATA, "COLUMN"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ResultOptions:
    """What to show of the result."""

    errors: Annotated[int, option("Show this many of the worst errors of each file.", RUN)] = 0
    json: Annotated[
        Path | None, option("Also write all scores into this file, as JSON.", RUN, "FILE")
    ] = None
    overwrite: Annotated[
        bool, option("Replace the --json file where it exists.", RUN, flag="--overwrite")
    ] = False


@grouped
def evaluate(
    saved: SavedModelOptions,
    labelled: LabelledOptions,
    columns: TextColumnOptions,
    reading: ReadingOptions,
    result: ResultOptions,
    device: DeviceOptions,
) -> None:
    """Score a fitted model on labelled files, each metric with its 95 % interval.

    Example: `ftlearn evaluate run new_reviews.csv --errors 5`
    """
    from ftlearn.runtime.files import check_writable, write_json
    from ftlearn.workflows.evaluating import as_json, scored_one_by_one

    if result.json:
        check_writable(result.json, overwrite=result.overwrite)
    scored = []
    for file in scored_one_by_one(
        saved.folder,
        labelled.files,
        text=columns.columns,
        label=labelled.label,
        device=device.device,
        progress=True,
        **vars(reading),
    ):
        scored.append(file)
        for line in evaluation_lines(file, result.errors):
            say(line)
        if result.json:  # after each file, so that what was measured is kept
            write_json(result.json, as_json(scored))
