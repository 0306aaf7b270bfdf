"""Exercises that check themselves: ``ex = exercises.load("02"); ex.q1.check(answer)``."""

from ftlearn.exercises.base import Exercise
from ftlearn.exercises.gradebook import collect, export, progress
from ftlearn.exercises.outcome import Outcome
from ftlearn.exercises.question import Question
from ftlearn.exercises.sheet import ExerciseSheet, load, numbers

__all__ = ["Exercise", "ExerciseSheet", "Outcome", "Question"]
__all__ += ["collect", "export", "load", "numbers", "progress"]
