"""A lesson's exercises and quiz questions, loaded by the number of the lesson."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from functools import partial

from ftlearn import language as languages
from ftlearn.course.exercises import sheets
from ftlearn.course.exercises.base import Exercise
from ftlearn.course.exercises.journal import Journal
from ftlearn.course.exercises.question import Question
from ftlearn.course.translated import activate


class ExerciseSheet:
    """The exercises of one notebook as attributes q1, q2, ... and its questions as quiz1, ..."""

    def __init__(self, exercises: list[Exercise], questions: list[Question]) -> None:
        self.exercises = exercises
        self.questions = questions
        for number, question in enumerate(questions, start=1):
            question.code = f"ex.quiz{number}"
        for name, item in self.items():
            setattr(self, name, item)

    def items(self) -> Iterator[tuple[str, Exercise | Question]]:
        """Pairs of a name and its exercise or question, exercises first."""
        for number, exercise in enumerate(self.exercises, start=1):
            yield f"q{number}", exercise
        for number, question in enumerate(self.questions, start=1):
            yield f"quiz{number}", question

    def __repr__(self) -> str:
        exercises = enumerate(self.exercises, start=1)
        lines = [f"q{number}: {exercise!r}" for number, exercise in exercises]
        if self.questions:
            lines.append(f"quiz1 to quiz{len(self.questions)}: questions in between")
        return "\n".join(lines)


def numbers() -> list[str]:
    """The numbers of the lessons that have exercises or a quiz, in order.

    >>> numbers()[:3]
    ['00', '01', '02']
    """
    names = (module.name for module in pkgutil.iter_modules(sheets.__path__))
    matches = (re.fullmatch(r"(?:sheet|quiz)_(\d\d)", name) for name in names)
    return sorted({match[1] for match in matches if match})


def load(number: str, *, record: bool = True, language: str | None = None) -> ExerciseSheet:
    """A new sheet with the exercises and questions of the notebook with this number.

    Attempts are written to the progress file, unless ``record`` is False. ``language`` is "en" or
    "zh"; without it FTLEARN_LANG decides, or the folder of the notebook. In a notebook it holds for
    results, figures and widgets as well. Raises ValueError for a notebook without exercises.

    >>> load("02").q1
    prediction minus truth ★☆☆ about 4 min
    """
    if number not in numbers():
        raise ValueError(f"no exercises for notebook {number!r}: there are {', '.join(numbers())}")
    sheet = ExerciseSheet(
        _load_items("sheet", number, "exercises"), _load_items("quiz", number, "quiz")
    )
    catalogue = languages.load(language or languages.chosen(), number)
    if len(catalogue):
        activate(catalogue)
    for _, item in sheet.items():
        item.translate = partial(languages.markdown, catalogue=catalogue)
    journal = Journal()
    for name, item in sheet.items() if record else ():
        item.on_event = partial(journal.record, f"{number}/{name}")
    return sheet


def _load_items(kind: str, number: str, function: str) -> list:
    """The items that a lesson's module of this kind builds; empty if there is no such module."""
    name = f"{sheets.__name__}.{kind}_{number}"
    if importlib.util.find_spec(name) is None:
        return []
    return getattr(importlib.import_module(name), function)()
