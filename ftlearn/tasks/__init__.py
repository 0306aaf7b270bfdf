"""Tasks: how rows become model inputs, which loss and metrics, how outputs become predictions."""

from ftlearn.tasks.base import Task
from ftlearn.tasks.chat import Chat, chat
from ftlearn.tasks.classification import Classification, classification
from ftlearn.tasks.completion import Completion, completion
from ftlearn.tasks.language_modelling import LanguageModelling, language_modelling
from ftlearn.tasks.question_answering import QuestionAnswering, question_answering
from ftlearn.tasks.regression import Regression, regression

__all__ = [
    "Chat",
    "Classification",
    "Completion",
    "LanguageModelling",
    "QuestionAnswering",
    "Regression",
    "Task",
    "chat",
    "classification",
    "completion",
    "language_modelling",
    "question_answering",
    "regression",
]
