"""Predictions do not depend on their neighbours, and reports count rightly."""

import io
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset
from torch import nn
from transformers import pipeline

from ftlearn import evaluate, evaluation, models, predict, tasks
from ftlearn.data.batching import by_length
from ftlearn.evaluation import Report, predicting
from ftlearn.tasks import classification, language_modelling

WORDS = ["ball", "code", "heart", "run", "chip", "pulse", "team", "server", "sleep"]
TEXTS = [" ".join(WORDS[(3 * row + at) % 9] for at in range(1 + 5 * row % 12)) for row in range(70)]
ROWS = Dataset.from_dict(
    {
        "text": TEXTS,
        "label": [["cold", "warm", "hot"][row % 3] for row in range(70)],
        "kind": [["a", "b"][row % 2] for row in range(70)],
    }
)
TASK = classification(ROWS, max_length=16)


@pytest.fixture(scope="module")
def loaded(tiny_bert):
    return models.load(tiny_bert, TASK, seed=0, device="cpu")


@pytest.fixture(scope="module")
def report(loaded):
    return evaluate(loaded[0], ROWS, TASK, loaded[1])


def test_outputs_are_those_of_each_text_alone_in_the_order_of_the_rows(loaded, report):
    model, tokenizer = loaded
    model.eval()
    with torch.no_grad():
        alone = [model(**tokenizer(text, return_tensors="pt")).logits[0].numpy() for text in TEXTS]
    np.testing.assert_allclose(report.outputs, np.stack(alone), atol=1e-5)


def test_in_half_precision_outputs_are_nearly_those_of_the_exact_pass(loaded, report):
    model, tokenizer = loaded
    encoded = TASK.encode(ROWS, tokenizer)
    outputs = evaluation.outputs(model, encoded, TASK, tokenizer, precision="bf16")
    assert not np.array_equal(outputs, report.outputs)
    np.testing.assert_allclose(outputs, report.outputs, atol=0.05)


def test_a_network_of_ones_own_answers_in_half_precision_too(loaded):
    class Own(nn.Module):
        """Looks at nothing but the number of tokens."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 3)

        def forward(self, input_ids, attention_mask, **_):
            counts = attention_mask.sum(1, keepdim=True).to(self.layer.weight.dtype)
            return SimpleNamespace(logits=self.layer(counts))

    encoded = TASK.encode(ROWS, loaded[1])
    rough, exact = (
        evaluation.outputs(model, encoded, TASK, loaded[1], precision=precision)
        for model in [Own()]
        for precision in ("bf16", "fp32")
    )
    np.testing.assert_allclose(rough, exact, rtol=0.02, atol=0.02)


def test_a_language_model_is_asked_in_batches_whose_logits_fit(tiny_checkpoints, monkeypatch):
    task = language_modelling(max_length=32)
    model, tokenizer = models.load(tiny_checkpoints["gpt2"], task, device="cpu")
    encoded, sizes = task.encode(ROWS, tokenizer), []
    model.register_forward_hook(lambda *arguments: sizes.append(arguments[-1].logits.numel()))
    unlimited = evaluation.outputs(model, encoded, task, tokenizer)
    largest = max(sizes)
    monkeypatch.setattr(predicting, "LOGITS", 40 * model.config.vocab_size)
    sizes.clear()
    outputs = evaluation.outputs(model, encoded, task, tokenizer)
    assert max(sizes) <= predicting.LOGITS < largest
    np.testing.assert_allclose(outputs, unlimited, rtol=1e-5)
    monkeypatch.setattr(predicting, "LOGITS", 1)  # not enough for one text
    assert evaluation.outputs(model, encoded, task, tokenizer).shape == unlimited.shape


def test_progress_counts_batches_on_a_terminal_only(loaded, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def shown(file: io.StringIO, **options) -> str:
        monkeypatch.setattr("sys.stderr", file)
        evaluate(loaded[0], ROWS, TASK, loaded[1], **options)
        return file.getvalue()

    monkeypatch.setitem(predicting.POSITIONS, "cpu", 200)
    batches = len(by_length(TASK.encode(ROWS, loaded[1]).lengths, 200))
    assert f"/{batches} [" in shown(Terminal(), progress=True)
    assert shown(Terminal()) == ""
    assert shown(io.StringIO(), progress=True) == ""


def test_evaluating_leaves_mode_and_random_state_alone(loaded):
    model, tokenizer = loaded
    model.train()
    state = torch.get_rng_state()
    evaluate(model, ROWS, TASK, tokenizer)
    assert model.training
    assert torch.equal(state, torch.get_rng_state())


def test_two_evaluations_agree_to_the_bit(loaded, report):
    again = evaluate(loaded[0], ROWS, TASK, loaded[1])
    assert np.array_equal(again.outputs, report.outputs)


def test_predict_gives_answers_and_probabilities(loaded, report):
    table = predict(loaded[0], TEXTS[:5], TASK, loaded[1])
    assert list(table.columns) == ["text", "prediction", *TASK.labels]
    np.testing.assert_allclose(table[list(TASK.labels)].sum(axis=1), 1, atol=1e-6)
    best = np.asarray(TASK.labels)[table[list(TASK.labels)].to_numpy().argmax(1)]
    assert (table["prediction"] == best).all()
    assert (table["prediction"].to_numpy() == report.rows()["prediction"][:5].to_numpy()).all()


def test_labels_that_are_called_as_a_column_of_predict_keep_their_probabilities(loaded):
    task = tasks.Classification(labels=("text", "prediction", "other"), max_length=16)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        table = predict(loaded[0], TEXTS[:5], task, loaded[1])
    assert list(table.columns) == [
        "text",
        "prediction",
        "text (label)",
        "prediction (label)",
        "other",
    ]
    assert list(table["text"]) == TEXTS[:5]
    assert set(table["prediction"]) <= set(task.labels)
    np.testing.assert_allclose(table.select_dtypes("number").sum(axis=1), 1, atol=1e-6)


def test_predict_refuses_what_is_no_text(loaded):
    with pytest.raises(ValueError, match=r"row 1 .* holds '  '"):
        predict(loaded[0], ["fine", "  "], TASK, loaded[1])


def test_predict_refuses_one_bare_string(loaded):
    with pytest.raises(TypeError, match=r"one string, 'a ball'.*pass a list"):
        predict(loaded[0], "a ball", TASK, loaded[1])


@pytest.mark.parametrize("kind", [tuple, pd.Series, np.array, iter], ids=lambda kind: kind.__name__)
def test_predict_takes_texts_in_any_sequence(loaded, kind):
    model, tokenizer = loaded
    table = predict(model, kind(TEXTS[:5]), TASK, tokenizer)
    assert list(table["text"]) == TEXTS[:5]
    pd.testing.assert_frame_equal(table, predict(model, TEXTS[:5], TASK, tokenizer))


def test_predict_refuses_a_table_whose_names_it_would_read(loaded):
    rows = {"text": TEXTS[:5], "more": TEXTS[:5]}
    for table in (pd.DataFrame(rows), Dataset.from_dict(rows), rows):
        with pytest.raises(TypeError, match=r"pass one of its columns, such as table\['text'\]"):
            predict(loaded[0], table, TASK, loaded[1])


def test_errors_come_worst_first_with_the_columns_asked_for(report):
    table = report.errors(10, columns=["kind"])
    assert len(table) == 10
    assert list(table["loss"]) == sorted(report.example_losses, reverse=True)[:10]
    assert set(table.columns) == {"text", "label", "prediction", "loss", "kind"}
    row = table.index[0]
    assert table["text"][row] == TEXTS[row]
    assert table["label"][row] == ROWS["label"][row]


@pytest.mark.parametrize("name", ["label", "prediction", "loss"])
def test_a_column_that_is_called_as_one_of_the_report_keeps_its_content(report, name):
    renamed = {"label": "topic", "text": name, "kind": "prediction" if name == "loss" else "loss"}
    data = ROWS.rename_columns(renamed)
    task = classification(data, text=name, target="topic", max_length=16)
    table = Report(task, data, report.outputs, report.targets).errors(70, columns=["topic"])
    expected = report.errors(70)
    assert list(table[f"{name} (data)"]) == list(expected["text"])
    assert list(table["topic"]) == list(expected["label"])
    for column in ("label", "prediction", "loss"):
        assert list(table[column]) == list(expected[column])


def test_confusion_counts_every_row_once(report):
    table = report.confusion()
    assert table.to_numpy().sum() == len(ROWS)
    assert table.loc["cold"].sum() == ROWS["label"][:].count("cold")
    assert np.trace(table.to_numpy()) == report.correct.sum()


def test_slices_add_up_to_the_whole(report):
    table = report.by_group("kind")
    assert table["rows"].to_dict() == {"a": 35, "b": 35}
    mean = (table["rows"] * table["accuracy"]).sum() / len(ROWS)
    assert mean == pytest.approx(report.scores["accuracy"])


def test_intervals_hold_the_value_and_the_table_holds_all_metrics(report):
    table = report.table(draws=200)
    assert list(table.index) == list(report.scores)
    assert (table["low"] <= table["value"] + 1e-9)["accuracy"]
    assert (table["value"] <= table["high"] + 1e-9)["accuracy"]
    interval = report.interval("accuracy", draws=200)
    assert tuple(table.loc["accuracy"]) == pytest.approx(tuple(interval))


def test_intervals_are_those_of_the_metrics_of_each_sample(report):
    picks = np.random.default_rng(5).integers(0, 70, size=(40, 70))
    scores = [TASK.metrics(report.outputs[rows], report.targets[rows]) for rows in picks]
    low, high = np.quantile([list(score.values()) for score in scores], [0.025, 0.975], axis=0)
    table = report.table(draws=40, seed=5)
    assert (table["low"].to_numpy() == low).all()
    assert (table["high"].to_numpy() == high).all()
    f1 = report.interval("f1", draws=40, seed=5)
    assert f1 == tuple(table.loc["f1"])


def test_a_subclass_with_metrics_of_its_own_gets_intervals_of_these(report):
    class Errors(tasks.Classification):
        def metrics(self, outputs, targets):
            return {"errors": float((outputs.argmax(-1) != targets).sum())}

    task = Errors(labels=TASK.labels)
    table = Report(task, ROWS, report.outputs, report.targets).table(draws=20)
    assert list(table.index) == ["errors"]
    assert 0 < table.loc["errors", "low"] < table.loc["errors", "high"]


def test_an_unknown_metric_is_named(report):
    with pytest.raises(KeyError, match=r"no metric 'acuracy'.*accuracy"):
        report.interval("acuracy")


def test_a_saved_model_answers_the_same_in_transformers_pipeline(loaded, tmp_path):
    model, tokenizer = loaded
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    ours = predict(model, TEXTS[:8], TASK, tokenizer)
    theirs = pipeline("text-classification", model=str(tmp_path), device="cpu")(TEXTS[:8])
    assert [answer["label"] for answer in theirs] == list(ours["prediction"])
    probabilities = ours[list(TASK.labels)].to_numpy().max(1)
    np.testing.assert_allclose([answer["score"] for answer in theirs], probabilities, atol=1e-5)


def test_batches_of_prediction_take_every_row_once():
    encoded = TASK.encode_texts(TEXTS, _Words())
    rows = [row for batch in by_length(encoded.lengths, 32) for row in batch]
    assert sorted(rows) == list(range(len(TEXTS)))


class _Words:
    """A tokenizer that makes an id of every word."""

    model_max_length = 512

    def __call__(self, texts, **_):
        ids = [[WORDS.index(word) for word in text.split()] for text in texts]
        return {"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]}
