"""From rows to model inputs, from outputs to predictions, and what happens to bad rows."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict
from transformers import AutoTokenizer

from ftlearn import TrainConfig, models, tasks
from ftlearn.data.batching import collate
from ftlearn.evaluation import predict
from ftlearn.losses import IGNORED
from ftlearn.tasks import classification, language_modelling, regression
from ftlearn.tasks.base import TruncationWarning

ARTICLES = {"text": ["a cold bath", "a new phone", "the last match"], "label": ["b", "a", "c"]}


@pytest.fixture
def tokenizer(tiny_bert):
    return AutoTokenizer.from_pretrained(tiny_bert)


@pytest.fixture(scope="module")
def gpt2(tiny_checkpoints):
    return models.load(tiny_checkpoints["gpt2"], language_modelling(), device="cpu")


def rows(**columns) -> Dataset:
    return Dataset.from_dict({**ARTICLES, **columns})


def with_ids(ids: list) -> Dataset:
    """Rows of two classes with any ids: a cast does not check them."""
    return rows(label=ids).cast_column("label", ClassLabel(names=["cold", "warm"]))


# Texts


def test_encode_gives_the_tokenizers_own_ids(tokenizer):
    data = rows()
    encoded = classification(data).encode(data, tokenizer)
    for row, text in enumerate(ARTICLES["text"]):
        alone = tokenizer(text)
        assert {name: ids[row] for name, ids in encoded.inputs.items()} == dict(alone)
    assert encoded.truncated == 0
    assert len(encoded) == 3
    assert encoded.lengths == [5, 5, 5]


def test_long_texts_are_cut_counted_and_reported(tokenizer):
    data = rows(text=["word " * 30, "short", "word " * 40])
    task = classification(data, max_length=16)
    with pytest.warns(TruncationWarning) as caught:
        encoded = task.encode(data, tokenizer)
    assert len(caught) == 1
    assert str(caught[0].message) == (
        "2 of 3 texts are longer than 16 tokens (the longest has 42) and were cut at the end; "
        "fit with a larger max_length to keep more"
    )
    assert encoded.truncated == 2
    assert encoded.lengths == [16, 3, 16]
    assert encoded.inputs["input_ids"][0][-1] == tokenizer.sep_token_id


@pytest.mark.parametrize(
    "make",
    [
        classification,
        lambda data, **options: regression(data, target="stars", **options),
        lambda data, **options: language_modelling(**options),
    ],
    ids=["classification", "regression", "language modelling"],
)
def test_silent_truncation_cuts_and_counts_as_the_loud_one(tokenizer, make):
    data = rows(text=["word " * 30, "short", "word " * 40], stars=[1.0, 2.0, 3.0])
    loud, silent = make(data, max_length=16), make(data, max_length=16, truncation="silent")
    with pytest.warns(TruncationWarning):
        expected = loud.encode(data, tokenizer)
    with warnings.catch_warnings(action="error"):
        encoded = silent.encode(data, tokenizer)
    assert encoded.inputs == expected.inputs
    assert encoded.truncated == expected.truncated == 2
    assert repr(silent) == repr(loud)  # it is part of a run's fingerprint


def test_an_unknown_truncation_is_an_error():
    with pytest.raises(ValueError, match="truncation is 'quiet': use 'warn' or 'silent'"):
        classification(rows(), truncation="quiet")


def test_texts_of_exactly_the_window_are_not_cut(tokenizer):
    data = rows(text=["word " * 14] * 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoded = classification(data, max_length=16).encode(data, tokenizer)
    assert encoded.truncated == 0
    assert encoded.lengths == [16] * 3


def test_window_is_the_smaller_of_task_and_model(tokenizer):
    tokenizer.model_max_length = 12
    data = rows(text=["word " * 30] * 3)
    with pytest.warns(TruncationWarning, match="longer than 12 tokens"):
        encoded = classification(data, max_length=64).encode(data, tokenizer)
    assert encoded.max_length == 12
    assert encoded.lengths == [12] * 3


def test_two_texts_are_encoded_as_a_pair(tokenizer):
    data = rows(other=["in winter", "in spring", "in summer"])
    task = classification(data, text=("text", "other"))
    encoded = task.encode(data, tokenizer)
    alone = tokenizer("a new phone", "in spring")
    assert encoded.inputs["input_ids"][1] == alone["input_ids"]
    assert encoded.inputs["token_type_ids"][1] == [0] * 5 + [1] * 3
    bare = task.encode_texts([("a new phone", "in spring")], tokenizer)
    assert bare.inputs["input_ids"] == [alone["input_ids"]]


def test_bare_texts_are_encoded_as_rows_are(tokenizer):
    data = rows()
    task = classification(data)
    assert (
        task.encode_texts(ARTICLES["text"], tokenizer).inputs == task.encode(data, tokenizer).inputs
    )


@pytest.mark.parametrize("blank", ["", "  \n\t ", None])
def test_blank_texts_are_an_error_that_names_the_row(tokenizer, blank):
    data = rows(text=["a cold bath", blank, "the last match"])
    with pytest.raises(ValueError) as caught:
        classification(data).encode(data, tokenizer)
    assert str(caught.value) == (
        f"row 1 of column 'text' holds {blank!r} instead of a text: drop the row or fill it in"
    )


def test_numbers_in_place_of_texts_are_an_error(tokenizer):
    data = rows(text=[1, 2, 3])
    with pytest.raises(ValueError, match="row 0 of column 'text' holds 1 instead of a text"):
        classification(data).encode(data, tokenizer)


def test_no_rows_are_an_error(tokenizer):
    data = rows()
    with pytest.raises(ValueError, match=r"empty \(0 rows\)"):
        classification(data).encode(data.select([]), tokenizer)


def test_the_error_for_a_missing_column_lists_those_that_exist(tokenizer):
    data = rows()
    with pytest.raises(KeyError, match=r"no column 'topic'; it has: text, label"):
        classification(data, target="topic")
    with pytest.raises(KeyError, match=r"no column 'stars'; it has: text, label"):
        regression(data, target="stars")
    for task in (
        classification(data, text="body"),
        language_modelling(text="body"),
    ):
        with pytest.raises(KeyError, match=r"no column 'body'; it has: text, label"):
            task.encode(data, tokenizer)


def test_the_error_for_a_missing_training_part_lists_those_that_exist():
    with pytest.raises(KeyError, match="no part 'train'; it has: test"):
        classification(DatasetDict({"test": rows()}))


def test_batches_take_the_settings_of_the_run(tokenizer):
    data = rows()
    config = TrainConfig(batch_size=2, micro_batches=2, seed=7)
    batches = classification(data).batches(data, tokenizer, config)
    assert (batches.batch_size, batches.micro_batches, batches.seed) == (2, 2, 7)
    assert len(batches) == 2


# Classification


def test_labels_are_those_of_the_training_part():
    test = rows(label=["x", "y", "z"])
    assert classification(DatasetDict(train=rows(), test=test)).labels == ("a", "b", "c")


def test_class_labels_keep_the_order_of_the_data(topics):
    task = classification(topics)
    assert task.labels == tuple(topics["train"].features["label"].names)
    assert task.targets(topics["test"]) == list(topics["test"]["label"])


def test_numbered_labels_are_in_the_order_of_numbers():
    data = Dataset.from_dict({"text": ["word"] * 12, "label": list(range(12))})
    task = classification(data)
    assert task.labels == tuple(map(str, range(12)))
    assert task.targets(data) == list(range(12))


def test_labels_are_matched_by_name_not_by_id():
    task = classification(rows())
    other = rows(label=["c", "b", "c"]).cast_column("label", ClassLabel(names=["c", "b"]))
    assert task.targets(other) == [2, 1, 2]


def test_an_unknown_label_is_named():
    task = classification(rows())
    with pytest.raises(ValueError, match=r"does not know: 'd'; it knows 'a', 'b', 'c'$"):
        task.targets(rows(label=["a", "b", "d"]))
    with pytest.raises(ValueError, match=r"does not know: 'B'; .* \('B' may mean 'b'\)$"):
        task.targets(rows(label=["a", "b", "B"]))


@pytest.mark.parametrize(
    ("present", "missing"), [("a", None), ("a", " "), (1.0, float("nan")), (1, None)]
)
def test_a_missing_label_is_no_class(present, missing):
    with pytest.raises(ValueError, match=f"row 1 of column 'label' holds {missing!r}"):
        classification(rows(label=[present, missing, present]))
    with pytest.raises(ValueError, match=f"row 2 of column 'label' holds {missing!r}"):
        classification(rows()).targets(rows(label=[present, present, missing]))


@pytest.mark.parametrize("wrong", [2, -1, None])
def test_a_class_id_out_of_range_is_an_error_that_names_the_row(wrong):
    good = with_ids([0, 1, 1])
    task = classification(good)
    with pytest.raises(ValueError, match=rf"row 1 .*class id {wrong}, which is not in 0\.\.1"):
        task.targets(with_ids([0, wrong, 1]))


@pytest.mark.parametrize("data", [rows(label=["a"] * 3), with_ids([1, 1, 1])])
def test_one_class_only_is_an_error(data):
    with pytest.raises(ValueError, match="one class only"):
        classification(data)


def test_classification_loss_has_the_given_label_smoothing():
    logits, targets = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    for epsilon in (0.0, 0.2):
        task = classification(rows(), label_smoothing=epsilon)
        expected = torch.nn.CrossEntropyLoss(label_smoothing=epsilon)(logits, targets)
        torch.testing.assert_close(task.loss(logits, targets).mean, expected)


def test_classification_predictions_are_label_names():
    outputs = np.array([[0.0, 2.0, 1.0], [5.0, -1.0, 0.0], [0.0, 1.0, 9.0]])
    task = classification(rows())
    assert task.decode(outputs) == ["b", "a", "c"]
    assert task.metrics(outputs, np.array([1, 0, 0]))["accuracy"] == pytest.approx(2 / 3)
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(outputs), torch.tensor([1, 0, 0]), reduction="none"
    )
    assert task.example_losses(outputs, np.array([1, 0, 0])) == pytest.approx(expected.numpy())


# Regression


def test_regression_learns_standardised_numbers_and_predicts_in_units():
    data = rows(label=[1.0, 2.0, 6.0])
    task = regression(data)
    targets = np.array(task.targets(data))
    assert targets.mean() == pytest.approx(0)
    assert targets.std() == pytest.approx(1)
    assert task.decode(targets[:, None]) == pytest.approx([1, 2, 6])
    assert task.decode(np.zeros((1, 1))) == pytest.approx([3])


def test_regression_scores_are_in_units():
    data = rows(label=[1.0, 2.0, 6.0])
    task = regression(data)
    targets = np.array(task.targets(data))
    outputs = targets[:, None] + 0.5  # half a standard deviation too high, everywhere
    error = 0.5 * np.std([1, 2, 6])
    scores = task.metrics(outputs, targets)
    assert scores["mse"] == pytest.approx(error**2)
    assert task.monitor in scores
    assert task.example_losses(outputs, targets) == pytest.approx([error**2] * 3)


def test_regression_uses_the_training_parts_units():
    data = DatasetDict(train=rows(label=[1.0, 3.0, 5.0]), test=rows(label=[9.0, 9.0, 9.0]))
    assert regression(data).center == 3


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), None])
def test_a_target_that_is_not_finite_is_an_error_that_names_the_row(wrong):
    data = rows(label=[1.0, wrong, 2.0])
    with pytest.raises(ValueError, match=rf"row 1 of column 'label' holds {wrong} instead of a"):
        regression(data)
    with pytest.raises(ValueError, match="row 1 of column 'label'"):
        regression(rows(label=[1.0, 2.0, 3.0])).targets(data)


@pytest.mark.parametrize("labels", [["1", "2", "3"], [True, False, True]])
def test_texts_and_truth_values_are_no_numbers(labels):
    with pytest.raises(ValueError, match="row 0 of column 'label'"):
        regression(rows(label=labels))


def test_equal_targets_are_an_error():
    with pytest.raises(ValueError, match=r"all values of column 'label' are 2\.0"):
        regression(rows(label=[2.0, 2.0, 2.0]))


# Language modelling


def test_language_modelling_loss_is_transformers_own(gpt2, topics):
    model, tokenizer = gpt2
    task = language_modelling()
    data = Dataset.from_dict({"text": [topics["train"][0]["text"][:200]]})
    batch = collate(task.encode(data, tokenizer), [0], tokenizer)
    with torch.no_grad():
        output = model(**batch.inputs, labels=batch.inputs["input_ids"])
    loss = task.loss(output.logits, batch.targets)
    torch.testing.assert_close(loss.mean, output.loss)
    assert loss.count == batch.inputs["input_ids"].shape[1] - 1


def test_language_modelling_counts_no_padding_and_keeps_texts_apart(gpt2, topics):
    model, tokenizer = gpt2
    task = language_modelling(max_length=40)
    texts = ["A short one.", topics["train"][1]["text"][:100], topics["train"][2]["text"][:60]]
    encoded = task.encode(Dataset.from_dict({"text": texts}), tokenizer)
    batch = collate(encoded, [0, 1, 2], tokenizer)
    assert (batch.targets == IGNORED).any()
    with torch.no_grad():
        logits = model(**batch.inputs).logits
        alone = []
        for text in texts:
            ids = tokenizer(text, return_tensors="pt")["input_ids"]
            alone.append((model(input_ids=ids, labels=ids).loss.item(), ids.shape[1] - 1))
    outputs = task.reduce_logits(logits, batch.targets).numpy()
    assert outputs[:, 0] / outputs[:, 1] == pytest.approx([mean for mean, _ in alone], rel=1e-5)
    assert outputs[:, 1].tolist() == [count for _, count in alone]
    total, count = task.loss(logits, batch.targets)
    assert outputs.sum(0) == pytest.approx([total.item(), count], rel=1e-5)


def test_language_modelling_predicts_the_perplexity_of_texts_without_labels(gpt2):
    model, tokenizer = gpt2
    texts = ["A short one.", "Another text, a little longer."]
    alone = []
    for text in texts:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            alone.append(model(input_ids=ids, labels=ids).loss.exp().item())
    predicted = predict(model, texts, language_modelling(), tokenizer)["prediction"]
    assert predicted.tolist() == pytest.approx(alone, rel=1e-3)


def test_language_modelling_scores_weigh_every_token_alike():
    outputs = np.array([[2.0, 4], [6.0, 2]])  # sums of losses, and tokens
    task = language_modelling()
    scores = task.metrics(outputs, np.zeros(2))
    assert scores == pytest.approx({"loss": 8 / 6, "perplexity": math.exp(8 / 6)})
    assert task.decode(outputs) == pytest.approx([math.exp(0.5), math.exp(3)])
    assert task.example_losses(outputs, np.zeros(2)) == pytest.approx([0.5, 3])


def test_a_max_length_of_numpy_can_be_written_as_json():
    rows = Dataset.from_dict({"text": ["a", "b"], "label": ["x", "y"]})
    task = classification(rows, max_length=np.int64(16))
    assert json.loads(json.dumps(asdict(task)))["max_length"] == 16
    with pytest.raises(ValueError, match="max_length is '16': it must be a whole number"):
        classification(rows, max_length="16")


def test_the_error_for_a_pandas_table_says_how_to_convert_it():
    table = pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"]})
    with pytest.raises(TypeError, match=r"the data is a DataFrame: pass .*Dataset.from_pandas"):
        classification(table)


@pytest.mark.parametrize(
    "task",
    [
        tasks.Classification(labels=("a", "b", "c")),
        tasks.Regression(center=2.0, scale=3.0),
        tasks.LanguageModelling(),
    ],
    ids=lambda task: type(task).__name__,
)
def test_the_names_of_the_metrics_are_known_before_there_are_any_outputs(task):
    outputs = np.abs(np.random.default_rng(0).normal(size=(5, 3)))
    outputs = outputs[:, :1] if isinstance(task, tasks.Regression) else outputs
    with warnings.catch_warnings(action="error"):
        names = task.metric_names()
    assert list(names) == list(task.metrics(outputs, np.array([0, 1, 1, 0, 1])))
    assert task.monitor in names
