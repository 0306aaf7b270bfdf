"""The fresh draw: new texts, whole products or places, and a seed that nobody chooses."""

from __future__ import annotations

import shutil
from collections import Counter

import numpy as np
import pytest

from ftlearn import capstone, data, metrics
from ftlearn.capstone import fresh
from ftlearn.data.duplicates import jaccard, shingles

REVIEW_LIKE = ("reviews", "ratings", "topics", "topics_shift")
"""The data sets whose texts are of a similar kind as the pool of reviews."""


def texts_of(names: tuple[str, ...]) -> list[str]:
    """The texts of data sets of the course."""
    parts = [part for name in names for part in data.load(name).values()]
    return [text for part in parts for text in part["text"]]


@pytest.mark.parametrize("pool", fresh.POOLS, ids=lambda pool: pool.name)
def test_each_group_of_a_pool_has_one_text_of_each_label(pool):
    rows = pool.rows()
    assert len({row["id"] for row in rows}) == len({row["text"] for row in rows}) == len(rows)
    labels = Counter((row[pool.group], row["label"]) for row in rows)
    groups = {row[pool.group] for row in rows}
    assert labels == {(group, label): 1 for group in groups for label in pool.labels}
    assert len(groups) == pool.drawn * 3 / 2


def test_the_products_are_new():
    known = {name for part in data.load("reviews").values() for name in part[:].get("product", ())}
    assert not known & {row["product"] for row in fresh.REVIEWS.rows()}


@pytest.mark.parametrize(
    ("pool", "corpus"),
    [(fresh.REVIEWS, REVIEW_LIKE), (fresh.ARTICLES, ("topics_zh",))],
    ids=["reviews", "topics_zh"],
)
def test_no_text_of_a_pool_is_like_one_of_the_course_or_of_the_pool(pool, corpus):
    own = [shingles(row["text"]) for row in pool.rows()]
    others = [shingles(text) for text in texts_of(corpus)]
    assert max(jaccard(first, second) for first in own for second in others) < 0.2
    assert max(jaccard(own[i], own[j]) for i in range(len(own)) for j in range(i)) < 0.2


@pytest.mark.parametrize(("pool", "unit"), [(fresh.REVIEWS, " "), (fresh.ARTICLES, "")])
def test_the_length_of_a_text_does_not_give_the_label_away(pool, unit):
    lengths = {label: [] for label in pool.labels}
    for row in pool.rows():
        lengths[row["label"]].append(len(row["text"].split(unit) if unit else row["text"]))
    means = [np.mean(values) for values in lengths.values()]
    assert max(means) - min(means) < 0.08 * np.mean(means)


@pytest.mark.parametrize("pool", fresh.POOLS, ids=lambda pool: pool.name)
def test_a_draw_is_balanced_repeatable_and_another_for_another_seed(pool):
    first, again, other = (set(fresh.draw(seed, pool)["text"]) for seed in (1, 1, 2))
    assert first == again
    assert len(first) == pool.drawn * len(pool.labels)
    assert 0 < len(first & other) < len(first)
    assert set(Counter(fresh.draw(1, pool)["label"]).values()) == {pool.drawn}


def test_the_hashes_decide_the_draw(passing, memory, tmp_path):
    first, again = (fresh.seed_of(capstone.Submission(passing)) for _ in range(2))
    assert first == again
    copy = shutil.copytree(passing, tmp_path / "copy")
    (copy / "runs" / "0").rename(copy / "runs" / "9")
    assert fresh.seed_of(capstone.Submission(copy)) != first


def test_texts_of_the_pool_in_the_submitted_data_are_counted(passing, memory, tmp_path):
    assert capstone.grade(passing, memory=memory).fresh.seen == 0
    copy = shutil.copytree(passing, tmp_path / "copy")
    path = copy / "data" / "train.csv"
    rows = "".join(f'"{row["text"]}!",positive,x,y\n' for row in fresh.REVIEWS.rows()[:3])
    path.write_text(path.read_text() + rows)
    assert capstone.grade(copy, memory=memory).fresh.seen == 3


@pytest.mark.parametrize(("k", "n", "j", "m"), [(56, 70, 48, 80), (9, 10, 3, 10), (10, 10, 0, 20)])
def test_the_interval_of_a_difference_is_newcombes(k, n, j, m):
    first, second = (metrics.wilson(a, b)._asdict() for a, b in ((k, n), (j, m)))
    # Table II of Newcombe 1998, method 10.
    published = {(56, 48): (0.0524, 0.3339), (9, 3): (0.1705, 0.8090), (10, 0): (0.6791, 1.0)}
    interval = fresh.difference(first, second)
    assert (interval["low"], interval["high"]) == pytest.approx(published[k, j], abs=5e-5)


def test_a_task_with_other_labels_has_no_fresh_draw(passing, memory):
    submission = capstone.Submission(passing, memory)
    submission.__dict__["task"] = type(submission.task)(labels=("no", "yes"))
    with pytest.raises(capstone.CapstoneError, match="labels no, yes and the script"):
        fresh.scored(submission)
