"""Interactive controls: ipywidgets over plain functions. Only this package imports ipywidgets."""

from ftlearn.course.widgets.explorer import Drag, explore
from ftlearn.course.widgets.explorers import (
    batches,
    cleaning,
    confusion,
    decoding,
    rates,
    softmax,
    thresholds,
    tokens,
)
from ftlearn.course.widgets.panel import TrainingPanel, training_panel
from ftlearn.course.widgets.quiz import quiz

__all__ = [
    "Drag",
    "TrainingPanel",
    "batches",
    "cleaning",
    "confusion",
    "decoding",
    "explore",
    "quiz",
    "rates",
    "softmax",
    "thresholds",
    "tokens",
    "training_panel",
]
