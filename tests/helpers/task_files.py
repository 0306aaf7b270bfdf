"""One small file of every task that `ftlearn fit` knows, and what its report shows of the rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

WORDS = ("ball", "code", "heart", "run", "chip", "pulse", "team", "server")
STARS = ("bad", "fair", "good")


class Example(NamedTuple):
    """A task: its rows by number, the section of the report on test rows, further options."""

    row: Callable[[int], dict[str, Any]]
    section: str
    options: tuple[str, ...] = ()
    writes: bool = False


def _sentence(number: int) -> str:
    return f"the {WORDS[number % 8]} number {number} is here"


def _chat(number: int) -> dict[str, Any]:
    question = {"role": "user", "content": f"Where is the {WORDS[number % 8]} {number}?"}
    return {"messages": [question, {"role": "assistant", "content": _sentence(number)}]}


def _pair_of_answers(number: int) -> dict[str, Any]:
    prompt = f"Where is the {WORDS[number % 8]} {number}?"
    return {"prompt": prompt, "chosen": _sentence(number), "rejected": f"no idea about {number}"}


def _question(number: int) -> dict[str, Any]:
    word = WORDS[number % 8]
    context = f"Note {number}. The {word} is in room {number}."
    return {"question": f"Where is the {word}?", "context": context, "answer": f"room {number}"}


EXAMPLES = {
    "classification": Example(
        lambda n: {"text": _sentence(n), "label": "ab"[n % 2]}, "Label by label"
    ),
    "regression": Example(
        lambda n: {"text": _sentence(n), "label": n / 4}, "Predicted and true numbers"
    ),
    "ordinal": Example(
        lambda n: {"text": _sentence(n), "label": STARS[n % 3]},
        "How far off?",
        ("--levels", ",".join(STARS)),
    ),
    "pair": Example(
        lambda n: {"text": _sentence(n), "text_pair": _sentence(n // 2), "label": "ab"[n % 2]},
        "Label by label",
    ),
    "joint": Example(
        lambda n: {"text": _sentence(n), "topic": WORDS[n % 2], "price": n / 4},
        "price",
        ("--label", "topic", "--label", "price"),
    ),
    "ranking": Example(lambda n: {"query": _sentence(n), "item": WORDS[n % 8]}, "Worst ranks"),
    "question-answering": Example(_question, "Worst answers", ("--max-length", "48")),
    "chat": Example(_chat, "Hardest rows", writes=True),
    "completion": Example(
        lambda n: {"prompt": f"item {n} is a", "answer": f" {WORDS[n % 8]}"},
        "Hardest rows",
        writes=True,
    ),
    "language-modelling": Example(lambda n: {"text": _sentence(n)}, "Hardest rows", writes=True),
    "preference": Example(_pair_of_answers, "Worst pairs", writes=True),
    "reward": Example(_pair_of_answers, "Worst pairs"),
}
"""A new task is added here, and the tests of ``tests/tasks/test_every_task.py`` apply to it."""


def write_rows(path: Path, example: Example, count: int = 40) -> Path:
    """The rows of an example as JSON lines."""
    lines = (json.dumps(example.row(number)) for number in range(count))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
