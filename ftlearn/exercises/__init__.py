"""Exercises that check themselves: ``ex = exercises.load("02"); ex.q1.check(answer)``."""

from ftlearn.exercises.base import Exercise, ExerciseSheet, Outcome, load

__all__ = ["Exercise", "ExerciseSheet", "Outcome", "load"]
