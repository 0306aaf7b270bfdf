"""Two texts and one label: which task it is, and what its baselines see."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict

from ftlearn import evaluation, models, tasks, training
from ftlearn.errors import ArgumentError, UnknownNameError
from ftlearn.evaluation import baselines
from ftlearn.training import TrainConfig

WORDS = ("ball", "code", "heart", "run", "chip", "pulse", "team", "server")
QUESTIONS = [f"where is the {WORDS[row % 8]}" for row in range(40)]
ANSWERS = [
    f"the {WORDS[row % 8]} is here" if row % 2 else f"a {WORDS[(row + 3) % 8]} was there"
    for row in range(40)
]
ROWS = Dataset.from_dict(
    {
        "question": QUESTIONS,
        "answer": ANSWERS,
        "label": [("no", "yes")[row % 2] for row in range(40)],
    }
)
PAIR = ("question", "answer")


def test_the_label_decides_between_classes_and_numbers():
    classes = tasks.pair(ROWS, text=PAIR)
    assert isinstance(classes, tasks.Classification)
    assert classes.labels == ("no", "yes")
    ids = ROWS.cast_column("label", ClassLabel(names=["no", "yes"]))
    assert tasks.pair(DatasetDict(train=ids), text=PAIR).labels == ("no", "yes")
    whole = ROWS.remove_columns("label").add_column("label", [row % 3 for row in range(40)])
    assert tasks.pair(whole, text=PAIR).labels == ("0", "1", "2")
    numbers = ROWS.remove_columns("label").add_column("label", [row / 40 for row in range(40)])
    assert isinstance(tasks.pair(numbers, text=PAIR), tasks.Regression)


@pytest.mark.parametrize("text", ["question", ("question",), ("question", "answer", "label")])
def test_other_than_two_texts_are_refused(text):
    with pytest.raises(ArgumentError, match="name the two columns"):
        tasks.pair(ROWS, text=text)


def test_a_missing_column_is_named():
    with pytest.raises(UnknownNameError, match="no column 'reply'"):
        tasks.pair(ROWS, text=("question", "reply"))


def test_a_model_reads_both_texts_as_one(tiny_bert):
    task = tasks.pair(ROWS, text=PAIR, max_length=24)
    model, tokenizer = models.load(tiny_bert, task, device="cpu")
    encoded = task.encode(ROWS, tokenizer)
    assert encoded.sequences == 1
    assert encoded.inputs["input_ids"][0] == tokenizer(QUESTIONS[0], ANSWERS[0])["input_ids"]
    training.fit(model, ROWS, task, tokenizer, TrainConfig(epochs=1, learning_rate=1e-2))
    table = evaluation.predict(model, [(QUESTIONS[0], ANSWERS[0])], task, tokenizer)
    assert table["prediction"][0] in task.labels


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a b", "a b", (1, 1, 1, 0)),
        ("A, b?", "b c", (1 / 3, 1 / 2, 1 / 2, 0)),
        ("one", "two three", (0, 0, 0, np.log(2))),
        ("天气很好", "天气", (1 / 3, 1 / 3, 1, np.log(1 / 3))),
        ("...", "!", (0, 0, 0, 0)),
    ],
)
def test_overlap_counts_distinct_words(first, second, expected):
    assert baselines.word_overlap(first, second) == pytest.approx(expected)


def test_shared_words_are_a_baseline_for_classes_and_numbers():
    classes = tasks.pair(ROWS, text=PAIR)
    report = baselines.overlap(ROWS.select(range(30)), ROWS.select(range(30, 40)), classes)
    assert report.scores["accuracy"] == 1.0  # here a right answer repeats the word asked for
    shares = [baselines.word_overlap(*texts)[0] for texts in zip(QUESTIONS, ANSWERS, strict=True)]
    numbers = ROWS.remove_columns("label").add_column("label", [2 * share for share in shares])
    task = tasks.pair(numbers, text=PAIR)
    assert baselines.overlap(numbers, numbers, task).scores["r2"] > 0.9
