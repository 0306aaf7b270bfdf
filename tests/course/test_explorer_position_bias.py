"""The explorer of position bias against closed forms, and its widget against its printed code."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest

from ftlearn.course import explorers, widgets
from ftlearn.course.explorers.position_bias import _draw, _mean_of_each
from ftlearn.data.impressions import SEEN
from ftlearn.errors import ArgumentError

ADS = 6
RELEVANCE = np.tile(np.linspace(0.2, 0.7, ADS), (3, 1))
SCORES = -np.arange(ADS) / 10  # the least relevant ad comes first
SLATES = 40_000


def rates(strength: float, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Clicks per showing and weighted clicks per showing of each ad."""
    seen = np.array(SEEN) ** strength
    ads, clicks = _draw(RELEVANCE, SCORES / temperature, seen, SLATES, seed=0)
    return tuple(_mean_of_each(ads, values, ADS) for values in (clicks, clicks / seen))


def test_without_bias_counting_is_right():
    counted, weighted = rates(strength=0.0, temperature=0.01)
    assert counted == pytest.approx(weighted)
    assert counted == pytest.approx(RELEVANCE[0], abs=0.015)


def test_in_random_order_counting_is_wrong_by_a_factor_only():
    counted, weighted = rates(strength=1.0, temperature=1e6)
    assert counted == pytest.approx(np.mean(SEEN) * RELEVANCE[0], abs=0.015)
    assert weighted == pytest.approx(RELEVANCE[0], abs=0.03)


def test_in_strict_order_counting_is_wrong_and_weights_are_right():
    # Five of six ads: ad i has place i + 1 or, if one of the i before it is missing, place i.
    counted, weighted = rates(strength=1.0, temperature=1e-3)
    seen = np.array([*SEEN, 0.0])
    places = np.arange(ADS)
    missing_before = places / (ADS - 1)
    expected = missing_before * seen[places - 1] + (1 - missing_before) * seen[places]
    assert counted == pytest.approx(expected * RELEVANCE[0], abs=0.015)
    assert weighted == pytest.approx(RELEVANCE[0], abs=0.04)
    assert counted.argmax() < 3 < weighted.argmax()


def test_an_ad_that_was_never_shown_has_no_rate():
    assert np.isnan(_mean_of_each(np.array([[0]]), np.array([[1.0]]), 2)).tolist() == [False, True]


def test_the_view_says_both_correlations():
    view = explorers.position_bias(RELEVANCE, SCORES, strength=0.0, slates=4000)
    assert "1.00 as counted, 1.00 weighted" in view.sentence
    assert view.elements[0].get_xlabel() == "true P(click | seen), mean over readers"


@pytest.mark.parametrize(("strength", "temperature"), [(-0.1, 1.0), (1.0, 0.0)])
def test_impossible_settings_are_refused(strength, temperature):
    with pytest.raises(ArgumentError, match=f"strength is {strength} and temperature"):
        explorers.position_bias(RELEVANCE, SCORES, strength=strength, temperature=temperature)


def test_the_widget_follows_its_controls_and_prints_code_that_shows_the_same():
    box = widgets.position_bias(RELEVANCE, SCORES)
    strength = getattr(box.children[0].children[0], "children", [box.children[0].children[0]])[0]
    strength.value = 0.5
    code = html.unescape(re.sub(r"<[^>]+>", "", box.children[1].value))
    assert "strength=0.5" in code
    named = {"explorers": explorers, "relevance": RELEVANCE, "scores": SCORES}
    assert eval(code, named).sentence in html.unescape(box.children[2].value)
