"""A strict reader of questions on contexts: JSON lines, tables, and SQuAD's own JSON files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, List, Value

from ftlearn.data.columns import Columns, as_text
from ftlearn.data.errors import DataError
from ftlearn.data.reading import ReadReport
from ftlearn.data.records import Record, Rejected, Row
from ftlearn.data.squad import squad_rows
from ftlearn.data.streams import FORMATS, Format, opened
from ftlearn.data.wrong_formats import check_suffix

SUFFIXES = (".json", *(suffix for suffix, name in FORMATS.items() if name != "txt"))
ANSWER_COLUMNS = ("answer", "start", "answers")
SHOWN = 5
"""Lines that a note names."""
EXCERPT = 40


@dataclass
class _Answers:
    """The answers of rows, located in their contexts; ``guessed`` are lines with several places."""

    guessed: list[int] = field(default_factory=list)

    def locate(self, row: Record) -> dict[str, list[Any]] | str:
        """SQuAD's ``answers`` of a row, or why it is refused."""
        context = row.cells["context"]
        pairs = _pairs(row.cells)
        if isinstance(pairs, str):
            return pairs
        texts, starts = [], []
        for text, start in pairs:
            if start is None:
                start, places = find(text, context)
                if places > 1:
                    self.guessed.append(row.line)
            reason = _fault(text, start, context)
            if reason:
                return reason
            texts.append(text)
            starts.append(start)
        return {"text": texts, "answer_start": starts}

    def notes(self) -> list[str]:
        """A remark on the answers whose place was not certain."""
        if not self.guessed:
            return []
        lines = ", ".join(map(str, self.guessed[:SHOWN]))
        more = ", ..." if len(self.guessed) > SHOWN else ""
        occur = (
            "1 answer occurs" if len(self.guessed) == 1 else f"{len(self.guessed)} answers occur"
        )
        return [
            f"{occur} more than once in the context without a start: the first place is taken "
            f"(lines {lines}{more})"
        ]


def read_questions(path: str | Path, *, encoding: str | None = None) -> tuple[Dataset, ReadReport]:
    """Read a file of questions into a `Dataset` with the columns question, context and answers.

    Readable are SQuAD's own .json files, and .jsonl, .csv, .tsv and .parquet with ``question``,
    ``context`` and either ``answers``, {"text": [...], "answer_start": [...]}, or ``answer`` and,
    if wanted, ``start``: the answer's first character in the context, counted from 0. An empty
    answer means that the context holds none. Without a start the answer is searched, as whole
    words first; the report notes where it occurs more than once and the first place is taken.
    Other columns become strings.

    A row whose answer does not stand at its start is rejected and named in the report by its line;
    of a SQuAD file, which may be a single line, by the number of the question. Raises `DataError`
    where no row can be read.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "questions.jsonl"
    >>> row = {"question": "Where?", "context": "It rains in Oslo.", "answer": "Oslo"}
    >>> _ = path.write_text(json.dumps(row))
    >>> dataset, report = read_questions(path)
    >>> dataset[0]["answers"]
    {'text': ['Oslo'], 'answer_start': [12]}
    """
    path = Path(path)
    check_suffix(path, SUFFIXES)
    if path.suffix.lower() == ".json":
        rows, used, notes = _squad(path, encoding)
    else:
        with opened(path, Columns.of(("question", "context")), Format(encoding=encoding)) as source:
            rows = list(source.rows)
        used, notes = source.format, source.notes()
    return _checked(path, rows, used, notes)


def _checked(
    path: Path, rows: Iterable[Row], used: Format, notes: Sequence[str]
) -> tuple[Dataset, ReadReport]:
    """The good rows as a data set, and the report on all."""
    answers = _Answers()
    good, rejected = _good_rows(rows, answers)
    report = ReadReport(
        str(path),
        rows=len(good),
        rejected=tuple(rejected),
        encoding=used.encoding,
        delimiter=used.delimiter,
        quoting=used.quoting if used.delimiter else None,
        notes=(*notes, *answers.notes()),
    )
    if not good:
        raise DataError(f"there is no question to learn from. {report}")
    return _dataset(good), report


def find(answer: str, context: str) -> tuple[int, int]:
    """Where an answer begins first, −1 if nowhere, and at how many places it stands.

    Places where it is no part of a longer word count alone, if there are any.

    >>> find("art", "The party saw art."), find("art", "The party"), find("art", "A pen")
    ((14, 1), (5, 1), (-1, 0))
    """
    exact = re.escape(answer)
    for pattern in (rf"(?<!\w){exact}(?!\w)", exact):
        places = [match.start() for match in re.finditer(pattern, context)]
        if places:
            return places[0], len(places)
    return -1, 0


def _squad(path: Path, encoding: str | None) -> tuple[list[Row], Format, list[str]]:
    encoding = encoding or "utf-8-sig"
    try:
        content = json.loads(path.read_text(encoding=encoding))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the path.") from None
    except (ValueError, LookupError, RecursionError) as error:
        raise DataError(f"{path} is not readable JSON ({error}); write it again.") from None
    rows = list(map(Columns.of(("question", "context")).check, squad_rows(content, str(path))))
    return rows, Format("json", encoding=encoding), ["its questions are counted in place of lines"]


def _good_rows(
    rows: Iterable[Row], answers: _Answers
) -> tuple[list[dict[str, Any]], list[Rejected]]:
    """The rows with located answers, and those that are refused."""
    good, rejected = [], []
    for row in rows:
        if isinstance(row, Rejected):
            rejected.append(row)
            continue
        located = answers.locate(row)
        if isinstance(located, str):
            rejected.append(Rejected(row.line, located))
            continue
        others = {name: cell for name, cell in row.cells.items() if name not in ANSWER_COLUMNS}
        good.append({**others, "answers": located})
    return good, rejected


def _pairs(cells: dict[str, Any]) -> list[tuple[str, int | None]] | str:
    """The answers of a row with their starts, where it has them, or why it is refused."""
    if cells.get("answers") is not None:
        return _squad_pairs(cells["answers"])
    if "answer" not in cells:
        return "there is no 'answer'; write \"\" where the context holds none"
    answer = cells["answer"] or ""
    if not answer.strip():
        return [] if cells.get("start") in (None, "") else "there is a start and no answer"
    start = cells.get("start")
    if start in (None, ""):
        return [(answer.strip(), None)]
    if not re.fullmatch(r"\d{1,9}", start):
        return f"'start' is {start[:EXCERPT]!r}, not the number of a character, counted from 0"
    return [(answer, int(start))]


def _squad_pairs(cell: Any) -> list[tuple[str, int | None]] | str:
    """As ``_pairs``, for the answers of SQuAD, from a data set or from its own files."""
    try:
        value = json.loads(cell) if isinstance(cell, str) else cell
        if isinstance(value, dict):
            texts, starts = value["text"], value["answer_start"]
        else:
            texts = [answer["text"] for answer in value]
            starts = [answer["answer_start"] for answer in value]
        pairs = list(zip(texts, starts, strict=True))
    except (ValueError, KeyError, TypeError):
        pairs = [(None, None)]
    for text, start in pairs:
        if not isinstance(text, str) or type(start) is not int:
            return f"'answers' are {str(cell)[:EXCERPT]}, not text with answer_start"
    return list(dict.fromkeys(pairs))


def _fault(text: str, start: int, context: str) -> str | None:
    """Why an answer cannot be where it is said to be, or None."""
    if start < 0:
        return f"the answer {text[:EXCERPT]!r} does not stand in the context"
    there = context[start : start + len(text)]
    if text.strip() and there == text:
        return None
    elsewhere, places = find(text, context) if text.strip() else (-1, 0)
    hint = f"; it stands at {elsewhere}" if places == 1 else ""
    return (
        f"the answer {text[:EXCERPT]!r} does not stand at {start}, where the context has "
        f"{there[:EXCERPT]!r}{hint}"
    )


def _dataset(rows: Sequence[dict[str, Any]]) -> Dataset:
    names = list(dict.fromkeys(name for row in rows for name in row if name != "answers"))
    columns: dict[str, list[Any]] = {
        name: [as_text(row.get(name)) for row in rows] for name in names
    }
    columns["answers"] = [row["answers"] for row in rows]
    answers = {"text": List(Value("string")), "answer_start": List(Value("int32"))}
    strings = {name: Value("string") for name in names}
    return Dataset.from_dict(columns, features=Features({**strings, "answers": answers}))
