"""Exercises that check themselves: ``ex = exercises.load("02"); ex.q1.check(answer)``."""

from ftlearn.course.exercises.base import Exercise
from ftlearn.course.exercises.gradebook import collect, export, progress
from ftlearn.course.exercises.outcome import Outcome
from ftlearn.course.exercises.question import Question
from ftlearn.course.exercises.sheet import ExerciseSheet, load, numbers

__all__ = ["Exercise", "ExerciseSheet", "Outcome", "Question"]
__all__ += ["collect", "export", "load", "numbers", "progress"]
