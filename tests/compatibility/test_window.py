"""The window of a task against those of tokenizer and model."""

from __future__ import annotations

import copy
import warnings
from types import SimpleNamespace

import pytest
from datasets import Dataset
from tiny_models import CLASSES, POSITIONS, copied
from transformers import AutoTokenizer, XLNetConfig

from ftlearn import evaluation, models, tasks
from ftlearn.compatibility import CompatibilityWarning, window
from ftlearn.tasks.base import TruncationWarning
from ftlearn.training import TrainConfig, fit

LONG = Dataset.from_dict({"text": ["word " * 300, "short"], "label": ["cold", "warm"]})


def task(length: int) -> tasks.Classification:
    return tasks.Classification(labels=CLASSES.labels, max_length=length)


@pytest.mark.parametrize("shape", ["bert", "roberta", "gpt2"])
def test_a_saved_model_reads_on_beyond_the_window_it_was_saved_with(
    tiny_checkpoints, tmp_path, shape: str
):
    model, tokenizer = models.load(tiny_checkpoints[shape], CLASSES, device="cpu")
    models.save(model, tokenizer, task(32), tmp_path / "model")
    assert AutoTokenizer.from_pretrained(tmp_path / "model").model_max_length == 32
    again, tokenizer = models.load(tmp_path / "model", task(64), device="cpu")
    with pytest.warns(TruncationWarning):
        assert max(task(64).encode(LONG, tokenizer).lengths) == 64
    assert window.task_and_window(task(64), again, tokenizer) == []


def test_a_model_that_was_saved_answers_with_its_own_window(tiny_bert, tmp_path):
    model, tokenizer = models.load(tiny_bert, CLASSES, device="cpu")
    models.save(model, tokenizer, task(32), tmp_path / "model")
    _, tokenizer, saved_task = models.load_finetuned(tmp_path / "model", "cpu")
    assert saved_task.window(tokenizer) == 32


def test_a_foreign_classifier_is_read_as_its_pipeline_reads(tiny_bert, tmp_path):
    model, tokenizer = models.load(tiny_bert, CLASSES, device="cpu")
    tokenizer.model_max_length = 48
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    _, tokenizer, its_task = models.load_finetuned(tmp_path, "cpu")
    assert its_task.window(tokenizer) == 48


def test_more_than_the_positions_is_a_note(tiny_bert):
    model, tokenizer = models.load(tiny_bert, CLASSES, device="cpu")
    (finding,) = window.task_and_window(task(1024), model, tokenizer)
    assert not finding.error
    assert "max_length is 1024" in finding.message
    assert f"up to {POSITIONS} tokens, which is all the model has positions for" in finding.message


def test_a_tokenizer_of_ones_own_that_allows_less_is_a_note_with_the_line_to_write(tiny_bert):
    model, tokenizer = models.load(tiny_bert, CLASSES, device="cpu")
    tokenizer.model_max_length = 32
    (finding,) = window.task_and_window(task(64), model, tokenizer)
    assert "set tokenizer.model_max_length = 64" in finding.message
    exec(finding.message.split("so set ")[1].split(" to use")[0], {"tokenizer": tokenizer})
    assert window.task_and_window(task(64), model, tokenizer) == []


def test_a_model_without_a_limit_reads_any_length():
    model = SimpleNamespace(config=XLNetConfig(), named_modules=list)
    assert window.positions(model) == window.ENDLESS


def test_the_remedy_for_cut_texts_is_one_that_works(tiny_bert, tmp_path):
    folder = copied(tiny_bert, tmp_path / "copy")
    _, tokenizer = models.load(folder, CLASSES, device="cpu")
    with pytest.warns(TruncationWarning, match=rf"larger max_length \(up to {POSITIONS}\)"):
        task(64).encode(LONG, tokenizer)
    with pytest.warns(TruncationWarning, match="this is all the model reads: shorten them"):
        task(1024).encode(LONG, tokenizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task(64).encode(LONG.select([1]), tokenizer)


def test_learned_tokens_take_positions_of_the_model(tiny_bert, tmp_path):
    """A text of all positions would fail inside transformers: it is cut, with a warning."""
    model, tokenizer = models.load(tiny_bert, CLASSES, device="cpu")
    adapted = models.with_adapter(model, "prefix", tokens=16)
    assert window.positions(adapted) == POSITIONS - 16
    whole, cut = task(POSITIONS), f"longer than {POSITIONS - 16} tokens .* all the model reads"
    with pytest.warns(TruncationWarning, match=cut):
        evaluation.evaluate(adapted, LONG, whole, copy.deepcopy(tokenizer))
    with pytest.warns(TruncationWarning, match=cut):
        evaluation.predict(adapted, LONG["text"], whole, copy.deepcopy(tokenizer))
    with (
        pytest.warns(TruncationWarning, match=cut),
        pytest.warns(CompatibilityWarning, match="positions for beside the 16 that it learned"),
    ):
        fit(adapted, LONG, whole, tokenizer, TrainConfig(epochs=1))
    models.save_adapter(adapted, tokenizer, whole, tmp_path / "adapter")
    again, tokenizer, _ = models.load_finetuned(tmp_path / "adapter", "cpu")
    assert tokenizer.model_max_length == POSITIONS - 16
    with pytest.warns(TruncationWarning, match=cut):
        assert len(evaluation.predict(again, LONG["text"], whole, tokenizer)) == len(LONG)


def test_a_model_without_learned_tokens_has_all_its_positions(tiny_bert):
    model, _ = models.load(tiny_bert, CLASSES, device="cpu")
    assert window.learned_tokens(model) == 0
    assert window.learned_tokens(models.with_adapter(model, "lora")) == 0
