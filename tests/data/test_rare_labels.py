"""Classes with few rows: counted by hand, and gone from every part."""

from __future__ import annotations

from collections import Counter

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlearn.data import DataError, drop_rare
from ftlearn.data.rare_labels import listed

NAMES = list("abcdef")


def dataset_of(labels: list[int]) -> Dataset:
    features = Features({"id": Value("string"), "label": ClassLabel(names=NAMES)})
    ids = [str(number) for number in range(len(labels))]
    return Dataset.from_dict({"id": ids, "label": labels}, features=features)


def names_of(rows: Dataset) -> list[tuple[str, str]]:
    feature = rows.features["label"]
    return [(row["id"], feature.int2str(row["label"])) for row in rows]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5)), st.lists(st.integers(0, 5)), st.integers(0, 5))
def test_rows_of_common_classes_stay_as_they_are_in_every_part(train, test, rows):
    parts = DatasetDict(train=dataset_of(train), test=dataset_of(test))
    counts = Counter(train)
    common = [number for number in range(6) if counts[number] >= rows]
    if len(common) < 2:
        with pytest.raises(DataError, match="a classification needs two"):
            drop_rare(parts, rows=rows)
        return
    remaining, left_out = drop_rare(parts, rows=rows)
    for name, labels in (("train", train), ("test", test)):
        expected = [(str(i), NAMES[label]) for i, label in enumerate(labels) if label in common]
        assert names_of(remaining[name]) == expected
        assert remaining[name].features["label"].names == [NAMES[number] for number in common]
    totals = Counter(train + test)
    assert left_out == {NAMES[n]: totals[n] for n in range(6) if n not in common}


def test_one_data_set_is_its_own_train_part():
    remaining, left_out = drop_rare(dataset_of([0, 0, 1, 2, 2]), rows=2)
    assert (names_of(remaining)[-1], left_out["b"]) == (("4", "c"), 1)


def test_errors_name_the_column_and_every_count():
    with pytest.raises(DataError, match="no column 'topic'"):
        drop_rare(dataset_of([0, 1]), rows=2, label="topic")
    with pytest.raises(DataError, match="'id' holds no classes"):
        drop_rare(dataset_of([0, 1]), rows=2, label="id")
    with pytest.raises(
        DataError, match=r"of 6 labels, 1 have 2 rows or more.*'a' \(2\), 'b' \(1\)"
    ):
        drop_rare(dataset_of([0, 0, 1]), rows=2)


def test_long_lists_are_cut_in_natural_order():
    counts = {f"rare {number}": 1 for number in range(12)}
    assert listed(counts).startswith("'rare 0' (1), 'rare 1' (1), 'rare 2' (1), ")
    assert listed(counts).endswith("'rare 9' (1) and 2 more")
