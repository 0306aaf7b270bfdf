"""A learner's progress, kept in a file on the learner's own machine and sent nowhere.

The file is ``~/.ftlearn/progress.json``; the environment variable ``FTLEARN_PROGRESS`` names
another, and an empty value turns the record off. The file holds what was attempted, how often and
with which outcome, never an answer.
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
COUNTS = {
    PASSED: "passed",
    NOT_YET: "not_yet",
    ERROR: "errors",
    HINT: "hints",
    SOLUTION: "solutions",
}
"""The events of an exercise, and the name of each count in the file."""

LOCK_SECONDS = 10.0
"""How long to wait for another notebook that is writing; a write takes milliseconds."""

Items = dict[str, dict[str, Any]]
"""The counts and times of each exercise, by names such as ``05/q1``."""


class ProgressWarning(UserWarning):
    """Progress could not be saved or read; the exercises work all the same."""


@dataclass
class Journal:
    """Records what happens to the exercises of a sheet; warns only once if it cannot."""

    warned: bool = field(default=False)

    def record(self, name: str, event: str) -> None:
        """Count an event of an exercise (passed, not yet, error, hint or solution)."""
        path = progress_file()
        if path is None:
            return
        try:
            # Another notebook may write at the same time, so read what it has written first.
            with locked(path.parent, f".{path.name}.lock", wait=LOCK_SECONDS):
                items = read(path)
                items[name] = count_event(items.get(name, {}), event)
                write(path, {"version": 1, "items": items})
        except (OSError, BusyError) as error:
            self._warn_once(f"your progress is not kept: {error}. The exercises work all the same.")

    def _warn_once(self, message: str) -> None:
        if not self.warned:
            self.warned = True
            warnings.warn(message, ProgressWarning, stacklevel=4)


def progress_file() -> Path | None:
    """The file that holds progress; None if recording is turned off."""
    setting = os.environ.get(VARIABLE)
    if setting is None:
        return Path.home() / ".ftlearn" / "progress.json"
    return Path(setting).expanduser() if setting.strip() else None


def count_event(item: Mapping[str, Any], event: str) -> dict[str, Any]:
    """The record of an exercise with one more event.

    >>> count_event({"hints": 1, "last": "..."}, "hint")["hints"]
    2
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    name = COUNTS[event]
    updated = {"first": now} | dict(item) | {name: item.get(name, 0) + 1, "last": now}
    if event == PASSED:
        updated.setdefault("passed_at", now)
    return updated


def read(path: Path) -> Items:
    """The items of a progress file; empty if there is none.

    A file with other content is renamed, not lost, with a ProgressWarning.
    Raises OSError if the file cannot be read.
    """
    if not path.exists():
        return {}
    try:
        return parse_items(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        backup = set_aside(path)
        message = f"{path.name} could not be understood ({error}); it is kept as {backup.name}"
        warnings.warn(message, ProgressWarning, stacklevel=2)
        return {}


def parse_items(content: Any) -> Items:
    """The items in a file's content. Raises ValueError if it has another form.

    >>> parse_items({"version": 1, "items": {"05/q1": {"passed": 1}}})
    {'05/q1': {'passed': 1}}
    >>> parse_items([])
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
    """Rename a file so that a new one can take its place, and return the new path."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    return path.rename(path.with_name(f"{path.name}.broken-{stamp}"))


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file completely or not at all. Raises OSError if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(content, indent=1, sort_keys=True))
