"""Llama's layers as two operations: the logits and gradients of transformers and peft."""

from __future__ import annotations

import copy

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from tiny_decoder import tiny_tokenizer
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from ftlearn import tasks
from ftlearn.fast.fused_llama import TOKENS, fused_decoder_layers
from ftlearn.training import TrainConfig, steps

FUSED = "FeedForwardBackward"


def llama(*, attention: str = "sdpa", words: int = 30, **changes) -> nn.Module:
    """Three layers in which all weights are far from their initial values."""
    torch.manual_seed(0)
    settings = {
        "hidden_size": 24,
        "intermediate_size": 20,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "initializer_range": 0.3,
        "pad_token_id": 0,
    }
    config = LlamaConfig(vocab_size=words, **(settings | changes), attn_implementation=attention)
    model = LlamaForCausalLM(config)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            nn.init.uniform_(parameter, 0.5, 1.5)
    return model


def adapted(targets: str | list[str] = "all-linear", **changes) -> nn.Module:
    torch.manual_seed(1)
    settings = {"r": 2, "lora_alpha": 6, "target_modules": targets, "init_lora_weights": False}
    return get_peft_model(llama(), LoraConfig(**(settings | changes)))


def lora_on_top() -> nn.Module:
    linears = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    return adapted(linears, layers_to_transform=[1, 2], layers_pattern="layers")


MODELS = {
    "all trained": llama,
    "eager": lambda: llama(attention="eager"),
    "one key per head": lambda: llama(num_key_value_heads=6),
    "one key for all": lambda: llama(num_key_value_heads=1),
    "lora": adapted,
    "lora on two layers of three": lora_on_top,
    "lora on queries and values": lambda: adapted(["q_proj", "v_proj"]),
    "norms frozen": lambda: frozen(llama(), "norm"),
    "only norms": lambda: frozen(llama(), "proj", "embed", "lm_head"),
    "embeddings frozen": lambda: frozen(llama(), "embed", "lm_head"),
}


def frozen(model: nn.Module, *parts: str) -> nn.Module:
    for name, parameter in model.named_parameters():
        if any(part in name for part in parts):
            parameter.requires_grad_(False)
    return model


IDS = torch.randint(1, 30, (3, 7), generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[1] * 7, [1] * 4 + [0] * 3, [1] * 6 + [0]])


def logits_and_gradients(model: nn.Module, mask: torch.Tensor | None, *, fused: bool, dtype):
    model = copy.deepcopy(model).to(dtype).train()
    places = torch.ones_like(IDS).bool() if mask is None else mask.bool()
    seen = []
    if fused:
        with fused_decoder_layers(model, dtype):
            logits = model(input_ids=IDS, attention_mask=mask, use_cache=False).logits[places]
            seen = operations(logits.grad_fn)
    else:
        logits = model(input_ids=IDS, attention_mask=mask, use_cache=False).logits[places]
    logits.float().log_softmax(-1)[:, ::3].sum().backward()
    gradients = {name: weight.grad for name, weight in model.named_parameters()}
    return logits, gradients, seen


def operations(node) -> list[str]:
    """The names of all operations of a graph."""
    names, waiting, known = [], [node], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in known:
            continue
        known.add(node)
        names.append(node.name())
        waiting += [before for before, _ in node.next_functions]
    return names


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "padded"])
def test_logits_and_gradients_are_those_of_transformers_and_peft(kind, mask):
    model = MODELS[kind]()
    plain, expected, _ = logits_and_gradients(model, mask, fused=False, dtype=torch.float64)
    logits, gradients, seen = logits_and_gradients(model, mask, fused=True, dtype=torch.float64)
    # A layer below the lowest trained one is not in the graph, and is fused nevertheless.
    assert seen.count(FUSED) == (2 if "two layers" in kind else 3)
    # RMSNorm is fp32 in transformers whatever the format, and here fp64.
    torch.testing.assert_close(logits, plain, atol=2e-5, rtol=2e-5)
    for name, gradient in expected.items():
        assert (gradient is None) == (gradients[name] is None), name
        if gradient is not None:
            torch.testing.assert_close(gradients[name], gradient, atol=2e-4, rtol=2e-4, msg=name)


@pytest.mark.parametrize("kind", ["all trained", "lora"])
def test_the_backward_pass_is_the_derivative_of_the_forward_pass(kind):
    model = MODELS[kind]().double()
    layer = next(
        module for module in model.modules() if type(module).__name__ == "LlamaDecoderLayer"
    )
    hidden = torch.randn(2, 3, 24, dtype=torch.float64, requires_grad=True)
    angles = torch.randn(2, 2, 3, 4, dtype=torch.float64).unbind()
    weights = [weight for weight in layer.parameters() if weight.requires_grad]

    def forward(hidden, *_):
        with fused_decoder_layers(layer, torch.float64):
            return layer(hidden, position_embeddings=angles)

    torch.autograd.gradcheck(forward, (hidden, *weights), fast_mode=True)


def test_in_bf16_it_is_as_near_to_fp64_as_the_original():
    model = adapted()
    exact, truth, _ = logits_and_gradients(model, MASK, fused=False, dtype=torch.float64)
    errors = {}
    for fused in (False, True):
        logits, gradients, _ = logits_and_gradients(model, MASK, fused=fused, dtype=torch.bfloat16)
        error = sum(
            (gradients[name].double() - gradient).norm() / gradient.norm()
            for name, gradient in truth.items()
            if gradient is not None
        )
        errors[fused] = ((logits.double() - exact).norm() / exact.norm(), error)
    for ours, theirs in zip(errors[True], errors[False], strict=True):
        assert ours < 1.3 * theirs


def changed_hook():
    model = llama()
    model.model.layers[1].mlp.register_forward_hook(lambda *_: None)
    return model


@pytest.mark.parametrize(
    ("model", "count"),
    [
        (lambda: adapted(lora_dropout=0.1), 0),
        (lambda: adapted(use_dora=True), 0),
        (lambda: llama(attention_dropout=0.1), 0),
        (lambda: llama(hidden_act="gelu"), 0),
        (lambda: llama(attention_bias=True), 0),
        (lambda: llama(mlp_bias=True), 0),
        (changed_hook, 2),
    ],
)
def test_other_layers_are_left_as_they_are(model, count):
    model = model().train()
    with fused_decoder_layers(model, torch.float32):
        logits = model(input_ids=IDS, use_cache=False).logits
    assert operations(logits.grad_fn).count(FUSED) == count


def test_disabled_and_merged_adapters_are_left_out():
    model = adapted()
    with fused_decoder_layers(model, torch.float32), model.disable_adapter():
        pass
    with model.disable_adapter():
        plain = model(input_ids=IDS).logits
        with fused_decoder_layers(model, torch.float32):
            torch.testing.assert_close(model(input_ids=IDS).logits, plain)
    model.merge_adapter()
    merged = model(input_ids=IDS).logits
    with fused_decoder_layers(model, torch.float32):
        torch.testing.assert_close(model(input_ids=IDS).logits, merged)


def test_long_texts_a_cache_and_other_formats_go_the_usual_way():
    model = llama()
    long = torch.ones(1, TOKENS + 1, dtype=torch.long)
    with fused_decoder_layers(model, torch.float32):
        assert FUSED not in operations(model(input_ids=long, use_cache=False).logits.grad_fn)
        assert FUSED not in operations(model(input_ids=IDS, use_cache=True).logits.grad_fn)
    with fused_decoder_layers(model, torch.bfloat16), torch.autocast("cpu", torch.bfloat16):
        assert FUSED not in operations(model(input_ids=IDS, use_cache=False).logits.grad_fn)
    assert not any("forward" in vars(module) for module in model.modules())


def test_a_run_ends_with_the_same_weights():
    tokenizer, ends = tiny_tokenizer(), []
    task = tasks.language_modelling()
    rows = Dataset.from_dict({"text": ["The user asks the order", "Good morning", "how", "lamp"]})
    config = TrainConfig(epochs=2, batch_size=2, learning_rate=1e-2)
    for without in ((), ("fused_llama",)):
        model = llama(words=len(tokenizer))
        batches = task.batches(rows, tokenizer, config)
        list(steps(model, batches, task.loss, config, count=task.count_targets, without=without))
        ends.append(model.state_dict())
    for name, weights in ends[0].items():
        torch.testing.assert_close(weights, ends[1][name], atol=1e-4, rtol=1e-3)
