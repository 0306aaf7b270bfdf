"""bf16 hidden states: only in training, only in half precision, and close to fp32 ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ftlearn import models
from ftlearn.fast.bf16_hidden_states import bf16_hidden_states
from ftlearn.tasks import classification
from ftlearn.training import TrainConfig, steps


def formats(model: nn.Module, dtype: torch.dtype) -> list[torch.dtype]:
    """The number formats that enter the layers of a model."""
    seen: list[torch.dtype] = []
    stack = next(m for m in model.modules() if isinstance(m, nn.ModuleList))
    hooks = [
        layer.register_forward_pre_hook(lambda _, i: seen.append(i[0].dtype)) for layer in stack
    ]
    ids = torch.tensor([[1, 2, 3]])
    with bf16_hidden_states(model, dtype), torch.autocast("cpu", torch.bfloat16):
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("shape", ["bert", "distilbert", "roberta", "modernbert"])
def test_every_layer_gets_half_precision_in_training_only(model, shape):
    assert set(formats(model.train(), torch.bfloat16)) == {torch.bfloat16}
    assert set(formats(model.train(), torch.float32)) == {torch.float32}
    assert set(formats(model.eval(), torch.bfloat16)) == {torch.float32}


def test_a_model_without_embeddings_of_its_own_is_left_alone():
    with bf16_hidden_states(nn.Linear(2, 2), torch.bfloat16):
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype is torch.float32


def test_the_hook_goes_even_after_an_error(model):
    with pytest.raises(RuntimeError), bf16_hidden_states(model, torch.bfloat16):
        raise RuntimeError
    assert not model.base_model.embeddings._forward_hooks


def test_the_loss_curve_is_that_of_fp32_states_but_for_rounding(tiny_bert, topics):
    rows = topics["train"].shuffle(seed=0).select(range(48))
    task = classification(topics, max_length=32)
    config = TrainConfig(epochs=2, batch_size=8, learning_rate=1e-3)

    def curve(precision: str, without: tuple[str, ...] = ()) -> list[float]:
        model, tokenizer = models.load(tiny_bert, task, device="cpu")
        batches = task.batches(rows, tokenizer, config)
        run = steps(model, batches, task.loss, config, precision=precision, without=without)
        return [step.loss for step in run]

    exact, narrow = curve("fp32"), curve("bf16")
    wide = curve("bf16", without=("bf16_hidden_states",))
    assert narrow != wide
    assert narrow == pytest.approx(exact, abs=0.02)
    assert wide == pytest.approx(exact, abs=0.02)
