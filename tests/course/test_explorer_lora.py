"""The explorer of rank and scale keeps what a decomposition keeps, and measures what it says."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest

from ftlearn.course import explorers, widgets
from ftlearn.course.explorers.lora import PATH, kept_shares, truncated
from ftlearn.errors import ArgumentError

RANDOM = np.random.default_rng(0)
UPDATES = {"query": RANDOM.normal(size=(6, 4)), "value": RANDOM.normal(size=(3, 4))}


def decomposed(updates):
    return {name: np.linalg.svd(update, full_matrices=False) for name, update in updates.items()}


def measure(updates):
    return {"length": float(sum(np.square(update).sum() for update in updates.values()))}


@pytest.fixture
def factors():
    return decomposed(UPDATES)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_no_other_matrix_of_the_rank_is_closer(factors, rank):
    left, _, right = factors["query"]
    error = np.square(UPDATES["query"] - truncated(factors["query"], rank)).sum()
    for _ in range(20):
        basis = np.linalg.qr(RANDOM.normal(size=(4, rank)))[0]
        rival = UPDATES["query"] @ basis @ basis.T
        assert error <= np.square(UPDATES["query"] - rival).sum() + 1e-12
    assert np.linalg.matrix_rank(truncated((left, factors["query"][1], right), rank)) == rank


def test_the_kept_share_is_that_of_the_matrix_itself(factors):
    for name, update in UPDATES.items():
        for rank, share in enumerate(kept_shares(factors)[name], 1):
            length = np.square(truncated(factors[name], rank)).sum()
            assert length / np.square(update).sum() == pytest.approx(share)


def test_the_full_rank_at_scale_one_is_the_update_and_scale_is_a_factor(factors):
    path, kept, _ = explorers.lora(factors, measure, 4, 1.5).elements
    whole = measure(UPDATES)["length"]
    assert path["length"].to_dict() == pytest.approx(
        {scale: whole * scale**2 for scale in (*PATH, 1.5)}, rel=1e-3
    )
    assert (kept == 1).all(axis=None)


def test_a_rank_beyond_a_small_matrix_keeps_all_of_it(factors):
    _, kept, _ = explorers.lora(factors, measure, 3).elements
    assert kept.loc["value"].item() == 1 > kept.loc["query"].item()


def test_a_rank_of_nothing_is_refused(factors):
    with pytest.raises(ArgumentError, match="rank is 0"):
        explorers.lora(factors, measure, 0)


def test_the_printed_code_of_the_widget_gives_the_same(factors):
    box = widgets.lora(factors, measure, ranks=(2, 1, 4))
    rank, scale = (getattr(part, "children", [part])[0] for part in box.children[0].children)
    before = box.children[2].value
    rank.value, scale.value = 1, 0.25
    assert box.children[2].value != before
    code = html.unescape(re.sub(r"</?code>", "", box.children[1].value))
    assert code == "explorers.lora(factors, measure, rank=1, scale=0.25)"
    view = eval(code, {"explorers": explorers, "factors": factors, "measure": measure})
    assert view._repr_html_() == box.children[2].value
