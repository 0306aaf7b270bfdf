"""Columns that are added: in the order of the rows, instead of older ones, and in silence."""

from __future__ import annotations

import datasets
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from ftlearn.data.adding_columns import add_columns


@pytest.fixture
def selected() -> Dataset:
    """Rows that were selected from others, which `datasets` copies with a bar."""
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    rows = Dataset.from_dict({"text": list("abcd"), "label": [0, 1, 1, 0]}, features=features)
    return rows.select([3, 1])


def test_columns_follow_the_rows_and_the_others_stay_as_they_are(selected):
    added = add_columns(selected, {"size": [30, 10], "note": [None, "x"]})
    assert added[:] == {
        "text": ["d", "b"],
        "label": [0, 1],
        "size": [30, 10],
        "note": [None, "x"],
    }
    assert added.features["label"] == selected.features["label"]
    assert selected.column_names == ["text", "label"]


def test_an_older_column_is_replaced(selected):
    assert add_columns(selected, {"text": ["y", "z"]})["text"][:] == ["y", "z"]


def test_nothing_is_drawn_and_bars_are_as_before(selected, capfd):
    datasets.enable_progress_bars()
    add_columns(selected, {"size": [30, 10]})
    assert capfd.readouterr().err == ""
    assert not datasets.are_progress_bars_disabled()
    selected.add_column("size", [30, 10])
    assert "Flattening" in capfd.readouterr().err  # what would be drawn


def test_bars_are_as_before_after_a_mistake(selected):
    with pytest.raises(ValueError, match="number of rows"):
        add_columns(selected, {"size": [1, 2, 3]})
    assert not datasets.are_progress_bars_disabled()
