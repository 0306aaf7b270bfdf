"""What an explorer shows, as plain functions of plain values: a sentence, tables and figures.

``ftlearn.widgets`` puts controls over them; without hands they show the same.
"""

from ftlearn.views.batches import batches
from ftlearn.views.cleaning import CleaningReport
from ftlearn.views.confusion import confusion
from ftlearn.views.rates import rates
from ftlearn.views.softmax import softmax
from ftlearn.views.thresholds import thresholds
from ftlearn.views.tokens import tokens
from ftlearn.views.view import View

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
