"""Changed models against models that were built that way, and counts against known totals."""

from __future__ import annotations

import pytest
import torch
from tiny_models import CLASSES, IDS, SHAPES, WHOLE, logits, moving
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    FlaubertConfig,
    FlaubertForSequenceClassification,
)

from ftlearn import models
from ftlearn.models import architecture

WIDTH, INNER = 384, 4 * 384  # of MiniLM

each_shape = pytest.mark.parametrize("shape", SHAPES)


# Layers


@each_shape
@pytest.mark.parametrize("count", [1, 2, 3])
def test_kept_layers_are_those_of_a_model_built_with_fewer(model, shape: str, count: int, tmp_path):
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert architecture.keep_layers(model, count) is model
    model.save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert config.num_hidden_layers == count
    built = AutoModelForSequenceClassification.from_config(config).eval()
    built.load_state_dict({name: weights[name] for name in built.state_dict()})
    torch.testing.assert_close(logits(model, WHOLE), logits(built, WHOLE))
    assert len(architecture.layers(model)) == count


@each_shape
def test_fewer_layers_answer_otherwise(model, shape: str):
    before = logits(model, WHOLE)
    assert not torch.allclose(logits(architecture.keep_layers(model, 2), WHOLE), before, atol=1e-3)


@pytest.mark.parametrize("count", [0, -1, 4])
def test_impossible_depths_are_refused(model, count: int):
    with pytest.raises(ValueError, match=rf"cannot keep {count} layers of 3: choose 1 to 3"):
        architecture.keep_layers(model, count)
    assert len(architecture.layers(model)) == 3


def test_layers_that_lie_in_several_lists_are_refused_and_stay():
    size = {"emb_dim": 8, "n_layers": 3, "n_heads": 2, "num_labels": 2}
    model = FlaubertForSequenceClassification(FlaubertConfig(vocab_size=12, **size))
    with pytest.raises(ValueError, match="keeps its layers in 4 lists of parts"):
        architecture.keep_layers(model, 2)
    assert len(model.transformer.attentions) == 3


def test_a_module_of_another_kind_has_no_body():
    with pytest.raises(ValueError, match="Linear has no base_model: pass a transformers model"):
        architecture.backbone(nn.Linear(2, 2))


# Freezing


def test_freezing_holds_the_named_parts_only(model):
    names = {name for name, _ in model.named_parameters()}
    frozen = {name for name in names if "embeddings" in name or "layer.0." in name}
    assert architecture.freeze(model, "embeddings", "layer.0.") is model
    assert moving(model) == names - frozen
    assert frozen


@each_shape
def test_freezing_the_body_leaves_the_head(model, shape: str):
    body = {f"{model.base_model_prefix}.{name}" for name, _ in model.base_model.named_parameters()}
    architecture.freeze(model, "body")
    assert moving(model) - body == {name for name, _ in model.named_parameters()} - body
    assert all("pooler" in name for name in moving(model) & body)
    assert moving(model)


def test_frozen_parameters_get_no_gradient(model):
    architecture.freeze(model, "body")
    model(input_ids=IDS).logits.sum().backward()
    got = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert got == moving(model)


def test_unfreezing_frees_everything(model):
    architecture.freeze(model, "body", "classifier")
    assert moving(model) == {name for name in moving(model) if "pooler" in name}
    architecture.unfreeze(architecture.freeze(model, "pooler"))
    assert moving(model) == {name for name, _ in model.named_parameters()}


def test_a_part_that_matches_nothing_is_answered_with_names(model):
    with pytest.raises(ValueError) as caught:
        architecture.freeze(model, "layer.7.")
    assert "no parameter name contains 'layer.7.'" in str(caught.value)
    for name in ("bert.embeddings.word_embeddings", "bert.encoder.layer.2.output.dense"):
        assert name in str(caught.value)
    assert len(moving(model)) == len(list(model.parameters()))


# Head


@each_shape
def test_a_new_head_has_the_asked_outputs_and_the_old_body(model, shape: str):
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    architecture.replace_head(model, 7, seed=1)
    assert logits(model, WHOLE).shape == (1, 7)
    assert model.config.num_labels == model.num_labels == 7
    changed = {
        name
        for name, tensor in model.state_dict().items()
        if tensor.shape != weights[name].shape or not torch.equal(tensor, weights[name])
    }
    assert len(changed) in (1, 2)
    assert all(name.startswith(("classifier", "score")) for name in changed)


def test_a_new_head_is_drawn_by_its_seed(model):
    def weight(seed: int) -> torch.Tensor:
        return architecture.replace_head(model, 200, seed=seed).classifier.weight.detach()

    assert torch.equal(weight(1), weight(1))
    assert not torch.equal(weight(1), weight(2))
    assert weight(1).std() == pytest.approx(0.02, rel=0.1)
    assert abs(weight(1).mean()) < 0.002
    assert model.classifier.bias.abs().sum() == 0


def test_a_model_without_a_head_has_none_to_replace(model):
    with pytest.raises(ValueError, match="BertModel has no linear classification head"):
        architecture.replace_head(model.base_model, 2, seed=0)


# Counting


@each_shape
def test_the_table_sums_to_the_total(model, shape: str):
    architecture.freeze(model, "embed" if shape != "gpt2" else "wte")
    table = architecture.parameter_table(model)
    total, trainable = architecture.count_parameters(model)
    assert table["parameters"].sum() == total == model.num_parameters()
    assert table["trainable"].sum() == trainable == model.num_parameters(only_trainable=True)
    assert trainable < total
    assert table["share"].sum() == pytest.approx(1)
    assert (table["share"] == table["parameters"] / total).all()
    parts = list(table["part"])
    assert parts[0] == "embeddings"
    assert parts[-1] == "head"
    assert sum(part[-1].isdigit() for part in parts) == 3


def test_minilm_has_the_published_number_of_parameters():
    model, tokenizer = models.load("minilm", CLASSES, device="cpu")
    assert architecture.count_parameters(model) == (22_714_371, 22_714_371)
    table = architecture.parameter_table(model).set_index("part")["parameters"]
    square, norm = WIDTH * WIDTH + WIDTH, 2 * WIDTH
    layer = 4 * square + 2 * WIDTH * INNER + INNER + WIDTH + 2 * norm
    assert table["embeddings"] == (30_522 + 512 + 2) * WIDTH + norm
    assert table.filter(like="layer").tolist() == [layer] * 6
    assert table["head"] == square + 3 * WIDTH + 3
    texts = ["", "A phone.", "naïve ☕ 插值法 \u202e <img onerror=x>", "long " * 600]
    inputs = tokenizer(texts, truncation=True, padding=True, return_tensors="pt")
    assert inputs["input_ids"].shape == (4, 512)
    with torch.no_grad():
        result = model.eval()(**inputs).logits
    assert result.shape == (4, 3)
    assert result.isfinite().all()
    assert result.softmax(-1).max() < 0.5  # an untrained head knows nothing
