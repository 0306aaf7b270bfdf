"""The parts of a data set, and what people call them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from datasets import Dataset, DatasetDict

from ftlearn.errors import UnknownNameError

PART_NAMES = {
    "train": ("train", "training"),
    "valid": ("valid", "validation", "val", "dev", "eval"),
    "test": ("test", "testing"),
}
"""What the file or split of each part may be called, in any case."""


def part_of(name: str) -> str | None:
    """The part that a file or split of this name holds; None for any other name.

    >>> part_of("Validation"), part_of("notes")
    ('valid', None)
    """
    for part, names in PART_NAMES.items():
        if name.casefold() in names:
            return part
    return None


def split_to_part(names: Iterable[str]) -> dict[str, str]:
    """The part that each split holds; a split that is no part, or not the only one, keeps its name.

    >>> split_to_part(["train", "val", "unsupervised"])
    {'train': 'train', 'val': 'valid', 'unsupervised': 'unsupervised'}
    >>> split_to_part(["val", "dev"])
    {'val': 'val', 'dev': 'dev'}
    """
    names = list(names)
    parts = [part_of(name) for name in names]
    return {
        name: part if part and parts.count(part) == 1 else name
        for name, part in zip(names, parts, strict=True)
    }


def require_part(data: Mapping[str, Dataset], part: str) -> Dataset:
    """The rows of a part; raise KeyError, naming the parts that exist, where it is missing.

    >>> require_part({"train": Dataset.from_dict({"text": ["a", "b"]})}, "train").num_rows
    2
    >>> require_part({"train": Dataset.from_dict({"text": ["a", "b"]})}, "valid")
    Traceback (most recent call last):
    ftlearn.errors.UnknownNameError: the data has no part 'valid'; it has: train
    """
    if part not in data:
        raise UnknownNameError(f"the data has no part {part!r}; it has: {', '.join(data)}")
    return data[part]


def training_part(data: Dataset | DatasetDict) -> Dataset:
    """The rows to train on: the part ``train``, or the data set itself where it has no parts."""
    return require_part(data, "train") if isinstance(data, DatasetDict) else data
