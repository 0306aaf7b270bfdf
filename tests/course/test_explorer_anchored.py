"""The explorer of the preference line: its policy is the optimum, and its figures follow it."""

from __future__ import annotations

import html
import re

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from ftlearn.course import explorers, widgets
from ftlearn.course.explorers.anchored import preference_line
from ftlearn.errors import ArgumentError

RANDOM = np.random.default_rng(0)
ANSWERS = pd.DataFrame(
    {
        "reference": RANDOM.dirichlet(np.ones(6)),
        "proxy": RANDOM.normal(size=6),
        "gold": RANDOM.normal(size=6),
    },
    index=list("abcdef"),
)


def objective(policy, beta):
    """−E[r] + β KL of a policy (K,), written out."""
    ratio = np.log(policy / ANSWERS["reference"].to_numpy())
    return policy @ (beta * ratio - ANSWERS["proxy"].to_numpy())


@pytest.mark.parametrize("beta", [0.3, 1.0, 5.0])
def test_the_table_shows_the_policy_that_a_numerical_search_finds(beta):
    search = minimize(lambda z: objective(softmax(z), beta), np.zeros(6), tol=1e-12)
    best = pd.Series(softmax(search.x), index=ANSWERS.index)
    table, _ = explorers.anchored(ANSWERS, beta).elements
    assert table["policy"].to_dict() == pytest.approx(best[table.index].to_dict(), abs=2e-3)
    assert table["policy"].is_monotonic_decreasing
    assert len(table) == 5


def test_the_sentence_tells_all_rewards_before_and_now():
    view = explorers.anchored(ANSWERS, 0.5, reward="gold")
    policy = softmax(np.log(ANSWERS["reference"]) + ANSWERS["gold"] / 0.5)
    for name in ("proxy", "gold"):
        before, now = ANSWERS["reference"] @ ANSWERS[name], policy @ ANSWERS[name]
        assert f"E[{name}]: {before:.2f} before, {now:.2f} now" in view.sentence
    assert view.sentence.startswith("At β = 0.5 ")


def test_along_the_line_reward_and_divergence_rise_with_slope_beta():
    line = preference_line(ANSWERS, "proxy", [1.001, 0.999])
    assert np.ptp(line["proxy"]) / np.ptp(line["KL"]) == pytest.approx(1.0, rel=1e-3)
    assert (line.diff().iloc[1][["KL", "proxy"]] > 0).all()


@pytest.mark.parametrize("name", ["silver", "reference"])
def test_a_reward_that_is_not_there_names_the_columns(name):
    with pytest.raises(ArgumentError, match="'reference', 'proxy', 'gold'"):
        explorers.anchored(ANSWERS, reward=name)


def test_the_widget_shows_what_the_printed_call_returns():
    box = widgets.anchored(ANSWERS, beta=2.0, name="ANSWERS")
    beta, reward = box.children[0].children
    beta.value, reward.value = 0.5, "gold"
    code = html.unescape(re.sub("<[^>]+>", "", box.children[1].value))
    assert code == "explorers.anchored(ANSWERS, beta=0.5, reward='gold')"
    view = eval(code, {"explorers": explorers, "ANSWERS": ANSWERS})
    assert html.escape(view.sentence) in box.children[-1].value or view.sentence in (
        box.children[-1].value
    )
