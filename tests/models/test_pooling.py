"""From token vectors to one vector, against loops and formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import IDS, SHAPES, WHOLE, logits, moving

from ftlearn.models import architecture
from ftlearn.models.pooling import pool_cls, pool_mean

each_shape = pytest.mark.parametrize("shape", SHAPES)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 7), min_size=1, max_size=4))
def test_pooling_is_a_loop_over_real_tokens(seed: int, lengths: list[int]):
    random = np.random.default_rng(seed)
    hidden = random.normal(size=(len(lengths), max(lengths), 3))
    mask = np.array([[1] * n + [0] * (max(lengths) - n) for n in lengths])
    slow = []
    for row, length in enumerate(lengths):
        total = np.zeros(3)
        for token in range(length):
            total += hidden[row, token]
        slow.append(total / length)
    tensors = torch.tensor(hidden), torch.tensor(mask)
    np.testing.assert_allclose(pool_mean(*tensors), slow, rtol=1e-12)
    np.testing.assert_array_equal(pool_cls(*tensors), hidden[:, 0])


@each_shape
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_pooled_classifier_is_its_formula(model, shape: str, pooling: str):
    pooled = architecture.with_pooling(model, pooling, seed=3)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0]])
    with torch.no_grad():
        hidden = model.base_model(input_ids=IDS, attention_mask=mask).last_hidden_state
        vector = hidden[0, :4].mean(0) if pooling == "mean" else hidden[0, 0]
        result = pooled(input_ids=IDS, attention_mask=mask).logits[0]
    expected = pooled.classifier.weight @ vector + pooled.classifier.bias
    torch.testing.assert_close(result, expected)
    assert result.shape == (3,)


def test_without_a_mask_every_token_is_real(model):
    pooled = architecture.with_pooling(model, "mean", seed=0)
    torch.testing.assert_close(pooled(input_ids=IDS).logits, logits(pooled, WHOLE))


def test_pretrained_pooling_is_the_model_itself(model):
    assert architecture.with_pooling(model, "pretrained", seed=0) is model


def test_a_pooled_classifier_can_be_pooled_otherwise(model):
    mean = architecture.with_pooling(model, "mean", seed=0)
    cls = architecture.with_pooling(mean, "cls", seed=0)
    assert architecture.with_pooling(mean, "mean", seed=1) is mean
    assert (mean.pooling, cls.pooling) == ("mean", "cls")
    assert cls.base_model is mean.base_model is model.base_model


def test_a_pooled_head_lies_where_its_encoder_lies(model):
    pooled = architecture.with_pooling(model.to("meta"), "mean", seed=0)
    assert pooled.classifier.weight.device.type == "meta"


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_pooled_classifier_can_be_cut_frozen_and_given_another_head(model, pooling: str):
    pooled = architecture.with_pooling(model, pooling, seed=0)
    architecture.replace_head(architecture.keep_layers(pooled, 1), 5, seed=0)
    architecture.freeze(pooled, "body")
    assert logits(pooled, WHOLE).shape == (1, 5)
    assert {name for name in moving(pooled) if "pooler" not in name} == {
        "classifier.weight",
        "classifier.bias",
    }
