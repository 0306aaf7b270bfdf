"""The last layer alone: the logits and gradients of the whole model, on kept hidden states."""

from __future__ import annotations

import pytest
import torch
from bert_family import IDS, KINDS, MASK, built
from torch import nn

from ftlearn.errors import ArgumentError
from ftlearn.fast.last_layer import LastLayer
from ftlearn.models.architecture import layers, with_pooling


def with_hidden_states(kind: str = "bert", mask: torch.Tensor = MASK):
    """A model that reads the first token, its logits, and what enters its last layer."""
    model = with_pooling(built(kind), "cls", seed=0).eval()
    entered = []
    hook = layers(model)[-1].register_forward_pre_hook(
        lambda _, inputs: entered.append(inputs[0].detach())
    )
    logits = model(input_ids=IDS, attention_mask=mask).logits
    hook.remove()
    return model, logits, entered[0]


@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_gradients_are_those_of_the_whole_model(kind):
    model, logits, hidden = with_hidden_states(kind)
    alone = LastLayer(model, 3, seed=0)
    our_logits = alone(hidden, MASK)
    torch.testing.assert_close(our_logits, logits, atol=1e-5, rtol=1e-5)
    logits.square().sum().backward()
    our_logits.square().sum().backward()
    gradients = dict(layers(model)[-1].named_parameters())
    for name, parameter in alone.layer.named_parameters():
        # The bias of the keys changes no softmax: its gradient is zero, and ours is none.
        ours = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(ours, gradients[name].grad, atol=1e-4, rtol=1e-4, msg=name)
    torch.testing.assert_close(alone.head.weight.grad, model.classifier.weight.grad)


def test_without_a_mask_every_position_is_read():
    model, logits, hidden = with_hidden_states(mask=torch.ones_like(MASK))
    alone = LastLayer(model, 3, seed=0)
    torch.testing.assert_close(alone(hidden), logits, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(alone(hidden, MASK), logits, atol=1e-3)


def test_dropout_drops_in_training_only():
    model, logits, hidden = with_hidden_states()
    alone = LastLayer(model, 3, seed=0, dropout=0.5).train()
    assert not torch.allclose(alone(hidden, MASK), alone(hidden, MASK))
    torch.testing.assert_close(alone.eval()(hidden, MASK), logits, atol=1e-5, rtol=1e-5)


def test_the_model_keeps_its_weights_and_its_dropout():
    model, logits, _ = with_hidden_states()
    alone = LastLayer(model, 3, seed=0, dropout=0.5)
    with torch.no_grad():
        for parameter in alone.parameters():
            parameter.zero_()
    assert model(input_ids=IDS, attention_mask=MASK).logits.equal(logits)
    assert all(m.p == 0 for m in model.modules() if isinstance(m, nn.Dropout))


@pytest.mark.parametrize("shape", ["distilbert"])
def test_layers_of_other_kinds_are_refused(model):
    with pytest.raises(ArgumentError, match="no layer of BERT's family"):
        LastLayer(model, 3, seed=0)
