"""Preference pairs: a prompt, the answer that was chosen, and the one that was rejected.

Three shapes are read, per line of a .jsonl file or as columns of a data set:

    {"prompt": "Hi", "chosen": "Hello!", "rejected": "What?"}
    {"prompt": [{"role": "user", ...}], "chosen": [{"role": "assistant", ...}], "rejected": [...]}
    {"chosen": [{"role": "user", ...}, {"role": "assistant", ...}], "rejected": [...]}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset, Features, Value

from ftlearn.data.chats import accepted_rows, fault, json_file_rows
from ftlearn.data.columns import as_text
from ftlearn.data.errors import DataError, missing_key
from ftlearn.data.reading import ReadReport
from ftlearn.data.records import Record, Rejected, Row, storable

Messages = list[dict[str, str]]


class Comparison(NamedTuple):
    """The messages before two answers, and the answers."""

    prompt: Messages
    chosen: str
    rejected: str


def comparison(prompt: Any, chosen: Any, rejected: Any) -> Comparison:
    """A row in any of the shapes as messages and two texts; raises DataError, which says why not.

    A text as prompt is the user's message, and a text as answer is the assistant's. Lists of
    messages hold the prompt again or only what follows it, and must differ in the last message
    alone.

    >>> comparison("Hi", "Hello!", "What?").prompt
    [{'role': 'user', 'content': 'Hi'}]
    """
    first, second = conversation(prompt, chosen), conversation(prompt, rejected)
    for name, messages in (("chosen", first), ("rejected", second)):
        reason = fault(messages)
        if reason is None and messages[-1]["role"] != "assistant":
            reason = "the last message is not the assistant's"
        if reason:
            raise DataError(f"{name}: {reason}")
    shared, other = (
        [{"role": message["role"], "content": message["content"]} for message in messages]
        for messages in (first, second)
    )
    chosen, rejected = shared.pop()["content"], other.pop()["content"]
    if shared != other:
        raise DataError("chosen and rejected differ before the last message")
    if chosen == rejected:
        raise DataError("chosen and rejected are the same answer, so that nothing is preferred")
    return Comparison(shared, chosen, rejected)


def conversation(prompt: Any, answer: Any) -> list[Any]:
    """The messages of a prompt, and those of an answer, which may hold the prompt again.

    >>> [message["role"] for message in conversation("Hi", "Hello!")]
    ['user', 'assistant']
    """
    before = _messages(prompt, "user") if prompt else []
    answer = _messages(answer, "assistant")
    return answer if answer[: len(before)] == before else [*before, *answer]


def _messages(value: Any, role: str) -> list[Any]:
    """A list of messages, or a text as the only message of a role."""
    messages = value if isinstance(value, list | tuple) else [{"role": role, "content": value}]
    return [_without_none(message) for message in messages]


def _without_none(message: Any) -> Any:
    """A message without empty keys: a data set gives all messages the keys of any of them."""
    if not isinstance(message, dict):
        return message
    return {key: value for key, value in message.items() if value is not None}


def read_comparisons(
    path: str | Path,
    *,
    prompt: str = "prompt",
    chosen: str = "chosen",
    rejected: str = "rejected",
    encoding: str | None = None,
) -> tuple[Dataset, ReadReport]:
    """Read a .jsonl file of preference pairs into a `Dataset` of prompt, chosen and rejected.

    The prompt is a list of messages with the keys role and content, and the answers are strings;
    all other columns are kept as strings. A row that is no pair (see `comparison`) is refused and
    named in the report by its line. Raises `DataError` where nothing is left.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "pairs.jsonl"
    >>> _ = path.write_text(
    ...     '{"prompt": "Hi", "chosen": "Hello!", "rejected": "What?"}\\n{"prompt": "Hi"}\\n'
    ... )
    >>> dataset, report = read_comparisons(path)
    >>> dataset[0]["chosen"], report.rejected[0].reason
    ('Hello!', "there is no 'chosen'; its keys are 'prompt'")
    """
    names = (prompt, chosen, rejected)
    rows, encoding, notes = json_file_rows(Path(path), encoding, names)
    records, report = accepted_rows([_read(row, names) for row in rows], path, encoding, notes)
    columns = dict.fromkeys((*names, *(name for record in records for name in record.cells)))
    message = {"role": Value("string"), "content": Value("string")}
    features = {name: Value("string") for name in columns} | {prompt: [message]}
    values = {name: [record.cells.get(name) for record in records] for name in columns}
    return Dataset.from_dict(values, features=Features(features)), report


def _read(row: Row, names: Sequence[str]) -> Row:
    """A row with its comparison under the three names, or why it is refused."""
    if isinstance(row, Rejected):
        return row
    cells = dict(row.cells)
    try:
        missing = [name for name in names[1:] if name not in cells]
        if missing:
            raise DataError(missing_key(missing[0], cells))
        if not cells.get(names[0]) and isinstance(cells[names[1]], str):
            raise DataError(
                f"there is no {names[0]!r}, and {names[1]!r} is a text: give the prompt by itself, "
                "or both answers as lists of messages that begin with it"
            )
        pair = comparison(*(cells.pop(name, None) for name in names))
        others = {name: as_text(cell) for name, cell in cells.items()}
        if not all(storable(text or "") for text in others.values()):
            raise DataError("a cell holds a NUL byte or half a surrogate pair")
    except DataError as refusal:
        return Rejected(row.line, str(refusal))
    except RecursionError:
        return Rejected(row.line, "a cell is nested too deeply")
    return Record(row.line, dict(zip(names, pair, strict=True)) | others)
