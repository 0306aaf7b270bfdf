"""``ftlearn evaluate`` and ``ftlearn predict``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ftlearn.cli.options import DATA, RUN, DeviceGiven, ReadingGiven, SavedGiven, grouped, option
from ftlearn.cli.output import evaluation_lines, say


@dataclass(frozen=True, kw_only=True)
class LabelledGiven:
    """Labelled files, and their columns where they are called otherwise than in training."""

    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Labelled texts: .csv, .tsv, .jsonl or .parquet."),
    ]
    text: Annotated[
        list[str] | None,
        option("The text column, if it is not called as in training.", DATA, "COLUMN"),
    ] = None
    label: Annotated[
        str | None,
        option("The label column, if it is not called as in training.", DATA, "COLUMN"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ResultGiven:
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
    saved: SavedGiven,
    labelled: LabelledGiven,
    reading: ReadingGiven,
    result: ResultGiven,
    device: DeviceGiven,
) -> None:
    """Score a fitted model on labelled files, each metric with its 95 % interval.

    Example: `ftlearn evaluate run new_reviews.csv --errors 5`
    """
    from ftlearn.runtime.files import check_writable, write_json
    from ftlearn.workflows.evaluating import as_json, scored_one_by_one

    if result.json:
        check_writable(result.json, overwrite=result.overwrite)
    given = {"text": labelled.text or (), "label": labelled.label, **vars(reading), **vars(device)}
    found = []
    for scored in scored_one_by_one(saved.folder, labelled.files, **given, progress=True):
        found.append(scored)
        for line in evaluation_lines(scored, result.errors):
            say(line)
        if result.json:  # after each file, so that what was measured is kept
            write_json(result.json, as_json(found))


@dataclass(frozen=True, kw_only=True)
class StreamGiven:
    """Where the texts come from, and where the answers go."""

    input: Annotated[
        str,
        option(
            "The texts: .txt (one a line), .csv, .tsv, .jsonl or .parquet, or - for standard "
            "input (one text a line).",
            DATA,
            "FILE|-",
        ),
    ]
    output: Annotated[
        str,
        option(
            "A new file for the answers, one JSON object a line; - for standard output.",
            DATA,
            "FILE|-",
        ),
    ]
    text: Annotated[
        list[str] | None,
        option("The text column, if it is not called as in training.", DATA, "COLUMN"),
    ] = None
    format: Annotated[
        str | None,
        option("txt, csv, tsv, jsonl or parquet, where no suffix tells it (as with -).", DATA),
    ] = None
    overwrite: Annotated[
        bool, option("Replace the --output file where it exists.", RUN, flag="--overwrite")
    ] = False


@grouped
def predict(
    saved: SavedGiven, stream: StreamGiven, reading: ReadingGiven, device: DeviceGiven
) -> None:
    """Answer new texts with a fitted model, in the order in which they come.

    Line k of the output belongs to row k of the input: the label and the probability of each
    label, or the number. A row that cannot be read gives its error in its place. Files of any
    size are read piece by piece.

    Example: `ftlearn predict run --input new.csv --output answers.jsonl`

    Example: `echo "The match was a draw." | ftlearn predict run --input - --output -`
    """
    from ftlearn import models
    from ftlearn.data.streams import Format
    from ftlearn.evaluation import streaming
    from ftlearn.workflows.evaluating import with_columns
    from ftlearn.workflows.plan import check_device

    check_device(device.device)
    streaming.check_target(stream.input, stream.output, overwrite=stream.overwrite)
    model, tokenizer, task = models.load_finetuned(saved.folder, device.device)
    task = with_columns(task, stream.text or ())
    written = Format(stream.format, **vars(reading))
    files, how = (stream.input, stream.output), {"overwrite": stream.overwrite}
    counts = streaming.predict_file(model, task, tokenizer, *files, file_format=written, **how)
    answered = f"{counts.rows - counts.refused} of {counts.rows} rows answered"
    refused = "; the others have their error in their place" if counts.refused else ""
    say(answered + refused, err=True)
