"""One output shard: the columns of its input, the predictions, and what it was made of.

The answers are those of ``evaluation.streaming.predict_rows``, read in the same windows whatever
engine runs them: how shards are distributed does not change a batch.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet

from ftlearn.data import DataError
from ftlearn.data.columns import Columns
from ftlearn.data.streams import Format, opened
from ftlearn.engines.job import METADATA, UNFINISHED, shard_metadata
from ftlearn.engines.shards import Shard
from ftlearn.evaluation.streaming import WINDOW, predict_rows
from ftlearn.runtime.files import flush
from ftlearn.tasks import Joint, QuestionAnswering

PREDICTION, ERROR = "prediction", "error"
"""The columns that an output shard has besides those of its input."""

Loaded = tuple[Any, Any, Any]
"""A model, its task and its tokenizer."""


class Written(NamedTuple):
    """How many rows a shard has, how many of them were rejected, and remarks on its reading."""

    rows: int
    rejected: int
    notes: list[str]


def prediction_type(task: Any) -> pyarrow.DataType:
    """The Arrow type of one result of ``predict_rows``.

    >>> from ftlearn.tasks import Regression
    >>> prediction_type(Regression())
    StructType(struct<value: double>)
    """
    if isinstance(task, Joint):
        return pyarrow.struct({name: prediction_type(task.task(name)) for name in task.names})
    labels = getattr(task, "labels", ())
    if labels:
        shares = pyarrow.struct({label: pyarrow.float64() for label in labels})
        return pyarrow.struct({"label": pyarrow.string(), "probabilities": shares})
    if isinstance(task, QuestionAnswering):
        return pyarrow.struct({"answer": pyarrow.string()})
    return pyarrow.struct({"value": pyarrow.float64()})


def finished(shard: Shard, origin: Mapping[str, str]) -> Written | None:
    """The counts of an output shard that is whole and of this origin; None otherwise.

    Every page is read and its checksum compared: a shard that was copied in part does not count.
    """
    stored = shard_metadata(shard.target)
    if stored is None or any(stored.get(key) != value for key, value in origin.items()):
        return None
    try:
        rows = 0
        with pyarrow.parquet.ParquetFile(shard.target, page_checksum_verification=True) as file:
            for batch in file.iter_batches(WINDOW):
                rows += batch.num_rows
    except (pyarrow.ArrowException, OSError):
        return None
    return Written(rows, stored["rejected"], []) if rows == stored["rows"] else None


def write(
    shard: Shard,
    loaded: Loaded,
    text: Sequence[str],
    origin: Mapping[str, str],
    on_rows: Callable[[int], None],
) -> Written:
    """Predict an input shard and write its output, which appears when it is complete.

    ``on_rows`` is called with the number of rows after each window. Raises DataError where the
    input cannot be read, or has a column with the name of one that is added.
    """
    model, task, tokenizer = loaded
    columns = Columns.of(_text(text, task))
    with opened(shard.source, columns, Format("parquet")) as reader:
        results = predict_rows(model, task, tokenizer, reader.rows, text=_text(text, task))
        rows = rejected = 0
        schema = _schema(shard.source, task)
        with _written(shard.target, schema) as writer:
            for batch in _batches(shard.source):
                answers = list(islice(results, batch.num_rows))
                writer.write_batch(_answered(batch, answers, schema))
                rows += len(answers)
                rejected += sum("error" in answer for answer in answers)
                on_rows(len(answers))
            list(results)  # its last words, on texts that were cut
            counts = {**origin, "rows": rows, "rejected": rejected}
            writer.add_key_value_metadata({METADATA: json.dumps(counts)})
        return Written(rows, rejected, reader.notes())


def _text(text: Sequence[str], task: Any) -> str | tuple[str, ...]:
    """The text columns as ``predict_rows`` takes them."""
    if not text:
        return task.text
    return text[0] if len(text) == 1 else tuple(text)


def _schema(source: Path, task: Any) -> pyarrow.Schema:
    """The schema of the input, with the columns that are added."""
    schema = pyarrow.parquet.read_schema(source)
    for name in (PREDICTION, ERROR):
        if name in schema.names:
            raise DataError(
                f"{source} has a column {name!r} already, which the output needs: rename it"
            )
    schema = schema.append(pyarrow.field(PREDICTION, prediction_type(task)))
    return schema.append(pyarrow.field(ERROR, pyarrow.string()))


def _batches(source: Path) -> Iterator[pyarrow.RecordBatch]:
    """The rows of the input with all columns as they are."""
    try:
        with pyarrow.parquet.ParquetFile(source, page_checksum_verification=True) as file:
            yield from file.iter_batches(WINDOW)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{source} is not a readable Parquet file ({error})") from None


def _answered(
    batch: pyarrow.RecordBatch, answers: Sequence[dict[str, Any]], schema: pyarrow.Schema
) -> pyarrow.RecordBatch:
    """A batch with the prediction, or the error, of each row."""
    predictions = [None if "error" in answer else answer for answer in answers]
    errors = [answer.get("error") for answer in answers]
    added = [
        pyarrow.array(predictions, schema.field(PREDICTION).type),
        pyarrow.array(errors, pyarrow.string()),
    ]
    return pyarrow.RecordBatch.from_arrays([*batch.columns, *added], schema=schema)


@contextmanager
def _written(target: Path, schema: pyarrow.Schema) -> Iterator[pyarrow.parquet.ParquetWriter]:
    """A writer under another name, which becomes the target at the end.

    The name is new each time: a worker that was given up may still write.
    """
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}{UNFINISHED}")
    try:
        with pyarrow.parquet.ParquetWriter(part, schema, write_page_checksum=True) as writer:
            yield writer
        flush(part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
