"""A trained classifier as the start for its own labels, in another order, and for other labels."""

from __future__ import annotations

import warnings

import pytest
import torch
from datasets import Dataset
from tiny_models import CLASSES, SHAPES, logits, padded
from transformers import AutoModelForTokenClassification, AutoTokenizer

from ftlearn import models, tasks
from ftlearn.compatibility import CompatibilityWarning
from ftlearn.models import ModelError, architecture, saving
from ftlearn.tasks import regression

TEXT = "The new phone lasts longer."
NUMBERS = regression(Dataset.from_dict({"text": ["a", "b"], "label": [1.0, 5.0]}))


def named(*labels: str) -> tasks.Classification:
    return tasks.Classification(labels=labels)


@pytest.fixture(params=[*SHAPES, "pooled"])
def trained(request, tiny_checkpoints, tmp_path):
    """A classifier of each family with the labels cold, mild, warm: folder, model, inputs."""
    shape = "bert" if request.param == "pooled" else request.param
    pooling = "mean" if request.param == "pooled" else "pretrained"
    folder = tiny_checkpoints[shape]
    model, tokenizer = models.load(folder, CLASSES, seed=1, pooling=pooling, device="cpu")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path, model, padded(tokenizer, TEXT, 0)


def load(folder, task, seed: int = 2):
    return models.load(folder, task, seed=seed, device="cpu")[0]


@pytest.mark.parametrize(
    "labels", [("no", "yes"), ("a", "b", "c"), ("cold", "warm"), ("cold", "mild", "warm", "hot")]
)
def test_other_labels_get_a_new_head_on_the_trained_body(trained, labels: tuple[str, ...]):
    folder, old, inputs = trained
    with pytest.warns(CompatibilityWarning, match=r"trained for 3 labels \('cold', 'mild', 'warm'"):
        new = load(folder, named(*labels))
    with pytest.warns(CompatibilityWarning):
        same = load(folder, named(*labels))
    with pytest.warns(CompatibilityWarning):
        other = load(folder, named(*labels), seed=3)
    assert logits(new, inputs).shape == (1, len(labels))
    assert torch.equal(logits(new, inputs), logits(same, inputs))
    new_head, other_head = (architecture.last_linear(model).weight for model in (new, other))
    assert not torch.equal(new_head, other_head)
    assert new_head.std() < 0.05  # drawn: the trained head has wider weights
    assert tuple(new.config.id2label.values()) == labels
    body = architecture.backbone(old).state_dict()
    new_body = architecture.backbone(new).state_dict()
    assert all(torch.equal(body[name], new_body[name]) for name in body)


@pytest.mark.parametrize("labels", [("warm", "cold", "mild"), ("warm", "mild", "cold")])
def test_the_same_labels_in_another_order_keep_their_answers(trained, labels: tuple[str, ...]):
    folder, old, inputs = trained
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new = load(folder, named(*labels))
    expected = logits(old, inputs)[:, [CLASSES.labels.index(label) for label in labels]]
    torch.testing.assert_close(logits(new, inputs), expected, rtol=0, atol=1e-6)
    assert tuple(new.config.id2label.values()) == labels


def test_a_classifier_can_start_a_regression_and_the_other_way_round(tiny_bert, tmp_path):
    for first, then, message in (
        (CLASSES, NUMBERS, "trained for 3 labels .* and the task has a number"),
        (NUMBERS, CLASSES, "trained for a number, and the task has 3 labels"),
    ):
        folder = tmp_path / saving.kind(first)
        model, tokenizer = models.load(tiny_bert, first, device="cpu")
        models.save(model, tokenizer, first, folder)
        with pytest.warns(CompatibilityWarning, match=message):
            assert load(folder, then).config.num_labels == (1 if then is NUMBERS else 3)


@pytest.mark.parametrize("shape", ["bert", "gpt2"])
@pytest.mark.filterwarnings("ignore:the head of this model has no bias")
def test_a_regression_goes_on_in_the_units_of_its_new_data(tiny_checkpoints, tmp_path, shape: str):
    first = tasks.Regression(center=300.0, scale=200.0)
    then = tasks.Regression(center=300.0 if shape == "gpt2" else 290.0, scale=50.0)
    model, tokenizer = models.load(tiny_checkpoints[shape], first, seed=1, device="cpu")
    models.save(model, tokenizer, first, tmp_path / "model")
    again = load(tmp_path / "model", then)
    inputs = padded(tokenizer, TEXT, 0)
    (old,), (new,) = (
        task.decode(logits(network, inputs).numpy())
        for network, task in ((model, first), (again, then))
    )
    assert new == pytest.approx(old, rel=1e-5)


def test_a_note_on_many_labels_is_short(tiny_bert, tmp_path):
    many = named(*(f"intent {number}" for number in range(150)))
    model, tokenizer = models.load(tiny_bert, many, device="cpu")
    models.save(model, tokenizer, many, tmp_path / "model")
    with pytest.warns(CompatibilityWarning, match=r"150 labels .* and 145 more") as caught:
        load(tmp_path / "model", CLASSES)
    assert len(str(caught[0].message)) < 400


def test_labels_without_names_are_taken_in_order_with_a_warning(tiny_bert, tmp_path):
    unnamed = named("LABEL_0", "LABEL_1", "LABEL_2")
    model, tokenizer = models.load(tiny_bert, unnamed, device="cpu")
    models.save(model, tokenizer, unnamed, tmp_path / "model")
    with pytest.warns(CompatibilityWarning, match="taken for 'cold', 'mild', 'warm' in this order"):
        again = load(tmp_path / "model", CLASSES)
    assert torch.equal(again.classifier.weight, model.classifier.weight)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        models.load_finetuned(tmp_path / "model", "cpu")


def test_a_head_for_single_words_is_not_taken_for_one_for_texts(tiny_bert, tmp_path):
    tagger = AutoModelForTokenClassification.from_pretrained(tiny_bert, num_labels=3)
    tagger.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path)
    with pytest.warns(CompatibilityWarning, match="trained for labels of single words"):
        model = load(tmp_path, CLASSES)
    assert not torch.equal(model.classifier.weight, tagger.classifier.weight)


def test_a_task_file_of_another_model_is_an_error(tiny_bert, tmp_path):
    model, tokenizer = models.load(tiny_bert, CLASSES, device="cpu")
    models.save(model, tokenizer, CLASSES, tmp_path / "one")
    model, tokenizer = models.load(tiny_bert, named("a", "b", "c"), device="cpu")
    models.save(model, tokenizer, named("a", "b", "c"), tmp_path / "other")
    (tmp_path / "one" / "config.json").write_bytes((tmp_path / "other/config.json").read_bytes())
    with pytest.raises(ModelError, match=r"is of another model than config.json .* 'a', 'b', 'c'"):
        models.load_finetuned(tmp_path / "one", "cpu")
