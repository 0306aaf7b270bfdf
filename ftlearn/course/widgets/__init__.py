"""Interactive controls: ipywidgets over plain functions. Only this package imports ipywidgets."""

from ftlearn.course.widgets.explorer import Drag, explore
from ftlearn.course.widgets.explorers import (
    anchored,
    batches,
    cleaning,
    confusion,
    decoding,
    few_labels,
    hand_over,
    lora,
    mask,
    planner,
    position_bias,
    queueing,
    rates,
    rubric,
    softmax,
    task_weights,
    thresholds,
    tokens,
)
from ftlearn.course.widgets.panel import TrainingPanel, training_panel
from ftlearn.course.widgets.quiz import quiz

__all__ = [
    "Drag",
    "TrainingPanel",
    "anchored",
    "batches",
    "cleaning",
    "confusion",
    "decoding",
    "explore",
    "few_labels",
    "hand_over",
    "lora",
    "mask",
    "planner",
    "position_bias",
    "queueing",
    "quiz",
    "rates",
    "rubric",
    "softmax",
    "task_weights",
    "thresholds",
    "tokens",
    "training_panel",
]
