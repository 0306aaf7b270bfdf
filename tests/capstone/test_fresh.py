"""The fresh draw: new texts, whole products, and a seed that nobody chooses."""

from __future__ import annotations

import shutil
from collections import Counter

import numpy as np
import pytest

from ftlearn import capstone, data, metrics
from ftlearn.capstone import fresh
from ftlearn.data.duplicates import jaccard, shingles

CORPUS = ("reviews", "ratings", "topics", "topics_shift")


def corpus() -> list[str]:
    """The texts of the course that are of a similar kind."""
    parts = [part for name in CORPUS for part in data.load(name).values()]
    return [text for part in parts for text in part["text"]]


def test_the_pool_has_one_review_of_each_label_for_36_new_products():
    pool = fresh.pool()
    assert len({row["id"] for row in pool}) == len({row["text"] for row in pool}) == 72
    labels = Counter((row["product"], row["label"]) for row in pool)
    assert set(labels.values()) == {1}
    assert len(labels) == 72
    known = {name for part in data.load("reviews").values() for name in part[:].get("product", ())}
    assert not known & {row["product"] for row in pool}


def test_no_text_of_the_pool_is_like_one_of_the_course_or_of_the_pool():
    texts = [row["text"] for row in fresh.pool()]
    others = [shingles(text) for text in corpus()]
    own = [shingles(text) for text in texts]
    assert max(jaccard(first, second) for first in own for second in others) < 0.2
    assert max(jaccard(own[i], own[j]) for i in range(72) for j in range(i)) < 0.2


def test_the_words_of_the_pool_do_not_give_the_label_away():
    lengths = {label: [] for label in fresh.LABELS}
    for row in fresh.pool():
        lengths[row["label"]].append(len(row["text"].split()))
    means = [np.mean(values) for values in lengths.values()]
    assert abs(means[0] - means[1]) < 2


def test_a_draw_is_balanced_repeatable_and_another_for_another_seed():
    first, again, other = (set(fresh.draw(seed)["text"]) for seed in (1, 1, 2))
    assert first == again
    assert len(first) == 48
    assert 0 < len(first & other) < 48


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
    rows = "".join(f'"{row["text"]}!",positive,x,y\n' for row in fresh.pool()[:3])
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
    with pytest.raises(capstone.CapstoneError, match="has no, yes: there is none"):
        fresh.scored(submission)
