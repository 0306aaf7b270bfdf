"""Two texts and one label or number: do they belong together, and how much?"""

from __future__ import annotations

from datasets import Dataset, DatasetDict, Value

from ftlearn.data.part_names import training_part
from ftlearn.errors import ArgumentError
from ftlearn.tasks.base import Truncation, require_columns
from ftlearn.tasks.classification import Classification, classification
from ftlearn.tasks.regression import Regression, regression


def pair(
    data: Dataset | DatasetDict,
    *,
    text: tuple[str, str] = ("text", "text_pair"),
    target: str = "label",
    max_length: int = 128,
    truncation: Truncation = "warn",
) -> Classification | Regression:
    """A task on two text columns that the model reads together, as one sequence.

    It is a regression where the target column holds numbers with decimals, and a classification
    otherwise. Each token of one text attends to those of the other, which ``ranking`` gives up so
    that an item needs to be read once only. Raises KeyError for a missing column, ValueError
    unless two columns are named, and as ``classification`` and ``regression`` do.

    >>> rows = {"question": ["Why?", "Who?"], "answer": ["So.", "Me."], "label": ["no", "yes"]}
    >>> pair(Dataset.from_dict(rows), text=("question", "answer")).labels
    ('no', 'yes')
    """
    if isinstance(text, str) or len(text) != 2:
        raise ArgumentError(f"text is {text!r}: name the two columns of a pair")
    rows = training_part(data)
    require_columns(rows, [*text, target])
    feature = rows.features[target]
    is_number = isinstance(feature, Value) and feature.dtype.startswith("float")
    make = regression if is_number else classification
    return make(data, text=tuple(text), target=target, max_length=max_length, truncation=truncation)
