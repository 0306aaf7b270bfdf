"""Laws of the split: a partition, in proportion, groups unbroken, independent of the row order."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ftlearn.data import DataError, split, subset

QUICK = settings(max_examples=60, deadline=None)
LABELS = st.lists(st.sampled_from("abc"), min_size=9, max_size=60)
SIZES = st.sampled_from([(0.8, 0.1, 0.1), (0.6, 0.2, 0.2), (0.34, 0.33, 0.33), (0.9, 0.1, 0.0)])


def notes(labels: list[str], groups: list[str | None] | None = None) -> Dataset:
    rows = {"id": [str(i) for i in range(len(labels))], "label": list(labels)}
    return Dataset.from_dict(rows | ({"story": groups} if groups else {}))


@QUICK
@given(LABELS, SIZES, st.integers(0, 99))
def test_every_row_once_and_every_class_within_one_row(labels, sizes, seed):
    counts = Counter(labels)
    assume(min(counts.values()) >= 3)
    parts = split(notes(labels), sizes=sizes, stratify="label", seed=seed)
    ids = [i for part in parts.values() for i in part["id"]]
    assert sorted(ids, key=int) == [str(i) for i in range(len(labels))]
    for part, size in zip(parts.values(), sizes, strict=True):
        assert abs(len(part) - size * len(labels)) < 1
        for name, count in counts.items():
            share = len(part) / len(labels)
            assert abs(part["label"][:].count(name) - count * share) < 1


@QUICK
@given(LABELS, st.randoms(), st.booleans())
def test_the_split_does_not_depend_on_row_order_but_on_the_seed(labels, rng, grouped):
    rows = notes(labels, [str(i // 2) for i in range(len(labels))] if grouped else None)
    order = rng.sample(range(len(labels)), len(labels))
    group = "story" if grouped else None
    in_order = split(rows, group=group, seed=1)
    shuffled = split(rows.select(order), group=group, seed=1)
    assert {name: part["id"][:] for name, part in in_order.items()} == {
        name: part["id"][:] for name, part in shuffled.items()
    }
    assert in_order["train"]["id"][:] != split(rows, group=group, seed=2)["train"]["id"][:]


@QUICK
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), min_size=20, max_size=60))
def test_groups_stay_whole_and_counts_near(stories):
    labels = [name for name, size in stories for _ in range(size)]
    groups = [str(i) for i, (_, size) in enumerate(stories) for _ in range(size)]
    counts = Counter(labels)
    assume(min(counts.values()) >= 9)
    parts = split(notes(labels, groups), sizes=(0.6, 0.2, 0.2), stratify="label", group="story")
    ids = sorted(int(i) for part in parts.values() for i in part["id"])
    assert ids == list(range(len(labels)))
    parts_of_story = defaultdict(set)
    for name, part in parts.items():
        for story in part["story"]:
            parts_of_story[story].add(name)
    assert all(len(names) == 1 for names in parts_of_story.values())
    for part, size in zip(parts.values(), (0.6, 0.2, 0.2), strict=True):
        for name, count in counts.items():
            assert abs(part["label"][:].count(name) - count * size) <= 3


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_counts_are_met_exactly_with_groups_of_one_and_two(mixed, seed):
    rng = random.Random(seed)
    labels = [name for name in "abc" for _ in range(360)]
    if mixed:
        rng.shuffle(labels)
    groups, story = [], 0
    for name in "abc":
        end = len(groups) + 360
        while len(groups) < end:
            groups += [f"{name}{story}"] * min(rng.choice([1, 1, 2]), end - len(groups))
            story += 1
    rows = notes(labels, groups)
    parts = split(rows, sizes=(600, 180, 300), stratify="label", group="story", seed=seed)
    for part, count in zip(parts.values(), (200, 60, 100), strict=True):
        assert Counter(part["label"]) == dict.fromkeys("abc", count)


def test_rows_without_a_group_stand_alone():
    parts = split(notes(["a"] * 10, [None, ""] * 5), sizes=(6, 2, 2), group="story")
    assert [len(part) for part in parts.values()] == [6, 2, 2]


def test_split_keeps_features():
    features = Features({"id": Value("string"), "label": ClassLabel(names=["x", "y"])})
    rows = Dataset.from_dict({"id": list("abcdef"), "label": [0, 1] * 3}, features=features)
    parts = split(rows, sizes=(2, 2, 2), stratify="label")
    assert all(part.features == features for part in parts.values())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"sizes": (0.8, 0.1)}, ["(0.8, 0.1)", "three"]),
        ({"sizes": (0.8, 0.3, -0.1)}, ["-0.1", "below 0"]),
        ({"sizes": (0.8, 0.1, 0.2)}, ["1.1", "sum to 1"]),
        ({"sizes": (8, 1, 2)}, ["(8, 1, 2)", "sum to 11", "10 rows"]),
        ({"stratify": "topic"}, ["'topic'", "['id', 'label', 'story']"]),
        ({"stratify": "label"}, ["1 class has", "'b' (2)", "merge"]),
        ({"group": "label", "sizes": (6, 2, 2)}, ["'label'", "8 of 10", "split the group"]),
        ({"group": "label"}, ["2 groups of 'label'", "bring more groups"]),
    ],
)
def test_split_errors_name_the_value_and_the_remedy(options, expected):
    rows = notes(["a"] * 8 + ["b"] * 2, list("0123456789"))
    with pytest.raises(DataError) as caught:
        split(rows, **options)
    assert all(piece in str(caught.value) for piece in expected)


def test_an_empty_data_set_cannot_be_split():
    with pytest.raises(DataError, match="0 rows"):
        split(notes([]))


@QUICK
@given(LABELS, st.integers(0, 99))
def test_draws_are_stratified_nested_and_spread(labels, seed):
    most = min(Counter(labels).values())
    draws = [subset(notes(labels), per_class=n, seed=seed) for n in range(1, most + 1)]
    for n, draw in enumerate(draws, 1):
        assert Counter(draw["label"]) == dict.fromkeys(set(labels), n)
        assert len(set(draw["id"])) == len(draw)
    for small, large in pairwise(draws):
        assert large["id"][: len(small)] == small["id"][:]


def test_subset_depends_on_the_seed_and_not_on_the_order():
    rows = notes(["a", "b"] * 50)
    draw = subset(rows, per_class=5)["id"][:]
    assert subset(rows.select(range(99, -1, -1)), per_class=5)["id"][:] == draw
    assert subset(rows, per_class=5, seed=1)["id"][:] != draw


def test_subset_names_the_class_that_is_too_small():
    names = ClassLabel(names=["x", "y", "z"])
    rows = Dataset.from_dict({"label": [0, 0, 1]}, features=Features({"label": names}))
    with pytest.raises(DataError, match="per_class=1 rows were asked of class 'z', which has 0"):
        subset(rows, per_class=1)
    with pytest.raises(DataError, match="'topic'"):
        subset(rows, per_class=1, label="topic")


def test_seeds_and_sizes_of_numpy_split_as_pythons_do():
    rows = notes(list("abc") * 10)
    with_python = split(rows, sizes=(20, 5, 5), seed=7)
    with_numpy = split(rows, sizes=tuple(np.array([20, 5, 5])), seed=np.int64(7))
    assert {name: part["id"][:] for name, part in with_python.items()} == {
        name: part["id"][:] for name, part in with_numpy.items()
    }
