"""A lesson's exercises and quiz questions, found by its number."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from functools import partial

from ftlearn.course.exercises import sheets
from ftlearn.course.exercises.base import Exercise
from ftlearn.course.exercises.journal import Journal
from ftlearn.course.exercises.question import Question


class ExerciseSheet:
    """The exercises of one notebook as attributes q1, q2, ... and its questions as quiz1, ..."""

    def __init__(self, exercises: list[Exercise], questions: list[Question]) -> None:
        self.exercises = exercises
        self.questions = questions
        for name, item in self.items():
            setattr(self, name, item)

    def items(self) -> Iterator[tuple[str, Exercise | Question]]:
        """Names and what they name, exercises first."""
        for number, exercise in enumerate(self.exercises, start=1):
            yield f"q{number}", exercise
        for number, question in enumerate(self.questions, start=1):
            yield f"quiz{number}", question

    def __repr__(self) -> str:
        lines = [f"q{at}: {exercise!r}" for at, exercise in enumerate(self.exercises, start=1)]
        if self.questions:
            lines.append(f"quiz1 to quiz{len(self.questions)}: questions in between")
        return "\n".join(lines)


def numbers() -> list[str]:
    """The numbers of the lessons that have exercises or a quiz, in order.

    >>> numbers()[:3]
    ['00', '01', '02']
    """
    names = (module.name for module in pkgutil.iter_modules(sheets.__path__))
    found = (re.fullmatch(r"(?:sheet|quiz)_(\d\d)", name) for name in names)
    return sorted({match[1] for match in found if match})


def load(number: str, *, record: bool = True) -> ExerciseSheet:
    """The exercises and questions of a notebook by its number, freshly made.

    What the learner does with them is written into the progress file, unless ``record`` is off.
    Raises ValueError for a number that has none.

    >>> load("02").q1
    prediction minus truth ★☆☆ about 4 min
    """
    if number not in numbers():
        raise ValueError(f"no exercises for notebook {number!r}: there are {', '.join(numbers())}")
    sheet = ExerciseSheet(_made("sheet", number, "exercises"), _made("quiz", number, "quiz"))
    journal = Journal()
    for name, item in sheet.items() if record else ():
        item.note = partial(journal.record, f"{number}/{name}")
    return sheet


def _made(kind: str, number: str, maker: str) -> list:
    """What a lesson's module of a kind makes; nothing where there is no such module."""
    name = f"{sheets.__name__}.{kind}_{number}"
    if importlib.util.find_spec(name) is None:
        return []
    return getattr(importlib.import_module(name), maker)()
