"""The reference of a run on preference pairs: the model that its training starts from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from datasets import Dataset
from torch import nn

from ftlearn import models
from ftlearn.evaluation import reference_log_probabilities
from ftlearn.tasks import Preference, Task
from ftlearn.tasks.preference import REFERENCE_COLUMNS
from ftlearn.workflows.splits import Parts


def with_reference(
    parts: Parts, task: Task, model: nn.Module, tokenizer: Any
) -> tuple[Parts, Task]:
    """The rows with the model's log-probabilities, and the task, which names the model.

    Nothing changes for a task without a reference.
    """
    if not (isinstance(task, Preference) and task.with_reference):
        return parts, task
    settings = {"shared": True, "progress": True}
    data = reference_log_probabilities(model, parts.data, task, tokenizer, **settings)
    return replace(parts, data=data), replace(task, reference=model.config.name_or_path or None)


def from_named_reference(dataset: Dataset, task: Task, tokenizer: Any, device: Any) -> Dataset:
    """The rows of a file with the log-probabilities of the reference that a saved task names.

    It is loaded by its name; ModelError where it is not found. Rows that have them stay as they
    are, and so do those of a task without a reference.
    """
    if not (isinstance(task, Preference) and task.with_reference and task.reference):
        return dataset
    if set(REFERENCE_COLUMNS) <= set(dataset.column_names):
        return dataset
    model, _ = models.load(task.reference, task, device=device)
    return reference_log_probabilities(model, dataset, task, tokenizer, progress=True)
