"""The parts of a data set, and what people call them."""

from __future__ import annotations

from collections.abc import Iterable

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
