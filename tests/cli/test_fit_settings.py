"""Options of ``ftlearn fit`` that reach the plan, and errors that name them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from ftlearn import cli, models, workflows
from ftlearn.training import resources
from ftlearn.workflows import FINISHED_BEFORE, Outcome, Plan


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that a command makes; none is carried out."""
    seen: list[Plan] = []
    monkeypatch.setattr(
        workflows, "fit", lambda plan, **_: seen.append(plan) or Outcome(FINISHED_BEFORE)
    )
    return seen


def plan_of(plans: list[Plan], *options: str) -> Plan:
    """The plan of a command with these options."""
    assert cli.main(["fit", "rows.csv", "--out", "run", *options]) == 0
    return plans[-1]


def error_of(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """The error that a command ends with, code 2."""
    assert cli.main(["fit", "rows.csv", "--out", "run", *options]) == 2
    return capsys.readouterr().err


def test_rates_per_layer_and_for_lora_plus(plans):
    plan = plan_of(plans, "--layer-decay", "0.9", "--lora", "4", "--lora-plus", "16")
    assert plan.config.layer_decay == 0.9
    assert plan.config.lora_plus_ratio == 16
    assert plan.settings()["layer_decay"] == 0.9
    plain = plan_of(plans)
    assert (plain.config.layer_decay, plain.config.lora_plus_ratio) == (1, 1)


def test_the_number_of_virtual_tokens(plans):
    plan = plan_of(plans, "--adapter", "prefix", "--virtual-tokens", "5")
    assert plan.settings()["virtual_tokens"] == 5
    assert plan_of(plans, "--adapter", "prefix").virtual_tokens is None


def test_activation_checkpointing_does_not_make_another_run(plans):
    checkpointed = plan_of(plans, "--activation-checkpointing")
    assert checkpointed.activation_checkpointing
    assert checkpointed.settings() == plan_of(plans).settings()


def test_weights_temperature_and_levels_of_several_columns(plans):
    columns = ("--task", "joint", "--label", "topic", "--label", "tone")
    plan = plan_of(
        plans, *columns, "--task-weight", "tone=0.5", "--temperature", "2",
        "--ordinal", "tone=bad, fair,good",
    )  # fmt: skip
    assert plan.joint.weights(("topic", "tone")) == {"topic": 1.0, "tone": 0.5}
    assert plan.joint.temperature == 2
    assert plan.joint.ordinal == {"tone": ("bad", "fair", "good")}
    assert plan_of(plans, *columns, "--task-weight", "learned").joint.task_weight == "learned"
    assert plan_of(plans, *columns).settings()["task_weight"] == {}


JOINT = ("--task", "joint", "--label", "topic", "--label", "tone")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--layer-decay", "2"), "--layer-decay is 2.0: it must lie between 0 and 1"),
        (("--lora-plus", "0.5"), "--lora-plus is 0.5: it must lie between 1 and inf"),
        (("--virtual-tokens", "4"), "add --adapter prefix, or leave it out"),
        (("--adapter", "prefix", "--virtual-tokens", "0"), "--virtual-tokens is 0: it must be"),
        (("--lora", "4", "--virtual-tokens", "4"), "--virtual-tokens is 4, which are those of"),
        (("--task-weight", "tone=2"), "--task-weight is for joint, and the task is auto"),
        (("--temperature", "2"), "--temperature is for joint"),
        ((*JOINT, "--task-weight", "tone"), "--task-weight is 'tone': write the column and"),
        ((*JOINT, "--task-weight", "tonne=1"), "is for 'tonne', and what is learned is in topic,"),
        ((*JOINT, "--task-weight", "tone=-1"), "'tone' is -1.0: it must lie between 0.0 and inf"),
        ((*JOINT, "--temperature", "0"), "--temperature is 0.0: choose a number above 0"),
        ((*JOINT, "--ordinal", "star=1,2"), "ordinal is for 'star', and what is learned"),
    ],
)
def test_errors_name_the_option_and_a_remedy(capsys, options: tuple[str, ...], message: str):
    assert message in error_of(capsys, *options)


def test_help_tells_of_them():
    printed = CliRunner().invoke(cli.app, ["fit", "--help"], env={"COLUMNS": "200"}).output
    for flag in ("--layer-decay", "--lora-plus", "--virtual-tokens", "--task-weight", "--ordinal"):
        assert flag in printed
    assert "--activation-checkpointing" in printed
    assert "--no-activation-checkpointing" not in printed


def test_a_prefix_shortens_the_window_and_says_so(tiny_bert: Path, tmp_path: Path, capsys):
    """128 positions, of which 16 are the prefix's: longer texts are cut at 112 tokens."""
    rows = [f"{'ball ' * 122}{row}" for row in range(60)]
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"{text},{n % 2}\n" for n, text in enumerate(rows)))
    options = ["--adapter", "prefix", "--checkpoint", str(tiny_bert), "--epochs", "1"]
    out = tmp_path / "run"
    command = ["fit", str(path), "--out", str(out), "--device", "cpu", *options]
    assert cli.main([*command, "--max-length", "128"]) == 0
    assert "--max-length is 128, and texts are read up to 112 tokens" in capsys.readouterr().err
    assert models.load_finetuned(out, "cpu")[1].model_max_length == 112


def test_a_run_with_checkpointed_layers_ends_with_the_same_weights(tiny_bert: Path, tmp_path: Path):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"ball {n} run,{n % 2}\n" for n in range(60)))
    weights = []
    for options in ([], ["--activation-checkpointing"]):
        out = tmp_path / f"run{len(weights)}"
        command = ["fit", str(path), "--out", str(out), "--checkpoint", str(tiny_bert)]
        assert cli.main([*command, "--epochs", "1", "--device", "cpu", *options]) == 0
        model, *_ = models.load_finetuned(out, "cpu")
        weights.append(list(model.parameters()))
    assert all(map(torch.equal, *weights))


def test_memory_that_is_short_is_answered_with_the_option(capsys, plans, monkeypatch):
    needed = resources.Estimate(10, 10, 10, 10**6, 10, 0)

    def refuse(*_: object, **__: object) -> None:
        resources.require_memory(needed, available=100, rows=4)

    monkeypatch.setattr(workflows, "fit", refuse)
    assert cli.main(["fit", "rows.csv", "--out", "run"]) != 0
    message = capsys.readouterr().err
    assert "recompute activations with --activation-checkpointing, shorten the texts" in message
