"""Runs on several label columns from the command line: fit, report, evaluate, predict."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from html_parsing import Parsed
from transformers import AutoModelForSequenceClassification
from typer.testing import CliRunner

from ftlearn import models, tasks, workflows
from ftlearn.cli import app
from ftlearn.data import DataError
from ftlearn.errors import ArgumentError
from ftlearn.workflows import Files
from ftlearn.workflows.joint_settings import JointSettings

TOPICS = ("code", "run", "pulse")
HEADER = ["note", "topic", "tone", "price"]


def rows(count: int) -> list[list[str]]:
    """Notes with a topic; every other one has a tone, and every third a price."""
    return [
        [
            f"a {TOPICS[row % 3]} is {'great' if row % 4 else 'bad'} in {1900 + row}",
            TOPICS[row % 3],
            ("up" if row % 4 else "down") if row % 2 == 0 else "",
            f"{row + 0.5}" if row % 3 == 0 else "",
        ]
        for row in range(count)
    ]


def write(path: Path, lines: list[list[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *lines])
    return path


def error(*arguments: object) -> str:
    """The error that a command ends with."""
    return str(CliRunner().invoke(app, [str(argument) for argument in arguments]).exception)


def run(*arguments: object) -> str:
    """What a command prints; it must succeed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


PARTS = ("topic", "tone", "price")
LABELS = ["--label", "topic", "--label", "tone", "--label", "price"]


@pytest.fixture(scope="module")
def fitted(tiny_bert, tmp_path_factory) -> tuple[Path, str]:
    """The folder of one run, and what it printed."""
    folder = tmp_path_factory.mktemp("joint")
    path = write(folder / "notes.csv", rows(90))
    model = ["--checkpoint", tiny_bert, "--device", "cpu", "--learning-rate", "0.01"]
    out = folder / "run"
    printed = run("fit", path, "--task", "joint", "--text", "note", *LABELS, *model, "--out", out)
    return out, printed


def test_a_run_says_what_it_learns_and_compares_each_task(fitted):
    out, printed = fitted
    assert "note → topic, one of 3 labels (code, pulse, run); note → tone" in printed
    assert "for comparison, accuracy or mae:" in printed
    assert "tasks/ with a model for each" in printed
    report = json.loads((out / "report.json").read_text())
    assert report["task"] == "joint"
    assert report["configuration"]["labels"] == ["topic", "tone", "price"]
    assert {"topic accuracy", "tone f1", "price mae"} < set(report["test"])
    assert set(report["baselines"]) == {
        "topic: most frequent label",
        "topic: word counts (TF-IDF)",
        "tone: most frequent label",
        "tone: word counts (TF-IDF)",
        "price: mean of the training data",
    }


def test_the_page_has_a_part_per_task(fitted):
    page = (fitted[0] / "report.html").read_text()
    for name in ("topic", "tone", "price"):
        assert (
            page.count(f'<h2><bdi translate="no">{name}</bdi></h2>') == 2
        )  # headline, and test rows
    text = Parsed(page).text
    for words in ("The model gives the right label to", "Label by label", "Size of the errors"):
        assert words in text


def test_each_task_is_saved_alone_as_well(fitted):
    out, _ = fitted
    assert [path.name for path in sorted((out / "tasks").iterdir())] == ["price", "tone", "topic"]
    plain = AutoModelForSequenceClassification.from_pretrained(out / "tasks" / "topic")
    assert plain.config.id2label == {0: "code", 1: "pulse", 2: "run"}
    assert models.load_finetuned(out)[2].names == ("topic", "tone", "price")


def test_new_rows_are_scored_and_predicted(fitted, tmp_path):
    out, _ = fitted
    lines = [*rows(12), ["a note", "", "", ""], ["b", "fish", "", ""], ["c", "", "", "much"]]
    path = write(tmp_path / "new.csv", lines)
    printed = run("evaluate", out, path, "--errors", "2", "--device", "cpu")
    assert "12 rows read" in printed
    assert [line[:-1] for line in printed.splitlines() if line[:-1] in PARTS] == list(PARTS)
    assert "line 14: all of 'topic', 'tone', 'price' are empty" in printed
    assert "line 15: 'topic' is 'fish', a label that the model does not have" in printed
    assert "line 16: 'price' is 'much', not a number as in the model" in printed
    (scored,) = workflows.evaluate(out, path, device="cpu")
    counts = {name: len(part.targets) for name, part in scored.report.reports.items()}
    assert counts == {"topic": 12, "tone": 6, "price": 4}
    target = tmp_path / "answers.jsonl"
    run("predict", out, "--input", path, "--text", "note", "--output", target, "--device", "cpu")
    answers = [json.loads(line) for line in target.read_text().splitlines()]
    assert len(answers) == 15
    predicted = scored.report["topic"].rows()["prediction"].tolist()
    assert [answer["topic"]["label"] for answer in answers[:12]] == predicted
    assert list(answers[0]["tone"]["probabilities"]) == ["down", "up"]
    assert set(answers[0]["price"]) == {"value"}


def test_labels_of_a_small_part_are_those_of_the_whole_file(tiny_bert, tmp_path):
    lines = rows(60)
    lines[7][1] = "rare"  # in one part only, wherever the split puts it
    path = write(tmp_path / "notes.csv", lines)
    for seed in range(4):
        files = Files(train=path, text="note", task="joint", labels=("topic", "tone"))
        plan = workflows.Plan(files=files, out=tmp_path / "run", checkpoint=tiny_bert)
        parts, task = workflows.tasks.read_joint_parts(
            files, JointSettings(), max_length=32, seed=seed
        )
        assert task.tasks[0].labels == ("code", "pulse", "rare", "run")
        assert sum(len(task.targets(part)) for part in parts.data.values()) == 60
        assert plan.settings()["labels"] == ["topic", "tone"]


def test_columns_that_do_not_fit_are_refused(tmp_path):
    path = write(tmp_path / "notes.csv", rows(30))
    files = Files(train=path, text="note", task="joint", labels=("topic", "tonne"))
    with pytest.raises(DataError, match=r"no column 'tonne'.*Did you mean 'tone'"):
        workflows.tasks.read_joint_parts(files, JointSettings(), max_length=32, seed=0)
    with pytest.raises(ArgumentError, match="name two or more as `labels`"):
        Files(train=path, task="joint", labels=("topic",))
    with pytest.raises(ArgumentError, match="name 'topic' twice"):
        Files(train=path, task="joint", labels=("topic", "topic"))
    with pytest.raises(ArgumentError, match="labels are for joint"):
        Files(train=path, labels=("topic", "tone"))


def test_the_command_line_takes_one_label_or_several(fitted, tmp_path):
    path = write(tmp_path / "notes.csv", rows(30))
    out = tmp_path / "run"
    several = error("fit", path, "--text", "note", *LABELS, "--out", out)
    assert "`label` names 3 columns, which task='joint' learns at once" in several
    one = error("fit", path, "--task", "joint", "--label", "topic", "--out", out)
    assert "name two or more as `labels`" in one
    other = error("evaluate", fitted[0], path, "--label", "topic", "--device", "cpu")
    assert "reads the column with its name (topic, tone, price): leave it out" in other


GRADES = ("poor", "fair", "good")


def graded(path: Path) -> Path:
    """Notes with a topic, a number of stars and a grade in words."""
    lines = [
        [line[0], line[1], GRADES[row % 3], str(1 + row % 5)] for row, line in enumerate(rows(60))
    ]
    return write(path, lines)


def test_columns_of_levels_weights_and_temperature_reach_the_task(tmp_path):
    path = graded(tmp_path / "notes.csv")
    files = Files(train=path, text="note", task="joint", labels=("topic", "tone", "price"))
    settings = JointSettings(
        task_weight={"tone": 0.5}, temperature=2.0, ordinal={"tone": GRADES, "price": ()}
    )
    _, task = workflows.tasks.read_joint_parts(files, settings, max_length=32, seed=0)
    assert task.weights == (1.0, 0.5, 1.0)
    assert task.temperature == 2.0
    topic, tone, price = task.tasks
    assert isinstance(topic, tasks.Classification)
    assert isinstance(tone, tasks.Ordinal)
    assert tone.labels == GRADES
    assert isinstance(price, tasks.Ordinal)
    assert price.labels == ("1", "2", "3", "4", "5")
    learned = JointSettings(task_weight="learned")
    _, task = workflows.tasks.read_joint_parts(files, learned, max_length=32, seed=0)
    assert task.learned


def test_names_of_levels_need_their_order(tmp_path):
    path = graded(tmp_path / "notes.csv")
    files = Files(train=path, text="note", task="joint", labels=("topic", "tone"))
    settings = JointSettings(ordinal={"tone": ()})
    with pytest.raises(ArgumentError, match="with `ordinal`, as in tone=fair,good,poor"):
        workflows.tasks.read_joint_parts(files, settings, max_length=32, seed=0)


def test_a_run_with_other_weights_is_another_run(tiny_bert, tmp_path):
    path, out = graded(tmp_path / "notes.csv"), tmp_path / "run"
    columns = ["--label", "topic", "--label", "tone", "--ordinal", "tone=poor,fair,good"]
    base = ["fit", path, "--task", "joint", "--text", "note", *columns, "--device", "cpu"]
    base += ["--checkpoint", tiny_bert, "--epochs", "1", "--out", out]
    weights = ["--task-weight", "tone=0.5", "--temperature", "3"]
    assert "tone, one of 3 levels (poor < fair < good)" in run(*base, *weights)
    record = json.loads((out / "run.json").read_text())["configuration"]
    assert record["task_weight"] == {"tone": 0.5}
    assert record["temperature"] == 3.0
    assert record["ordinal"] == {"tone": list(GRADES)}
    assert "finished already" in run(*base, *weights, "--resume")
    message = error(*base, "--task-weight", "tone=2", "--temperature", "3", "--resume")
    assert "task_weight was {'tone': 0.5} and is {'tone': 2.0}" in message
