"""Optimisers against their formulas, decay groups by name, schedules in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rounding import assert_alike
from torch import nn
from transformers import AutoModel, get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from ftlearn.optim import OPTIMIZERS, SCHEDULES, clip_grad_norm, decay_groups, optimizer, schedule

RATE, DECAY = 0.1, 0.05
totals = st.integers(1, 200)
shares = st.floats(0, 1)

each_architecture = pytest.mark.parametrize(
    "shape", ["bert", "distilbert", "roberta", "modernbert", "gpt2"]
)


def slow(name: str, weight: float, gradients: list[float]) -> float:
    """A weight after updates with the given gradients, as the papers write them."""
    velocity = first = second = 0.0
    for step, gradient in enumerate(gradients, start=1):
        if name == "adamw":
            weight -= RATE * DECAY * weight
        else:
            gradient += DECAY * weight
        velocity = 0.9 * velocity + gradient
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        adaptive = (first / (1 - 0.9**step)) / (math.sqrt(second / (1 - 0.999**step)) + 1e-8)
        weight -= RATE * {"sgd": gradient, "momentum": velocity}.get(name, adaptive)
    return weight


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimisers_follow_their_papers(name: str):
    weight = nn.Parameter(torch.tensor([[2.0]], dtype=torch.float64))
    groups = [{"params": [weight], "weight_decay": DECAY}]
    optimiser = optimizer(name, groups, RATE)
    gradients = [1.0, -0.5, 3.0, 0.2]
    for gradient in gradients:
        weight.grad = torch.full_like(weight, gradient)
        optimiser.step()
    assert weight.item() == pytest.approx(slow(name, 2.0, gradients), rel=1e-9)


def test_an_unknown_optimiser_is_refused_with_the_known_ones():
    with pytest.raises(
        ValueError, match="unknown optimizer 'lion': use sgd, momentum, adam, adamw"
    ):
        optimizer("lion", [], 0.1)


@each_architecture
def test_matrices_decay_and_biases_and_norms_do_not(tiny_checkpoints, shape: str):
    model = AutoModel.from_pretrained(tiny_checkpoints[shape])
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decayed, undecayed = (
        {names[id(parameter)] for parameter in group["params"]}
        for group in decay_groups(model.parameters(), 0.3)
    )
    norms = {
        f"{owner}.{name}"
        for owner, module in model.named_modules()
        if isinstance(module, nn.LayerNorm)
        for name, _ in module.named_parameters()
    }
    biases = {name for name in names.values() if name.endswith("bias")}
    assert norms
    assert undecayed == norms | biases
    assert decayed | undecayed == set(names.values())
    assert not decayed & undecayed


def test_groups_carry_the_decay_and_leave_frozen_parameters_out():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    model[0].requires_grad_(False)
    decayed, undecayed = decay_groups(model.parameters(), 0.3)
    assert (decayed["weight_decay"], undecayed["weight_decay"]) == (0.3, 0.0)
    assert decayed["params"] == [model[1].weight]
    assert undecayed["params"] == [model[1].bias]


def test_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match=r"every parameter is frozen: .* unfreeze a part first"):
        decay_groups(nn.Linear(2, 2).requires_grad_(False).parameters(), 0.01)


@given(st.sampled_from(SCHEDULES), totals, shares)
def test_every_update_but_the_first_ones_follows_the_closed_form(name, total, warmup_ratio):
    rate = schedule(name, total=total, warmup_ratio=warmup_ratio)
    rising = round(warmup_ratio * total)
    for update in range(total):
        if update < rising:
            expected = (update + 1) / (rising + 1)
        else:
            left = (total - update) / (total - rising)
            cosine = math.sin(math.pi / 2 * left) ** 2
            expected = {"constant": 1, "linear": left, "cosine": cosine}[name]
        assert rate(update) == pytest.approx(expected, abs=1e-12)


@given(st.sampled_from(SCHEDULES), totals, shares)
def test_no_update_is_wasted_at_rate_zero_and_none_exceeds_the_peak(name, total, warmup_ratio):
    rate = schedule(name, total=total, warmup_ratio=warmup_ratio)
    rates = [rate(update) for update in range(total)]
    assert min(rates) > 0
    assert max(rates) <= 1
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


@pytest.mark.parametrize(
    ("name", "get_schedule"),
    [("linear", get_linear_schedule_with_warmup), ("cosine", get_cosine_schedule_with_warmup)],
)
def test_after_warm_up_it_is_transformers_schedule(name: str, get_schedule):
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = get_schedule(optimiser, 10, 100)
    rate = schedule(name, total=100, warmup_ratio=0.1)
    assert reference.get_last_lr() == [0]  # which ours avoids
    assert rate(0) > 0
    for update in range(100):
        if update >= 10:
            assert rate(update) == pytest.approx(reference.get_last_lr()[0], abs=1e-12)
        optimiser.step()
        reference.step()


def test_an_unknown_schedule_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown schedule 'step': use constant, linear, cosine"):
        schedule("step", total=10, warmup_ratio=0.1)


@pytest.mark.parametrize("limit", [0.5, 5.0, 1e3])
def test_clipping_is_that_of_torch(limit: float):
    def with_gradients() -> nn.Module:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 2), nn.Linear(2, 2))
        (30 * model[1](model[0](torch.randn(4, 5)))).sum().backward()  # the last has no gradient
        return model

    ours, theirs = with_gradients(), with_gradients()
    norm = nn.utils.clip_grad_norm_(theirs.parameters(), limit).item()
    assert clip_grad_norm(ours.parameters(), limit) == pytest.approx(norm, rel=1e-6)
    for parameter, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert (parameter.grad is None) == (expected.grad is None)
        if expected.grad is not None:  # the norm, and with it the factor, may round differently
            assert_alike(parameter.grad, expected.grad)


def test_the_norm_of_a_gradient_with_nan_is_nan():
    weight = nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([math.nan, 1.0])
    assert math.isnan(clip_grad_norm([weight], 1.0))
