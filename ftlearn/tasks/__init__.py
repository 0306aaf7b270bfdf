"""Tasks: how rows become model inputs, which loss and metrics, how outputs become predictions."""

from ftlearn.tasks.base import Task
from ftlearn.tasks.chat import Chat, chat
from ftlearn.tasks.classification import Classification, classification
from ftlearn.tasks.completion import Completion, completion
from ftlearn.tasks.joint import joint
from ftlearn.tasks.joint_task import Joint
from ftlearn.tasks.language_modelling import LanguageModelling, language_modelling
from ftlearn.tasks.ordinal import Ordinal, ordinal
from ftlearn.tasks.pair import pair
from ftlearn.tasks.preference import Preference, preference
from ftlearn.tasks.question_answering import QuestionAnswering, question_answering
from ftlearn.tasks.ranking import Ranking, ranking
from ftlearn.tasks.regression import Regression, regression
from ftlearn.tasks.reward import RewardModelling

__all__ = [
    "Chat",
    "Classification",
    "Completion",
    "Joint",
    "LanguageModelling",
    "Ordinal",
    "Preference",
    "QuestionAnswering",
    "Ranking",
    "Regression",
    "RewardModelling",
    "Task",
    "chat",
    "classification",
    "completion",
    "joint",
    "language_modelling",
    "ordinal",
    "pair",
    "preference",
    "question_answering",
    "ranking",
    "regression",
]
