"""Progress: a table for the learner, a file to hand in, and a table of a whole class."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ftlearn.course.exercises import journal
from ftlearn.course.exercises.journal import COUNTS, ERROR, HINT, NOT_YET, PASSED, SOLUTION, Items
from ftlearn.course.exercises.sheet import load, numbers
from ftlearn.errors import ExistsError


def progress() -> pd.DataFrame:
    """A table of your progress: per lesson, exercises passed, tries, hints and solutions."""
    items = saved_items()
    rows = {number: _lesson(number, items) for number in numbers()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("lesson")


def saved_items() -> Items:
    """The items of this machine's progress file; empty if there is none."""
    path = journal.progress_file()
    return {} if path is None else journal.read(path)


def export(path: str | Path, *, name: str = "") -> Path:
    """Write your progress to a JSON file to hand in, and return its path.

    It holds the name you give, counts and times, and no answers. Replaces an earlier export;
    raises ExistsError for any other existing file, OSError if the file cannot be written.
    """
    path = Path(path).expanduser()
    if path.exists() and not _is_export(path):
        raise ExistsError(
            f"{path} exists already and is no export of progress: choose another name"
        )
    journal.write(path, {"version": 1, "name": name, "items": saved_items()})
    return path


def collect(folder: str | Path) -> pd.DataFrame:
    """A class as a table: one row per exported file in a folder, one column per lesson.

    The columns of lessons count the exercises and questions passed. A file that cannot be read
    is left out with a ProgressWarning. Raises FileNotFoundError for a folder without JSON files.
    """
    rows = {path.name: row for path in files_in(folder) if (row := _learner(path)) is not None}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("file")
    if table.empty:
        return table
    totals = ["name", "passed", "tries", "hints", "solutions", "last"]
    lessons = sorted(set(table.columns) - set(totals))
    table[lessons] = table[lessons].fillna(0).astype(int)
    return table[["name", *lessons, *totals[1:]]]


def files_in(folder: str | Path) -> list[Path]:
    """The JSON files of a folder in order. Raises FileNotFoundError if there are none."""
    files = sorted(Path(folder).expanduser().glob("*.json"))
    if not files:
        raise FileNotFoundError(f"no .json files in {str(folder)!r}: export writes them")
    return files


def read_export(path: Path) -> tuple[str, Items]:
    """The name and the items of an exported file, or of a learner's own, which has no name.

    Raises ValueError for other content, OSError if the file cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("its brackets are nested too deeply") from error
    items = journal.parse_items(content)
    return str(content.get("name", "")), items


def _is_export(path: Path) -> bool:
    try:
        read_export(path)
    except ValueError:
        return False
    return True


def _learner(path: Path) -> dict[str, Any] | None:
    try:
        name, items = read_export(path)
    except (OSError, ValueError) as error:
        text = f"{path.name} is left out: {error}"
        warnings.warn(text, journal.ProgressWarning, stacklevel=3)
        return None
    lessons: dict[str, int] = {}
    for key, item in items.items():
        lesson = key.partition("/")[0]
        lessons[lesson] = lessons.get(lesson, 0) + bool(item.get(COUNTS[PASSED]))
    return {"name": name} | lessons | _totals(items)


def _lesson(number: str, items: Items) -> dict[str, Any]:
    names = [f"{number}/{name}" for name, _ in load(number).items()]
    attempted = {name: items[name] for name in names if name in items}
    return {"passed": 0, "of": len(names)} | _totals(attempted)


def _totals(items: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    def total(*events: str) -> int:
        return sum(item.get(COUNTS[event], 0) for item in items.values() for event in events)

    return {
        "passed": sum(bool(item.get(COUNTS[PASSED])) for item in items.values()),
        "tries": total(PASSED, NOT_YET, ERROR),
        "hints": total(HINT),
        "solutions": total(SOLUTION),
        "last": max((str(item.get("last", "")) for item in items.values()), default=""),
    }
