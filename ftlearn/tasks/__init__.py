"""Tasks: how rows become model inputs, which loss and metrics, how outputs become predictions."""

from ftlearn.tasks.base import Task
from ftlearn.tasks.classification import Classification, classification
from ftlearn.tasks.language_modelling import LanguageModelling, language_modelling
from ftlearn.tasks.regression import Regression, regression

__all__ = [
    "Classification",
    "LanguageModelling",
    "Regression",
    "Task",
    "classification",
    "language_modelling",
    "regression",
]
