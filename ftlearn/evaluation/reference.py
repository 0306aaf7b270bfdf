"""What a policy is compared with: the log-probabilities of the model that it started from."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from datasets import Dataset, DatasetDict
from torch import nn

from ftlearn.data.adding_columns import add_columns
from ftlearn.evaluation.predicting import outputs
from ftlearn.models import pissa
from ftlearn.models.wrapping import is_adapted, method_of
from ftlearn.tasks.preference import CHOSEN, REFERENCE_COLUMNS, REJECTED, Preference


def reference_log_probabilities(
    model: nn.Module,
    data: Dataset | DatasetDict,
    task: Preference,
    tokenizer: Any,
    *,
    precision: str = "fp32",
    shared: bool = False,
    progress: bool = False,
) -> Any:
    """The data with the model's log-probabilities of the two answers of each row, once for all.

    They stand in the columns ``reference_chosen`` and ``reference_rejected``, which replace older
    ones. The model is the one that training starts from, before its first update; of a model with
    adapters it is the base model, without them. ``precision``, ``shared`` and ``progress`` as in
    ``outputs``.

    >>> from ftlearn import tasks
    >>> rows = Dataset.from_dict({"prompt": ["Hi"], "chosen": ["Hello!"], "rejected": ["What?"]})
    >>> free = tasks.preference(loss="simpo")  # needs no reference
    >>> reference_log_probabilities(nn.Linear(1, 1), rows, free, None).column_names
    ['prompt', 'chosen', 'rejected']
    """
    if not task.with_reference:
        return data
    settings = {"precision": precision, "shared": shared, "progress": progress}
    if isinstance(data, DatasetDict):
        parts = {
            part: reference_log_probabilities(model, rows, task, tokenizer, **settings)
            for part, rows in data.items()
        }
        return DatasetDict(parts)
    pairs = task.encode_pairs(data, tokenizer)
    with without_adapters(model):
        scores = outputs(model, pairs, task, tokenizer, **settings)
    columns = scores[:, [CHOSEN, REJECTED]].astype(float).T.tolist()
    return add_columns(data, dict(zip(REFERENCE_COLUMNS, columns, strict=True)))


def without_adapters(model: nn.Module) -> AbstractContextManager[None]:
    """A context in which a model with adapters is its base model; others do not change."""
    if method_of(model) == "pissa":
        return pissa.published(model)
    return model.disable_adapter() if is_adapted(model) else nullcontext()
