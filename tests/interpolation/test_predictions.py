"""Mixtures of predictions against sums written out in float64, and under laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ftlearn import losses
from ftlearn.interpolation.predictions.mixtures import (
    at_targets,
    contrast,
    ensemble,
    geometric_mixture,
    guide,
    jensen,
    logit_mixture,
    mixture,
)

seeds = st.integers(0, 2**32 - 1)
counts = st.integers(1, 5)


def drawn(seed: int, members: int = 2, rows: int = 4, classes: int = 3) -> torch.Tensor:
    """Random logits (members, rows, classes) in float64."""
    return torch.tensor(np.random.default_rng(seed).normal(0, 3, (members, rows, classes)))


def weights_drawn(seed: int, members: int) -> list[float]:
    return np.random.default_rng(seed + 1).dirichlet(np.ones(members)).tolist()


def close(first: torch.Tensor, second: torch.Tensor, atol: float = 1e-12) -> None:
    torch.testing.assert_close(first, second, rtol=0, atol=atol)


@given(seeds, counts)
def test_mixture_is_the_weighted_sum_of_probabilities(seed: int, members: int):
    logits, weights = drawn(seed, members), weights_drawn(seed, members)
    p = (logits.exp() / logits.exp().sum(-1, keepdim=True)).numpy()
    mixed = mixture(logits.log_softmax(-1), weights).exp()
    for row in range(4):
        for c in range(3):
            slow = sum(weights[k] * p[k, row, c] for k in range(members))
            assert mixed[row, c].item() == pytest.approx(slow, abs=1e-12)
    close(mixed.sum(-1), torch.ones(4, dtype=torch.float64))


@given(seeds, counts)
def test_geometric_mixture_is_the_weighted_product_normalised(seed: int, members: int):
    logits, weights = drawn(seed, members), weights_drawn(seed, members)
    p = logits.softmax(-1).numpy()
    mixed = geometric_mixture(logits.log_softmax(-1), weights).exp()
    for row in range(4):
        product = [math.prod(p[k, row, c] ** weights[k] for k in range(members)) for c in range(3)]
        close(mixed[row], torch.tensor(product, dtype=torch.float64) / sum(product))


@given(seeds, st.floats(-2, 3))
def test_a_line_between_logits_is_a_geometric_mixture(seed: int, weight: float):
    logits, weights = drawn(seed), [1 - weight, weight]
    line = logit_mixture(logits, weights)
    close(line, (1 - weight) * logits[0] + weight * logits[1])
    log_p = geometric_mixture(logits.log_softmax(-1), weights)
    close(line.log_softmax(-1), log_p, atol=1e-10)


mixtures = pytest.mark.parametrize("mix", [mixture, geometric_mixture])


@mixtures
@given(seed=seeds)
def test_ends_of_the_line_are_its_members(mix, seed: int):
    log_p = drawn(seed).log_softmax(-1)
    close(mix(log_p, [1, 0]), log_p[0])
    close(mix(log_p, [0, 1]), log_p[1])
    close(mix([log_p[0]]), log_p[0])


@mixtures
@given(seed=seeds, weight=st.floats(0, 1))
def test_order_of_members_and_equal_members_do_not_matter(mix, seed: int, weight: float):
    p, q = drawn(seed).log_softmax(-1)
    close(mix([p, q], [1 - weight, weight]), mix([q, p], [weight, 1 - weight]), atol=1e-10)
    close(mix([p, p], [1 - weight, weight]), p, atol=1e-10)


@given(seeds)
def test_a_mixture_of_mixtures_is_a_mixture(seed: int):
    p, q, r = drawn(seed, 3).log_softmax(-1)
    nested = mixture([mixture([p, q]), r], [0.5, 0.5])
    close(nested, mixture([p, q, r], [0.25, 0.25, 0.5]))


@given(seeds, counts)
def test_ensemble_is_the_mean_of_probabilities_and_not_of_logits(seed: int, members: int):
    logits = drawn(seed, members)
    close(ensemble(logits).exp(), logits.softmax(-1).mean(0))


@given(seeds, counts)
def test_loss_of_a_mixture_is_at_most_the_mean_loss_at_each_target(seed: int, members: int):
    logits, weights = drawn(seed, members, rows=20), weights_drawn(seed, members)
    targets = torch.tensor(np.random.default_rng(seed).integers(3, size=20))
    likelihoods = at_targets(logits.log_softmax(-1), targets)
    of_mixture, mean = jensen(likelihoods, weights)
    assert (of_mixture <= mean + 1e-12).all()
    mixed = mixture(logits.log_softmax(-1), weights)
    close(of_mixture.sum(), losses.cross_entropy(mixed, targets).total, atol=1e-9)
    totals = [losses.cross_entropy(member, targets).total for member in logits]
    close(mean.sum(), sum(w * loss for w, loss in zip(weights, totals, strict=True)), atol=1e-9)


def test_jensen_is_an_equality_only_if_the_members_agree():
    agree_and_differ = torch.tensor([[0.3, 0.9], [0.3, 0.1]], dtype=torch.float64).log()
    of_mixture, mean = jensen(agree_and_differ)
    assert mean[0].item() == pytest.approx(of_mixture[0].item(), abs=1e-15)
    gain = math.log(0.5 / math.sqrt(0.9 * 0.1))  # arithmetic over geometric mean
    assert (mean[1] - of_mixture[1]).item() == pytest.approx(gain, abs=1e-12)


def test_a_class_that_one_member_gives_probability_zero():
    certain, open_minded = torch.tensor([0.0, -torch.inf]), torch.tensor([0.5, 0.5]).log()
    mixed = mixture([certain, open_minded], [0.5, 0.5])
    close(mixed.exp(), torch.tensor([0.75, 0.25]), atol=1e-7)
    geometric = geometric_mixture([certain, open_minded], [0.5, 0.5])
    close(geometric.exp(), torch.tensor([1.0, 0.0]), atol=0)
    close(geometric_mixture([certain, open_minded], [0, 1]), open_minded, atol=0)


def test_mixture_does_not_underflow():
    tiny = torch.tensor([-1000.0, -2000.0])
    close(mixture([tiny, tiny]), tiny, atol=1e-3)


def test_arrays_and_half_precision_are_accepted():
    array = np.log(np.array([[0.9, 0.1], [0.5, 0.5]]))
    assert mixture(array).dtype is torch.float64
    half = torch.tensor(array, dtype=torch.bfloat16)
    assert mixture(half).dtype is torch.float32


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.5, 0.6], "sum to 1"),
        ([1.0], "2 predictors need 2 weights"),
        ([1.5, -0.5], r"in \[0, 1\]"),
    ],
)
def test_weights_that_make_no_mixture_are_refused(weights: list[float], message: str):
    with pytest.raises(ValueError, match=message):
        mixture(drawn(0).log_softmax(-1), weights)


def test_logits_given_as_log_probabilities_are_noticed():
    with pytest.raises(ValueError, match="are these logits"):
        mixture(drawn(0))


def test_members_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="agree in shape"):
        mixture([torch.zeros(2), torch.zeros(3)])
    with pytest.raises(ValueError, match="agree in shape; these have none"):
        mixture([])


@given(seeds)
def test_likelihoods_are_those_of_the_targets(seed: int):
    log_p = drawn(seed, 3, rows=5)
    targets = np.random.default_rng(seed).integers(3, size=5)
    found = at_targets(log_p, targets)
    assert found.tolist() == [[log_p[k, i, targets[i]].item() for i in range(5)] for k in range(3)]


@given(seeds, st.floats(0, 5))
def test_guidance_is_a_power_of_the_ratio(seed: int, scale: float):
    conditional, unconditional = drawn(seed).log_softmax(-1)
    guided = guide(conditional, unconditional, scale)
    power = unconditional.exp() * (conditional.exp() / unconditional.exp()) ** scale
    close(guided.exp(), power / power.sum(-1, keepdim=True), atol=1e-10)
    w = scale - 1  # the diffusion paper's: (1 + w) conditional − w unconditional
    scores = (1 + w) * conditional - w * unconditional
    close(guided, scores.log_softmax(-1), atol=1e-10)


def test_guidance_passes_through_both_predictions():
    conditional, unconditional = drawn(3).log_softmax(-1)
    close(guide(conditional, unconditional, 0), unconditional)
    close(guide(conditional, unconditional, 1), conditional)


@given(seeds, st.floats(0.01, 1))
def test_contrast_is_the_papers_score_over_plausible_classes(seed: int, cutoff: float):
    expert, amateur = drawn(seed, classes=6).log_softmax(-1)
    found = contrast(expert, amateur, cutoff=cutoff)
    close(found.exp().sum(-1), torch.ones(4, dtype=torch.float64))
    for row, e, a in zip(
        found.tolist(), expert.exp().tolist(), amateur.exp().tolist(), strict=True
    ):
        plausible = [p >= cutoff * max(e) for p in e]
        scores = [math.log(e[c] / a[c]) if plausible[c] else -math.inf for c in range(6)]
        assert [value > -math.inf for value in row] == plausible
        shifts = [
            value - score for value, score in zip(row, scores, strict=True) if score > -math.inf
        ]
        assert max(shifts) - min(shifts) < 1e-9


def test_without_plausibility_an_improbable_class_would_win():
    expert, amateur = torch.tensor([0.5, 0.49, 0.01]).log(), torch.tensor([0.6, 0.399, 0.001]).log()
    assert contrast(expert, amateur, cutoff=0.001).argmax() == 2
    assert contrast(expert, amateur, cutoff=0.1).argmax() == 1


def test_nothing_leads_away_from_probability_zero():
    certain, open_minded = torch.tensor([0.0, -torch.inf]), torch.tensor([0.5, 0.5]).log()
    with pytest.raises(ValueError, match="probability 0"):
        guide(open_minded, certain, 2.0)
    with pytest.raises(ValueError, match="probability 0"):
        contrast(open_minded, certain)
    with pytest.raises(ValueError, match="cutoff is 0"):
        contrast(open_minded, open_minded, cutoff=0)
