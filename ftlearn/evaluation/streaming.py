"""Predictions for any number of rows in bounded memory: from a file, or standard input, to JSONL.

Rows are read in windows. The texts of a window are encoded together and sorted by length, so that
padding is small; its results are written before the next window is read.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from scipy.special import softmax
from torch import nn

from ftlearn.compatibility import sample, settle, tokenizer_and_texts
from ftlearn.data.columns import Columns
from ftlearn.data.records import Record, Row
from ftlearn.data.streams import Format, opened
from ftlearn.errors import ArgumentError
from ftlearn.evaluation import predicting
from ftlearn.evaluation.prediction_file import check_target, written
from ftlearn.markup import INVISIBLE
from ftlearn.runtime.progress import bar
from ftlearn.tasks import Joint
from ftlearn.tasks.base import TruncationWarning

WINDOW = 4096
"""The most rows that are encoded together."""
CHARACTERS = 8_000_000
"""The most characters in a window, so that long texts take no more memory than short ones."""
DIGITS = 6
ESCAPED = {code: f"\\u{code:04x}" for code in INVISIBLE if code >= 0x7F}
"""JSON escapes of the control characters that ``json`` leaves as they are: it escapes those below
0x20 itself."""


class Counts(NamedTuple):
    """How many rows the source had, one result each, and how many of them were rejected."""

    rows: int
    rejected: int


def predict_file(
    model: nn.Module,
    task: Any,
    tokenizer: Any,
    source: str | Path,
    target: str | Path,
    *,
    text: str | tuple[str, str] | None = None,
    file_format: Format | None = None,
    overwrite: bool = False,
) -> Counts:
    """Predict every row of a file and write one JSON object per line, in the order of the rows.

    Parameters
    ----------
    source : a .txt (one text per line), .csv, .tsv, .jsonl or .parquet file, or "-" for stdin
    target : the file to write, or "-" for standard output, which is flushed after each window
    text : the column with the text, or two for a pair; by default those of the task
    file_format : a `data.streams.Format`, where the suffix does not tell
    overwrite : replace a target that exists already

    Line k of the target belongs to row k of the source; see `predict_rows` for what it holds. The
    target appears when it is complete: until then results are in a file with ".part" added,
    which stays, with a warning, when the run breaks off. A terminal or notebook shows a bar.
    Warnings tell how the source was read. Raises `DataError` where source or target cannot be
    used, are one file, or the source cannot be trusted, and `ExistsError` as `check_target` does.
    """
    check_target(source, target, overwrite=overwrite)
    columns = Columns.of(text or task.text)
    file_format = file_format or Format()
    with opened(source, columns, file_format) as reader, written(target, overwrite) as file:
        windows = _windows(model, task, tokenizer, reader.rows, columns.text, WINDOW)
        with bar(total=reader.total, unit=reader.unit, unit_scale=True, leave=True) as progress:
            counts = Counts(0, 0)
            for results in windows:
                counts = _write(results, file, counts)
                progress.update(reader.done() - progress.n)
        for note in reader.notes():
            warnings.warn(f"{source}: {note}", stacklevel=2)
    return counts


def predict_rows(
    model: nn.Module,
    task: Any,
    tokenizer: Any,
    rows: Iterable[Row],
    *,
    text: str | tuple[str, str] | None = None,
    window: int = WINDOW,
    progress: bool = False,
) -> Iterator[dict[str, Any]]:
    """Yield one result for each row of `data.streams.stream`, in order.

    A result is {"label": name, "probabilities": {name: number}} for a classification, {"value":
    number} for a regression, numbers rounded to 6 digits, and {"answer": text} for a question with
    its context, "" where that holds none; of a joint task, {task: result}. A rejected row gives
    {"line": number, "error": reason} in its place. At the end a `TruncationWarning` counts the
    texts that were cut, unless the task cuts silently. Raises ValueError where the model's outputs
    are not finite.
    """
    columns = Columns.of(text or task.text).text
    with bar(shown=progress, unit=" rows", unit_scale=True, leave=True) as shown:
        for results in _windows(model, task, tokenizer, rows, columns, window):
            yield from results
            shown.update(len(results))


def _windows(
    model: nn.Module,
    task: Any,
    tokenizer: Any,
    rows: Iterable[Row],
    columns: Sequence[str],
    window: int,
) -> Iterator[list[dict[str, Any]]]:
    """The results of each window; one warning at the end for all texts that were cut."""
    texts = 0
    truncated = 0
    for window_rows in _split(rows, columns, window):
        records = [row for row in window_rows if isinstance(row, Record)]
        if texts == 0:
            _check_language(tokenizer, records, columns)
        results, truncated_here = _predict(model, task, tokenizer, records, columns)
        texts += len(records)
        truncated += truncated_here
        in_order = iter(results)
        yield [
            next(in_order) if isinstance(row, Record) else {"line": row.line, "error": row.reason}
            for row in window_rows
        ]
    if truncated and task.truncation == "warn":
        warnings.warn(
            f"{truncated} of {texts} texts are longer than the window of "
            f"{task.window(tokenizer)} tokens and were cut at the end",
            TruncationWarning,
            stacklevel=3,
        )


def _check_language(tokenizer: Any, rows: Sequence[Record], columns: Sequence[str]) -> None:
    """Warn where the tokenizer does not know what the first rows are written with.

    No error: later rows may be in a language that it knows, and would get no prediction.
    """
    texts = [rows[row].cells[name] for row in sample(len(rows)) for name in columns]
    settle(tokenizer_and_texts(tokenizer, texts), error=None, stacklevel=4)


def _split(rows: Iterable[Row], columns: Sequence[str], window: int) -> Iterator[list[Row]]:
    """Rows in lists of at most `window`, shorter where the texts are long."""
    window_rows: list[Row] = []
    characters = 0
    for row in rows:
        window_rows.append(row)
        if isinstance(row, Record):
            characters += sum(len(row.cells[name]) for name in columns)
        if len(window_rows) == window or characters >= CHARACTERS:
            yield window_rows
            window_rows = []
            characters = 0
    if window_rows:
        yield window_rows


def _predict(
    model: nn.Module, task: Any, tokenizer: Any, records: Sequence[Record], columns: Sequence[str]
) -> tuple[list[dict[str, Any]], int]:
    """The results of rows that could be read, and how many of their texts were truncated."""
    if not records:
        return [], 0
    if len(columns) == 1:
        texts = [record.cells[columns[0]] for record in records]
    else:
        texts = [tuple(record.cells[name] for name in columns) for record in records]
    return _text_results(model, task, tokenizer, texts, lambda row: f"line {records[row].line}")


def predict_texts(
    model: nn.Module, task: Any, tokenizer: Any, texts: Sequence[Any]
) -> list[dict[str, Any]]:
    """One result for each text, or pair of texts, with the content that `predict_rows` yields.

    Texts that are too long are cut silently. Raises ValueError where the model's outputs are not
    finite.
    """
    results, _ = _text_results(model, task, tokenizer, texts, lambda row: f"text {row + 1}")
    return results


def _text_results(
    model: nn.Module,
    task: Any,
    tokenizer: Any,
    texts: Sequence[Any],
    name_of: Callable[[int], str],
) -> tuple[list[dict[str, Any]], int]:
    """The results of texts, and how many of them were truncated."""
    silent = replace(task, truncation="silent")  # the caller warns once, of all texts
    encoded = silent.encode_texts(texts, tokenizer)
    outputs = predicting.outputs(model, encoded, task, tokenizer)
    infinite = ~np.isfinite(outputs).all(axis=-1)
    if infinite.any():
        raise ArgumentError(
            f"the model's outputs for {name_of(int(infinite.argmax()))} are "
            f"{outputs[infinite][0]}, not finite: its training diverged or its weights are "
            "damaged; train it again or copy it again"
        )
    return _results(outputs, texts, task), encoded.truncated


def _results(outputs: np.ndarray, texts: Sequence[Any], task: Any) -> list[dict[str, Any]]:
    if isinstance(task, Joint):
        parts = task.outputs_of(outputs).items()
        columns = [_results(part, texts, task.task(name)) for name, part in parts]
        return [dict(zip(task.names, row, strict=True)) for row in zip(*columns, strict=True)]
    labels = getattr(task, "labels", ())
    predictions = task.predictions(outputs, texts)
    if not labels and isinstance(predictions[0], str):
        return [{"answer": answer} for answer in predictions]
    if not labels:
        return [{"value": round(float(value), DIGITS)} for value in predictions]
    probabilities = softmax(outputs.astype(np.float64), axis=-1).round(DIGITS).tolist()
    return [
        {"label": label, "probabilities": dict(zip(labels, row, strict=True))}
        for label, row in zip(predictions, probabilities, strict=True)
    ]


def _write(results: Sequence[dict[str, Any]], file: TextIO, counts: Counts) -> Counts:
    write_lines(results, file)
    rejected = sum("error" in result for result in results)
    return Counts(counts.rows + len(results), counts.rejected + rejected)


def write_lines(results: Sequence[dict[str, Any]], file: TextIO) -> None:
    """Write one JSON object per line, in which nothing can control a terminal, and flush.

    >>> import io
    >>> file = io.StringIO()
    >>> write_lines([{"text": "a\\x9bb"}], file)
    >>> file.getvalue()
    '{"text": "a\\\\u009bb"}\\n'
    """
    # A terminal or pipe in another encoding gets escapes, which mean the same in JSON.
    ascii_only = not (file.encoding or "").lower().startswith("utf")
    for result in results:
        line = json.dumps(result, ensure_ascii=ascii_only, allow_nan=False)
        file.write(line.translate(ESCAPED) + "\n")
    file.flush()
