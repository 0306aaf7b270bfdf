"""``ftlearn predict``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

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


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """Where the texts come from, and where the answers go."""

    input: Annotated[
        str,
        option(
            "The texts: .txt (one per line), .csv, .tsv, .jsonl or .parquet, or - for standard "
            "input (one text per line).",
            DATA,
            "FILE|-",
        ),
    ]
    output: Annotated[
        str,
        option(
            "A new file for the answers, one JSON object per line; - for standard output.",
            DATA,
            "FILE|-",
        ),
    ]
    format: Annotated[
        str | None,
        option("txt, csv, tsv, jsonl or parquet, where no suffix tells it (as with -).", DATA),
    ] = None
    overwrite: Annotated[
        bool, option("Replace the --output file where it exists.", RUN, flag="--overwrite")
    ] = False


@grouped
def predict(
    saved: SavedModelOptions,
    stream: StreamOptions,
    columns: TextColumnOptions,
    reading: ReadingOptions,
    device: DeviceOptions,
) -> None:
    """Predict the labels or numbers of new texts, in the order in which they come.

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
    counts = streaming.predict_file(
        model,
        with_columns(task, columns.columns),
        tokenizer,
        stream.input,
        stream.output,
        file_format=Format(stream.format, **vars(reading)),
        overwrite=stream.overwrite,
    )
    answered = f"{counts.rows - counts.rejected} of {counts.rows} rows predicted"
    rejected = "; the others have their error in their place" if counts.rejected else ""
    say(answered + rejected, err=True)
