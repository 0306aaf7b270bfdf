"""Runs on rows of two sequences or two texts: preferences, rewards, rankings and pairs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from html_parsing import Parsed
from tiny_decoder import tiny_decoder
from transformers import AutoModel
from typer.testing import CliRunner

from ftlearn import models, tasks, workflows
from ftlearn.cli import app
from ftlearn.cli.output import fit_lines
from ftlearn.config import TrainConfig
from ftlearn.errors import ArgumentError
from ftlearn.evaluation import reference_log_probabilities
from ftlearn.workflows import Files, Plan
from ftlearn.workflows.text_splits import read_text_parts, row_texts

WORDS = ("ball", "code", "heart", "run", "chip", "pulse", "team", "server")


def write(path: Path, rows: list[dict]) -> Path:
    """Rows as JSON lines."""
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def pairs(count: int = 30) -> list[dict]:
    """Questions with a helpful and an unhelpful answer."""
    return [
        {
            "prompt": f"Where is the {WORDS[row % 8]} {row}?",
            "chosen": [{"role": "assistant", "content": f"The {WORDS[row % 8]} is here."}],
            "rejected": f"No idea about {row}",
        }
        for row in range(count)
    ]


def readers(count: int = 40) -> list[dict]:
    """Readers and the advertisement that each of them opened."""
    return [
        {"reader": f"likes {WORDS[row % 8]} and {row}", "ad": f"all about {WORDS[row % 8]}"}
        for row in range(count)
    ]


def small(task: str, path: Path, checkpoint: Path, **settings) -> Plan:
    """A small run."""
    files = {"train": path, "task": task}
    files |= {name: settings.pop(name) for name in ("text", "label") if name in settings}
    return Plan(
        files=Files(**files),
        out=path.parent / "out",
        checkpoint=checkpoint,
        device="cpu",
        config=TrainConfig(epochs=2, batch_size=8, learning_rate=1e-2),
        **settings,
    )


def report_of(plan: Plan) -> dict:
    return json.loads((Path(plan.out) / "report.json").read_text())


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Path:
    """A small model that chats."""
    return tiny_decoder(tmp_path_factory.mktemp("decoder"))


@pytest.fixture(scope="module")
def preferred(decoder, tmp_path_factory) -> Plan:
    """One run with adapters for all tests that only look at it."""
    path = write(tmp_path_factory.mktemp("preference") / "pairs.jsonl", pairs())
    plan = small("preference", path, decoder, lora=4, beta=0.3, system="Be brief.")
    lines: list[str] = []
    assert workflows.fit(plan, log=lines.append).state == "done"
    assert "task: prompt → chosen rather than rejected, dpo" in lines
    return plan


def test_a_preference_run_starts_at_log_two_and_gains_a_margin(preferred):
    report = report_of(preferred)
    assert report["task"] == "preference"
    before = report["baselines"]["before fine-tuning"]
    assert before["loss"]["value"] == pytest.approx(np.log(2), abs=1e-6)
    assert before["margin"]["value"] == 0
    assert report["test"]["margin"]["value"] > 0
    assert report["test"]["loss"]["value"] < np.log(2)
    assert report["configuration"]["beta"] == 0.3
    assert report["writing"]["samples"][0]["reference"].endswith("is here.")


def test_the_page_says_how_pairs_are_ranked(preferred):
    text = Parsed((Path(preferred.out) / "report.html").read_text()).text
    for words in ("puts the chosen answer first", "Worst pairs", "How it writes", "it may fall"):
        assert words in text
    assert "right label" not in text


def test_new_pairs_are_compared_with_the_reference_that_the_task_names(preferred, decoder):
    path = write(Path(preferred.out).parent / "new.jsonl", pairs(6))
    (scored,) = workflows.evaluate(preferred.out, path, device="cpu")
    assert scored.report.task.reference == str(decoder)
    assert scored.report.scores["margin"] > 0
    reference, tokenizer = models.load(decoder, scored.report.task, device="cpu")
    table = scored.report.dataset
    again = reference_log_probabilities(reference, table, scored.report.task, tokenizer)
    np.testing.assert_allclose(
        again["reference_chosen"][:], table["reference_chosen"][:], atol=1e-4
    )


def test_pairs_on_one_prompt_stay_in_one_part(tmp_path):
    rows = [{**row, "rejected": f"{row['rejected']} {turn}"} for row in pairs() for turn in "ab"]
    files = Files(train=write(tmp_path / "pairs.jsonl", rows), task="preference")
    task = tasks.preference()
    parts = read_text_parts(files, task, seed=0)
    assert parts.repeated == 60
    seen = {part: set(row_texts(data, task)) for part, data in parts.data.items()}
    assert seen["train"] & seen["test"] == seen["train"] & seen["valid"] == set()


def test_all_items_of_one_text_stay_in_one_part(tmp_path):
    rows = [{**row, "ad": f"{row['ad']} {turn}"} for row in readers() for turn in "ab"]
    files = Files(train=write(tmp_path / "ads.jsonl", rows), task="ranking", text=("reader", "ad"))
    parts = read_text_parts(files, tasks.ranking(text=("reader", "ad")), seed=0)
    seen = {part: set(data["reader"]) for part, data in parts.data.items()}
    assert seen["train"] & seen["test"] == seen["train"] & seen["valid"] == set()
    assert sum(map(len, parts.data.values())) == 80


def test_a_reward_run_compares_with_the_length(tiny_bert, tmp_path):
    plan = small("reward", write(tmp_path / "pairs.jsonl", pairs()), tiny_bert, max_length=64)
    assert workflows.fit(plan).state == "done"
    report = report_of(plan)
    assert set(report["baselines"]) == {"length of the answer"}
    assert set(report["test"]) == {"loss", "accuracy", "margin"}
    assert "Worst pairs" in (tmp_path / "out" / "report.html").read_text()
    path = write(tmp_path / "new.jsonl", pairs(4))
    result = CliRunner().invoke(app, ["evaluate", str(plan.out), str(path), "--errors", "2"])
    assert result.exit_code == 0, result.output
    assert "accuracy" in result.output


def test_a_ranking_run_writes_a_plain_encoder(tiny_bert, tmp_path):
    path = write(tmp_path / "ads.jsonl", readers())
    plan = small("ranking", path, tiny_bert, text=("reader", "ad"))
    lines: list[str] = []
    assert workflows.fit(plan, log=lines.append).state == "done"
    assert "task: reader → ad, its rank among all items" in lines
    report = report_of(plan)
    assert set(report["baselines"]) == {
        "the most frequent items",
        "the most similar words (TF-IDF)",
    }
    assert 0 < report["test"]["mrr"]["value"] <= 1
    assert "for comparison, mrr:" in list(fit_lines(report, tmp_path / "out"))
    text = Parsed((tmp_path / "out" / "report.html").read_text()).text
    assert "Worst ranks" in text
    AutoModel.from_pretrained(tmp_path / "out" / "model")
    (scored,) = workflows.evaluate(plan.out, path, device="cpu")
    assert scored.read.rows == 40
    printed = CliRunner().invoke(app, ["evaluate", str(plan.out), str(path), "--errors", "1"])
    losses, ranks, _ = scored.report.outputs[scored.report.outputs[:, 1] > 1].T
    assert f"worst of {len(ranks)} errors:" in printed.output
    assert f"  rank {ranks[losses.argmax()]:.0f} of its own item (loss " in printed.output


def test_the_command_line_takes_the_second_text_of_a_pair(tiny_bert, tmp_path):
    rows = [
        {"question": f"is it {WORDS[row % 8]}", "answer": f"it is {WORDS[row % 3]}", "good": good}
        for row, good in enumerate(["no", "yes"] * 20)
    ]
    path = write(tmp_path / "pairs.jsonl", rows)
    fit = ["fit", str(path), "--checkpoint", str(tiny_bert), "--epochs", "1", "--label", "good"]
    columns = ["--text", "question", "--text-pair", "answer"]
    run = CliRunner().invoke(app, [*fit, *columns, "--out", str(tmp_path / "run")])
    assert run.exit_code == 0, run.output
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["configuration"]["text"] == ["question", "answer"]
    assert {"most frequent label", "shared words"} <= set(report["baselines"])
    output = tmp_path / "answers.jsonl"
    predict = ["predict", str(tmp_path / "run"), "--input", str(path), "--output", str(output)]
    again = CliRunner().invoke(app, [*predict, *columns])
    assert again.exit_code == 0, again.output
    assert len(output.read_text().splitlines()) == 40
    alone = CliRunner().invoke(app, [*fit, "--text-pair", "answer", "--out", str(tmp_path / "b")])
    assert alone.exit_code != 0
    assert "`text` names 0 columns: name the first one" in str(alone.exception)


def test_the_task_pair_reads_two_texts(tiny_bert, tmp_path):
    rows = [
        {"text": f"is it {row}", "text_pair": f"it is {row % 3}", "label": row / 40}
        for row in range(40)
    ]
    plan = small("pair", write(tmp_path / "pairs.jsonl", rows), tiny_bert)
    assert workflows.fit(plan).state == "done"
    report = report_of(plan)
    assert report["task"] == "regression"
    assert set(report["baselines"]) == {"mean of the training data", "shared words"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "pair", "text": ("one",)}, "pair reads text and text_pair: name 2 columns"),
        ({"task": "ranking", "label": "click"}, "label is 'click', and ranking has no label"),
        ({"task": "reward", "drop_rare": 2}, "drop_rare is for tasks with labels"),
    ],
)
def test_columns_that_do_not_fit_the_task_are_refused(settings, message):
    with pytest.raises(ArgumentError, match=message):
        Files(train="rows.csv", **settings)


def test_settings_of_a_preference_belong_to_it_alone(tmp_path):
    files = Files(train=write(tmp_path / "pairs.jsonl", pairs(12)), task="preference")
    for name, value in (("loss", "ipo"), ("beta", 0.2)):
        with pytest.raises(ArgumentError, match=rf"{name} is for preference\b.*task is chat"):
            Plan(files=replace(files, task="chat", text=(), label=None), out="run", **{name: value})
    plan = Plan(files=files, out="run", loss="bradley-terry")
    with pytest.raises(ArgumentError, match="which trains a reward model: task='reward'"):
        workflows.fit(plan)
