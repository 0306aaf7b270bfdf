"""Slides of exercises and questions; solutions, answers and mistakes are notes for the speaker."""

from __future__ import annotations

from ftlearn.course.exercises import Exercise, Question
from ftlearn.course.exercises.question import LETTERS
from ftlearn.language import Catalogue
from tools import classroom, lesson_points
from tools.lesson_points import Point
from tools.slide_layout import QUIZ_WORDS, WORDS, Slide
from tools.slide_text import HEAVY, capitalised

EXERCISE_WORDS = 44
"""Words of an exercise with code or a formula at most."""
BROKEN_LINES = 17
"""Lines of code in which a bug is to be found: an exercise without them cannot be done."""


def exercise_slide(name: str, exercise: Exercise, point: Point, words: Catalogue) -> Slide:
    """An exercise with its broken code; solution and mistakes are notes."""
    slide = Slide(f"## {exercise_title(name, exercise, words)}", notes=[point.text])
    code = exercise.broken.strip()
    shows_code = 0 < len(code.splitlines()) <= BROKEN_LINES
    is_heavy = shows_code or any(part.kind in HEAVY for part in lesson_points.blocks(point.text))
    for part in lesson_points.shortened(point.text, EXERCISE_WORDS if is_heavy else WORDS):
        if part.kind not in HEAVY or not slide.heavy:
            text = part.text if slide.shown else capitalised(part.text)
            slide.shown.append(Point(part.kind, text))
    if shows_code and not slide.heavy:
        slide.shown.append(Point("fence", f"```python\n{code}\n```"))
    worked = exercise.translate(exercise.worked).strip()
    slide.notes += [classroom.about_exercise(name, exercise, words), f"```python\n{worked}\n```"]
    return slide


def exercise_title(name: str, exercise: Exercise, words: Catalogue) -> str:
    """The name of an exercise in its lesson, its difficulty and minutes, such as q1 ★☆☆ 4 min."""
    stars = "★" * exercise.difficulty + "☆" * (3 - exercise.difficulty)
    return f"{name} {stars} {exercise.minutes} {words.translate('min')}"


def question_slide(name: str, question: Question, words: Catalogue) -> Slide:
    """A question with its choices; the answer and the reasons are notes."""
    title = words.translate("Question")
    slide = Slide(f"## {title} {name.removeprefix('quiz')}", words=QUIZ_WORDS)
    slide.shown.append(Point("text", question.translate(question.text)))
    for letter, choice in zip(LETTERS, question.choices, strict=False):
        slide.shown.append(Point("item", f"- **{letter}** · {question.translate(choice.text)}"))
    slide.notes.append(classroom.about_question(name, question, words))
    return slide
