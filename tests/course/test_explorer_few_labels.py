"""Class means against a prior: nearest centres, the weight n / (n + κ), and the widget's code."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestCentroid

from ftlearn.course import explorers, widgets
from ftlearn.course.explorers import few_labels as module_function
from ftlearn.course.explorers.few_labels import class_means, draw, nearest

RANDOM = np.random.default_rng(0)
TARGETS = np.arange(210) % 3
FEATURES = RANDOM.normal(size=(210, 5)) + 1.5 * np.eye(5)[TARGETS]
TRAIN, TEST = (FEATURES[:150], TARGETS[:150]), (FEATURES[150:], TARGETS[150:])
PRIOR = 1.5 * np.eye(5)[:3]


@given(st.integers(1, 50), st.integers(0, 5))
def test_a_draw_holds_as_many_different_rows_of_every_class(labels, seed):
    rows = draw(TRAIN[1], labels, seed)
    assert np.bincount(TRAIN[1][rows]).tolist() == [labels] * 3
    assert len(set(rows.tolist())) == 3 * labels


def test_the_nearest_class_mean_is_that_of_scikit_learn():
    ours = nearest(class_means(*TRAIN), TEST[0])
    assert ours.tolist() == NearestCentroid().fit(*TRAIN).predict(TEST[0]).tolist()


def test_without_worth_the_prior_does_not_count():
    table = explorers.few_labels(TRAIN, TEST, -PRIOR, labels=8, kappa=0).elements[0]["accuracy"]
    assert table["shrunk"] == table["means"]
    assert table["prior alone"] < table["means"]


def test_an_infinite_worth_leaves_the_prior_alone():
    table = explorers.few_labels(TRAIN, TEST, PRIOR, labels=1, kappa=1e12).elements[0]["accuracy"]
    assert table["shrunk"] == table["prior alone"] == table["prior alone"].round(3)
    assert table["shrunk"] > table["means"]


def test_the_sentence_tells_the_weight():
    sentence = module_function(TRAIN, TEST, PRIOR, labels=6, kappa=2).sentence
    assert sentence.startswith("6 labels per class, κ = 2: the means weigh 0.75.")


@pytest.mark.parametrize("labels", [0, 51])
def test_more_labels_than_rows_are_refused(labels):
    with pytest.raises(ValueError, match=f"{labels} labels per class: use 1 to 50"):
        explorers.few_labels(TRAIN, TEST, PRIOR, labels=labels)


def test_the_widget_follows_its_controls_and_prints_code_that_gives_the_same():
    box = widgets.few_labels(TRAIN, TEST, PRIOR, labels=2)
    labels, kappa = (getattr(row, "children", [row])[0] for row in box.children[0].children)
    for control, value in ((labels, 16), (kappa, 9)):
        before = box.children[2].value
        control.value = value
        assert box.children[2].value != before
    code = html.unescape(re.sub(r"</?code>", "", box.children[1].value))
    names = {"explorers": explorers, "train": TRAIN, "test": TEST, "prior": PRIOR}
    assert eval(code, names)._repr_html_() == box.children[2].value
