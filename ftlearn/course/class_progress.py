"""The progress of a class: what each learner has tried and solved, and files that do not count."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ftlearn.course.exercises import gradebook
from ftlearn.course.exercises.journal import Items
from ftlearn.course.exercises.sheet import load, numbers

SHOWN_UNKNOWN = 3
"""How many unknown exercises of a file are named."""


@dataclass(frozen=True)
class Learner:
    """One learner: the name, the file, and the counts of each exercise and question tried."""

    name: str
    file: str
    items: Items = field(repr=False)

    def solved(self, keys: Iterable[str]) -> int:
        """How many of these exercises were solved."""
        return sum(self.is_solved(key) for key in keys)

    def is_solved(self, key: str) -> bool:
        """Whether an exercise such as ``02/q1`` was solved."""
        return self.items.get(key, {}).get("passed", 0) > 0

    def tries(self, keys: Iterable[str]) -> int:
        """How often these exercises were checked."""
        return self._total(keys, ("passed", "not_yet", "errors"))

    def hints(self, keys: Iterable[str]) -> int:
        """How many hints and solutions were shown for these exercises."""
        return self._total(keys, ("hints", "solutions"))

    def _total(self, keys: Iterable[str], counts: tuple[str, ...]) -> int:
        return sum(self.items.get(key, {}).get(count, 0) for key in keys for count in counts)

    @property
    def last(self) -> datetime | None:
        """When the learner last did something; None if no file says so."""
        times = [parsed_time(item.get("last")) for item in self.items.values()]
        return max((time for time in times if time), default=None)


@dataclass(frozen=True)
class ClassProgress:
    """All learners by name, the exercises of each lesson, and what is wrong with which file."""

    learners: tuple[Learner, ...]
    lessons: Mapping[str, tuple[str, ...]]
    faults: tuple[tuple[str, str], ...]

    @property
    def keys(self) -> list[str]:
        """All exercises and questions, such as ``02/q1``, in their order."""
        return [key for keys in self.lessons.values() for key in keys]


def parsed_time(value: object) -> datetime | None:
    """A time from a file, in UTC; None for anything else.

    >>> parsed_time("2026-11-30T10:00:00+00:00").year, parsed_time("yesterday")
    (2026, None)
    """
    try:
        time = datetime.fromisoformat(str(value))
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read(folder: str | Path) -> ClassProgress:
    """The progress of a class from a folder of exported files, or of copied ``progress.json``.

    A file that cannot be read is a fault. Of two files of one learner the one with the later
    activity counts; the other is a fault. Entries that no lesson has are not counted.
    Raises FileNotFoundError for a folder without JSON files.
    """
    lessons = {
        number: tuple(f"{number}/{name}" for name, _ in load(number).items())
        for number in numbers()
    }
    faults: list[tuple[str, str]] = []
    learners: dict[str, Learner] = {}
    for path in gradebook.files_in(folder):
        try:
            name, items = gradebook.read_export(path)
        except (OSError, ValueError) as error:
            faults.append((path.name, f"cannot be read: {error}"))
            continue
        known, unknown = separated(items, lessons)
        if unknown:
            faults.append((path.name, unknown_entries(unknown)))
        learner = Learner(name.strip() or path.stem, path.name, known)
        key = unicodedata.normalize("NFKC", learner.name).casefold()
        if key in learners:
            learner, other = later_and_other(learner, learners[key])
            reason = f"is a second file of {learner.name!r}: the later one, {learner.file}, counts"
            faults.append((other.file, reason))
        learners[key] = learner
    ordered = tuple(learner for _, learner in sorted(learners.items()))
    return ClassProgress(ordered, lessons, tuple(faults))


def separated(items: Items, lessons: Mapping[str, tuple[str, ...]]) -> tuple[Items, list[str]]:
    """The entries of exercises that the lessons have, and the names of the others."""
    known = {key for keys in lessons.values() for key in keys}
    return (
        {key: item for key, item in items.items() if key in known},
        sorted(set(items) - known),
    )


def unknown_entries(names: list[str]) -> str:
    """A sentence about entries that no lesson has.

    >>> unknown_entries(["99/q1"])
    'has entries that no lesson of this version has, which are not counted: 99/q1'
    """
    shown = ", ".join(name[:20] for name in names[:SHOWN_UNKNOWN])
    more = len(names) - SHOWN_UNKNOWN
    entries = f"has entries that no lesson of this version has, which are not counted: {shown}"
    return f"{entries} and {more} more" if more > 0 else entries


def later_and_other(one: Learner, two: Learner) -> tuple[Learner, Learner]:
    """Two files of one learner: the one with the later activity first."""
    earliest = datetime.min.replace(tzinfo=UTC)
    first, second = sorted([one, two], key=lambda learner: learner.last or earliest)
    return second, first
