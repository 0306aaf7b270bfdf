"""One identity in all its forms: the loss with a mixed target is the mixed loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import SHAPES, WHOLE, logits
from torch import nn

from ftlearn import losses
from ftlearn.interpolation import targets
from ftlearn.interpolation.targets import Pairing
from ftlearn.models import architecture

seeds = st.integers(0, 2**32 - 1)
weights = st.floats(0, 1)


def drawn(seed: int, rows: int = 5, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Random logits (rows, classes) in float64 and class ids (rows,)."""
    random = np.random.default_rng(seed)
    logits = torch.tensor(random.normal(0, 3, (rows, classes)))
    return logits, torch.tensor(random.integers(classes, size=rows))


def distributions(seed: int, rows: int = 5, classes: int = 4) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed + 1).dirichlet(np.ones(classes), rows))


def close(first: torch.Tensor, second: torch.Tensor, atol: float = 1e-10) -> None:
    torch.testing.assert_close(first, second, rtol=1e-10, atol=atol, check_dtype=False)


@given(seeds)
def test_soft_cross_entropy_is_its_definition_and_torchs(seed: int):
    outputs, _ = drawn(seed)
    q = distributions(seed)
    total, count = targets.soft_cross_entropy(outputs, q)
    slow = 0.0
    for row in range(5):
        p = outputs[row].exp() / outputs[row].exp().sum()
        slow -= sum(q[row, c].item() * p[c].log().item() for c in range(4))
    assert total.item() == pytest.approx(slow, rel=1e-12)
    close(total, F.cross_entropy(outputs, q, reduction="sum"))
    assert count == 5


@given(seeds, st.floats(-2, 3))
def test_loss_with_a_mixed_target_is_the_mixed_loss(seed: int, weight: float):
    outputs, ids = drawn(seed)
    q1, q2 = targets.one_hot(ids, 4).double(), distributions(seed)
    mixed = targets.soft_cross_entropy(outputs, (1 - weight) * q1 + weight * q2).total
    first, second = (targets.soft_cross_entropy(outputs, q).total for q in (q1, q2))
    close(mixed, (1 - weight) * first + weight * second)


@given(seeds)
def test_a_hard_target_gives_the_usual_cross_entropy(seed: int):
    outputs, ids = drawn(seed)
    soft = targets.soft_cross_entropy(outputs, targets.one_hot(ids, 4))
    hard = losses.cross_entropy(outputs, ids)
    close(soft.total, hard.total)
    assert soft.count == hard.count


@given(seeds, weights)
def test_smoothed_targets_give_the_loss_with_label_smoothing(seed: int, epsilon: float):
    outputs, ids = drawn(seed)
    soft = targets.soft_cross_entropy(outputs, targets.smoothed(ids, 4, epsilon))
    built_in = losses.cross_entropy(outputs, ids, label_smoothing=epsilon)
    assert soft.total.item() == pytest.approx(built_in.total.item(), rel=1e-6)


@given(seeds, weights)
def test_distillation_at_temperature_one_is_a_mixed_target(seed: int, weight: float):
    outputs, ids = drawn(seed)
    teacher, _ = drawn(seed + 1)
    mixed = (1 - weight) * targets.one_hot(ids, 4).double() + weight * teacher.softmax(-1)
    distilled = targets.distillation(outputs, ids, teacher, weight=weight)
    close(distilled.total, targets.soft_cross_entropy(outputs, mixed).total)


@given(seeds, st.floats(0.5, 20))
def test_distillation_differs_from_kullback_leibler_by_the_teachers_entropy(seed: int, heat: float):
    outputs, ids = drawn(seed)
    teacher, _ = drawn(seed + 1)
    p, q = (outputs / heat).log_softmax(-1), (teacher / heat).softmax(-1)
    entropy = -(q * q.log()).sum()
    divergence = F.kl_div(p, q, reduction="sum")
    distilled = targets.distillation(outputs, ids, teacher, weight=1.0, temperature=heat)
    close(distilled.total, heat**2 * (divergence + entropy), atol=1e-8)


def test_the_squared_temperature_keeps_the_size_of_the_gradient():
    outputs, ids = drawn(0)
    teacher, _ = drawn(1)
    sizes = []
    for heat in (100.0, 200.0):
        leaf = outputs.clone().requires_grad_()
        loss = targets.distillation(leaf, ids, teacher, weight=1.0, temperature=heat)
        loss.total.backward()
        sizes.append(leaf.grad.norm().item())
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)
    centred = [z - z.mean(-1, keepdim=True) for z in (outputs, teacher)]
    expected = (centred[0] - centred[1]).norm() / 4  # Hinton's limit of high temperature
    assert sizes[1] == pytest.approx(expected.item(), rel=0.05)


def test_no_gradient_reaches_the_teacher():
    outputs, ids = drawn(0)
    teacher = drawn(1)[0].requires_grad_()
    loss = targets.distillation(outputs.requires_grad_(), ids, teacher, weight=0.5)
    loss.total.backward()
    assert teacher.grad is None
    assert outputs.grad.abs().sum() > 0


@given(seeds, st.floats(0.1, 5))
def test_loss_of_mixup_is_the_loss_with_mixed_labels(seed: int, alpha: float):
    outputs, ids = drawn(seed)
    pairs = targets.pairing(5, alpha=alpha, seed=seed)
    mixed = targets.mix(targets.one_hot(ids, 4).double(), pairs)
    by_losses = targets.mixed_cross_entropy(outputs, ids, pairs)
    close(by_losses.total, targets.soft_cross_entropy(outputs, mixed).total)
    assert by_losses.count == 5


@given(seeds, weights)
def test_mix_is_a_line_between_each_row_and_its_partner(seed: int, weight: float):
    random = np.random.default_rng(seed)
    values, partner = torch.tensor(random.normal(size=(4, 2, 3))), random.permutation(4)
    mixed = targets.mix(values, Pairing(weight, torch.tensor(partner)))
    for row in range(4):
        close(mixed[row], weight * values[row] + (1 - weight) * values[partner[row]])
    close(mixed.mean(0), values.mean(0))


def test_pairings_are_beta_distributed_and_repeatable():
    drawn_weights = [targets.pairing(1, alpha=0.4, seed=seed).weight for seed in range(2000)]
    assert np.mean(drawn_weights) == pytest.approx(0.5, abs=0.04)
    assert np.var(drawn_weights) == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.1)
    once, again = (targets.pairing(9, alpha=1, seed=3) for _ in range(2))
    assert once.weight == again.weight
    assert torch.equal(once.partner, again.partner)
    assert not torch.equal(once.partner, targets.pairing(9, alpha=1, seed=4).partner)


@pytest.mark.parametrize("shape", SHAPES)
def test_hidden_states_are_mixed_and_the_hook_is_gone_afterwards(model: nn.Module, shape: str):
    two = {name: torch.cat([values, values]) for name, values in WHOLE.items()}
    two["input_ids"][1, 1:-1] += 7
    plain, pairs = logits(model, two), Pairing(0.7, torch.tensor([1, 0]))
    middle, last = architecture.layers(model)[1:]
    seen = []
    watch = last.register_forward_hook(
        lambda module, inputs, output: seen.append(inputs[0] if inputs else None)
    )
    logits(model, two)
    with targets.mix_hidden(middle, pairs):
        mixed = logits(model, two)
    watch.remove()
    close(seen[1], targets.mix(seen[0], pairs), atol=1e-5)
    assert (mixed - plain).abs().max() > 1e-3
    assert torch.equal(logits(model, two), plain)
    assert not middle._forward_hooks


def test_the_hook_is_gone_after_an_error_too():
    layer = nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="stop"), targets.mix_hidden(layer, Pairing(0.5, None)):
        raise RuntimeError("stop")
    assert not layer._forward_hooks


def test_mixing_the_input_of_a_linear_model_mixes_its_output():
    layers = nn.Sequential(nn.Identity(), nn.Linear(3, 2))
    inputs, pairs = torch.randn(6, 3), targets.pairing(6, alpha=1, seed=0)
    with targets.mix_hidden(layers[0], pairs):
        hidden = layers(inputs)
    close(hidden, layers(targets.mix(inputs, pairs)), atol=1e-6)
    close(hidden, targets.mix(layers(inputs), pairs), atol=1e-6)


def test_gradient_goes_to_both_rows_of_a_pair():
    inputs = torch.ones(2, 3, requires_grad=True)
    layer = nn.Identity()
    with targets.mix_hidden(layer, Pairing(0.7, torch.tensor([1, 0]))):
        layer(inputs)[0].sum().backward()
    close(inputs.grad, torch.tensor([[0.7] * 3, [0.3] * 3]), atol=1e-6)


class Tupled(nn.Module):
    """Returns a tuple with its output first, as layers do that also return their attention."""

    def forward(self, values: torch.Tensor) -> tuple[torch.Tensor, str]:
        return values, "attention"


def test_of_a_tuple_the_first_is_mixed():
    layer, values = Tupled(), torch.tensor([[0.0], [8.0]])
    with targets.mix_hidden(layer, Pairing(0.75, torch.tensor([1, 0]))):
        mixed, attention = layer(values)
    assert mixed.tolist() == [[2], [6]]
    assert attention == "attention"


class Named(nn.Module):
    """Returns its output by name, as whole encoders do."""

    def forward(self, values: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"hidden": values}


def test_impossible_targets_and_pairings_are_refused():
    outputs, ids = drawn(0)
    pairs = Pairing(0.5, torch.tensor([1, 0]))
    with pytest.raises(ValueError, match="must have one shape"):
        targets.soft_cross_entropy(outputs, ids)
    with pytest.raises(ValueError, match="5 rows cannot be mixed by a pairing of 2"):
        targets.mix(outputs, pairs)
    with pytest.raises(ValueError, match="alpha is 0"):
        targets.pairing(2, alpha=0, seed=0)
    with pytest.raises(ValueError, match="temperature is 0"):
        targets.softened(outputs, 0)
    ignored = torch.full((5,), losses.IGNORED)
    with pytest.raises(ValueError, match="no target may be ignored"):
        targets.distillation(outputs, ignored, outputs, weight=0.5)
    named = Named()
    with targets.mix_hidden(named, pairs), pytest.raises(TypeError, match="Named returns a dict"):
        named(outputs)
