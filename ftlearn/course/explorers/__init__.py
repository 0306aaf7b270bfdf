"""Explorers as plain functions: arguments in, a sentence with tables and figures out.

``ftlearn.course.widgets`` adds controls; called by code, they show the same.
"""

from ftlearn.course.explorers.anchored import anchored
from ftlearn.course.explorers.batches import batches
from ftlearn.course.explorers.cleaning import CleaningReport
from ftlearn.course.explorers.confusion import confusion
from ftlearn.course.explorers.decoding import decoding
from ftlearn.course.explorers.few_labels import few_labels
from ftlearn.course.explorers.hand_over import hand_over
from ftlearn.course.explorers.lora import lora
from ftlearn.course.explorers.mask import mask
from ftlearn.course.explorers.planner import planner
from ftlearn.course.explorers.position_bias import position_bias
from ftlearn.course.explorers.queueing import queueing
from ftlearn.course.explorers.rates import rates
from ftlearn.course.explorers.rubric import rubric
from ftlearn.course.explorers.softmax import softmax
from ftlearn.course.explorers.task_weights import task_weights
from ftlearn.course.explorers.thresholds import thresholds
from ftlearn.course.explorers.tokens import tokens
from ftlearn.course.explorers.view import View

__all__ = [
    "CleaningReport",
    "View",
    "anchored",
    "batches",
    "confusion",
    "decoding",
    "few_labels",
    "hand_over",
    "lora",
    "mask",
    "planner",
    "position_bias",
    "queueing",
    "rates",
    "rubric",
    "softmax",
    "task_weights",
    "thresholds",
    "tokens",
]
