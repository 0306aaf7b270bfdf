"""``ftlearn predict``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from ftlearn.cli.format_options import FormatOptions
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
from ftlearn.cli.output import say

if TYPE_CHECKING:
    from ftlearn.engines import Job


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """Where the texts come from, and where the answers go."""

    input: Annotated[
        str,
        option(
            "The texts: .txt (one per line), .csv, .tsv, .jsonl or .parquet, or - for standard "
            "input (one text per line). Or Parquet shards: a folder, or a pattern in quotes, such "
            "as 'new/*.parquet'.",
            DATA,
            "FILE|FOLDER|-",
        ),
    ]
    output: Annotated[
        str,
        option(
            "A new file for the answers, one JSON object per line; - for standard output. For "
            "shards a folder, which is new or holds a part of the same job.",
            DATA,
            "FILE|FOLDER|-",
        ),
    ]
    format: Annotated[
        str | None,
        option("txt, csv, tsv, jsonl or parquet, where no suffix tells it (as with -).", DATA),
    ] = None
    overwrite: Annotated[
        bool,
        option("Replace the --output file, or shards, where they exist.", RUN, flag="--overwrite"),
    ] = False


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What distributes Parquet shards over processes."""

    engine: Annotated[
        str | None,
        option(
            "ray: distribute Parquet shards over workers of this machine, or of the cluster that "
            "RAY_ADDRESS names. Without it this process predicts them one after the other.",
            RUN,
            "ray",
        ),
    ] = None
    workers: Annotated[
        int | None,
        option(
            "How many workers predict, each with its own copy of the model. By default one per "
            "GPU, or one per 4 cores.",
            RUN,
            "NUMBER",
            least=1,
        ),
    ] = None


@grouped
def predict(
    saved: SavedModelOptions,
    stream: StreamOptions,
    columns: TextColumnOptions,
    reading: ReadingOptions,
    device: DeviceOptions,
    formats: FormatOptions,
    engine: EngineOptions,
) -> None:
    """Predict the labels or numbers of new texts, in the order in which they come.

    Line k of the output belongs to row k of the input: the label and the probability of each
    label, or the number. A row that cannot be read gives its error in its place. Files of any
    size are read piece by piece.

    Example: `ftlearn predict run --input new.csv --output answers.jsonl`

    Parquet shards are predicted into shards of the same names, with all their columns, and
    `prediction` and `error`. The same command continues a job that broke off.

    Example: `echo "The match was a draw." | ftlearn predict run --input - --output -`

    Example: `ftlearn predict run --input new --output answers --engine ray --workers 2`
    """
    from ftlearn import engines
    from ftlearn.workflows.plan_checks import check_device

    check_device(device.device)
    if engine.engine or engine.workers or engines.is_sharded(stream.input, stream.output):
        _check_parquet(stream, reading)
        name = formats.chosen(saved.folder, device.device)
        job = engines.Job(saved.folder.absolute(), columns.columns, device.device, name)
        _predict_shards(job, stream, engine)
    else:
        _predict_file(saved, stream, columns, reading, device, formats)


def _predict_file(
    saved: SavedModelOptions,
    stream: StreamOptions,
    columns: TextColumnOptions,
    reading: ReadingOptions,
    device: DeviceOptions,
    formats: FormatOptions,
) -> None:
    """Predict a file, or standard input, into JSON lines."""
    from ftlearn.data.streams import Format
    from ftlearn.evaluation import streaming
    from ftlearn.formats import load
    from ftlearn.workflows.evaluating import with_columns

    streaming.check_target(stream.input, stream.output, overwrite=stream.overwrite)
    name = formats.chosen(saved.folder, device.device)
    model, tokenizer, task = load(saved.folder, name, device.device)
    counts = streaming.predict_file(
        model,
        with_columns(task, columns.columns),
        tokenizer,
        stream.input,
        stream.output,
        file_format=Format(stream.format, **vars(reading)),
        overwrite=stream.overwrite,
    )
    predicted = counts.rows - counts.rejected
    if counts.rejected:
        line = (
            f"{predicted} of {counts.rows} rows predicted; the others have their error in their "
            "place"
        )
    else:
        line = f"{predicted} of {counts.rows} rows predicted"
    say(line, err=True)


def _check_parquet(stream: StreamOptions, reading: ReadingOptions) -> None:
    """Raise an error for options of text files, which Parquet shards have no use for."""
    from ftlearn.data.streams import Format
    from ftlearn.errors import ArgumentError

    if stream.format not in (None, "parquet"):
        raise ArgumentError(f"format is {stream.format!r}, and shards are Parquet: leave it out")
    Format("parquet", **vars(reading)).resolve(stream.input)


def _predict_shards(job: Job, stream: StreamOptions, engine: EngineOptions) -> None:
    """Predict Parquet shards into a folder."""
    from ftlearn import engines

    totals = engines.predict_shards(
        job,
        stream.input,
        stream.output,
        engine=engine.engine,
        workers=engine.workers,
        overwrite=stream.overwrite,
    )
    predicted = totals.rows - totals.rejected
    said = [f"{predicted} of {totals.rows} rows predicted in {totals.shards} shards"]
    if totals.rejected:
        said.append("the others have their error in its column")
    if totals.skipped:
        said.append(f"{totals.skipped} of them were done before")
    say("; ".join(said), err=True)  # a list, whose clauses are translated one by one
