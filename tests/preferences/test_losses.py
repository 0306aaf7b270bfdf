"""Losses on pairs: trl's code, gradients by hand, and laws."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_trainer import KTOTrainer

from ftlearn.preferences import bradley_terry, dpo, ipo, kto, orpo, simpo

numbers = st.floats(-60, -0.1)
betas = st.floats(0.01, 5)
WITH_REFERENCE = (dpo, ipo, kto)


def drawn(count: int, seed: int = 0) -> list[torch.Tensor]:
    """Log-probabilities of seven pairs, as an answer has them."""
    generator = torch.Generator().manual_seed(seed)
    return [-torch.rand(7, generator=generator, dtype=torch.float64) * 30 for _ in range(count)]


# Against trl


class Gathering:
    """The part of an accelerator that a single process needs."""

    device = torch.device("cpu")

    @staticmethod
    def gather(values):
        return values

    gather_for_metrics = gather


def trainer(beta: float, **settings) -> SimpleNamespace:
    """What trl's methods read of a trainer, for one process that trains."""
    return SimpleNamespace(
        model=SimpleNamespace(training=True), accelerator=Gathering(), aux_loss_enabled=False,
        precompute_ref_logps=True, beta=beta, args=SimpleNamespace(),
        _total_train_tokens=0, _tp_size=1, _metrics={"train": defaultdict(list)}, **settings,
    )  # fmt: skip


def answers(policy: torch.Tensor, tokens: torch.Tensor) -> tuple[SimpleNamespace, dict]:
    """A model's outputs for answers of these log-probabilities, and the inputs of the batch.

    Each is spread evenly over the tokens of its answer, which follow a prompt of one token.
    """
    counted = torch.arange(int(tokens.max()))[None] < tokens[:, None]
    per_token = torch.where(counted, (policy / tokens)[:, None], 0.0)
    outputs = SimpleNamespace(
        log_probs=per_token, entropy=per_token * 0, mean_logits=per_token * 0, is_top1=counted
    )
    mask = torch.cat((torch.zeros(len(policy), 1), counted), dim=1).long()
    ones = torch.ones_like(mask)
    return outputs, {"input_ids": ones, "attention_mask": ones, "completion_mask": mask}


def dpo_trainers(loss_type: str, pairs: list[torch.Tensor], beta: float) -> torch.Tensor:
    """The mean loss that ``DPOTrainer`` computes of these log-probabilities, its model left out."""
    outputs, inputs = answers(torch.cat(pairs[:2]), torch.cat(TOKENS))
    inputs |= dict(zip(("ref_chosen_logps", "ref_rejected_logps"), pairs[2:], strict=True))
    settings = {"loss_types": [loss_type], "loss_weights": [1.0], "label_smoothing": 0.0}
    stand_in = trainer(
        beta, ld_alpha=None, f_divergence_type="reverse_kl", use_weighting=False, **settings
    )
    return DPOTrainer._compute_loss(stand_in, lambda **_: outputs, inputs, return_outputs=False)


def kto_trainers(pairs: list[torch.Tensor], beta: float, kl: float) -> torch.Tensor:
    """The mean loss that ``KTOTrainer`` computes where the KL is estimated as ``kl``."""
    outputs, inputs = answers(torch.cat(pairs[:2]), torch.cat(TOKENS))
    inputs |= {"label": torch.tensor([True] * 7 + [False] * 7), "ref_logps": torch.cat(pairs[2:])}
    inputs["ref_KL_logps"] = torch.full((14,), -kl)
    stand_in = trainer(
        beta, calculate_KL=True, loss_type="kto", desirable_weight=1.5, undesirable_weight=0.5,
        _compute_kl_logps=lambda model, batch: torch.zeros(14),
    )  # fmt: skip
    return KTOTrainer._compute_loss(stand_in, lambda **_: outputs, inputs, return_outputs=False)


TOKENS = (torch.tensor([3, 9, 1, 4, 4, 12, 7]), torch.tensor([5, 2, 6, 4, 8, 3, 7]))


@pytest.mark.parametrize("beta", [0.05, 0.1, 2.0])
def test_dpo_is_trls(beta):
    pairs = drawn(4)
    expected = dpo_trainers("sigmoid", pairs, beta)
    torch.testing.assert_close(dpo(*pairs, beta=beta).mean, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("beta", [0.05, 0.5])
def test_ipo_is_trls_on_means_per_token(beta):
    pairs = drawn(4)
    means = [sums / count for sums, count in zip(pairs, TOKENS * 2, strict=True)]
    expected = dpo_trainers("ipo", pairs, beta)
    torch.testing.assert_close(ipo(*means, beta=beta).mean, expected, atol=1e-6, rtol=1e-6)


def test_kto_at_a_reference_point_of_zero_is_half_of_trls_apo_zero():
    pairs = drawn(4)
    expected = dpo_trainers("apo_zero", pairs, 0.3)
    ours = kto(*pairs, beta=0.3, reference_point=0.0)
    torch.testing.assert_close(2 * ours.mean, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(("kl", "point"), [(1.7, 1.7), (-2.0, 0.0)])  # trl cuts below zero
def test_kto_is_trls(kl, point):
    pairs = drawn(4)
    ours = kto(*pairs, beta=0.2, weights=(1.5, 0.5), reference_point=point)
    expected = kto_trainers(pairs, 0.2, kl)
    torch.testing.assert_close(ours.mean, expected, atol=1e-6, rtol=1e-6)


def test_simpo_is_trls():
    cpo = pytest.importorskip("trl.experimental.cpo.cpo_trainer").CPOTrainer
    chosen, rejected = (values / 10 for values in drawn(2))
    stand_in = SimpleNamespace(
        alpha=0.0, beta=2.5, simpo_gamma=1.25, label_smoothing=0.0, loss_type="simpo",
        accelerator=Gathering(),
    )  # fmt: skip
    expected = cpo.cpo_loss(stand_in, chosen, rejected)[0]
    ours = simpo(chosen, rejected, beta=2.5, gamma=1.25)
    torch.testing.assert_close(ours.total, expected.sum(), atol=1e-6, rtol=1e-6)


def test_orpo_is_trls():
    orpo_trainer = pytest.importorskip("trl.experimental.orpo.orpo_trainer").ORPOTrainer
    chosen, rejected = (values / 10 - 0.01 for values in drawn(2))
    stand_in = SimpleNamespace(beta=0.7, accelerator=Gathering())
    ratio = orpo_trainer.odds_ratio_loss(stand_in, chosen, rejected)[0]
    ours = orpo(chosen, rejected, beta=0.7)
    torch.testing.assert_close(ours.total, -(chosen + ratio).sum().double(), atol=1e-5, rtol=1e-5)


# By hand


def gradients(loss, *pairs, **settings) -> list[torch.Tensor]:
    """What autograd makes of the sum, for the chosen and the rejected answer."""
    policy = [values.clone().requires_grad_() for values in pairs[:2]]
    loss(*policy, *pairs[2:], **settings).total.backward()
    return [values.grad for values in policy]


def test_the_gradient_of_dpo_weighs_the_difference_alone():
    pairs = drawn(4)
    rewards = 0.3 * ((pairs[0] - pairs[2]) - (pairs[1] - pairs[3]))
    weight = 0.3 / (1 + torch.exp(rewards))  # β σ(r_l − r_w)
    chosen, rejected = gradients(dpo, *pairs, beta=0.3)
    torch.testing.assert_close(chosen, -weight)
    torch.testing.assert_close(rejected, weight)


def test_the_gradient_of_ipo_pulls_to_a_margin():
    pairs = drawn(4)
    margin = pairs[0] - pairs[2] - pairs[1] + pairs[3]
    chosen, rejected = gradients(ipo, *pairs, beta=0.25)
    torch.testing.assert_close(chosen, 2 * (margin - 2))
    torch.testing.assert_close(rejected, -2 * (margin - 2))


def test_the_gradient_of_orpo_is_the_papers():
    """Eq. 8 to 10 of 2403.07691, for mean log-probabilities, and −1 of the usual loss."""
    chosen, rejected = (values / 10 - 0.01 for values in drawn(2))
    odds = [values.exp() / (1 - values.exp()) for values in (chosen, rejected)]
    weight = 1 / (1 + odds[0] / odds[1])
    first, second = gradients(orpo, chosen, rejected, beta=0.4)
    torch.testing.assert_close(first, -1 - 0.4 * weight / (1 - chosen.exp()))
    torch.testing.assert_close(second, 0.4 * weight / (1 - rejected.exp()))


def test_the_gradient_of_kto_saturates_on_both_sides():
    pairs = drawn(4)
    gains, losses = pairs[0] - pairs[2], pairs[1] - pairs[3]
    point = torch.cat((gains, losses)).mean().clamp(min=0)  # gets no gradient
    slope = [0.5 * 0.3 / (2 + 2 * torch.cosh(0.3 * (values - point))) for values in (gains, losses)]
    chosen, rejected = gradients(kto, *pairs, beta=0.3)
    torch.testing.assert_close(chosen, -slope[0] * 1)
    torch.testing.assert_close(rejected, slope[1] * 1)


def test_the_gradient_of_simpo_is_the_papers():
    chosen, rejected = (values / 10 for values in drawn(2))
    weight = 2.0 * torch.sigmoid(2.0 * (rejected - chosen) + 0.8)
    first, second = gradients(simpo, chosen, rejected, beta=2.0, gamma=0.8)
    torch.testing.assert_close(first, -weight)
    torch.testing.assert_close(second, weight)


# Laws


@given(chosen=numbers, rejected=numbers, beta=betas)
def test_only_the_change_from_the_reference_counts(chosen, rejected, beta):
    at_start = [torch.tensor([value]) for value in (chosen, rejected, chosen, rejected)]
    values = {loss: loss(*at_start, beta=beta).mean.item() for loss in WITH_REFERENCE}
    assert values[dpo] == pytest.approx(0.6931, abs=1e-4)
    assert values[ipo] == pytest.approx(1 / (2 * beta) ** 2, rel=1e-4)
    assert values[kto] == pytest.approx(0.5)


@given(chosen=numbers, rejected=numbers, shift=st.floats(-20, 20))
def test_a_shift_of_both_answers_is_free_for_dpo_but_not_for_kto(chosen, rejected, shift):
    pairs = [torch.tensor([value], dtype=torch.float64) for value in (chosen, rejected, -9.0, -8.0)]
    moved = [pairs[0] + shift, pairs[1] + shift, *pairs[2:]]
    assert dpo(*moved).total.item() == pytest.approx(dpo(*pairs).total.item(), abs=1e-9)
    assert ipo(*moved).total.item() == pytest.approx(ipo(*pairs).total.item(), abs=1e-6)
    scores = [bradley_terry(*both[:2]).total.item() for both in (pairs, moved)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-9)
    if abs(shift) > 1:
        plain, shifted = (kto(*both, reference_point=0.0).total.item() for both in (pairs, moved))
        assert plain != shifted


@pytest.mark.parametrize("loss", [*WITH_REFERENCE, orpo, simpo, bradley_terry])
def test_a_batch_is_the_sum_of_its_pairs_in_half_precision_too(loss):
    count = 4 if loss in WITH_REFERENCE else 2
    settings = {"reference_point": 0.5} if loss is kto else {}
    pairs = [(values / 10 - 0.1).bfloat16() for values in drawn(count)]
    whole = loss(*pairs, **settings)
    alone = [loss(*(values[row : row + 1] for values in pairs), **settings) for row in range(7)]
    assert (whole.count, whole.total.dtype) == (7, torch.float32)
    torch.testing.assert_close(whole.total, sum(part.total for part in alone))


def test_orpo_stays_finite_near_certainty():
    sure = torch.tensor([-1e-6], dtype=torch.float32)
    value = orpo(sure, torch.tensor([-50.0])).mean
    assert value.isfinite()
    assert value.item() == pytest.approx(1e-6, abs=1e-5)
