"""Labels with few rows: told all at once, and left out where that is wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from datasets import ClassLabel, Dataset, DatasetDict

from ftlearn.data.errors import DataError, need_columns
from ftlearn.data.labels import natural_order

SHOWN = 10


def listed(counts: Mapping[str, int]) -> str:
    """Labels with their numbers of rows, the first ten by name.

    >>> listed({"b": 1, "a": 2})
    "'a' (2), 'b' (1)"
    """
    names = sorted(counts, key=natural_order)
    shown = ", ".join(f"{name!r} ({counts[name]})" for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def drop_rare(
    data: Dataset | DatasetDict, *, rows: int, label: str = "label"
) -> tuple[Dataset | DatasetDict, dict[str, int]]:
    """Leave out the classes that have fewer than `rows` rows, of parts those that have in train.

    Returns the data with the classes that stay, in their order, and how many rows each class had,
    in all parts, that was left out. Raises `DataError` where `label` is no column of classes, or
    fewer than two classes would stay.

    >>> names = ClassLabel(names=["tea", "tee", "coffee"])
    >>> notes = Dataset.from_dict({"text": list("abcde"), "label": [0, 0, 1, 2, 2]})
    >>> kept, left_out = drop_rare(notes.cast_column("label", names), rows=2)
    >>> kept.features["label"].names, kept["label"][:], left_out
    (['tea', 'coffee'], [0, 0, 1, 1], {'tee': 1})
    """
    if isinstance(data, Dataset):
        parts, left_out = drop_rare(DatasetDict(train=data), rows=rows, label=label)
        return parts["train"], left_out
    need_columns([label], data["train"].column_names, "the data set")
    feature = data["train"].features[label]
    if not isinstance(feature, ClassLabel):
        raise DataError(f"{label!r} holds no classes (a ClassLabel), so that none can be left out.")
    known = Counter(data["train"][label])
    stay = [number for number in range(len(feature.names)) if known[number] >= rows]
    if len(stay) < 2:
        counts = {name: known[number] for number, name in enumerate(feature.names)}
        raise DataError(
            f"of {len(counts)} labels, {len(stay)} have {rows} rows or more, and a classification "
            f"needs two: {listed(counts)}. Ask for fewer rows of each label."
        )
    every = Counter(number for part in data.values() for number in part[label])
    left_out = {name: every[at] for at, name in enumerate(feature.names) if at not in set(stay)}
    return DatasetDict({name: _only(part, label, stay) for name, part in data.items()}), left_out


def _only(part: Dataset, label: str, stay: list[int]) -> Dataset:
    """The rows of the classes that stay, numbered anew."""
    places = {old: new for new, old in enumerate(stay)}
    numbers = part[label][:]
    kept = part.select([row for row, number in enumerate(numbers) if number in places])
    names = [part.features[label].names[number] for number in stay]
    features = part.features.copy()
    features[label] = ClassLabel(names=names)
    columns = kept.to_dict()
    columns[label] = [places[number] for number in kept[label]]
    return Dataset.from_dict(columns, features=features)
