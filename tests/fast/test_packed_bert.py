"""Packed layers compute what transformers' layers do, and stand only where they can."""

from __future__ import annotations

import copy

import pytest
import torch
from bert_family import IDS, KINDS, MASK, built
from torch import nn

from ftlearn.fast import packed_bert
from ftlearn.fast.packed_bert import PackedLayer, pack_layers, packs
from ftlearn.models.architecture import use_attention

pytestmark = pytest.mark.skipif(
    not packed_bert.available(), reason="torch has these operations on x86 with oneDNN alone"
)
EXACT = {"rtol": 0, "atol": 2e-5}
"""Both ways round each sum once in fp32, in another order; hidden states are of the order of 1."""


def hidden(model: nn.Module) -> torch.Tensor:
    """Hidden states of the texts, without what stands at padding, which nobody reads."""
    with torch.no_grad():
        states = model.base_model(IDS, attention_mask=MASK).last_hidden_state
    return states * MASK[..., None]


def packed_layers(model: nn.Module) -> int:
    return sum(isinstance(module, PackedLayer) for module in model.modules())


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_are_those_of_transformers(kind: str, attention: str):
    model = built(kind).eval()
    use_attention(model, attention)
    expected = hidden(model)
    layers = model.base_model.encoder.layer
    pack_layers(model)
    assert packed_layers(model) == len(layers) - 1  # the last is computed for [CLS] alone
    torch.testing.assert_close(hidden(model), expected, **EXACT)


def test_without_a_head_for_the_first_token_all_layers_are_packed():
    body = built("bert").eval().base_model
    expected = hidden(body)
    assert packed_layers(pack_layers(body)) == len(body.encoder.layer)
    torch.testing.assert_close(hidden(body), expected, **EXACT)


def test_in_bf16_the_error_is_that_of_bf16():
    exact = built("bert").eval()
    narrow = copy.deepcopy(exact).to(torch.bfloat16)
    expected = hidden(exact)
    plain = (hidden(narrow) - expected).abs().mean()
    packed = pack_layers(copy.deepcopy(narrow))
    error = (hidden(packed) - expected).abs().mean()
    assert 0 < error < 1.5 * plain
    packable = len(narrow.base_model.encoder.layer) - 1  # the last is computed for [CLS] alone
    assert packed_layers(packed) == (packable if packs(torch.bfloat16) else 0)


def test_weights_stay_where_the_processor_cannot_multiply_them_packed(monkeypatch):
    monkeypatch.setattr(packed_bert, "packs", lambda dtype: dtype is not torch.bfloat16)
    body = built("bert").eval().base_model
    assert packed_layers(pack_layers(copy.deepcopy(body).to(torch.bfloat16))) == 0
    assert packed_layers(pack_layers(body)) == len(body.encoder.layer)


def changed(layer: nn.Module, how: str) -> None:
    if how == "a hook on the layer":
        layer.register_forward_hook(lambda *_: None)
    elif how == "a hook on a part":
        layer.output.dense.register_forward_pre_hook(lambda *_: None)
    elif how == "another linear layer":
        layer.output.dense = nn.Sequential(layer.output.dense)
    elif how == "no bias":
        layer.intermediate.dense.bias = None
    else:
        layer.attention.self.config.hidden_act = "relu"


@pytest.mark.parametrize(
    "how",
    ["a hook on the layer", "a hook on a part", "another linear layer", "no bias", "another GELU"],
)
def test_a_layer_that_is_not_as_bert_has_it_stays(how: str):
    body = built("bert").eval().base_model
    changed(body.encoder.layer[0], how)
    pack_layers(body)
    assert not isinstance(body.encoder.layer[0], PackedLayer)
