"""The workbench: rewinding, branching and generated code repeat a run bit for bit."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from datasets import DatasetDict
from matplotlib import pyplot as plt
from waiting import joined, waited

from ftlearn import TrainConfig, data, evaluate, models, steps, tasks
from ftlearn.errors import BusyError
from ftlearn.experiments import Control, Record, Workbench, record, resume, snapshot
from ftlearn.fast import sparse_embeddings
from ftlearn.runtime.locking import locked
from ftlearn.tasks import classification
from ftlearn.training import loop
from ftlearn.training.history import Step

pytestmark = pytest.mark.filterwarnings("ignore::ftlearn.tasks.base.TruncationWarning")
CONFIG = TrainConfig(epochs=2, batch_size=8, learning_rate=3e-3)
ROWS = 40  # 5 updates per epoch, 10 in total


@pytest.fixture(scope="module")
def small(topics: DatasetDict) -> DatasetDict:
    """A few of the articles."""
    parts = {
        "train": data.subset(topics["train"], per_class=20, seed=0),
        "valid": data.subset(topics["valid"], per_class=6, seed=0),
    }
    return DatasetDict(parts)


@pytest.fixture(scope="module")
def task(topics: DatasetDict) -> tasks.Task:
    return classification(topics, max_length=32)


@pytest.fixture
def bench(small: DatasetDict, task: tasks.Task, tmp_path: Path, tiny_bert: Path) -> Workbench:
    """A workbench with a tiny model that has dropout, so that random numbers matter."""
    return Workbench(small, task, folder=tmp_path / "runs", load=noisy(tiny_bert))


def noisy(folder: Path) -> Callable:
    """A function that loads the tiny model under any name."""

    def load(name: str, task: tasks.Task, *, seed: int):
        return models.load(folder, task, seed=seed, dropout=0.2, device="cpu")

    return load


def trained(bench: Workbench, name: str = "a", config: TrainConfig = CONFIG, **more) -> Record:
    run = bench.run(name, config, rows=ROWS, every=3, **more)
    assert (run.status, run.error) == ("finished", "")
    return run


def losses(run: Record) -> list[float]:
    return [step.loss for step in run.steps]


def bare(bench: Workbench, config: TrainConfig = CONFIG) -> tuple[list[float], torch.nn.Module]:
    """The same run by the training loop alone."""
    model, tokenizer = bench.replay.load("minilm", bench.replay.task, seed=config.seed)
    batches = bench.replay.task.batches(bench.replay.rows(ROWS), tokenizer, config)
    return [step.loss for step in steps(model, batches, bench.replay.task.loss, config)], model


def same_weights(left: torch.nn.Module, right: torch.nn.Module) -> bool:
    pairs = zip(left.state_dict().values(), right.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_run_is_the_bare_loop_with_evaluations(bench: Workbench):
    run = trained(bench)
    expected, model = bare(bench)
    assert losses(run) == expected
    assert [scores["step"] for scores in run.evaluations] == [3, 6, 9, 10]
    tokenizer = bench.model("a")[1]
    scores = evaluate(model, bench.replay.data["valid"], bench.replay.task, tokenizer).scores
    assert {name: run.evaluations[-1][name] for name in scores} == scores
    assert same_weights(bench.model("a")[0], model)


@pytest.mark.parametrize("share", [0.0, math.inf], ids=["repeated", "from snapshots"])
@pytest.mark.parametrize("at", [3, 9, 10])
def test_a_branch_without_changes_is_the_undisturbed_run(bench: Workbench, share, at: int):
    bench.share = share
    longer = replace(CONFIG, epochs=3)
    trained(bench, "a", longer)
    snapshots = [path for path in bench.snapshots.folder.glob("*/*") if path.is_dir()]
    assert len(snapshots) == (5 if share else 0)
    branch = bench.branch("a", at if at < 10 else 12, "b")
    assert branch.status == "finished", branch.error
    assert losses(branch) == losses(bench["a"])
    assert branch.evaluations == bench["a"].evaluations
    assert same_weights(bench.model("a")[0], bench.model("b")[0])


def test_a_branch_has_the_new_settings_from_its_start(bench: Workbench):
    bench.share = math.inf
    trained(bench)
    branch = bench.branch("a", 6, "b", learning_rate=1e-5, weight_decay=0.5)
    assert losses(branch)[:7] == losses(bench["a"])[:7]  # the seventh is computed before its update
    assert losses(branch)[7:] != losses(bench["a"])[7:]
    rates = [step.learning_rate for step in branch.steps]
    assert rates[:6] == [step.learning_rate for step in bench["a"].steps][:6]
    assert max(rates[6:]) <= 1e-5
    # By hand, with another implementation: train six updates, change the groups, train on.
    model, tokenizer = bench.replay.load("", bench.replay.task, seed=0)
    batches = bench.replay.task.batches(bench.replay.rows(ROWS), tokenizer, CONFIG)
    run = steps(model, batches, bench.replay.task.loss, CONFIG)
    by_hand = [next(run).loss for _ in range(6)]
    run.config = branch.config
    for group in run.optimizer.param_groups:
        group["weight_decay"] = 0.5 if group["weight_decay"] else 0.0
    assert losses(branch) == by_hand + [step.loss for step in run]


def test_a_branch_of_a_branch_is_reached_from_the_beginning(bench: Workbench):
    bench.share = 0.0
    trained(bench)
    bench.branch("a", 3, "b", learning_rate=1e-4)
    last = bench.branch("b", 6, "c", optimizer="sgd", learning_rate=0.1, epochs=3)
    assert last.status == "finished", last.error
    assert [(stage.start, stage.config.optimizer) for stage in last.stages] == [
        (0, "adamw"),
        (3, "adamw"),
        (6, "sgd"),
    ]
    assert last.total == len(last.steps) == 15
    again = bench.branch("c", 9, "d")
    assert losses(again) == losses(last)
    assert bench.branch("b", 3, "e").stages[1:] == [record.Stage(3, CONFIG)]


@pytest.mark.parametrize("decays", [(0.0, 0.1), (0.1, 0.0)], ids=str)
def test_a_branch_may_train_more_rows_of_the_word_table(bench: Workbench, decays, monkeypatch):
    """Without decay Adam trains only the rows in use; training all rows must give the same."""
    bench.share = math.inf
    adam = replace(CONFIG, optimizer="adam", weight_decay=decays[0])
    trained(bench, "a", adam)
    branch = bench.branch("a", 6, "b", weight_decay=decays[1])
    monkeypatch.setattr(sparse_embeddings, "MAX_SHARE", -1.0)
    bench.share = 0.0
    # Another setting, so that the snapshots are not those of a.
    trained(bench, "all rows", replace(adam, max_grad_norm=0.999999))
    all_rows = bench.branch("all rows", 6, "d", weight_decay=decays[1])
    assert losses(branch) == pytest.approx(losses(all_rows), rel=1e-3)
    assert losses(branch) != losses(bench["a"])


def test_runs_with_the_same_beginning_share_snapshots(bench: Workbench):
    bench.share = math.inf
    trained(bench, "a")
    count = len(list(bench.snapshots.folder.iterdir()))
    trained(bench, "same")
    assert len(list(bench.snapshots.folder.iterdir())) == count
    trained(bench, "other", replace(CONFIG, seed=1))
    assert len(list(bench.snapshots.folder.iterdir())) == 2 * count


def test_the_oldest_snapshots_are_removed_when_space_is_full(bench: Workbench):
    bench.share = math.inf
    trained(bench)
    bench.snapshots.space = int(2.5 * bench.snapshots.folder_size()) // 4
    trained(bench, "b", replace(CONFIG, seed=1))
    assert bench.snapshots.folder_size() <= bench.snapshots.space
    assert losses(bench.branch("a", 3, "c")) == losses(bench["a"])


def test_a_damaged_snapshot_is_not_used(bench: Workbench):
    bench.share = math.inf
    trained(bench)
    for file in bench.snapshots.folder.rglob("memory.safetensors"):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    with pytest.warns(UserWarning, match="memory.safetensors has changed"):
        assert losses(bench.branch("a", 6, "b")) == losses(bench["a"])


def test_the_code_of_a_run_gives_its_losses(bench: Workbench, monkeypatch):
    trained(bench)
    bench.branch("a", 3, "b", learning_rate=1e-4, max_grad_norm=math.inf)
    bench.branch("b", 6, "c", seed=5, batch_size=4)
    for name in "abc":
        variables = {"articles": bench.replay.data, "load": bench.replay.load}
        exec(bench.code(name), variables)
        assert variables["losses"] == losses(bench[name])
        expected = [
            {metric: score for metric, score in scores.items() if metric not in ("step", "epoch")}
            for scores in bench[name].evaluations
        ]
        assert variables["scores"] == expected


def test_the_code_names_what_the_workbench_was_given_by_name(task, tmp_path: Path):
    bench = Workbench("topics", task, folder=tmp_path)
    run = bench.begin("a", TrainConfig(epochs=1, learning_rate=2e-5), rows=96)
    bench.records["a"] = run
    assert bench.code("a") == (
        "from ftlearn import TrainConfig, data, evaluate, models, steps\n"
        "from ftlearn.tasks import Classification\n\n"
        'articles = data.load("topics")\n'
        "task = Classification(text='text', target='label', max_length=32, "
        "labels=('technology', 'health', 'sports'), label_smoothing=0.0)\n\n"
        'train = articles["train"].shuffle(seed=0).select(range(96))\n'
        "losses, scores = [], []\n\n"
        "config = TrainConfig(epochs=1, learning_rate=2e-05)\n"
        'model, tokenizer = models.load("minilm", task, seed=0)\n'
        "run = steps(model, task.batches(train, tokenizer, config), task.loss, config)\n"
        "for step in run:\n"
        "    losses.append(step.loss)\n"
        "    if step.number % 6 == 0 or step.number == step.total:\n"
        '        scores.append(evaluate(model, articles["valid"], task, tokenizer).scores)\n'
    )


def test_a_new_workbench_on_the_folder_has_the_runs(bench: Workbench, small, task, tiny_bert):
    bench.share = math.inf
    trained(bench, "first", replace(CONFIG, max_grad_norm=math.inf))
    bench.branch("first", 3, "second", learning_rate=1e-4)
    again = Workbench(small, task, folder=bench.folder, load=bench.replay.load)
    assert list(again.records) == ["first", "second"]
    for name, run in bench.records.items():
        assert again[name] == run
    assert losses(again.branch("first", 6, "third")) == losses(bench["first"])
    pd.testing.assert_frame_equal(again.compare().iloc[:2], bench.compare(), check_dtype=False)


def test_a_run_cut_off_by_the_end_of_the_kernel_is_interrupted(bench: Workbench, small, task):
    run = trained(bench)
    run.status = "training"
    record.write(run, bench.folder / "a" / "run.json")
    again = Workbench(small, task, folder=bench.folder, load=bench.replay.load)
    assert again["a"].status == "interrupted"
    assert losses(again.branch("a", 9, "b")) == losses(run)


def test_a_file_that_holds_no_run_is_passed_over(bench: Workbench, small, task):
    trained(bench)
    for name, content in {"x": "{", "y": "[]", "z": '{"name": "z"}'}.items():
        (bench.folder / name).mkdir()
        (bench.folder / name / "run.json").write_text(content)
    with pytest.warns(UserWarning, match="passed over: run.json of '.' holds no run"):
        assert list(Workbench(small, task, folder=bench.folder).records) == ["a"]


def test_a_folder_of_runs_on_other_data_is_refused(bench: Workbench, small, task):
    trained(bench)
    with pytest.raises(ValueError, match="holds runs on other data or another task"):
        Workbench(small, replace(task, max_length=16), folder=bench.folder)


def test_without_a_folder_nothing_is_left(small, task, tiny_bert: Path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bench = Workbench(small, task, folder=None, load=noisy(tiny_bert))
    trained(bench)
    folder = bench.folder
    assert folder.is_dir()
    del bench
    assert not folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_pause_resume_and_stop_from_another_thread(bench: Workbench):
    endless = replace(CONFIG, epochs=10**6)
    control, run = Control(), bench.begin("a", endless, rows=ROWS, every=10**6)
    thread = threading.Thread(target=bench.train, args=(run, control))
    thread.start()
    waited(lambda: len(run.steps) > 3)
    control.pause()
    count = len(run.steps)
    time.sleep(0.3)  # enough time for many updates
    assert (len(run.steps) <= count + 1, control.paused) == (True, True)
    with pytest.raises(RuntimeError, match="'a' is training: stop it"):
        bench.run("b")
    control.resume()
    waited(lambda: len(run.steps) > count + 3)
    control.pause()
    control.stop()
    joined(thread)
    assert (run.status, bench.current) == ("stopped", None)
    assert json.loads((bench.folder / "a" / "run.json").read_text())["status"] == "stopped"


def test_a_run_in_a_thread_is_the_run_in_the_main_thread(bench: Workbench):
    trained(bench)
    thread = threading.Thread(target=trained, args=(bench, "b"))
    thread.start()
    thread.join()
    assert losses(bench["b"]) == losses(bench["a"])


def test_errors_are_kept_in_the_record(bench: Workbench, monkeypatch):
    run = bench.run("wild", replace(CONFIG, learning_rate=1e30, max_grad_norm=math.inf), rows=ROWS)
    assert run.status == "failed"
    assert "DivergedError: training diverged at update" in run.error
    assert run.steps
    monkeypatch.setattr(bench.replay, "scores", lambda *_: 1 / 0)
    assert bench.run("broken", CONFIG, rows=ROWS).error == "ZeroDivisionError: division by zero"
    monkeypatch.undo()
    trained(bench, "fine")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "../a"}, "a run cannot be named '../a'"),
        ({"name": ""}, "a run cannot be named ''"),
        ({"name": "a" * 41}, "a run cannot be named"),
        ({"name": "A"}, "the name 'A' is taken"),
        ({"name": "snapshots"}, "the name 'snapshots' is taken"),
        ({"rows": 0}, "rows is 0: the training part has between 1 and 60"),
        ({"rows": 61}, "rows is 61"),
        ({"every": 0}, "every is 0: evaluate after at least 1 update"),
    ],
)
def test_what_cannot_begin_is_refused_with_a_remedy(bench: Workbench, arguments, message: str):
    bench.records["a"] = bench.begin("a", CONFIG)
    with pytest.raises(ValueError, match=message):
        bench.begin(**arguments)


def test_what_cannot_branch_is_refused(bench: Workbench):
    trained(bench)
    with pytest.raises(ValueError, match="not evaluated at update 4; it was at: 3, 6, 9, 10"):
        bench.branch("a", 4)
    with pytest.raises(ValueError, match="ends after 10 updates, and 10 are done: give more"):
        bench.branch("a", 10)
    with pytest.raises(KeyError, match="no run 'z' on this workbench; there are: 'a'"):
        bench.branch("z", 3)
    assert bench.free_name() == "run 2"


def test_data_without_a_valid_part_is_refused(small: DatasetDict, task):
    with pytest.raises(KeyError, match="no part 'valid'; it has: train"):
        Workbench(DatasetDict({"train": small["train"]}), task, folder=None)


def test_a_snapshot_of_another_model_is_refused(bench: Workbench, tiny_checkpoints):
    model, tokenizer = models.load(tiny_checkpoints["bert"], bench.replay.task, device="cpu")
    other, _ = models.load(tiny_checkpoints["distilbert"], bench.replay.task, device="cpu")
    task = bench.replay.task
    batches = task.batches(bench.replay.rows(ROWS), tokenizer, CONFIG)
    taken = snapshot(steps(model, batches, task.loss, CONFIG))
    with pytest.raises(ValueError, match="a model in which other weights are trained"):
        resume(taken, other, batches, task.loss, CONFIG)


def test_a_snapshot_without_fp16_is_resumed_in_fp16_with_a_new_scale(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, tiny_bert: Path
):
    task = bench.replay.task
    model, tokenizer = models.load(tiny_bert, task, device="cpu")
    batches = task.batches(bench.replay.rows(ROWS), tokenizer, CONFIG)
    taken = snapshot(steps(model, batches, task.loss, CONFIG))
    assert taken.state["scaler"] == {}
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    monkeypatch.setattr(loop, "GradScaler", lambda *_, **__: scaler)
    assert resume(taken, model, batches, task.loss, CONFIG).scaler.get_scale() == 8.0


def test_time_left_is_the_pace_of_the_last_updates_and_the_evaluations():
    updates = [Step(n, n / 10, 1.0, 0.1, 1.0, n, 2.0 * n, 40) for n in range(1, 31)]
    run = Record("a", "minilm", 100, 4, 40, [record.Stage(0, CONFIG)], steps=updates[:1])
    assert run.seconds_left() is None
    run.steps = updates
    run.evaluations = [{}] * 7
    run.evaluating = 7.0
    assert run.seconds_left() == pytest.approx(10 * 2 + 3 * 1)  # after 32, 36 and 40


def test_table_figure_and_csv_hold_the_same(bench: Workbench, tmp_path: Path):
    a = trained(bench, "a")
    b = bench.branch("a", 6, "b", learning_rate=1e-4)
    table = bench.compare()
    assert {"from", "learning_rate", "status", "updates", "best at", "log_loss"} <= set(table)
    assert not {"epochs", "rows", "checkpoint", "seed"} & set(table.columns)
    assert list(table["from"]) == ["beginning", "a, update 6"]
    best = min(scores["log_loss"] for scores in a.evaluations)
    assert table.loc["a", "log_loss"] == best
    long = pd.read_csv(bench.to_csv(tmp_path / "all.csv"))
    values = long[(long["run"] == "b") & (long["what"] == "loss")]["value"]
    assert values.tolist() == losses(b)
    ax = bench.figure()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    marked = [line for line in ax.lines if line.get_marker() not in ("None", None)]
    assert marked[1].get_ydata().tolist() == [scores["log_loss"] for scores in b.evaluations]
    assert {line.get_linestyle() for line in marked} <= {"-", "--", ":"}
    plt.close("all")


def test_what_is_written_is_read_again(tmp_path):
    config = replace(CONFIG, max_grad_norm=math.inf)
    run = Record("a", "m", 9, 2, 4, [record.Stage(0, config)], evaluations=[{"step": 2}])
    run.evaluations[0]["log_loss"] = math.inf
    record.write(run, tmp_path / "run.json")
    assert "Infinity" not in (tmp_path / "run.json").read_text("utf-8")
    assert record.read(tmp_path / "run.json").stages == run.stages
    assert record.read(tmp_path / "run.json").evaluations == run.evaluations


# Nothing is replaced that the workbench did not write


def test_a_folder_with_somebody_elses_files_keeps_them(small, task, tmp_path, tiny_bert):
    thesis = tmp_path / "data.txt"
    thesis.write_text("four years")
    with pytest.raises(FileExistsError, match=r"data.txt is not of a workbench"):
        Workbench(small, task, folder=tmp_path, load=noisy(tiny_bert))
    assert thesis.read_text() == "four years"


def test_runs_of_another_notebook_on_the_same_folder_are_not_replaced(small, task, bench):
    other = Workbench(small, task, folder=bench.folder, load=bench.replay.load)
    first = trained(bench, "run 1")
    assert other.free_name() == "run 2"
    with pytest.raises(ValueError, match="the name 'run 1' is taken"):
        other.begin("run 1", CONFIG)
    second = other.begin(None, CONFIG, rows=ROWS)
    with locked(bench.folder / "run 2"), pytest.raises(BusyError, match="run 2 is in use by"):
        other.train(second)
    assert record.read(bench.folder / "run 1" / "run.json").steps == first.steps


def test_a_table_replaces_a_table_of_runs_and_nothing_else(bench, tmp_path):
    trained(bench)
    assert bench.to_csv() == bench.to_csv()
    file = tmp_path / "mine.csv"
    file.write_text("text,label\na,b\n")
    with pytest.raises(FileExistsError, match=r"mine.csv is no table of runs"):
        bench.to_csv(file)
    assert file.read_text() == "text,label\na,b\n"


def test_other_files_beside_the_snapshots_are_not_removed(bench):
    bench.share = math.inf
    chapter = bench.snapshots.folder / "thesis" / "chapter.txt"
    chapter.parent.mkdir(parents=True)
    chapter.write_text("four years")
    bench.snapshots.space = 1
    trained(bench)
    bench.snapshots._remove_oldest()
    assert chapter.read_text() == "four years"
    assert [path.name for path in bench.snapshots.folder.iterdir()] == ["thesis"]
