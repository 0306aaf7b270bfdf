"""Adapters by name against their formulas, written out, and their sizes against the papers'."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from adapted_models import IDS, load, logits, saved_bases, trained
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from ftlearn import models
from ftlearn.errors import ArgumentError
from ftlearn.models import architecture, pissa
from ftlearn.models.wrapping import unwrapped


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    return saved_bases(tmp_path_factory.mktemp("base"))


def first_layer(model: nn.Module, part: str) -> nn.Module:
    return architecture.layers(model)[0].get_submodule(part)


@pytest.mark.parametrize(("method", "power"), [("lora", 1.0), ("rslora", 0.5)])
@pytest.mark.parametrize("rank", [1, 4])
def test_the_scale_is_alpha_over_the_rank_or_over_its_root(folders, method, power, rank):
    layer = first_layer(
        trained(models.with_adapter(load(folders), method, rank=rank, alpha=6)), "mlp.up_proj"
    )
    x = torch.randn(3, 32)
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    expected = x @ layer.base_layer.weight.T + 6 / rank**power * x @ a.T @ b.T
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


def test_dora_learns_the_norm_of_each_output_apart(folders):
    layer = first_layer(
        trained(models.with_adapter(load(folders), "dora", rank=2, alpha=4)), "self_attn.q_proj"
    )
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    moved = layer.base_layer.weight + 2 * b @ a
    magnitude = layer.lora_magnitude_vector["default"].weight
    weight = magnitude[:, None] * moved / moved.norm(dim=1, keepdim=True)
    x = torch.randn(3, 32)
    torch.testing.assert_close(layer(x), x @ weight.T, atol=1e-5, rtol=1e-5)
    fresh = first_layer(models.with_adapter(load(folders), "dora"), "self_attn.q_proj")
    torch.testing.assert_close(
        fresh.lora_magnitude_vector["default"].weight.detach(),
        fresh.base_layer.weight.norm(dim=1),
    )


@pytest.mark.parametrize("kind", ["llama", "bert", "gpt2"])
def test_pissa_divides_the_weights_into_their_principal_part_and_a_rest(folders, kind):
    plain = load(folders, kind)
    adapted = models.with_adapter(copy.deepcopy(plain), "pissa", rank=3, alpha=5)
    names = {name.removesuffix(".lora_A.default.weight") for name, _ in adapted.named_parameters()
             if "lora_A" in name}  # fmt: skip
    assert names
    for name in names:
        layer = adapted.get_submodule(name)
        published = plain.get_submodule(name.removeprefix("base_model.model.")).weight
        part = 5 / 3 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
        rest = layer.base_layer.weight
        if kind == "gpt2":  # Conv1D keeps its weights the other way round
            published, rest = published.T, rest.T
        torch.testing.assert_close(rest + part, published, atol=1e-5, rtol=0)
        values = torch.linalg.svdvals(published)
        assert part.norm() ** 2 > 0.95 * (values[:3] ** 2).sum()
        torch.testing.assert_close(
            torch.linalg.svdvals(part)[3:], values[3:] * 0, atol=1e-4, rtol=0
        )
    torch.testing.assert_close(logits(adapted), logits(plain), atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        for weight in (w for name, w in adapted.named_parameters() if "lora_B" in name):
            weight.mul_(1.5)
    with pissa.published(adapted):
        torch.testing.assert_close(logits(adapted), logits(plain), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(logits(adapted), logits(plain), atol=1e-2)


def test_pissa_refuses_weights_that_would_round_its_rest(folders):
    with pytest.raises(ArgumentError, match="would round the residual"):
        models.with_adapter(load(folders, precision="bf16"), "pissa")


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_ia3_multiplies_keys_values_and_what_enters_the_last_product(folders, kind):
    plain = load(folders, kind)
    adapted = trained(models.with_adapter(copy.deepcopy(plain), "ia3"))
    places = ("attention.self.key", "attention.self.value", "output.dense")
    if kind == "llama":
        places = ("self_attn.k_proj", "self_attn.v_proj", "mlp.down_proj")
    for number, layer in enumerate(architecture.layers(adapted)):
        before = architecture.layers(plain)[number]
        for place in places:
            part, old = layer.get_submodule(place), before.get_submodule(place)
            scale = part.ia3_l["default"].flatten()
            x = torch.randn(4, old.in_features)
            expected = old(x * scale) if place == places[-1] else old(x) * scale
            torch.testing.assert_close(part(x), expected, atol=1e-5, rtol=1e-5)
    count = sum(weight.numel() for name, weight in adapted.named_parameters() if "ia3" in name)
    assert count == {"llama": 2 * (16 + 16 + 64), "bert": 3 * (16 + 16 + 32)}[kind]


def test_ia3_refuses_layers_that_it_does_not_know(folders):
    with pytest.raises(ArgumentError, match="use method='lora'"):
        models.with_adapter(load(folders, "gpt2"), "ia3")


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v


def test_a_prefix_mixes_two_attentions(folders):
    """(1 - λ) Attn(q; X) + λ Attn(q; P) in BERT's first layer, as arXiv 2106.04366 derives."""
    adapted = trained(models.with_adapter(load(folders, "bert"), "prefix", tokens=5)).double()
    attended = {}
    block = first_layer(adapted, "attention.self")
    block.register_forward_hook(lambda _, inputs, output: attended.update(mixed=output[0]))
    block.query.register_forward_hook(
        lambda _, inputs, output: attended.update(x=inputs[0], q=output)
    )
    logits(adapted)

    def heads(vectors):
        return vectors[0].double().unflatten(-1, (2, 8)).transpose(0, 1)  # (H, ·, D/H)

    q, k, v = (
        heads(part)
        for part in (attended["q"], block.key(attended["x"]), block.value(attended["x"]))
    )
    prefix = adapted.prompt_encoder["default"].embedding.weight.double()[:, :32]
    pk, pv = (part.unflatten(-1, (2, 8)).transpose(0, 1) for part in prefix.split(16, dim=-1))
    on_prefix, on_text = (
        (q @ keys.mT / math.sqrt(8)).exp().sum(-1, keepdim=True) for keys in (pk, k)
    )
    share = on_prefix / (on_prefix + on_text)
    expected = (1 - share) * attention(q, k, v) + share * attention(q, pk, pv)
    found = heads(attended["mixed"])
    torch.testing.assert_close(found, expected.detach(), atol=1e-6, rtol=1e-6)
    assert share.min() > 0.01


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_a_prompt_is_embeddings_before_those_of_the_text(folders, kind):
    plain = load(folders, kind)
    adapted = trained(models.with_adapter(copy.deepcopy(plain), "prompt", tokens=4))
    prompt = adapted.prompt_encoder["default"].embedding.weight[None]
    words = plain.get_input_embeddings()(IDS)
    inner = unwrapped(copy.deepcopy(adapted))  # with the head that was trained beside the prompt
    with torch.no_grad():
        expected = inner(inputs_embeds=torch.cat([prompt, words], dim=1)).logits
    if kind == "llama":
        expected = expected[:, 4:]
        assert logits(adapted).shape == expected.shape
        with adapted.disable_adapter():
            torch.testing.assert_close(logits(adapted), logits(plain), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(logits(adapted), expected, atol=1e-5, rtol=1e-5)


@pytest.fixture(scope="module")
def smollm2() -> LlamaConfig:
    """The sizes of SmolLM2-135M."""
    return LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
        num_attention_heads=9, num_key_value_heads=3, tie_word_embeddings=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "settings", "expected"),
    [
        ("lora", {"rank": 2, "targets": ["q_proj", "v_proj"]}, 57_600 * 2),
        ("lora", {"rank": 2}, 305_280 * 2),
        ("dora", {"rank": 2}, 305_280 * 2 + 30 * (2 * 576 + 2 * 192 + 2 * 1536 + 576)),
        ("layernorm", {}, 35_136),
        ("ia3", {}, 30 * (192 + 192 + 1536)),
        ("prefix", {"tokens": 16}, 16 * 30 * 2 * 192),
        ("prompt", {"tokens": 16}, 16 * 576),
    ],
)
def test_counts_for_smollm2(smollm2, method, settings, expected, monkeypatch):
    monkeypatch.setattr("ftlearn.models.virtual_tokens.start_from_words", lambda *_, **__: None)
    with torch.device("meta"):
        model = LlamaForCausalLM(smollm2)
        adapted = models.with_adapter(model, method, **settings)
    assert architecture.count_parameters(adapted).trainable == expected


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("adalora", {}, "unknown method 'adalora': use lora"),
        ("houlsby", {}, "peft has no bottleneck adapters"),
        ("ia3", {"rank": 8}, "rank is 8, and ia3 has no rank"),
        ("prefix", {"layers": 1}, "prefix has no layers"),
        ("lora", {"tokens": 4}, "lora has no tokens"),
        ("prompt", {"tokens": 0}, "tokens is 0"),
        ("layernorm", {"layers": 3}, "the model has 2, choose 1 to 2"),
        ("dora", {"rank": 0}, "rank is 0"),
    ],
)
def test_what_there_is_none_of_is_refused(folders, method, settings, message):
    with pytest.raises(ArgumentError, match=message):
        models.with_adapter(load(folders), method, **settings)


def test_virtual_tokens_need_a_class_of_transformers(folders):
    with pytest.raises(ArgumentError, match="pooling='pretrained'"):
        models.with_adapter(load(folders, "bert", pooling="mean"), "prefix")


@pytest.mark.parametrize("method", ["ia3", "layernorm", "dora"])
def test_top_layers_alone_are_adapted(folders, method):
    adapted = models.with_adapter(load(folders), method, layers=1)
    names = [name for name, weight in adapted.named_parameters() if weight.requires_grad]
    assert names
    assert all(".layers.1." in name for name in names)


@pytest.mark.parametrize("method", models.METHODS)
def test_the_seed_decides_alone_and_the_head_learns(folders, method):
    first, second = (models.with_adapter(load(folders, "bert"), method, seed=3) for _ in range(2))
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert architecture.last_linear(first).weight.requires_grad
    assert type(unwrapped(first)).__name__ == "BertForSequenceClassification"
