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
    """The part that a file or split of this name is; None for another name.

    >>> part_of("Validation"), part_of("notes")
    ('valid', None)
    """
    found = [part for part, names in PART_NAMES.items() if name.casefold() in names]
    return found[0] if found else None


def renamed(names: Iterable[str]) -> dict[str, str]:
    """Splits with the names of their parts; those that are no part, or rivals for one, keep theirs.

    >>> renamed(["train", "val", "unsupervised"])
    {'train': 'train', 'val': 'valid', 'unsupervised': 'unsupervised'}
    >>> renamed(["val", "dev"])
    {'val': 'val', 'dev': 'dev'}
    """
    names = list(names)
    parts = [part_of(name) for name in names]
    return {
        name: part if part and parts.count(part) == 1 else name
        for name, part in zip(names, parts, strict=True)
    }
