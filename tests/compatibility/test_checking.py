"""All checks together, and how the functions that train and score act on the findings."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, DatasetDict
from tiny_models import CLASSES, byte_tokenizer
from transformers import PreTrainedTokenizerFast

from ftlearn import compatibility, evaluation, models, training
from ftlearn.compatibility import CompatibilityWarning, Finding, settle
from ftlearn.config import TrainConfig
from ftlearn.data import DataError
from ftlearn.tasks import classification, language_modelling, regression

CONFIG = TrainConfig(epochs=1, batch_size=8)
WORDS = {"cold": "snow and ice in winter", "warm": "sun and sand at the beach"}


def rows(count: int, labels: tuple[str, ...] = ("cold", "warm"), start: int = 0) -> Dataset:
    names = [labels[i % len(labels)] for i in range(count)]
    texts = [f"note {start + i} on {WORDS.get(name, name)}" for i, name in enumerate(names)]
    return Dataset.from_dict({"text": texts, "label": names})


def summary(findings: list[Finding]) -> list[tuple[str, bool]]:
    return [(finding.about, finding.error) for finding in findings]


@pytest.fixture
def loaded(tiny_bert):
    return models.load(tiny_bert, classification(rows(4)), device="cpu")


def test_parts_that_fit_give_no_finding(loaded):
    data = DatasetDict(train=rows(20), valid=rows(8, start=50), test=rows(8, start=80))
    task = classification(data, max_length=64)
    assert [f for f in compatibility.check(data, task, *loaded) if f.about != "vocabulary"] == []


def test_each_relation_that_does_not_hold_is_one_finding(loaded):
    train = rows(20)
    train = Dataset.from_dict(
        {
            "text": [*train["text"], train["text"][0], "note 99"],
            "label": [*train["label"], "warm", "Warm"],
        }
    )
    data = DatasetDict(train=train, valid=rows(8))
    task = classification(data, max_length=1024)
    findings = compatibility.check(data, task, *loaded)
    about = [finding.about for finding in findings if finding.about != "vocabulary"]
    assert about == ["labels", "texts", "texts", "window"]
    assert not any(finding.error for finding in findings)
    assert "'Warm' (1), 'warm' (11)" in findings[0].message
    assert "in row 0 of train ('cold') and in row 20 of train ('warm')" in findings[1].message
    assert "8 of 8 texts of valid also stand in train" in findings[2].message


def test_notes_are_warned_of_before_the_error_is_raised():
    findings = [
        Finding("labels", "no label in common", error=True),
        Finding("texts", "two copies"),
    ]
    with (
        pytest.warns(CompatibilityWarning, match="two copies"),
        pytest.raises(DataError, match="no label in common"),
    ):
        settle(findings)
    with pytest.warns(CompatibilityWarning, match="no label in common"):
        settle(findings, error=None)


# The functions that settle findings


def test_fit_refuses_labels_that_validation_would_refuse_before_it_trains(loaded):
    model, tokenizer = loaded
    before = model.classifier.weight.clone()
    for labels, message in (
        (("Cold", "Warm"), "no row of valid has a label that train has"),
        (("cold", "hot"), "4 of 8 rows of valid have labels that train does not have, 'hot'"),
    ):
        data = DatasetDict(train=rows(20), valid=rows(8, labels, start=50))
        with pytest.raises(DataError, match=message):
            training.fit(model, data, classification(data), tokenizer, CONFIG)
    assert (model.classifier.weight == before).all()


def test_a_declared_label_that_train_has_no_row_of_is_a_note(loaded):
    names = ClassLabel(names=["cold", "hot", "warm"])
    data = DatasetDict(train=rows(20), valid=rows(8, ("cold", "hot"), start=50))
    data = DatasetDict({part: d.cast_column("label", names) for part, d in data.items()})
    findings = compatibility.check(data, classification(data))
    assert summary(findings) == [("labels", False)]
    assert "each of these rows counts as an error" in findings[0].message


def test_parts_that_training_does_not_use_are_not_refused(loaded):
    model, tokenizer = loaded
    data = DatasetDict(train=rows(20), test=rows(8, ("?",), start=50))
    assert training.fit(model, data, classification(data), tokenizer, CONFIG).steps


def test_fit_and_evaluate_refuse_a_tokenizer_that_the_model_has_no_rows_for(loaded):
    model, tokenizer = loaded
    tokenizer.add_tokens([f"word{number}" for number in range(1000)])
    data, task = rows(20), classification(rows(20))
    with pytest.raises(DataError, match="the model's word table has 1000 rows"):
        training.fit(model, data, task, tokenizer, CONFIG)
    with pytest.raises(DataError, match="the model's word table has 1000 rows"):
        evaluation.evaluate(model, data, task, tokenizer)


def test_evaluate_and_predict_warn_of_a_language_that_the_model_cannot_read(loaded):
    model, tokenizer = loaded
    texts = ["天气很好我们去公园", "the team won", "新的手机电池更耐用", "a cold bath"] * 3
    data = Dataset.from_dict({"text": texts, "label": ["cold", "warm"] * 6})
    with pytest.warns(CompatibilityWarning, match="% of the tokens of the texts of the data are"):
        evaluation.evaluate(model, data, classification(data), tokenizer)
    with pytest.warns(CompatibilityWarning, match="% of the tokens of the texts are unknown"):
        evaluation.predict(model, texts, classification(data), tokenizer)


def test_a_training_run_warns_once(loaded):
    model, tokenizer = loaded
    data = DatasetDict(train=rows(20), valid=rows(8))
    config = TrainConfig(epochs=3, batch_size=8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        training.fit(model, data, classification(data), tokenizer, config)
    leaks = [warning for warning in caught if "also stand in train" in str(warning.message)]
    assert len(leaks) == 1
    assert Path(leaks[0].filename).name == "test_checking.py"


def test_bad_cells_are_left_to_whoever_uses_them(loaded):
    model, tokenizer = loaded
    data = Dataset.from_dict({"text": ["a", None, "b"], "label": ["cold", "warm", None]})
    assert compatibility.check(data, CLASSES, model, tokenizer) == []
    with pytest.raises(ValueError, match="row 1 of column 'text' holds None"):
        training.fit(model, data, CLASSES, tokenizer, CONFIG)
    with pytest.raises(KeyError, match="no column 'text'"):
        evaluation.evaluate(model, data.rename_column("text", "body"), CLASSES, tokenizer)


def test_other_tasks_are_checked_as_far_as_they_go(tiny_checkpoints):
    data = Dataset.from_dict({"text": ["a cold bath", "A cold bath"], "label": [1.0, 2.0]})
    assert compatibility.check(data, regression(data)) == []
    model, tokenizer = models.load(tiny_checkpoints["gpt2"], language_modelling(), device="cpu")
    task = language_modelling(max_length=64)
    assert compatibility.check(data, task, model, tokenizer) == []
    octets = PreTrainedTokenizerFast(tokenizer_object=byte_tokenizer(["a"], []))
    chinese = Dataset.from_dict({"text": ["新的手机电池更耐用"] * 3})
    assert summary(compatibility.check(chinese, task, None, octets)) == [("vocabulary", False)]
