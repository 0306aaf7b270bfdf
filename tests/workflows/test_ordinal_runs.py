"""Runs on levels from the command line: fit, report, evaluate, predict."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from html_parsing import Parsed
from typer.testing import CliRunner

from ftlearn import workflows
from ftlearn.cli import app
from ftlearn.config import TrainConfig
from ftlearn.errors import ArgumentError
from ftlearn.workflows import Files, Plan

WORDS = {"bad": "less", "fair": "some", "good": "more"}


def write(path: Path, count: int = 90) -> Path:
    """Opinions with a verdict, twice as many bad ones as others."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["opinion", "verdict"])
        for row in range(count):
            verdict = ("bad", "fair", "good", "bad")[row % 4]
            writer.writerow([f"there is {WORDS[verdict]} of it in {1900 + row}", verdict])
    return path


def run(*arguments: object) -> str:
    """What a command prints; it must succeed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def fitted(tiny_bert, tmp_path_factory) -> tuple[Path, str]:
    """The folder of one run, and what it printed."""
    folder = tmp_path_factory.mktemp("ordinal")
    path = write(folder / "opinions.csv")
    out = folder / "run"
    columns = ["--text", "opinion", "--label", "verdict"]
    levels = ["--task", "ordinal", "--levels", "bad, fair,good", "--loss", "cumulative-link"]
    model = ["--checkpoint", tiny_bert, "--device", "cpu", "--learning-rate", "0.01"]
    printed = run("fit", path, *columns, *levels, *model, "--decode", "mean", "--out", out)
    return out, printed


def test_a_run_says_what_it_learns_and_how_far_off_it_is(fitted):
    out, printed = fitted
    assert "opinion → verdict, one of 3 levels (bad < fair < good), cumulative-link" in printed
    assert "for comparison, mae:" in printed
    report = json.loads((out / "report.json").read_text())
    assert report["task"] == "ordinal"
    assert report["labels"] == ["bad", "fair", "good"]
    assert report["configuration"]["levels"] == ["bad", "fair", "good"]
    assert report["configuration"]["decode"] == "mean"
    assert set(report["test"]) == {"accuracy", "within_one", "mae", "quadratic_kappa", "loss"}
    assert report["test"]["mae"]["value"] <= report["baselines"]["median level"]["mae"]["value"]


def test_the_baselines_predict_the_mode_and_the_median_of_the_shares(fitted):
    out, _ = fitted
    report = json.loads((out / "report.json").read_text())
    names = list(report["baselines"])
    assert names == ["most frequent level", "median level", "word counts (TF-IDF)"]
    mode, median, words = (
        {name: score["value"] for name, score in report["baselines"][key].items()} for key in names
    )
    assert mode["loss"] == median["loss"] > words["loss"]
    # Half of the rows are bad, so bad or fair is the median, and 5 of 9 rows are rightly bad.
    assert mode["accuracy"] >= median["accuracy"]
    assert mode["quadratic_kappa"] == 0


def test_the_page_shows_distances_and_no_nominal_calibration(fitted):
    text = Parsed((fitted[0] / "report.html").read_text()).text
    for words in (
        "levels on average over",
        "How far off?",
        "the mean of the levels",
        "median level",
    ):
        assert words in text
    assert "Can its confidence be believed?" not in text
    assert "mean of −log of the probability of what stands there" not in text


def test_new_rows_are_scored_and_predicted(fitted, tmp_path):
    out, _ = fitted
    path = write(tmp_path / "new.csv", 12)
    printed = run("evaluate", out, path, "--errors", "2", "--device", "cpu")
    assert "quadratic kappa" in printed
    target = tmp_path / "answers.jsonl"
    run("predict", out, "--input", path, "--output", target, "--device", "cpu")
    answers = [json.loads(line) for line in target.read_text().splitlines()]
    (scored,) = workflows.evaluate(out, path, device="cpu")
    assert [answer["label"] for answer in answers] == list(scored.report.rows()["prediction"])
    for answer in answers:
        assert list(answer["probabilities"]) == ["bad", "fair", "good"]
        shares = np.array(list(answer["probabilities"].values()))
        assert shares.sum() == pytest.approx(1, abs=1e-5)
        mean = shares @ [0, 1, 2]
        assert answer["label"] == ("bad", "fair", "good")[round(float(mean))]


def test_a_finished_run_is_resumed_only_with_the_same_levels(fitted, tiny_bert):
    out, _ = fitted
    settings = {
        "out": out,
        "checkpoint": tiny_bert,
        "device": "cpu",
        "loss": "cumulative-link",
        "decode": "mean",
        "config": TrainConfig(learning_rate=0.01),
    }
    files = {"train": out.parent / "opinions.csv", "text": "opinion", "label": "verdict"}
    levels = Files(**files, task="ordinal", levels=("bad", "fair", "good"))
    plan = Plan(files=levels, **settings)
    assert workflows.fit(plan, resume=True).state == workflows.FINISHED_BEFORE
    levels = Files(**files, task="ordinal", levels=("fair", "bad", "good"))
    with pytest.raises(workflows.RunError, match="levels was"):
        workflows.fit(Plan(files=levels, **settings), resume=True)


def test_stars_need_no_levels_and_names_do(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text("text,label\n" + "".join(f"a text {row},{row % 3}\n" for row in range(40)))
    _, task = workflows.tasks.read(Plan(files=Files(train=path, task="ordinal"), out=tmp_path))
    assert (task.labels, task.objective, task.decoding) == (("0", "1", "2"), "coral", "median")
    names = ["--text", "opinion", "--label", "verdict", "--task", "ordinal"]
    path = write(tmp_path / "opinions.csv")
    command = ["fit", str(path), *names, "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code != 0
    assert "whose order is not known" in str(result.exception or result.output)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"levels": ("a", "b")}, "levels are for ordinal, and the task is auto"),
        ({"decode": "mode"}, "decode is for ordinal, and the task is auto"),
        ({"loss": "coral"}, "loss is for preference and ordinal, and the task is auto"),
    ],
)
def test_settings_of_levels_are_for_ordinal_tasks(settings, message):
    files = {"levels": settings.pop("levels")} if "levels" in settings else {}
    with pytest.raises(ArgumentError, match=message):
        Plan(files=Files(train="a.csv", **files), out="run", **settings)
