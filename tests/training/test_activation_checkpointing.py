"""Activation checkpointing: the same loss, gradients and runs, and less that is kept."""

from __future__ import annotations

import copy
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import killed_runs
import pytest
import torch
import torch.nn.functional as F
from killed_runs import CONFIG, LABELS, PARTS, at_call, hooked
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from ftlearn import models, runtime
from ftlearn.errors import ArgumentError
from ftlearn.fast.training import speed_up
from ftlearn.models import architecture
from ftlearn.runtime.arithmetic import Arithmetic
from ftlearn.training import fit, resources
from ftlearn.training.checkpoints import Store
from ftlearn.training.resources import TooLargeError

pytestmark = pytest.mark.filterwarnings("ignore::ftlearn.compatibility.CompatibilityWarning")

IDS = torch.randint(1, 30, (3, 7), generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[1] * 7, [1] * 4 + [0] * 3, [1] * 6 + [0]])
INTERRUPT = partial(signal.raise_signal, signal.SIGINT)
SIZE = {"hidden_size": 24, "intermediate_size": 20, "num_attention_heads": 6, "vocab_size": 30}


def bert(layers: int = 3, dropout: float = 0.0, **changes) -> nn.Module:
    torch.manual_seed(0)
    drop = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    config = BertConfig(**SIZE, **drop, num_hidden_layers=layers, pad_token_id=0, **changes)
    return BertForSequenceClassification(config)


def llama(layers: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZE, num_hidden_layers=layers, pad_token_id=0))


def gpt2() -> nn.Module:
    torch.manual_seed(0)
    drop = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    return GPT2LMHeadModel(GPT2Config(vocab_size=30, n_embd=24, n_head=2, n_layer=3, **drop))


MODELS = {
    "bert": bert,
    "bert, dropout": lambda: bert(dropout=0.3),
    "bert, mean": lambda: architecture.with_pooling(bert(), "mean", seed=0),
    "bert, eager": lambda: bert(attn_implementation="eager"),
    "bert, bottom frozen": lambda: architecture.freeze(bert(), "embeddings", "layer.0"),
    "bert, lora": lambda: models.with_lora(bert(), rank=2),
    "llama": llama,
    "llama, lora": lambda: models.with_lora(llama(), rank=2),
    "llama, prompt": lambda: models.with_adapter(llama(), "prompt", tokens=2),
    "gpt2": gpt2,
}


def forward_and_backward(
    model: nn.Module, dtype: torch.dtype, without: tuple[str, ...] = ()
) -> tuple[dict[str, torch.Tensor], int]:
    """The gradients of a training step by name, and the bytes that its forward pass keeps."""
    model.train()
    torch.manual_seed(3)  # of the dropout
    kept = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    arithmetic = Arithmetic(dtype)
    with speed_up(model, arithmetic, without=without):
        with runtime.autocast(torch.device("cpu"), dtype), saved_tensors_hooks(pack, lambda x: x):
            total = model(input_ids=IDS, attention_mask=MASK).logits.float().square().sum()
        for parameter in model.parameters():
            kept.pop(parameter.data_ptr(), None)
        total.backward()
    gradients = {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    return gradients, sum(kept.values())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_the_same_and_less_is_kept(name: str, dtype: torch.dtype):
    model = MODELS[name]()
    other = models.checkpoint_activations(copy.deepcopy(model))
    expected, everything = forward_and_backward(model, dtype)
    gradients, kept = forward_and_backward(other, dtype)
    assert kept < 0.7 * everything
    assert gradients.keys() == expected.keys()
    assert all(torch.equal(gradients[key], grad) for key, grad in expected.items())


def test_a_loop_of_ones_own_keeps_less_too():
    def step(model: nn.Module) -> tuple[list[torch.Tensor], int]:
        kept = []
        with saved_tensors_hooks(lambda x: kept.append(x.nbytes) or x, lambda x: x):
            total = model.train()(input_ids=IDS, attention_mask=MASK).logits.square().sum()
        total.backward()
        return [parameter.grad for parameter in model.parameters()], sum(kept)

    expected, everything = step(bert())
    gradients, kept = step(models.checkpoint_activations(bert()))
    assert kept < 0.7 * everything
    for grad, other in zip(gradients, expected, strict=True):
        assert (grad is None and other is None) or torch.equal(grad, other)


def test_each_layer_is_computed_twice_and_not_more(monkeypatch: pytest.MonkeyPatch):
    """Also where a fused pass falls back on the layer's own, which is checkpointed by itself."""
    model = models.checkpoint_activations(llama())
    calls = []
    for layer in architecture.layers(model):
        layer.mlp.register_forward_pre_hook(lambda *_: calls.append(1))  # so it is not fused
    forward_and_backward(model, torch.float32)
    assert len(calls) == 2 * 3
    monkeypatch.setattr("ftlearn.fast.fused_llama.TOKENS", 4)  # the text is longer
    model = models.checkpoint_activations(llama())
    inner = architecture.layers(model)[0].mlp.act_fn  # hooks of it do not keep it from being fused
    reached = []
    monkeypatch.setattr(type(inner), "forward", lambda _, x: reached.append(1) or F.silu(x))
    forward_and_backward(model, torch.float32)
    assert len(reached) == 2 * 3


def test_the_flag_is_set_and_taken_back_and_evaluation_keeps_its_cache():
    model = models.checkpoint_activations(llama())
    assert models.checkpoints_activations(model)
    with speed_up(model, Arithmetic()):
        pass
    assert models.checkpoints_activations(model)
    assert model.eval()(IDS, use_cache=True).past_key_values is not None
    assert not models.checkpoints_activations(models.checkpoint_activations(model, False))


def test_frozen_layers_at_the_bottom_ask_for_no_gradient():
    """transformers' own switch lets the embeddings' output require one."""
    model = models.checkpoint_activations(models.with_lora(llama(), rank=2, layers=1))
    seen = []
    architecture.layers(model)[0].register_forward_hook(
        lambda _, __, out: seen.append(out.requires_grad)
    )
    model.train()(input_ids=IDS, attention_mask=MASK)
    assert seen == [False]


def prefix_first() -> None:
    models.checkpoint_activations(models.with_adapter(llama(), "prefix", tokens=2))


def prefix_last() -> None:
    models.with_adapter(models.checkpoint_activations(llama()), "prefix", tokens=2)


@pytest.mark.parametrize("make", [prefix_first, prefix_last])
def test_a_prefix_is_refused_since_its_layers_read_a_cache(make: Callable[[], None]):
    with pytest.raises(ArgumentError, match=r"a prefix reaches .* use method='lora'"):
        make()


def test_layers_that_transformers_cannot_checkpoint_are_refused():
    model = bert()
    for place in range(3):
        architecture.layers(model)[place] = nn.Identity()
    with pytest.raises(ArgumentError, match="activations of Identity: leave it out"):
        models.checkpoint_activations(model)


# whole runs


def trained(checkpoint: Path, folder: Path, *, checkpointed: bool, task=LABELS, **more):
    model, tokenizer = killed_runs.load(checkpoint, dropout=0.1)
    models.checkpoint_activations(model, checkpointed)
    store = Store(folder, seconds=0)
    history = fit(model, PARTS, task, tokenizer, CONFIG, checkpoints=store, **more)
    return history, [parameter.detach().clone() for parameter in model.parameters()]


def test_a_run_is_the_same_bit_for_bit_and_so_is_a_resumed_one(tiny_bert: Path, tmp_path: Path):
    """The run is interrupted with checkpointing and resumed without it, and the other way."""
    plain, expected = trained(tiny_bert, tmp_path / "plain", checkpointed=False)
    _, weights = trained(tiny_bert, tmp_path / "on", checkpointed=True)
    assert all(map(torch.equal, weights, expected))
    for first in (True, False):
        folder = tmp_path / f"resumed {first}"
        task = hooked(LABELS, on_loss=at_call(5, INTERRUPT))
        with pytest.warns(UserWarning, match="interrupted"):
            stopped, _ = trained(tiny_bert, folder, checkpointed=first, task=task)
        assert 0 < len(stopped.steps) < len(plain.steps)
        resumed, weights = trained(tiny_bert, folder, checkpointed=not first, resume=True)
        assert [step.loss for step in resumed.steps] == [step.loss for step in plain.steps]
        assert all(map(torch.equal, weights, expected))


# estimates


@pytest.mark.parametrize(("precision", "size"), [("fp32", 4), ("bf16", 2)])
def test_a_further_layer_keeps_its_input_alone(precision: str, size: int):
    """(B, T, D) numbers, which is what the layer below gives."""
    kept = []
    for layers in (4, 5):
        model = models.checkpoint_activations(bert(layers))
        needed = resources.estimate(model, batch_size=3, tokens=8, precision=precision)
        kept.append(needed.activations)
        assert needed.checkpointed
    assert kept[1] - kept[0] == 3 * 8 * 24 * size


def test_one_layer_at_a_time_keeps_all_that_it_computes():
    """Of two models without and with checkpointing, the first keeps L layers, the second one."""

    def activations(layers: int, checkpointed: bool) -> int:
        model = architecture.with_pooling(bert(layers), "mean", seed=0)
        models.checkpoint_activations(model, checkpointed)
        return resources.estimate(model, batch_size=3, tokens=8, precision="fp32").activations

    layer = activations(5, False) - activations(4, False)
    hidden = 4 * 3 * 8 * 24
    saved = activations(5, False) - activations(5, True)
    assert saved == pytest.approx(4 * (layer - hidden), rel=0.01)  # and the mask, once


def test_the_second_forward_pass_is_counted():
    model = architecture.with_pooling(bert(), "mean", seed=0)
    shape = {"batch_size": 3, "tokens": 8, "precision": "fp32"}
    once = resources.estimate(model, **shape).flops
    forward = resources.estimate(copy.deepcopy(model).requires_grad_(False), **shape).flops
    head = 3 * (2 * 24 * 24 + 2 * 24 * 2)  # its two linear layers, for each of three texts
    twice = resources.estimate(models.checkpoint_activations(model), **shape).flops
    assert twice - once == forward - head


def test_a_run_that_is_too_large_for_single_rows_is_told_of_it():
    needed = resources.Estimate(10, 10, 10, 1000, 10, 0)
    advice = "recompute activations with models.checkpoint_activations"
    with pytest.raises(TooLargeError, match=advice):
        resources.require_memory(needed, available=100, rows=4)
    checkpointed = resources.Estimate(10, 10, 10, 1000, 10, 0, checkpointed=True)
    for estimate, free in ((checkpointed, 100), (needed, 30)):
        with pytest.raises(TooLargeError) as error:
            resources.require_memory(estimate, available=free, rows=4)
        assert "recompute" not in str(error.value)
