"""The rows of a file as a task needs them."""

from __future__ import annotations

from pathlib import Path

from datasets import Dataset, Value

from ftlearn.data import ReadReport, read_questions
from ftlearn.data.chats import read_chats, read_completions
from ftlearn.data.columns import Columns
from ftlearn.data.comparisons import read_comparisons
from ftlearn.data.reading import Table, read_table, to_dataset
from ftlearn.errors import ArgumentError
from ftlearn.tasks.base import Task
from ftlearn.tasks.chat import Chat
from ftlearn.tasks.completion import Completion
from ftlearn.tasks.joint_files import read_joint
from ftlearn.tasks.joint_task import Joint
from ftlearn.tasks.language_modelling import LanguageModelling
from ftlearn.tasks.preference import Preference
from ftlearn.tasks.question_answering import QuestionAnswering
from ftlearn.tasks.ranking import Ranking
from ftlearn.tasks.regression import Regression
from ftlearn.tasks.reward import RewardModelling


def read_for(task: Task, path: Path, **reading: str | None) -> tuple[Dataset, ReadReport]:
    """The rows of a file for an existing task: class labels as strings, numbers as numbers.

    All rows may have the same label here, since nothing is trained. ``reading`` holds delimiter,
    encoding and quoting, as ``data.read`` takes them; conversations, completions, comparisons and
    questions are JSON, which has an encoding only. Raises DataError.
    """
    if isinstance(task, Joint):
        return read_joint(task, path, **reading)
    if reads_json(task):
        return _read_json(task, path, **reading)
    table, wanted = table_for(task, path, **reading)
    return as_rows(table, wanted), table.report


def reads_json(task: Task) -> bool:
    """Whether the rows of a task are no cells of a table but JSON of a shape of its own.

    >>> reads_json(Regression())
    False
    """
    return isinstance(task, Chat | Completion | QuestionAnswering | RewardModelling)


def _read_json(
    task: Task,
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    quoting: str = "auto",
) -> tuple[Dataset, ReadReport]:
    if delimiter is not None or quoting not in ("auto", None):
        raise ArgumentError(
            f"{path} is JSON, which has no delimiter and no quoting: leave them out"
        )
    if isinstance(task, Preference | RewardModelling):
        prompt, chosen = task.text
        return read_comparisons(
            path, prompt=prompt, chosen=chosen, rejected=task.target, encoding=encoding
        )
    if isinstance(task, Chat):
        return read_chats(path, messages=task.text, encoding=encoding)
    if isinstance(task, Completion):
        prompt, answer = task.text
        return read_completions(path, prompt=prompt, answer=answer, encoding=encoding)
    return read_questions(path, encoding=encoding)


def table_for(task: Task, path: Path, **reading: str | None) -> tuple[Table, Columns]:
    """The columns of a file that a task reads, with the line of each row."""
    label = None if isinstance(task, LanguageModelling | Ranking) else task.target
    kind = "number" if isinstance(task, Regression) else "class"
    wanted = Columns.of(task.text, label, kind)
    return read_table(path, wanted, **reading), wanted


def as_rows(table: Table, wanted: Columns) -> Dataset:
    """A table as a data set: class labels as strings, numbers as numbers."""
    feature = Value("float32") if wanted.kind == "number" else None
    return to_dataset(table, wanted, feature)
