"""The explorer of two task weights against least squares by scikit-learn, and its widget."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from ftlearn.course import explorers, widgets

RANDOM = np.random.default_rng(0)
FIRST = (RANDOM.normal(size=(40, 3)), RANDOM.normal(size=40))
SECOND = (RANDOM.normal(size=(20, 3)) * [1.0, 2.0, 0.5], RANDOM.normal(size=20) + 1)
LOSSES = ["loss of the first task", "loss of the second task"]


def ridge_losses(weight: float, penalty: float) -> list[float]:
    """Both losses of one ridge regression over the rows of both tasks, weighted."""
    x, y = np.concatenate([FIRST[0], SECOND[0]]), np.concatenate([FIRST[1], SECOND[1]])
    weights = np.repeat([weight / 40, (1 - weight) / 20], [40, 20])
    model = Ridge(alpha=penalty, fit_intercept=False).fit(x, y, sample_weight=weights)
    return [
        np.square(y - x @ model.coef_).mean() + penalty * np.square(model.coef_).sum()
        for x, y in (FIRST, SECOND)
    ]


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_the_joint_row_is_ridge_regression_on_all_rows(weight):
    table = explorers.task_weights(FIRST, SECOND, weight, penalty=0.2).elements[0]
    assert table.loc["joint", LOSSES].tolist() == pytest.approx(ridge_losses(weight, 0.2), abs=1e-4)


def test_no_other_model_is_better_for_both_tasks():
    table = explorers.task_weights(FIRST, SECOND, 0.4, penalty=0.2).elements[0]
    value = table[LOSSES] @ np.array([0.4, 0.6])
    assert value.idxmin() == "joint"


def test_equal_features_make_the_average_of_weights_the_joint_optimum():
    second = (FIRST[0], RANDOM.normal(size=40))
    table = explorers.task_weights(FIRST, second, 0.7).elements[0]
    assert table.loc["joint"].tolist() == table.loc["average of weights"].tolist()


def test_the_sentence_says_what_each_task_loses():
    x = np.array([[1.0]])
    view = explorers.task_weights((x, np.array([0.0])), (x, np.array([2.0])), penalty=0.0)
    assert "the first task loses 1 and the second 1" in view.sentence


@pytest.mark.parametrize("weight", [-0.1, 1.5])
def test_a_weight_outside_zero_and_one_is_refused(weight):
    with pytest.raises(ValueError, match="from 0 to 1"):
        explorers.task_weights(FIRST, SECOND, weight)


def test_unequal_features_are_refused():
    with pytest.raises(ValueError, match="3 and 2 features"):
        explorers.task_weights(FIRST, (SECOND[0][:, :2], SECOND[1]))


def test_the_widget_follows_its_slider_and_prints_code_that_gives_the_same():
    box = widgets.task_weights(FIRST, SECOND)
    (control,) = [getattr(widget, "children", [widget])[0] for widget in box.children[0].children]
    before = box.children[2].value
    control.value = 0.8
    assert box.children[2].value != before
    code = html.unescape(re.sub(r"</?code>", "", box.children[1].value))
    view = eval(code, {"explorers": explorers, "first": FIRST, "second": SECOND})
    assert view._repr_html_() == box.children[2].value
