"""The planner: its table is the plan of each offer, marks say what fits, its code repeats it."""

from __future__ import annotations

import html
import re

import pytest

from ftlearn.course import explorers, widgets
from ftlearn.errors import ArgumentError
from ftlearn.metrics import Interval
from ftlearn.training.planning import Device

OFFERS = {
    "small": Device(peak=1e13, memory=16e9, watts=100, price=0.5),
    "large": Device(peak=1e14, memory=80e9, watts=500, price=Interval(3, 2, 4)),
}


def test_the_table_is_what_one_computes_by_hand():
    table, _ = explorers.planner(OFFERS, 2.0, 3.0, utilisation=0.5, price_per_kwh=1.0).elements
    assert table["fits"].to_dict() == {"small": "no", "large": "yes"}
    assert set(table["memory per device"]) == {"32.00 GB"}  # 16 bytes each
    assert table.loc["small", "hours"] == "2 [2, 2]"  # 6 · 2e9 · 3e6 / 5e12 / 3600
    assert table.loc["large", "hours"] == "0.2 [0.2, 0.2]"
    assert table.loc["small", "kWh"] == "0.2 [0.2, 0.2]"
    assert table.loc["large", "price"] == "0.7 [0.5, 0.9]"  # 0.2 h · 3 and 0.1 kWh


def test_lora_learns_a_hundredth_and_takes_two_thirds_of_the_time():
    full, lora = (explorers.planner(OFFERS, 2.0, 30.0, method=m) for m in ("full", "LoRA"))
    assert "3.6e+17 operations. Fits: large." in full.sentence
    assert "2.4e+17 operations. Fits: small, large." in lora.sentence
    assert set(lora.elements[0]["memory per device"]) == {"8.24 GB"}


def test_the_figure_marks_what_does_not_fit():
    _, figure = explorers.planner(OFFERS, 2.0, 3.0).elements
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["small (does not fit)", "large"]


def test_nothing_fits_is_said():
    assert explorers.planner(OFFERS, 70.0).sentence.endswith("Fits: none.")


@pytest.mark.parametrize(("offers", "method"), [(OFFERS, "QLoRA"), ({}, "full")])
def test_what_it_does_not_know_is_named(offers, method):
    with pytest.raises(ArgumentError, match="use 'full' or 'LoRA', and at least one offer"):
        explorers.planner(offers, method=method)


def test_the_widget_shows_what_the_printed_call_returns():
    box = widgets.planner(OFFERS, billions=7.0, name="OFFERS", pue=1.5)
    billions, tokens, method, devices = box.children[0].children
    billions.value, method.value, devices.value = 3.0, "LoRA", 8
    tokens.children[0].value = 50.0
    code = html.unescape(re.sub("<[^>]+>", "", box.children[1].value))
    assert code == (
        "explorers.planner(OFFERS, billions=3.0, million_tokens=50.0, method='LoRA', devices=8, "
        "pue=1.5)"
    )
    view = eval(code, {"explorers": explorers, "OFFERS": OFFERS})
    assert html.escape(view.sentence) in box.children[-1].value
