"""A strict reader for chats, and for prompts with their answers: one JSON object per line.

A chat is a list of messages, each with a role and its content. Four common shapes are read:

    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    {"prompt": "Hi", "completion": "Hello"}      (or "answer"; also lists of messages)
    {"instruction": "Translate.", "input": "Hallo", "output": "Hello"}     (Alpaca's)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Value

from ftlearn.data.columns import Columns, as_text
from ftlearn.data.decoding import Bytes, Lines
from ftlearn.data.errors import DataError, close_match, missing_key
from ftlearn.data.reading import ReadReport, Table, to_dataset
from ftlearn.data.records import Record, Rejected, Row, json_rows, storable
from ftlearn.data.wrong_formats import check_exists, check_start, check_suffix

ROLES = ("system", "user", "assistant", "tool")
SPEAKERS = {"human": "user", "gpt": "assistant", "model": "assistant", "observation": "tool"}
"""The roles of other shapes under their usual names."""
CALLS = ("tool_calls", "function_call")
SHARED_GPT = "conversations"
PROMPT = "prompt"
ANSWERS = ("answer", "completion", "response")
ALPACA = ("instruction", "output")
SUFFIXES = (".jsonl", ".ndjson")
Message = dict[str, str]


def read_chats(
    path: str | Path, *, messages: str = "messages", encoding: str | None = None
) -> tuple[Dataset, ReadReport]:
    """Read a .jsonl file of chats into a `Dataset` with a column ``messages``.

    Every row is a list of messages with the keys role and content; a prompt with its answer, or an
    instruction with its output, becomes a chat of two messages, and a text under "system" beside
    "conversations" or an instruction the first message. All other columns are kept as strings. A
    row that is no chat (see `fault`) is refused and named in the report by its line. Raises
    `DataError` where nothing is left.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "chats.jsonl"
    >>> _ = path.write_text('{"prompt": "Hi", "completion": "Hello"}\\n{"messages": []}\\n')
    >>> dataset, report = read_chats(path)
    >>> dataset[0]["messages"][1], report.rejected[0].reason
    ({'role': 'assistant', 'content': 'Hello'}, 'there are no messages')
    """
    rows, encoding, notes = json_file_rows(Path(path), encoding, (messages, SHARED_GPT, PROMPT))
    left_out: set[str] = set()
    chats = [_chat_row(row, messages, left_out) for row in rows]
    if left_out:
        notes.append(f"left out of the messages: {', '.join(sorted(left_out))}")
    records, report = accepted_rows(chats, path, encoding, notes)
    names = dict.fromkeys(name for record in records for name in record.cells)
    message = {"role": Value("string"), "content": Value("string")}
    features = {name: Value("string") for name in names} | {messages: [message]}
    columns = {name: [record.cells.get(name) for record in records] for name in names}
    return Dataset.from_dict(columns, features=Features(features)), report


def read_completions(
    path: str | Path, *, prompt: str = PROMPT, answer: str = "answer", encoding: str | None = None
) -> tuple[Dataset, ReadReport]:
    """Read a .jsonl file of prompts with their answers into a `Dataset` of strings.

    The answer may also be called "completion" or "response"; its column is ``answer`` all the same.
    A row that lacks one of the two, or where one is blank, is refused and named in the report by
    its line. Raises `DataError` where nothing is left.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "answers.jsonl"
    >>> _ = path.write_text('{"prompt": "2 + 2 =", "completion": " 4"}\\n{"prompt": "1 +"}\\n')
    >>> dataset, report = read_completions(path)
    >>> dataset[0], report.rejected[0].line
    ({'prompt': '2 + 2 =', 'answer': ' 4'}, 2)
    """
    wanted = Columns.of((prompt, answer))
    rows, encoding, notes = json_file_rows(Path(path), encoding, (*wanted.text, *ANSWERS))
    checked = [wanted.check(_with_answer(row, answer)) for row in rows]
    records, report = accepted_rows(checked, path, encoding, notes)
    names = dict.fromkeys((*wanted.text, *(name for record in records for name in record.cells)))
    columns = {name: [record.cells.get(name) for record in records] for name in names}
    table = Table(columns, report, [record.line for record in records])
    return to_dataset(table, wanted, None), report


def fault(messages: Any, *, answered: bool = True) -> str | None:
    """Why messages cannot be used as a chat, or None.

    Each message needs a known role and a content that is not blank; the system's comes first, and
    an assistant's never does. With ``answered`` one message at least is the assistant's.

    >>> fault([{"role": "user", "content": "Hi"}, {"role": "asistant", "content": "Hello"}])
    "message 2 has the unknown role 'asistant'. Did you mean 'assistant'?"
    >>> fault([{"role": "user", "content": "Hi"}], answered=False)
    """
    if not isinstance(messages, list | tuple):
        return f"the messages are a {type(messages).__name__}, not a list of objects"
    if not messages:
        return "there are no messages"
    for number, message in enumerate(messages, 1):
        reason = _message_fault(message, number)
        if reason:
            return f"message {number} {reason}"
    roles = [message["role"] for message in messages]
    if roles[0] == "assistant":
        return "message 1 is the assistant's: a chat begins with the user or the system"
    if answered and "assistant" not in roles:
        return "no message is the assistant's, so there is nothing to learn"
    return None


def _message_fault(message: Any, number: int) -> str | None:
    if not isinstance(message, Mapping):
        return f"is a {type(message).__name__}, not an object with role and content"
    call = next((key for key in CALLS if message.get(key)), None)
    if call:
        return f"has {call!r}, which is not read: write the call into its content"
    role = message.get("role")
    content = message.get("content")
    if role is None:
        return "has no role"
    if role not in ROLES:
        hint = close_match(str(role), ROLES) or f" There are {', '.join(ROLES)}."
        return f"has the unknown role {role!r}.{hint}"
    if role == "system" and number > 1:
        return "is the system's: it must be the first"
    if content is None or (isinstance(content, str) and not content.strip()):
        return f"({role}) has no content"
    if not isinstance(content, str):
        return f"({role}) has a {type(content).__name__} as its content, not a text"
    if not storable(content):
        return f"({role}) holds a NUL byte or half a surrogate pair"
    return None


def json_file_rows(
    path: Path, encoding: str | None, wanted: Sequence[str]
) -> tuple[list[Row], str, list[str]]:
    """The rows of a file as they are, the encoding, and notes on how it was read."""
    check_suffix(path, SUFFIXES)
    check_exists(path)
    with path.open("rb") as file:
        data = Bytes(file, str(path))
        check_start(data.first, data.place, "jsonl")
        lines = Lines(data, encoding, "\n")
        rows = list(json_rows(lines, wanted))
    if not rows:
        raise DataError(f"{path} is empty; it needs one JSON object per line.")
    note = lines.note()
    return rows, lines.encoding, [note] if note else []


def accepted_rows(
    rows: Sequence[Row], path: str | Path, encoding: str, notes: Sequence[str]
) -> tuple[list[Record], ReadReport]:
    """The rows that were not refused, and the report; raises DataError where there are none."""
    records = [row for row in rows if isinstance(row, Record)]
    rejected = tuple(row for row in rows if isinstance(row, Rejected))
    report = ReadReport(str(path), len(records), rejected, encoding, None, notes=tuple(notes))
    if not records:
        raise DataError(f"every row was refused, so there is nothing to learn from. {report}")
    return records, report


def _chat_row(row: Row, name: str, left_out: set[str]) -> Row:
    """A row with its chat under ``name``, or why it is refused; notes keys that are left out."""
    if isinstance(row, Rejected):
        return row
    cells = dict(row.cells)
    try:
        raw = _messages(cells, name)
        texts = {key: as_text(cell) for key, cell in cells.items()}
    except DataError as refusal:
        return Rejected(row.line, str(refusal))
    except RecursionError:
        return Rejected(row.line, "a cell is nested too deeply")
    chat = [_renamed(message) for message in raw] if isinstance(raw, list) else raw
    reason = fault(chat)
    if reason is None and not all(storable(text or "") for text in texts.values()):
        reason = "a cell holds a NUL byte or half a surrogate pair"
    if reason:
        return Rejected(row.line, reason)
    left_out |= {key for message in chat for key in message} - {"role", "content"}
    chat = [{"role": message["role"], "content": message["content"]} for message in chat]
    return Record(row.line, {name: chat, **texts})


def _messages(cells: dict[str, Any], name: str) -> Any:
    """Takes the messages out of the cells, in whatever shape they are."""
    if name in cells:
        return cells.pop(name)
    if SHARED_GPT in cells:
        messages = cells.pop(SHARED_GPT)
        system = cells.pop("system", None)
        first = [{"role": "system", "content": system}] if system else []
        return [*first, *messages] if isinstance(messages, list) else messages
    answer = next((key for key in ANSWERS if key in cells), None)
    if PROMPT in cells and answer:
        question = _as_messages(cells.pop(PROMPT), "user")
        return question + _as_messages(cells.pop(answer), "assistant")
    if all(key in cells for key in ALPACA) and not cells.get("history"):
        return _instructed(cells)
    raise DataError(missing_key(name, cells))


def _instructed(cells: dict[str, Any]) -> list[Any]:
    """Alpaca's shape as messages: what is asked, the input below it if there is one, the output."""
    asked, given = cells.pop("instruction"), cells.pop("input", None)
    if not isinstance(given, str | None):
        raise DataError(f"'input' is a {type(given).__name__}, not a text")
    if given and given.strip() and isinstance(asked, str):  # `fault` refuses any other
        asked = f"{asked}\n\n{given}"
    system = cells.pop("system", None)
    first = _as_messages(system, "system") if system else []
    answer = {"role": "assistant", "content": cells.pop("output")}
    return [*first, {"role": "user", "content": asked}, answer]


def _as_messages(value: Any, role: str) -> list[Any]:
    return value if isinstance(value, list) else [{"role": role, "content": value}]


def _renamed(message: Any) -> Any:
    """A message of ShareGPT's shape, from and value, under the usual keys and roles."""
    if not isinstance(message, dict) or "from" not in message or "role" in message:
        return message
    rest = {key: cell for key, cell in message.items() if key not in ("from", "value")}
    speaker = message["from"]
    role = SPEAKERS.get(speaker, speaker) if isinstance(speaker, str) else speaker
    return {"role": role, "content": message.get("value"), **rest}


def _with_answer(row: Row, name: str) -> Row:
    """A row whose answer is called ``name``."""
    if isinstance(row, Rejected) or name in row.cells:
        return row
    existing = next((key for key in ANSWERS if key in row.cells), None)
    if existing is None:
        return row
    return Record(
        row.line, {name if key == existing else key: cell for key, cell in row.cells.items()}
    )
