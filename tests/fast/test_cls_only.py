"""The last layer for the first token only: the same logits and gradients, less arithmetic."""

from __future__ import annotations

import contextlib

import pytest
import tiny_models
import torch
from bert_family import IDS, KINDS, MASK, built
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ftlearn import models
from ftlearn.fast.cls_only import cls_only
from ftlearn.models.architecture import with_pooling
from ftlearn.tasks import classification
from ftlearn.training import TrainConfig, steps


def answered(model: nn.Module, context) -> tuple[torch.Tensor, dict[str, torch.Tensor], int]:
    """Logits, gradients of their squares and forward arithmetic of a model in training."""
    model.zero_grad()
    with context(model), FlopCounterMode(display=False) as counter:
        logits = model.train()(input_ids=IDS, attention_mask=MASK).logits
    logits.square().sum().backward()
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return logits.detach(), gradients, counter.get_total_flops()


def agrees(model: nn.Module) -> float:
    """Compare logits and gradients with the full layer's; the share of its arithmetic."""
    logits, gradients, full_flops = answered(model, contextlib.nullcontext)
    our_logits, ours, flops = answered(model, cls_only)
    torch.testing.assert_close(our_logits, logits, atol=1e-5, rtol=1e-5)
    assert ours.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(ours[name], gradient, atol=1e-4, rtol=1e-4, msg=name)
    return flops / full_flops


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_gradients_are_those_of_the_full_layer(kind, attention):
    assert agrees(built(kind, attention)) < 0.85


def test_no_weight_matrix_is_copied_for_each_text():
    model = built("bert", "sdpa").eval()
    with torch.inference_mode(), cls_only(model), FlopCounterMode(display=False) as counter:
        model(input_ids=IDS, attention_mask=MASK)
    # A product per text is how torch multiplies a slice of the hidden states by a matrix.
    assert torch.ops.aten.bmm not in counter.get_flop_counts()["Global"]


def test_a_pooled_classifier_that_reads_the_first_token_saves_too():
    assert agrees(with_pooling(built("bert"), "cls", seed=0)) < 0.8


def test_a_head_that_reads_all_tokens_gets_all():
    assert agrees(with_pooling(built("bert"), "mean", seed=0)) == 1


@pytest.mark.parametrize("shape", ["distilbert", "modernbert"])
def test_layers_of_other_kinds_are_left_alone(model):
    with cls_only(model):
        assert not any("forward" in vars(module) for module in model.modules())


def test_a_class_of_ones_own_is_left_alone():
    class BertForSequenceClassification(KINDS["bert"][0]):  # may read whatever it likes
        pass

    model = BertForSequenceClassification(built("bert").config)
    with cls_only(model):
        assert "forward" not in vars(model.bert.encoder.layer[-1])


def test_dropout_still_drops():
    model = built("bert", hidden_dropout_prob=0.5, attention_probs_dropout_prob=0.5).train()
    with cls_only(model):
        first, second = (model(input_ids=IDS, attention_mask=MASK).logits for _ in range(2))
        assert not torch.allclose(first, second)
        model.eval()
        assert torch.equal(model(IDS).logits, model(IDS).logits)


def test_the_layer_is_as_before_even_after_an_error(model):
    before = model.base_model(**tiny_models.WHOLE).last_hidden_state
    with pytest.raises(RuntimeError), cls_only(model):
        raise RuntimeError
    assert model.base_model(**tiny_models.WHOLE).last_hidden_state.equal(before)


def test_the_loss_curve_is_that_of_the_full_layer(tiny_bert, topics):
    rows = topics["train"].shuffle(seed=0).select(range(48))
    task = classification(topics, max_length=32)
    config = TrainConfig(epochs=2, batch_size=8, learning_rate=1e-3)

    def curve(without: tuple[str, ...] = ()) -> list[float]:
        model, tokenizer = models.load(tiny_bert, task, device="cpu")
        batches = task.batches(rows, tokenizer, config)
        run = steps(model, batches, task.loss, config, without=without)
        return [step.loss for step in run]

    assert curve(without=("cls_only",)) == pytest.approx(curve(), abs=1e-5)
