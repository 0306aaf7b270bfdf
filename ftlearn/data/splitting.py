"""Three parts from one data set: stratified, groups unbroken, independent of the row order.

A hash of the seed and the row's content decides where a row goes, not its position: shuffle the
file, and every row still lands in the same part.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from numbers import Integral

import numpy as np
from datasets import Dataset, DatasetDict
from scipy.optimize import linprog

from ftlearn.data.errors import DataError, need_columns
from ftlearn.data.rare_labels import listed

PARTS = ("train", "valid", "test")
Sizes = tuple[float, float, float]


def split(
    dataset: Dataset,
    *,
    sizes: Sizes = (0.8, 0.1, 0.1),
    stratify: str | None = None,
    group: str | None = None,
    seed: int = 0,
) -> DatasetDict:
    """Split rows into train, valid and test, independently of the order of the rows.

    Parameters
    ----------
    sizes : three fractions that sum to 1, or three whole numbers that sum to the number of rows
    stratify : a column whose values are spread over the parts in proportion, to within one row
    group : a column whose rows with equal values stay together; a row without a value (None or
        empty) is a group of its own. Counts are then met as closely as unbroken groups allow
    seed : another seed gives another split

    Raises `DataError` where a class has fewer rows than there are parts, or a group fits no part.

    >>> notes = Dataset.from_dict({"text": list("abcdefgh"), "label": [0, 1] * 4})
    >>> parts = split(notes, sizes=(4, 2, 2), stratify="label")
    >>> {name: sorted(part["label"]) for name, part in parts.items()}
    {'train': [0, 0, 1, 1], 'valid': [0, 1], 'test': [0, 1]}
    """
    need_columns([name for name in (stratify, group) if name], dataset.column_names, "the data set")
    totals = _totals(sizes, len(dataset))
    order = hash_order(dataset, seed)
    classes = _classes(dataset, stratify)
    quotas = _quotas(classes, totals, stratify)
    groups = _groups(dataset, group, order)
    assigned = _assign(groups, classes, quotas, group)
    return DatasetDict(
        {
            name: dataset.select([i for i in order if assigned[i] == part])
            for part, name in enumerate(PARTS)
        }
    )


def subset(dataset: Dataset, *, per_class: int, label: str = "label", seed: int = 0) -> Dataset:
    """Draw `per_class` rows of each class; a smaller draw is the beginning of a larger one.

    >>> notes = Dataset.from_dict({"text": list("abcdefgh"), "label": [0, 1] * 4})
    >>> few, more = (subset(notes, per_class=n, seed=3)["text"][:] for n in (1, 3))
    >>> len(few), len(more), more[:2] == few
    (2, 6, True)
    """
    need_columns([label], dataset.column_names, "the data set")
    labels = dataset[label][:]
    counts: Counter = Counter()
    ranked = []  # (rank of the row within its class, row)
    for i in hash_order(dataset, seed):
        ranked.append((counts[labels[i]], i))
        counts[labels[i]] += 1
    for value, name in _class_names(dataset, label).items():
        if not 1 <= per_class <= counts[value]:
            raise DataError(
                f"per_class={per_class} rows were asked of class {name!r}, which has "
                f"{counts[value]}; ask for between 1 and that many."
            )
    drawn = [(rank, i) for rank, i in ranked if rank < per_class]
    return dataset.select([i for _, i in sorted(drawn, key=lambda pair: pair[0])])


def hash_order(dataset: Dataset, seed: int) -> list[int]:
    """Row numbers (N,) ordered by a hash of the seed and each row's content: a shuffle by value."""
    names = sorted(dataset.column_names)
    columns = dataset.to_dict()
    keys = [
        hashlib.blake2b(
            json.dumps([int(seed), *row], default=str).encode(), digest_size=16
        ).digest()
        for row in zip(*(columns[name] for name in names), strict=True)
    ]
    return sorted(range(len(keys)), key=keys.__getitem__)


def _totals(sizes: Sizes, rows: int) -> list[int]:
    """Whole numbers of rows for the three parts, by largest remainder."""
    if rows == 0:
        raise DataError("the data set has 0 rows; there is nothing to split.")
    if len(sizes) != 3 or min(sizes) < 0:
        raise DataError(f"sizes={sizes} must be three fractions or counts, none below 0.")
    if all(isinstance(size, Integral) for size in sizes):
        if sum(sizes) != rows:
            raise DataError(f"sizes={sizes} sum to {sum(sizes)}, but there are {rows} rows.")
        return [int(size) for size in sizes]
    if abs(sum(sizes) - 1) > 1e-6:
        raise DataError(f"sizes={sizes} sum to {sum(sizes):g}; fractions must sum to 1.")
    ideal = np.array(sizes) * rows
    totals = np.floor(ideal + 1e-9).astype(int)
    largest_remainders = np.argsort(totals - ideal, kind="stable")[: rows - totals.sum()]
    totals[largest_remainders] += 1
    return totals.tolist()


def _class_names(dataset: Dataset, column: str) -> dict[Hashable, str]:
    """The name of each value of a label column; for a `ClassLabel` also of classes without rows."""
    names = getattr(dataset.features[column], "names", None)
    if names:
        return dict(enumerate(names))
    return {value: str(value) for value in sorted(set(dataset[column][:]), key=str)}


def _classes(dataset: Dataset, stratify: str | None) -> list[str]:
    if stratify is None:
        return [""] * len(dataset)
    names = _class_names(dataset, stratify)
    return [names.get(value, str(value)) for value in dataset[stratify][:]]


def _quotas(classes: Sequence[str], totals: Sequence[int], stratify: str | None) -> dict:
    """Rows per class and part, the ideal n_c · total_p / N rounded up or down.

    Controlled rounding: a transportation problem whose bounds are floor and ceiling always has an
    integer solution with the right sums over classes and over parts, and the simplex method ends
    in one. A class that would be missing from a part is rounded up first.
    """
    counts = Counter(classes)
    used = sum(total > 0 for total in totals)
    rare = {name: count for name, count in counts.items() if count < used}
    if stratify is not None and rare:
        few = "1 class has" if len(rare) == 1 else f"{len(rare)} classes have"
        raise DataError(
            f"{few} fewer rows of {stratify!r} than the {used} parts: {listed(rare)}; add rows, "
            f"merge classes, leave them out with drop_rare ({used} rows), or leave out stratify."
        )
    names = sorted(counts)
    sums = np.array([counts[name] for name in names])
    ideal = np.outer(sums, totals) / len(classes)
    low = np.floor(ideal + 1e-9)
    cost = np.where((low == 0) & (ideal > 0), -2.0, 0.0) - (ideal - low)
    shares = np.kron(np.eye(len(names)), np.ones(3)), np.kron(np.ones(len(names)), np.eye(3))
    result = linprog(
        cost.ravel(),
        A_eq=np.vstack(shares),
        b_eq=np.concatenate([sums, totals]),
        bounds=np.column_stack([low.ravel(), np.ceil(ideal - 1e-9).ravel()]),
        method="highs-ds",
    )
    return dict(zip(names, result.x.round().astype(int).reshape(-1, 3), strict=True))


def _groups(dataset: Dataset, group: str | None, order: Sequence[int]) -> list[list[int]]:
    """Rows that stay together, the largest group first, groups of equal size in hash order."""
    values = dataset[group][:] if group else [None] * len(dataset)
    groups = defaultdict(list)
    for i in order:
        alone = values[i] is None or values[i] == ""
        groups[(i,) if alone else values[i]].append(i)
    return sorted(groups.values(), key=len, reverse=True)


def _assign(
    groups: Sequence[list[int]], classes: Sequence[str], quotas: dict, group: str | None
) -> dict[int, int]:
    """The part of each row: each group goes where it exceeds the quota least and most is missing.

    The last groups go to parts that are still empty, so that no part remains empty.
    """
    totals = sum(quotas.values())
    _check_groups(groups, totals, group)
    used = np.flatnonzero(totals).tolist()
    empty = set(used)
    missing = {name: quota.astype(float) for name, quota in quotas.items()}
    assigned = {}
    for number, rows in enumerate(groups):
        counts = Counter(classes[i] for i in rows)
        candidates = sorted(empty) if len(groups) - number <= len(empty) else used
        part = min(candidates, key=lambda p: _misfit(counts, missing, quotas, p))
        empty.discard(part)
        for name, count in counts.items():
            missing[name][part] -= count
        assigned.update(dict.fromkeys(rows, part))
    return assigned


def _check_groups(groups: Sequence[list[int]], totals: np.ndarray, group: str | None) -> None:
    if group and len(groups[0]) > totals.max():
        raise DataError(
            f"a group of {group!r} has {len(groups[0])} of {totals.sum()} rows, more than the "
            f"largest part ({totals.max()}); split the group or choose other sizes."
        )
    if group and len(groups) < np.count_nonzero(totals):
        raise DataError(
            f"{len(groups)} groups of {group!r} cannot fill {np.count_nonzero(totals)} parts; "
            "bring more groups, or set the size of a part to 0."
        )


def _misfit(counts: Counter, missing: dict, quotas: dict, part: int) -> tuple[float, float]:
    """How badly a group fits a part: rows above the quota, then how full the part is already."""
    excess = sum(max(0.0, count - missing[name][part]) for name, count in counts.items())
    room = sum(
        count * missing[name][part] / max(quotas[name][part], 1) for name, count in counts.items()
    )
    return excess, -room
