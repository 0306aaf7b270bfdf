"""``generate``: answers to the prompts of a file, in bounded memory, one JSON object per line."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO

import numpy as np
from torch import nn

from ftlearn import models, tasks
from ftlearn.data.decoding import Bytes, Lines
from ftlearn.data.records import Record, Rejected, Row, json_rows
from ftlearn.data.streams import STANDARD_INPUT
from ftlearn.data.wrong_formats import check_exists, check_start, check_suffix
from ftlearn.errors import ArgumentError, ArgumentTypeError
from ftlearn.evaluation.prediction_file import check_target, written
from ftlearn.evaluation.streaming import Counts, write_lines
from ftlearn.generation import Decoding, Generated, generate
from ftlearn.generation.prompts import Prompt, encode_one
from ftlearn.models import adapters, folders, saving
from ftlearn.runtime.progress import bar
from ftlearn.tasks import Chat, Task
from ftlearn.workflows.plan_checks import check_device

WINDOW = 128
"""Rows that are answered before their answers are written: prompts of similar length among them
are computed together."""
PROMPTS = ("messages", "prompt")
ANSWER = ("text", "ended")
SUFFIXES = (".jsonl", ".ndjson")


class Opened(NamedTuple):
    """A language model, its tokenizer, and the task that it was fitted for."""

    model: nn.Module
    tokenizer: Any
    task: Task

    def prompt(self, cells: Mapping[str, Any]) -> Prompt:
        """What a row asks for: to a model that was fitted on chats, a text is what a user says."""
        name = next(name for name in PROMPTS if name in cells)
        said = name == "prompt" and isinstance(self.task, Chat)
        return [{"role": "user", "content": cells[name]}] if said else cells[name]


def open_model(name: str | Path, device: str | None = None) -> Opened:
    """The language model of a run, of a saved folder or of a known name, ready to write.

    An adapter is opened with its base model. A model without a task file continues plain texts.
    Raises ModelError where there is none.
    """
    check_device(device)
    task = tasks.language_modelling()
    if Path(name).is_dir():
        name = saving.locate(name)
        if adapters.is_adapter(name):
            return Opened(*models.load_finetuned(name, device))
        if (name / saving.TASK_FILE).is_file():
            task, _ = folders.read_task(name)
    model, tokenizer = models.load(name, tasks.language_modelling(), device=device)
    return Opened(model.eval(), tokenizer, task)


def generate_file(
    opened: Opened,
    source: str | Path,
    target: str | Path,
    *,
    decoding: Decoding | None = None,
    seed: int = 0,
    overwrite: bool = False,
    encoding: str | None = None,
) -> Counts:
    """Answer every prompt of a .jsonl file, or of standard input ("-"), in the order of the rows.

    A row has ``messages``, a list of them, or ``prompt``, a text, which the model continues, or
    answers as a message where it was fitted on chats. Line k of the target is row k
    with two keys more: ``text``, the answer, and ``ended``, whether the model ended it by itself. A
    row that cannot be used gives its line and the reason instead. The target appears when it is
    complete: until then the answers are in a file with ".part" added, which stays, with a warning,
    when the run breaks off. Raises DataError where source or target cannot be used or are one
    file, and ExistsError as ``predict_file`` does.
    """
    check_target(source, target, overwrite=overwrite)
    decoding = decoding or Decoding()
    counts = Counts(0, 0)
    with _opened(source) as (data, size), written(target, overwrite) as file:
        check_start(data.first, data.place, "jsonl")
        lines = Lines(data, encoding, "\n")
        rows = json_rows(lines, (*PROMPTS, *ANSWER))
        with bar(total=size, unit="B", unit_scale=True, leave=True) as progress:
            for number, window in enumerate(_windows(rows)):
                checked = [_checked(row, opened, decoding) for row in window]
                answers = _answers(opened, checked, decoding, _seed(seed, number))
                counts = _write(checked, answers, file, counts)
                progress.update(data.done - progress.n)
        if note := lines.note():
            warnings.warn(f"{source}: {note}", stacklevel=2)
    return counts


@contextmanager
def _opened(source: str | Path) -> Iterator[tuple[Bytes, int | None]]:
    """The bytes of a file and their number, or those of standard input."""
    if source == STANDARD_INPUT:
        stream: BinaryIO = sys.stdin.buffer
        yield Bytes(stream, "standard input"), None
        return
    path = Path(source)
    check_suffix(path, SUFFIXES)
    check_exists(path)
    with path.open("rb") as file:
        yield Bytes(file, str(path)), path.stat().st_size


def _windows(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while window := list(islice(rows, WINDOW)):
        yield window


def _seed(seed: int, window: int) -> int:
    """The seed of a window: the first has the caller's, so that a short file is one ``generate``.

    >>> _seed(7, 0), _seed(7, 1) != _seed(8, 0)
    (7, True)
    """
    return int(np.random.SeedSequence((seed, window)).generate_state(1)[0]) if window else seed


def _checked(row: Row, opened: Opened, decoding: Decoding) -> Row:
    """The row, or why it cannot be answered."""
    if isinstance(row, Rejected):
        return row
    names = [name for name in PROMPTS if name in row.cells]
    taken = [name for name in ANSWER if name in row.cells]
    if len(names) != 1:
        found = "both 'messages' and 'prompt'" if names else "neither 'messages' nor 'prompt'"
        return Rejected(row.line, f"has {found}: give one of them")
    if taken:
        return Rejected(row.line, f"has {taken[0]!r}, where the answer goes: rename it")
    if names == ["prompt"] and not isinstance(row.cells["prompt"], str):
        return Rejected(row.line, "'prompt' is no text: give a list of messages as 'messages'")
    try:
        prompt = opened.prompt(row.cells)
        encode_one(opened.model, opened.tokenizer, prompt, decoding.max_new_tokens)
    except (ArgumentError, ArgumentTypeError) as error:
        return Rejected(row.line, f"{names[0]!r}: {error}")
    return row


def _answers(
    opened: Opened, rows: Sequence[Row], decoding: Decoding, seed: int
) -> Iterator[Generated]:
    """The answers to the rows that were not rejected."""
    prompts = [opened.prompt(row.cells) for row in rows if isinstance(row, Record)]
    return iter(generate(opened.model, opened.tokenizer, prompts, decoding=decoding, seed=seed))


def _write(
    rows: Sequence[Row], answers: Iterator[Generated], file: TextIO, counts: Counts
) -> Counts:
    write_lines([_result(row, answers) for row in rows], file)
    rejected = sum(isinstance(row, Rejected) for row in rows)
    return Counts(counts.rows + len(rows), counts.rejected + rejected)


def _result(row: Row, answers: Iterator[Generated]) -> dict[str, Any]:
    """A row with the next answer, or the reason for which it has none."""
    if isinstance(row, Rejected):
        return {"line": row.line, "error": row.reason}
    answer = next(answers)
    return {**row.cells, "text": answer.text, "ended": answer.ended}
