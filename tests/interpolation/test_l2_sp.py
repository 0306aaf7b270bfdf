"""The pull towards the pretrained weights: against ridge's closed form and AdamW's own decay."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ftlearn.interpolation.weights.l2_sp import Anchor
from ftlearn.interpolation.weights.linear import interpolate

numbers = st.floats(-5, 5)


def weight_of(value: float) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.constant_(layer.weight, value)
    return layer


@settings(max_examples=20)
@given(numbers, numbers, st.floats(0.5, 4), st.floats(0, 4))
def test_descent_with_the_pull_ends_between_the_optimum_and_the_start(
    start: float, optimum: float, curvature: float, strength: float
):
    rate = 0.2
    layer = weight_of(start)
    anchor = Anchor(layer)
    for _ in range(300):
        with torch.no_grad():
            layer.weight -= rate * curvature * (layer.weight - optimum)
        anchor.pull(rate * strength)
    # The pull comes after the update and shortens it, too: hence the factor.
    shorter = curvature * (1 - rate * strength)
    expected = (shorter * optimum + strength * start) / (shorter + strength)
    assert layer.weight.item() == pytest.approx(expected, abs=1e-6)


def test_in_many_dimensions_it_is_ridge_regression_towards_the_start():
    torch.manual_seed(0)
    layer = nn.Linear(3, 1, bias=False, dtype=torch.float64)
    x = torch.randn(20, 3).double()
    y = torch.randn(20).double()
    start = layer.weight[0].detach().clone()
    rate, strength = 0.01, 2.0
    anchor = Anchor(layer)
    for _ in range(1000):
        with torch.no_grad():
            layer.weight -= rate * (x @ layer.weight[0] - y) @ x
        anchor.pull(rate * strength)
    shorter = 1 - rate * strength
    prior = strength * torch.eye(3, dtype=torch.float64)
    ridge = torch.linalg.solve(shorter * x.T @ x + prior, shorter * x.T @ y + strength * start)
    torch.testing.assert_close(layer.weight[0].detach(), ridge)


@given(st.floats(0, 1))
def test_a_pull_is_a_step_of_interpolation(share: float):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
    anchor = Anchor(model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter)
    moved = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    distance = anchor.distance()
    anchor.pull(share)
    for name, expected in interpolate(moved, before, share).items():
        torch.testing.assert_close(model.state_dict()[name], expected, atol=1e-6, rtol=0)
    assert anchor.distance() == pytest.approx((1 - share) * distance, abs=1e-5)


def test_no_strength_changes_no_bit():
    layer = nn.Linear(5, 5)
    anchor = Anchor(layer)
    with torch.no_grad():
        layer.weight += torch.randn(5, 5)
    before = layer.weight.clone()
    anchor.pull(0.0)
    assert torch.equal(layer.weight, before)


def test_anchored_at_zero_it_is_the_decay_of_adamw():
    torch.manual_seed(0)
    ours, theirs = (nn.Linear(3, 2, bias=False, dtype=torch.float64) for _ in range(2))
    nn.init.zeros_(ours.weight)
    anchor = Anchor(ours)
    theirs.weight.data.copy_(torch.randn(2, 3))
    ours.weight.data.copy_(theirs.weight.data)
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=0.1, weight_decay=0.3)
    theirs.weight.grad = torch.zeros_like(theirs.weight)
    optimizer.step()
    anchor.pull(0.1 * 0.3)
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_frozen_parts_are_left_alone_and_impossible_pulls_refused():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    anchor = Anchor(model)
    with torch.no_grad():
        model[0].weight += 1
        model[1].weight += 1
    moved = model[0].weight.clone()
    anchor.pull(1.0)
    assert torch.equal(model[0].weight, moved)
    assert anchor.distance() == 0
    for share in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=f"share is {share}: it must lie between 0 and 1"):
            anchor.pull(share)
    with pytest.raises(ValueError, match="every parameter is frozen"):
        Anchor(model.requires_grad_(False))
