"""Rows of two token sequences that meet in the loss alone, side by side in a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from datasets import Dataset

from ftlearn.data.batching import Encoded
from ftlearn.data.comparisons import Comparison, comparison
from ftlearn.data.errors import DataError
from ftlearn.tasks.base import require_columns


def side_by_side(first: Encoded, second: Encoded) -> Encoded:
    """Rows of two sequences each, from those of their first and those of their second ones.

    Targets per token stay with their sequence, and targets per row are those of the first.

    >>> first = Encoded({"input_ids": [[1, 2], [3]]}, [0, 1], 8)
    >>> rows = side_by_side(first, Encoded({"input_ids": [[4], [5]]}, [0, 1], 8))
    >>> rows.inputs["input_ids"], len(rows), rows.lengths
    ([[1, 2], [3], [4], [5]], 2, [2, 1])
    """
    inputs = {name: [*ids, *second.inputs[name]] for name, ids in first.inputs.items()}
    per_token = isinstance(first.targets[0], list)
    return replace(
        first,
        inputs=inputs,
        targets=[*first.targets, *second.targets] if per_token else first.targets,
        truncated=first.truncated + second.truncated,
        sequences=2,
    )


def comparisons(dataset: Dataset, names: Sequence[str]) -> list[Comparison]:
    """The pairs of a data set in its columns prompt, chosen and rejected; DataError names a row."""
    require_columns(dataset, names)
    pairs = []
    for row, cells in enumerate(zip(*(dataset[name] for name in names), strict=True)):
        try:
            pairs.append(comparison(*cells))
        except DataError as error:
            raise DataError(f"row {row}: {error}. Mend or drop the row") from error
    return pairs
