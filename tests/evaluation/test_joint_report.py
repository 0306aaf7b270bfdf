"""Reports and predictions of several tasks are those of each task alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from ftlearn import evaluation, models, tasks
from ftlearn.errors import ArgumentError, UnknownNameError
from ftlearn.evaluation import baselines

TEXTS = [f"chip {row} code" if row % 2 else f"a run of {row}" for row in range(24)]
TOPICS = Dataset.from_dict({"text": TEXTS, "label": ["tech", "sport", "health"] * 8})
STARS = Dataset.from_dict({"text": TEXTS[:12], "label": [1, 2, 3, 4] * 3})
PRICES = Dataset.from_dict({"text": TEXTS[5:], "label": [40.0 + row for row in range(19)]})
DATA = {"topic": TOPICS, "stars": STARS, "price": PRICES}
PARTS = {
    "topic": tasks.classification(TOPICS, max_length=16),
    "stars": tasks.ordinal(STARS, max_length=16),
    "price": tasks.regression(PRICES, max_length=16),
}
WEIGHTS = {"topic": 1.0, "stars": 0.5, "price": 2.0}
JOINT = tasks.joint(PARTS, weights=WEIGHTS)
ROWS = JOINT.rows(DATA).shuffle(seed=0)


@pytest.fixture(scope="module")
def loaded(tiny_bert):
    return models.load(tiny_bert, JOINT, device="cpu")


@pytest.fixture(scope="module")
def report(loaded):
    model, tokenizer = loaded
    return evaluation.evaluate(model, ROWS, JOINT, tokenizer)


@pytest.mark.parametrize("name", PARTS)
def test_the_report_on_a_task_is_that_of_its_model_alone(loaded, report, name):
    model, tokenizer = loaded
    alone, task = models.single_task(model, JOINT, name)
    expected = evaluation.evaluate(alone, JOINT.part(ROWS, name), task, tokenizer)
    assert len(report[name].targets) == len(DATA[name])
    assert report[name].scores == pytest.approx(expected.scores, rel=1e-5, abs=1e-6)
    assert report[name].rows()["text"].tolist() == expected.rows()["text"].tolist()
    of_task = {key: report.scores[f"{name} {key}"] for key in expected.scores}
    assert of_task == pytest.approx(report[name].scores)


def test_the_loss_is_the_weighted_sum_of_means(report):
    means = {
        "topic": report["topic"].scores["log_loss"],
        "stars": report["stars"].scores["loss"],
        "price": report["price"].scores["mse"] / PARTS["price"].scale ** 2,
    }
    expected = sum(WEIGHTS[name] * mean for name, mean in means.items())
    assert report.scores["loss"] == pytest.approx(expected)
    assert report.example_losses.sum() == pytest.approx(
        sum(WEIGHTS[name] * mean * len(DATA[name]) for name, mean in means.items())
    )


def test_the_overall_table_has_the_tables_of_all_tasks(report):
    table = report.table(draws=50)
    assert list(table.columns) == ["value", "low", "high"]
    for name in PARTS:
        expected = report[name].table(draws=50)
        pd.testing.assert_frame_equal(table.loc[name], expected, check_names=False)
    assert report.interval("stars mae", draws=50) == report["stars"].interval("mae", draws=50)
    assert len(report.rows()) == len(ROWS)
    assert report.errors(2)["task"].tolist() == [name for name in PARTS for _ in range(2)]
    assert repr(report).startswith(f"Report({len(ROWS)} rows: loss ")


def test_names_of_metrics_are_known_before_there_are_outputs(report):
    assert set(JOINT.metric_names()) == set(report.scores)


def test_what_is_of_one_task_says_so(report):
    with pytest.raises(ArgumentError, match=r"ask for report\['topic'\].confusion\(\)"):
        report.confusion()
    with pytest.raises(UnknownNameError, match="no rows of a task 'tone'"):
        report["tone"]
    with pytest.raises(UnknownNameError, match="no metric 'accuracy'"):
        report.interval("accuracy")


def test_rows_of_one_task_give_the_report_on_it_alone(loaded):
    model, tokenizer = loaded
    part = evaluation.evaluate(model, JOINT.part(ROWS, "stars"), JOINT, tokenizer)
    assert list(part.reports) == ["stars"]
    assert all(name == "loss" or name.startswith("stars ") for name in part.scores)


def test_baselines_are_those_of_the_tasks_alone():
    task, rows = JOINT.task("topic"), JOINT.part(ROWS, "topic")
    joint = baselines.majority(rows, rows, task).scores
    assert joint == pytest.approx(baselines.majority(TOPICS, TOPICS, PARTS["topic"]).scores)


def test_predictions_have_a_group_of_columns_per_task(loaded):
    model, tokenizer = loaded
    table = evaluation.predict(model, TEXTS[:3], JOINT, tokenizer)
    topics = [f"topic: {label}" for label in PARTS["topic"].labels]
    stars = [f"stars: {label}" for label in "1234"]
    assert list(table) == ["text", "topic", *topics, "stars", *stars, "price"]
    np.testing.assert_allclose(table[topics].sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(table[stars].sum(1), 1, rtol=1e-6)
    for row in JOINT.decode(np.random.default_rng(0).normal(size=(4, 8))):
        assert list(row) == list(PARTS)
