"""Two processes train, evaluate, save and resume as one does. One launch runs every scenario."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import parallel_worker as worker
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, pipeline
from waiting import HANG

from ftlearn import cli, evaluation, models, training
from ftlearn.runtime import distributed, sharding
from ftlearn.training import TrainConfig, checkpoints
from tools.notebooks import ROOT

TOGETHER = 1e-5
"""Two sums of floating-point numbers that were added up in another order may differ by this."""
PLAIN_RUN = TrainConfig(epochs=2, batch_size=4, **worker.PLAIN)
LABELLED = list(zip(worker.TEXTS[:30], worker.ROWS["label"][:30], strict=True))
TWO = ("torch.distributed.run", "--standalone", "--nproc-per-node", 2)
LOOPBACK = {
    "linux": {"GLOO_SOCKET_IFNAME": "lo"},
    "darwin": {"GLOO_SOCKET_IFNAME": "lo0"},
    "win32": {"USE_LIBUV": "0"},  # without which torch is built there
}[sys.platform]


def launch(*command: Any) -> str:
    """Run a command over the loopback interface with one thread per process; what it printed."""
    alone = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **LOOPBACK}
    paths = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        env={**os.environ, **alone, **paths},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def alone(model: torch.nn.Module) -> torch.nn.Module:
    """What one process does to share a model: nothing."""
    return model


@pytest.fixture(scope="module")
def root(tiny_checkpoints, tmp_path_factory) -> Path:
    """The folder in which two processes have run all scenarios of ``parallel_worker``."""
    root = tmp_path_factory.mktemp("ranks")
    for name in ("bert", "gpt2"):
        shutil.copytree(tiny_checkpoints[name], root / name)
    with pytest.warns(UserWarning, match="interrupted"):
        worker.resumable(
            root, root / "one", alone, config=PLAIN_RUN, dropout=0.0,
            task=worker.interrupted(worker.LABELS, 8),
        )  # fmt: skip
    for way in ("ddp", "fsdp"):
        shutil.copytree(root / "one", root / f"{way} one")
    launch(*TWO, Path(worker.__file__), root)
    return root


@pytest.fixture(scope="module")
def seen(root) -> list[dict[str, Any]]:
    """What each of the two ranks saw."""
    return [json.loads((root / f"seen-{rank}.json").read_text("utf-8")) for rank in (0, 1)]


@pytest.fixture(scope="module")
def plain(root) -> tuple[dict[str, torch.Tensor], list[float]]:
    """Weights and losses of the run that one process began, had it gone on by itself."""
    model, tokenizer = worker.load(root)
    history = training.fit(model, worker.PARTS, worker.LABELS, tokenizer, PLAIN_RUN)
    return model.state_dict(), [step.loss for step in history.steps]


each_way = pytest.mark.parametrize("way", ["ddp", "fsdp"])


def assert_close(
    found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], without: str = " "
) -> None:
    """The same weights but for rounding; those with a certain ending are left out."""
    assert set(found) == set(expected)
    for name, weight in expected.items():
        if name.endswith(without):
            continue
        torch.testing.assert_close(found[name], weight, atol=TOGETHER, rtol=0, msg=name)


@each_way
@pytest.mark.parametrize("name", worker.EXACT)
def test_two_processes_train_as_one(root, seen, way, name):
    model, expected = worker.exact(root, name, alone)
    before, _ = worker.load(
        root,
        **{
            key: value
            for key, value in worker.EXACT[name].items()
            if key not in ("settings", "recomputed")
        },
    )
    found = load_file(root / f"{way} {name}.safetensors")
    # The softmax takes the bias of the keys out again: its gradient is rounding, of which Adam
    # makes whole steps. In all other weights 2e-7 was measured.
    without = "attention.self.key.bias" if name == "adamw" else " "
    assert_close(found, model.state_dict(), without)
    moved = max((found[key] - tensor).abs().max() for key, tensor in before.state_dict().items())
    assert moved > 1000 * TOGETHER, "a run that stands still would agree with anything"
    for rank in seen:
        np.testing.assert_allclose(rank[way][name], expected, atol=TOGETHER, rtol=0)


@each_way
def test_a_model_is_trained_twice_in_a_row_from_the_weights_of_the_main_process(root, way):
    model, tokenizer = worker.load(root)
    config = TrainConfig(epochs=1, batch_size=6, **worker.PLAIN)
    for _ in range(2):
        training.fit(model, worker.PARTS["train"], worker.LABELS, tokenizer, config)
    assert_close(load_file(root / f"{way} twice.safetensors"), model.state_dict())


@each_way
def test_fit_ends_with_the_weights_of_the_best_evaluation(root, seen, way):
    first, second = (rank[way]["best"] for rank in seen)
    assert first == second
    losses = [scores["log_loss"] for scores in first["evaluations"]]
    assert min(losses) < losses[-1], "the run must overfit for this test to mean anything"
    assert first["at the end"]["log_loss"] == pytest.approx(min(losses), abs=1e-6)
    assert "2 evaluations" in first["stopped"]
    model, tokenizer = worker.load(root)
    model.load_state_dict(load_file(root / f"{way} best.safetensors"))
    report = evaluation.evaluate(model, worker.PARTS["valid"], worker.LABELS, tokenizer)
    assert report.scores["log_loss"] == pytest.approx(min(losses), abs=1e-6)


@each_way
@pytest.mark.parametrize(("name", "batches"), [("two", 2), ("three", 3)])
def test_shared_evaluation_is_that_of_one_process_to_the_bit(root, seen, way, name, batches):
    assert all(rank[way][f"evaluated {name}"]["same"] for rank in seen)
    half = -(-batches // 2)
    assert [rank[way][f"evaluated {name}"]["forwards"] for rank in seen] == [[batches, half]] * 2
    model, tokenizer = worker.load(root)
    part = {"two": worker.PARTS["valid"], "three": worker.ROWS}[name]
    expected = evaluation.evaluate(model, part, worker.LABELS, tokenizer).outputs
    for rank in (0, 1):
        np.testing.assert_allclose(np.load(root / f"{way} {name} {rank}.npy"), expected, atol=1e-6)


@each_way
def test_one_interrupted_process_stops_all_in_order(seen, way):
    for rank in seen:
        cut = rank[way]["cut"]
        assert cut["updates"] == 8
        assert cut["stopped"] == "interrupted"
        assert any("training was interrupted" in text for text in cut["warned"])


@each_way
def test_a_run_of_two_resumed_by_two_ends_with_the_same_bits(root, seen, way):
    files = (root / f"{way} {name}.safetensors" for name in ("undisturbed", "resumed"))
    first, second = map(load_file, files)
    assert all(torch.equal(first[name], second[name]) for name in first)
    for rank in seen:
        assert rank[way]["undisturbed"] == rank[way]["resumed"]
        assert len(rank[way]["resumed"]["losses"]) == 12


@each_way
def test_a_run_of_one_is_resumed_by_two_with_a_warning(root, seen, way, plain):
    weights, losses = plain
    assert_close(load_file(root / f"{way} taken over.safetensors"), weights)
    for rank in seen:
        taken = rank[way]["taken over"]
        assert any("ranks 1 → 2" in text for text in taken["warned"])
        np.testing.assert_allclose(taken["losses"], losses, atol=TOGETHER)


@each_way
def test_a_run_of_two_is_resumed_by_one_with_a_warning(root, way, plain):
    with pytest.warns(UserWarning, match="ranks 2 → 1"):
        model, history = worker.resumable(
            root, root / f"{way} handed", alone, config=PLAIN_RUN, dropout=0.0, resume=True
        )
    assert_close(model.state_dict(), plain[0])
    np.testing.assert_allclose([step.loss for step in history.steps], plain[1], atol=TOGETHER)


@each_way
def test_checkpoints_are_whole_and_written_once(root, way):
    store = checkpoints.Store(root / f"{way} checkpoints" / "undisturbed")
    newest = store.newest()
    model, _ = worker.load(root)
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    assert {name: tensor.shape for name, tensor in newest.tensors("model").items()} == shapes
    averages = {
        name.removesuffix("/exp_avg"): tensor.shape
        for name, tensor in newest.tensors("optimizer").items()
        if name.endswith("/exp_avg")
    }
    assert averages == shapes
    assert len(newest.state["random"]) == 2
    assert newest.state["random"][0] != newest.state["random"][1]
    assert not list(store.folder.glob(f"{checkpoints.TEMPORARY}*"))


@each_way
def test_a_folder_that_cannot_serve_ends_the_run_on_every_process(seen, way):
    for rank in seen:
        assert "cannot be written" in rank[way]["file in the way"]
        assert "a folder that all machines share" in rank[way]["not shared"]


@each_way
def test_a_model_saved_after_sharing_is_whole(root, way):
    texts = worker.PARTS["valid"]["text"][:]
    for name in ("bert", "gpt2", "pooled"):
        model, tokenizer, task = models.load_finetuned(root / f"{way} written {name}", device="cpu")
        found = evaluation.evaluate(model, worker.PARTS["valid"], task, tokenizer).outputs
        np.testing.assert_allclose(
            found, np.load(root / f"{way} written {name}.npy"), atol=1e-5, err_msg=name
        )
    folder = str(root / f"{way} written bert")
    opened = AutoModelForSequenceClassification.from_pretrained(folder)
    assert opened.config.architectures == ["BertForSequenceClassification"]
    answers = pipeline("text-classification", model=folder, device="cpu", truncation=True)(texts)
    logits = np.load(root / f"{way} written bert.npy")
    labels = [worker.LABELS.labels[column] for column in logits.argmax(-1)]
    assert [answer["label"] for answer in answers] == labels


def test_the_example_runs_under_accelerate(root, tmp_path):
    out = tmp_path / "model"
    launch(
        "accelerate.commands.launch", "--cpu", "--num_processes", 2,
        ROOT / "examples" / "train_many.py", "--model", root / "bert", "--out", out,
        "--rows", 24, "--epochs", 1, "--shard",
    )  # fmt: skip
    model, tokenizer, task = models.load_finetuned(out, device="cpu")
    assert task.labels == ("technology", "health", "sports")
    assert len(evaluation.predict(model, ["A new chip."], task, tokenizer)) == 1


@pytest.fixture(scope="module")
def commanded(tiny_bert, tmp_path_factory) -> Path:
    """A folder with ``notes.csv``, and ``alone`` as ``ftlearn fit`` of one process left it."""
    folder = tmp_path_factory.mktemp("command")
    shutil.copytree(tiny_bert, folder / "bert")
    with (folder / "notes.csv").open("w", newline="") as file:
        rows = [(f"{text} {row}", label) for row, (text, label) in enumerate(LABELLED)]
        csv.writer(file).writerows([("text", "label"), *rows])
    assert cli.main(list(map(str, fitting(folder, "alone")))) == 0
    return folder


def fitting(folder: Path, name: str) -> list[Any]:
    """``ftlearn fit`` on 24 rows in fives: 3 and 2 per rank, and 2 and 2 at the end of an epoch."""
    return [
        "fit", folder / "notes.csv", "--text", "text", "--label", "label",
        "--checkpoint", folder / "bert", "--device", "cpu", "--max-length", 32, "--epochs", 3,
        "--batch-size", 5, "--learning-rate", 0.001, "--out", folder / name,
    ]  # fmt: skip


def found_in(run: Path) -> tuple[dict[str, Any], list[float], np.ndarray]:
    """The report of a run, its losses, and what its model answers to all rows."""
    report = json.loads((run / "report.json").read_text("utf-8"))
    with (run / "history.csv").open(newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    model, tokenizer, task = models.load_finetuned(run, device="cpu")
    rows = worker.ROWS.rename_columns({"text": task.text, "label": task.target})
    return report, losses, evaluation.evaluate(model, rows, task, tokenizer).outputs


@pytest.mark.parametrize("more", [(), ("--shard",)], ids=["ddp", "fsdp"])
def test_the_command_under_torchrun_ends_as_that_of_one_process(commanded, more):
    name = "-".join(("two", *more))
    printed = launch(*TWO, "-m", "ftlearn", *fitting(commanded, name), *more)
    assert printed.count("task: text → label") == printed.count("report.html") == 1
    names = {path.name for path in (commanded / name).iterdir()}
    assert names == {"model", "report.json", "report.html", "history.csv", "run.json"}
    report, losses, answers = found_in(commanded / name)
    expected, losses_alone, answers_alone = found_in(commanded / "alone")
    assert report["training_in"] == expected["training_in"] == "fp32, sdpa attention"
    assert report["training"]["resumed"] == 0, "only one process may begin the run"
    assert report["data"]["rows"]["train"] == 24
    assert len(losses) == 15
    np.testing.assert_allclose(losses, losses_alone, atol=TOGETHER, rtol=0)
    np.testing.assert_allclose(answers, answers_alone, atol=TOGETHER, rtol=0)  # 3e-7 measured
    for part in ("test", "valid"):
        for metric, score in expected[part].items():
            assert report[part][metric] == pytest.approx(score, abs=TOGETHER), metric
    assert min(answers.std(axis=0)) > 1000 * TOGETHER, "equal answers to all would agree, too"


def test_alone_nothing_is_shared():
    assert (distributed.world_size(), distributed.rank(), distributed.is_main()) == (1, 0, True)
    model = torch.nn.Linear(2, 1)
    assert (
        sharding.shard(model)
        is sharding.replicate(model)
        is sharding.unsharded_copy(model)
        is model
    )
    assert not sharding.is_sharded(model)
    with distributed.process_group():
        assert distributed.world_size() == 1
    assert distributed.rank_share("ab") == [(0, "a"), (1, "b")]
