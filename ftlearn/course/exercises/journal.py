"""How far a learner has come, in a file on the learner's own machine; nothing leaves it.

The file is ``~/.ftlearn/progress.json``; the environment variable ``FTLEARN_PROGRESS`` names
another, and keeps nothing where it is set to nothing. It holds what was attempted, how often and
how it ended, never an answer.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ftlearn.course.exercises.outcome import ERROR, NOT_YET, PASSED
from ftlearn.errors import BusyError
from ftlearn.runtime.files import write_text
from ftlearn.runtime.locking import locked

VARIABLE = "FTLEARN_PROGRESS"
HINT, SOLUTION = "hint", "solution"
COUNTS = {PASSED: "passed", NOT_YET: "not_yet", ERROR: "errors", HINT: "hints"}
COUNTS |= {SOLUTION: "solutions"}
"""What can happen to an exercise, and the name of its count in the file."""

PATIENCE = 10.0
"""Seconds to wait for another notebook that is writing; it takes milliseconds."""

Items = dict[str, dict[str, Any]]
"""What happened to each exercise, by names such as ``05/q1``."""


class ProgressWarning(UserWarning):
    """Progress could not be kept, or not be read; the exercises work all the same."""


@dataclass
class Journal:
    """Writes down what happens to the exercises of a sheet; says only once that it cannot."""

    told: bool = field(default=False)

    def record(self, name: str, event: str) -> None:
        """Count an event of an exercise (passed, not yet, error, hint or solution)."""
        path = progress_file()
        if path is None:
            return
        try:
            # Another notebook may count at the same time: what it has written must be read first.
            with locked(path.parent, f".{path.name}.lock", wait=PATIENCE):
                items = read(path)
                items[name] = counted(items.get(name, {}), event)
                write(path, {"version": 1, "items": items})
        except (OSError, BusyError) as error:
            self._tell(f"your progress is not kept: {error}. The exercises work all the same.")

    def _tell(self, sentence: str) -> None:
        if not self.told:
            self.told = True
            warnings.warn(sentence, ProgressWarning, stacklevel=4)


def progress_file() -> Path | None:
    """Where progress is kept; None where nobody wants it kept."""
    chosen = os.environ.get(VARIABLE)
    if chosen is None:
        return Path.home() / ".ftlearn" / "progress.json"
    return Path(chosen).expanduser() if chosen.strip() else None


def counted(item: Mapping[str, Any], event: str) -> dict[str, Any]:
    """What is known of an exercise, with one more event.

    >>> counted({"hints": 1, "last": "..."}, "hint")["hints"]
    2
    """
    now, name = datetime.now(UTC).isoformat(timespec="seconds"), COUNTS[event]
    fresh = {"first": now} | dict(item) | {name: item.get(name, 0) + 1, "last": now}
    if event == PASSED:
        fresh.setdefault("passed_at", now)
    return fresh


def read(path: Path) -> Items:
    """What the file holds; nothing where there is none.

    A file that cannot be understood is renamed, not lost, and a ProgressWarning says so.
    Raises OSError where the file cannot be read.
    """
    if not path.exists():
        return {}
    try:
        return checked(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        aside = set_aside(path)
        text = f"{path.name} could not be understood ({error}); it is kept as {aside.name}"
        warnings.warn(text, ProgressWarning, stacklevel=2)
        return {}


def checked(content: Any) -> Items:
    """The items of a file's content; ValueError where it has another form.

    >>> checked({"version": 1, "items": {"05/q1": {"passed": 1}}})
    {'05/q1': {'passed': 1}}
    >>> checked([])
    Traceback (most recent call last):
    ValueError: no version 1 of ftlearn's progress
    """
    if not isinstance(content, dict) or content.get("version") != 1:
        raise ValueError("no version 1 of ftlearn's progress")
    items = content.get("items")
    if not isinstance(items, dict) or not all(map(_is_item, items.values())):
        raise ValueError("its items are not counts and times")
    return items


def _is_item(item: Any) -> bool:
    return isinstance(item, dict) and all(
        isinstance(item.get(name, 0), int) and item.get(name, 0) >= 0 for name in COUNTS.values()
    )


def set_aside(path: Path) -> Path:
    """Rename a file so that a new one can take its place; the new name."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    return path.rename(path.with_name(f"{path.name}.broken-{stamp}"))


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file as a whole or not at all. Raises OSError where that cannot be done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(content, indent=1, sort_keys=True))
