"""Labels with few rows: listed together, and left out on request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from datasets import ClassLabel, Dataset, DatasetDict

from ftlearn.data.errors import DataError, need_columns
from ftlearn.data.labels import natural_order

SHOWN = 10


def listed(counts: Mapping[str, int]) -> str:
    """Labels with their row counts, the first ten in natural order.

    >>> listed({"b": 1, "a": 2})
    "'a' (2), 'b' (1)"
    """
    names = sorted(counts, key=natural_order)
    shown = ", ".join(f"{name!r} ({counts[name]})" for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def drop_rare(
    data: Dataset | DatasetDict, *, rows: int, label: str = "label"
) -> tuple[Dataset | DatasetDict, dict[str, int]]:
    """Leave out the classes that have fewer than `rows` rows; of several parts, train is counted.

    Returns the data with the remaining classes, in their order, and the number of rows, over all
    parts, of each class that was left out. Raises `DataError` where `label` is not a column of
    classes, or fewer than two classes would remain.

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
        raise DataError(f"{label!r} holds no classes (a ClassLabel), so none can be left out.")
    train_counts = Counter(data["train"][label])
    common = [class_id for class_id in range(len(feature.names)) if train_counts[class_id] >= rows]
    if len(common) < 2:
        counts = {name: train_counts[class_id] for class_id, name in enumerate(feature.names)}
        raise DataError(
            f"of {len(counts)} labels, {len(common)} have {rows} rows or more, and a "
            f"classification needs two: {listed(counts)}. Ask for fewer rows of each label."
        )
    all_counts = Counter(class_id for part in data.values() for class_id in part[label][:])
    left_out = {
        name: all_counts[class_id]
        for class_id, name in enumerate(feature.names)
        if class_id not in common
    }
    parts = {name: _select_classes(part, label, common) for name, part in data.items()}
    return DatasetDict(parts), left_out


def _select_classes(part: Dataset, label: str, classes: list[int]) -> Dataset:
    """The rows of the given class ids, renumbered from 0."""
    new_ids = {old: new for new, old in enumerate(classes)}
    class_ids = part[label][:]
    selected = part.select([row for row, class_id in enumerate(class_ids) if class_id in new_ids])
    names = [part.features[label].names[class_id] for class_id in classes]
    features = part.features.copy()
    features[label] = ClassLabel(names=names)
    columns = selected.to_dict()
    columns[label] = [new_ids[class_id] for class_id in selected[label]]
    return Dataset.from_dict(columns, features=features)
