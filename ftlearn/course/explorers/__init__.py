"""Explorers as plain functions: arguments in, a sentence with tables and figures out.

``ftlearn.course.widgets`` adds controls; called by code, they show the same.
"""

from ftlearn.course.explorers.batches import batches
from ftlearn.course.explorers.cleaning import CleaningReport
from ftlearn.course.explorers.confusion import confusion
from ftlearn.course.explorers.decoding import decoding
from ftlearn.course.explorers.rates import rates
from ftlearn.course.explorers.softmax import softmax
from ftlearn.course.explorers.thresholds import thresholds
from ftlearn.course.explorers.tokens import tokens
from ftlearn.course.explorers.view import View

__all__ = [
    "CleaningReport",
    "View",
    "batches",
    "confusion",
    "decoding",
    "rates",
    "softmax",
    "thresholds",
    "tokens",
]
