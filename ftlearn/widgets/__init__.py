"""Things to touch: ipywidgets over plain functions. The only room that imports ipywidgets."""

from ftlearn.widgets.explorer import Drag, explore
from ftlearn.widgets.explorers import (
    batches,
    cleaning,
    confusion,
    rates,
    softmax,
    thresholds,
    tokens,
)
from ftlearn.widgets.panel import TrainingPanel, training_panel
from ftlearn.widgets.quiz import quiz

__all__ = [
    "Drag",
    "TrainingPanel",
    "batches",
    "cleaning",
    "confusion",
    "explore",
    "quiz",
    "rates",
    "softmax",
    "thresholds",
    "tokens",
    "training_panel",
]
