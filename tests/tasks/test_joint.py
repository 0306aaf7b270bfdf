"""Several tasks as one: rows, batches, and the loss against a slow version."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from ftlearn import models, tasks
from ftlearn.data.batching import RowTargets, collate
from ftlearn.errors import ArgumentError, ArgumentTypeError, UnknownNameError
from ftlearn.training import TrainConfig

NAMES = ["tech", "sport"]
TOPICS = Dataset.from_dict(
    {"body": [f"chip {row} " + "code " * (row % 5) for row in range(12)], "y": [0, 1] * 6},
    features=Features({"body": Value("string"), "y": ClassLabel(names=NAMES)}),
)
STARS = Dataset.from_dict({"text": [f"run {row}" for row in range(6)], "label": [1, 2, 3, 1, 2, 3]})
PRICES = Dataset.from_dict({"text": ["a ball", "a team"], "price": [3.0, 9.0]})
PARTS = {
    "topic": tasks.classification(TOPICS, text="body", target="y", max_length=8),
    "stars": tasks.ordinal(STARS, max_length=16),
    "price": tasks.regression(PRICES, target="price", max_length=12),
}
JOINT = tasks.joint(PARTS, weights={"topic": 1.0, "stars": 0.5, "price": 2.0})
ROWS = JOINT.rows({"topic": TOPICS, "stars": STARS, "price": PRICES})
NAN = math.nan


@pytest.fixture(scope="module")
def tokenizer(tiny_bert):
    return models.load(tiny_bert, JOINT, device="cpu")[1]


# Rows


def test_rows_know_the_target_of_their_task():
    assert len(ROWS) == 20
    assert ROWS[1] == {"body": TOPICS["body"][1], "topic": "sport", "stars": None, "price": None}
    assert ROWS[12] == {"body": "run 0", "topic": None, "stars": "1", "price": None}
    assert ROWS[19] == {"body": "a team", "topic": None, "stars": None, "price": 9.0}
    assert JOINT.max_length == 16


def test_targets_are_those_of_the_tasks():
    targets = np.array(JOINT.targets(ROWS))
    assert targets.shape == (20, 3)
    assert targets[:12, 0].tolist() == PARTS["topic"].targets(TOPICS)
    assert targets[12:18, 1].tolist() == PARTS["stars"].targets(STARS)
    assert targets[18:, 2].tolist() == PARTS["price"].targets(PRICES)
    assert (~np.isnan(targets)).sum(1).tolist() == [1] * 20


def test_a_part_is_the_data_of_its_task_alone():
    for name, rows in (("topic", TOPICS), ("stars", STARS), ("price", PRICES)):
        part = JOINT.part(ROWS, name)
        assert JOINT.task(name).targets(part) == PARTS[name].targets(rows)


def test_parts_of_data_sets_join_by_name():
    both = DatasetDict(train=TOPICS, test=TOPICS)
    data = JOINT.rows({"topic": both, "stars": DatasetDict(train=STARS)})
    assert {part: len(rows) for part, rows in data.items()} == {"train": 18, "test": 12}


def test_a_table_with_several_labels_is_a_joint_data_set():
    table = Dataset.from_dict(
        {"text": ["a", "b", "c"], "topic": ["x", "y", ""], "tone": ["u", None, "v"]}
    )
    both = tasks.joint(
        {
            name: tasks.classification(table.select(rows), target=name)
            for name, rows in (("topic", [0, 1]), ("tone", [0, 2]))
        }
    )
    np.testing.assert_equal(both.targets(table), [(0, 0), (1, NAN), (NAN, 1)])
    assert both.readable_targets(table)[1] == {"topic": "y"}


# Batches


def test_an_epoch_without_temperature_has_each_row_once(tokenizer):
    batches = JOINT.batches(ROWS, tokenizer, TrainConfig(batch_size=3))
    rows = [row for parts in batches.epoch(0) for batch in parts for row in batch.rows]
    assert sorted(rows) == list(range(20))
    assert len(batches) == 7


def test_a_temperature_draws_the_tasks_alike_in_every_epoch(tokenizer):
    uniform = replace(JOINT, temperature=float("inf"), cap=6)
    batches = uniform.batches(ROWS, tokenizer, TrainConfig(batch_size=4))
    seen = set()
    for epoch in range(3):
        rows = [row for parts in batches.epoch(epoch) for batch in parts for row in batch.rows]
        counts = np.histogram(rows, bins=[0, 12, 18, 20])[0]
        assert sum(counts) == 6 + 6 + 2
        assert np.ptp(counts) <= 1
        seen |= set(rows)
    assert seen == set(range(20))


def test_skipped_batches_are_those_of_the_whole_epoch(tokenizer):
    batches = replace(JOINT, temperature=3.0).batches(ROWS, tokenizer, TrainConfig(batch_size=4))
    whole = [[batch.rows for batch in parts] for parts in batches.epoch(2)]
    assert [[batch.rows for batch in parts] for parts in batches.epoch(2, skip=3)] == whole[3:]


# The loss


def logits_of(batch, width=7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(20, width, generator=generator, dtype=torch.float64)
    return table[batch.rows]


def written_out(logits: torch.Tensor, targets: list[tuple], average: str) -> float:
    """Σ w_i L_i with loops: topic in columns 0–1, stars in 2–3, price in 4."""
    losses = {"topic": [], "stars": [], "price": []}
    for z, (topic, stars, price) in zip(logits.tolist(), targets, strict=True):
        if topic == topic:
            losses["topic"].append(math.log(sum(map(math.exp, z[:2]))) - z[int(topic)])
        if stars == stars:
            signs = [1 if stars > level else -1 for level in range(2)]
            losses["stars"].append(
                sum(math.log1p(math.exp(-sign * z[2 + k])) for k, sign in enumerate(signs))
            )
        if price == price:
            losses["price"].append((z[4] - price) ** 2)
    weights = {"topic": 1.0, "stars": 0.5, "price": 2.0}
    total = 0.0
    for name, values in losses.items():
        if values:
            count = len(values) if average == "task" else len(targets)
            total += weights[name] * sum(values) / count
    return total


@pytest.mark.parametrize("average", ["task", "batch"])
@pytest.mark.parametrize("micro_batches", [1, 3])
def test_the_loss_is_the_weighted_sum_of_means(tokenizer, average, micro_batches):
    task = replace(JOINT, average=average)
    config = TrainConfig(batch_size=6, micro_batches=micro_batches)
    batches = task.batches(ROWS, tokenizer, config)
    for parts in batches.epoch(0):
        for cut in (parts, batches.split_in_half(parts)):
            sums = [task.loss(logits_of(batch), batch.targets) for batch in cut]
            mean = sum(summed.total for summed in sums) / sum(summed.count for summed in sums)
            rows = [row for batch in parts for row in batch.rows]
            of_rows = torch.cat([logits_of(batch) for batch in parts])
            targets = [task.targets(ROWS)[row] for row in rows]
            assert mean.item() == pytest.approx(written_out(of_rows, targets, average), rel=1e-6)
            assert sum(task.count_targets(batch.targets) for batch in cut) == len(rows)


@pytest.mark.parametrize("average", ["task", "batch"])
def test_a_batch_by_itself_is_the_whole(tokenizer, average):
    task = replace(JOINT, average=average)
    encoded = task.encode(ROWS, tokenizer)
    batch = collate(encoded, [0, 3, 12, 14, 18], tokenizer)
    assert isinstance(batch.targets, RowTargets)
    targets = [task.targets(ROWS)[row] for row in batch.rows]
    expected = written_out(logits_of(batch), targets, average)
    assert task.loss(logits_of(batch), batch.targets).mean.item() == pytest.approx(expected)


def test_learned_weights_are_those_of_the_log_variances(tokenizer):
    task = replace(JOINT, weights="learned")
    encoded = task.encode(ROWS, tokenizer)
    batch = collate(encoded, [0, 3, 12, 14, 18], tokenizer)
    variances = torch.tensor([0.3, -0.2, 1.0], dtype=torch.float64)
    outputs = torch.cat((logits_of(batch, 5), variances.expand(5, -1)), dim=1)
    means = [summed.mean.item() for summed in task.task_losses(outputs, batch.targets).values()]
    terms = zip(variances.tolist(), means, strict=True)
    expected = sum(mean / (2 * math.exp(s)) + s / 2 for s, mean in terms)
    assert task.loss(outputs, batch.targets).mean.item() == pytest.approx(expected, rel=1e-6)


def test_a_task_without_rows_adds_nothing(tokenizer):
    task = replace(JOINT, weights="learned")
    batch = collate(task.encode(ROWS, tokenizer), [0, 1], tokenizer)
    outputs = torch.cat((logits_of(batch, 5), torch.tensor([[0.0, 7.0, -7.0]] * 2)), dim=1)
    topic = PARTS["topic"].loss(outputs[:, :2], torch.tensor([0, 1])).mean
    assert task.loss(outputs, batch.targets).mean.item() == pytest.approx(0.5 * topic.item())


# What is refused


def test_only_tasks_that_can_share_an_encoder_are_joined():
    for other in (tasks.chat(), tasks.ranking(), tasks.question_answering()):
        with pytest.raises(ArgumentError, match="tasks that share an encoder are"):
            tasks.joint({"topic": PARTS["topic"], "other": other})
    pairs = Dataset.from_dict({"text": ["a", "b"], "text_pair": ["c", "d"], "label": ["x", "y"]})
    with pytest.raises(ArgumentError, match="read single texts, or all of them pairs"):
        tasks.joint({"topic": PARTS["topic"], "pair": tasks.pair(pairs)})


@pytest.mark.parametrize("name", ["a.b", "a/b", "", "body"])
def test_names_must_be_usable(name):
    with pytest.raises(ArgumentError, match="a task is named"):
        tasks.joint({name: PARTS["topic"]})


def test_a_name_is_taken_once():
    with pytest.raises(ArgumentError, match="two tasks are named 'topic'"):
        replace(JOINT, names=("topic", "topic", "price"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": {"topic": 1.0}}, "give a number per task"),
        ({"weights": "equal"}, "or 'learned'"),
        ({"weights": dict.fromkeys(PARTS, -1.0)}, "a weight is -1"),
        ({"temperature": 0}, "temperature is 0"),
        ({"cap": 0}, "cap is 0"),
        ({"average": "rows"}, "average is 'rows'"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ArgumentError, match=message):
        tasks.joint(PARTS, **settings)


def test_data_that_does_not_fit_is_refused():
    with pytest.raises(ArgumentTypeError, match="give a dictionary of tasks"):
        tasks.joint([PARTS["topic"]])
    with pytest.raises(UnknownNameError, match="there is no task 'topics'"):
        JOINT.rows({"topics": TOPICS})
    with pytest.raises(ArgumentTypeError, match="some of the data sets have parts"):
        JOINT.rows({"topic": DatasetDict(train=TOPICS), "stars": STARS})
    with pytest.raises(UnknownNameError, match="there is no task 'star'"):
        JOINT.task("star")
    bare = Dataset.from_dict({"text": ["a"], "topic": [None], "stars": [None], "price": [None]})
    with pytest.raises(ArgumentError, match="row 0 has no target of any task"):
        JOINT.targets(bare)
