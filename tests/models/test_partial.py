"""Parts of the weights that are trained: by name, by layer, and what gets a gradient."""

from __future__ import annotations

import pytest
import tiny_models
import torch
from adapted_models import TASKS, load, saved_bases
from tiny_models import moving
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from ftlearn import models
from ftlearn.errors import ArgumentError
from ftlearn.fast.training import speed_up
from ftlearn.models import architecture
from ftlearn.runtime.arithmetic import Arithmetic


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict:
    return saved_bases(tmp_path_factory.mktemp("base"))


HEADS = {"classifier.weight", "classifier.bias", "bert.pooler.dense.weight"}


def test_bitfit_trains_biases_and_the_head(folders):
    model = models.train_only(load(folders, "bert"), "bias")
    biases = {name for name, _ in model.named_parameters() if name.endswith(".bias")}
    assert moving(model) == biases | HEADS
    assert "bert.embeddings.LayerNorm.bias" in biases


def test_the_count_of_bitfit_for_minilm():
    """Embeddings' norm 384; in each of 6 layers 4·384 + 1536 + 384 + 2·384; pooler and head."""
    with torch.device("meta"):
        config = BertConfig(
            hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
        )
        model = models.train_only(BertForSequenceClassification(config), "bias")
    count = sum(p.numel() for name, p in model.named_parameters()
                if p.requires_grad and not architecture.is_head(name))  # fmt: skip
    assert count == 384 + 6 * (4 * 384 + 1536 + 384 + 2 * 384)


def test_norms_and_the_head(folders):
    model = models.train_only(load(folders, "bert"), "layernorm")
    expected = {name for name, _ in model.named_parameters() if "LayerNorm" in name}
    assert moving(model) == expected | HEADS | {"bert.pooler.dense.bias"}
    llama = models.train_only(load(folders), "layernorm")
    assert sum(weight.numel() for weight in llama.parameters() if weight.requires_grad) == 5 * 32


def test_the_head_alone_and_back(folders):
    model = models.train_only(load(folders, "bert"), "head")
    assert moving(model) == HEADS | {"bert.pooler.dense.bias"}
    models.train_only(model, "bias")
    assert "bert.embeddings.LayerNorm.bias" in moving(model)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("bias", "has no biases, so BitFit"),
        ("head", "no head of its own"),
        ("top", "part is 'top'"),
    ],
)
def test_a_language_model_without_that_part_is_refused(folders, part, message):
    model = load(folders)
    with pytest.raises(ArgumentError, match=message):
        models.train_only(model, part)
    assert all(weight.requires_grad for weight in model.parameters())


def test_an_adapted_model_is_refused(folders):
    adapted = models.with_adapter(load(folders, "bert"), "lora")
    with pytest.raises(ArgumentError, match="has an adapter"):
        models.train_only(adapted, "head")
    with pytest.raises(ArgumentError, match="has an adapter"):
        models.unfreeze_top(adapted, 1)


@pytest.mark.parametrize("shape", tiny_models.SHAPES)
def test_layers_are_unfrozen_from_the_top(folders, shape):
    model = load(folders, shape)
    depth = len(architecture.layers(model))
    learning = []
    for layers in range(depth + 1):
        models.unfreeze_top(model, layers)
        frozen = [not any(weight.requires_grad for weight in layer.parameters())
                  for layer in architecture.layers(model)]  # fmt: skip
        assert frozen == [True] * (depth - layers) + [False] * layers
        assert architecture.last_linear(model).weight.requires_grad
        assert not model.get_input_embeddings().weight.requires_grad
        learning.append(architecture.count_parameters(model).trainable)
    assert learning == sorted(set(learning))
    models.unfreeze_top(model, 0)
    assert architecture.count_parameters(model).trainable == learning[0]


def test_a_tied_head_stays_frozen_with_its_embeddings(folders):
    model = models.unfreeze_top(load(folders), 1)
    assert not model.lm_head.weight.requires_grad
    assert model.model.norm.weight.requires_grad


@pytest.mark.parametrize("layers", [-1, 4])
def test_more_layers_than_there_are_is_refused(folders, layers):
    with pytest.raises(ArgumentError, match=f"layers is {layers}: the model has 3"):
        models.unfreeze_top(load(folders, "bert"), layers)


@pytest.mark.parametrize("part", ["bias", "layernorm"])
def test_fused_layers_give_the_same_gradients(folders, part):
    model = models.train_only(load(folders, "bert"), part).train()
    architecture.use_attention(model, "eager")
    weights = [weight for name, weight in model.named_parameters()
               if weight.requires_grad and "key.bias" not in name]  # fmt: skip
    ids = torch.tensor([[5, 60, 7, 81, 9, 40]])
    found = []
    for without in ((), ("fused_bert",)):
        with (
            speed_up(model, Arithmetic(torch.bfloat16), without=without),
            torch.autocast("cpu", torch.bfloat16),
        ):
            loss = model(ids, attention_mask=torch.ones_like(ids)).logits.float().square().sum()
        found.append(torch.autograd.grad(loss, weights))
    for ours, theirs in zip(*found, strict=True):
        assert nn.functional.cosine_similarity(ours.flatten(), theirs.flatten(), 0) > 0.98


def test_a_part_of_a_saved_model_is_the_whole_model(folders, tmp_path):
    model, tokenizer = models.load(folders["llama"], TASKS["llama"], device="cpu")
    models.train_only(model, "layernorm")
    models.save(model, tokenizer, TASKS["llama"], tmp_path / "m")
    again, _, _ = models.load_finetuned(tmp_path / "m", device="cpu")
    assert again.state_dict().keys() == model.state_dict().keys()
