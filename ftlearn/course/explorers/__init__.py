"""What an explorer shows, as plain functions of plain values: a sentence, tables and figures.

``ftlearn.course.widgets`` puts controls over them; without hands they show the same.
"""

from ftlearn.course.explorers.batches import batches
from ftlearn.course.explorers.cleaning import CleaningReport
from ftlearn.course.explorers.confusion import confusion
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
    "rates",
    "softmax",
    "thresholds",
    "tokens",
]
