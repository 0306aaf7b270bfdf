"""Runs that are killed, torn, filled up or interrupted end with the bits of an undisturbed one."""

from __future__ import annotations

import copy
import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import datasets
import killed_runs
import numpy as np
import pytest
import tokenizers
import torch
import transformers
from datasets import DatasetDict
from killed_runs import CONFIG, LABELS, PARTS, UPDATES, at_call, hooked, outcome
from safetensors import SafetensorError
from small_files import small_files
from waiting import HANG

import ftlearn
from ftlearn import models
from ftlearn.compatibility import CompatibilityWarning
from ftlearn.evaluation import evaluate
from ftlearn.models import architecture
from ftlearn.runtime import versions
from ftlearn.tasks import language_modelling
from ftlearn.training import History, TrainConfig, checkpoints, fit, fitting, resuming, steps
from ftlearn.training.checkpoints import CheckpointError, Store

# A few short texts of few words: some stand in both parts.
pytestmark = pytest.mark.filterwarnings("ignore::ftlearn.compatibility.CompatibilityWarning")


class Torn(Exception):  # noqa: N818 - it is no error of the run
    """A run ends in the middle of an update, as if the power had failed."""


def tear():
    raise Torn


linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
CPU = torch.device("cpu")
interrupt = partial(signal.raise_signal, signal.SIGINT)
HANDLER = signal.getsignal(signal.SIGINT)  # in the background of a shell it is another


@pytest.fixture(autouse=True)
def _no_dry_run(monkeypatch):
    """The memory estimate takes longer than these runs."""
    monkeypatch.setattr(fitting, "check_memory", lambda *_: None)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def train(bert, folder, *, task=LABELS, data=PARTS, config=CONFIG, dropout=0.1, keep=2, **more):
    """A run with a checkpoint after each update, from the pretrained weights."""
    store = Store(folder, seconds=0, keep=keep)
    model, tokenizer = killed_runs.load(bert, task, dropout)
    history = fit(model, data, task, tokenizer, config, checkpoints=store, **more)
    return outcome(model, history, store)


def new_checkpointer(bert, folder) -> resuming.Checkpointer:
    """What writes the checkpoints of a run that has not begun."""
    model, tokenizer = killed_runs.load(bert)
    run = steps(model, LABELS.batches(PARTS["train"], tokenizer, CONFIG), LABELS.loss, CONFIG)
    return resuming.Checkpointer(Store(folder), run, History(CONFIG, "log_loss"))


def torn(bert, folder, after: int, *, task=LABELS, **more) -> Path:
    """A folder of a run that was torn after some updates, each in two pieces."""
    with pytest.raises(Torn):
        train(bert, folder, task=hooked(task, on_loss=at_call(2 * after + 2, tear)), **more)
    return folder


@contextmanager
def only(*messages: str) -> Iterator[None]:
    """Each message is warned of, and nothing else is."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", CompatibilityWarning)
        yield
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == len(messages), texts
    for text, part in zip(texts, messages, strict=True):
        assert part in text


@pytest.fixture(scope="module")
def undisturbed(tiny_bert, tmp_path_factory):
    """What a run of 16 updates comes to, with checkpoints and without trouble."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "check_memory", lambda *_: None)
        return train(tiny_bert, tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(scope="module")
def torn_run(tiny_bert, tmp_path_factory):
    """A run that was torn in update 11: checkpoints 9 and 10, and the best so far."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "check_memory", lambda *_: None)
        return torn(tiny_bert, tmp_path_factory.mktemp("torn") / "run", 10)


@pytest.fixture
def folder(torn_run, tmp_path):
    """A copy of the torn run."""
    return shutil.copytree(torn_run, tmp_path / "run")


def test_the_runs_here_are_worth_their_name(undisturbed, torn_run):
    """Overfitted, so that the best weights are not the last; torn behind the best evaluation."""
    scores = [evaluation["log_loss"] for evaluation in undisturbed["evaluations"]]
    assert len(undisturbed["steps"]) == UPDATES
    assert min(scores) < scores[-1]
    best = 4 * (1 + scores.index(min(scores)))
    assert undisturbed["kept"] == [f"{best:08d}-best", "00000015", "00000016"]
    names = sorted(place.name for place in torn_run.iterdir())
    assert names[-2:] == ["00000009", "00000010"]
    assert len(names) == 3


def lived(bert, root, *what: str) -> dict:
    """What came of the runs of ``tests/helpers/killed_runs.py``."""
    shutil.copytree(bert, root / "bert")
    done = subprocess.run(
        [sys.executable, killed_runs.__file__, str(root), *what], capture_output=True, text=True,
        timeout=HANG, env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-500:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def killed(tiny_bert, tmp_path_factory):
    """Runs of ``fit`` that were killed forty times."""
    return lived(tiny_bert, tmp_path_factory.mktemp("lives"))


@forks
def test_killed_forty_times_a_run_ends_with_the_same_bits(killed):
    reference, *ends = copy.deepcopy(killed["ends"])
    assert ends
    assert len(reference["steps"]) == UPDATES
    kept = reference.pop("kept")
    for end in ends:
        # Killed between the name of its last checkpoint and the removal of an older one, a
        # finished run has one more.
        assert len(set(end.pop("kept")) ^ set(kept)) <= 1
        assert [name for name in reference if end[name] != reference[name]] == []
    assert len(killed["deaths"]) >= killed_runs.KILLS
    assert killed["deaths"][-1]["run"] == len(ends), "the last run that was killed was finished"


@forks
def test_many_of_the_kills_were_in_the_middle_of_a_write(killed):
    writing = [death["writing"] for death in killed["deaths"] if death["writing"]]
    assert len(writing) >= 10
    points = {how.split()[0] for how in writing if how is not True}
    assert len(points) >= 4, points
    assert sum(death["timed"] for death in killed["deaths"]) >= 10


@forks
def test_the_command_killed_in_any_stage_ends_with_the_same_model_and_report(tiny_bert, tmp_path):
    seen = lived(tiny_bert, tmp_path, "command")
    whole, *ends = seen["ends"]
    deaths = Counter(death["run"] for death in seen["deaths"])
    assert {"training", "model", "report"} <= {death["stage"] for death in seen["deaths"]}
    assert any("half" in death["point"] for death in seen["deaths"])
    assert whole["report"]["training"]["updates"] == len(whole["history"]) == 15
    assert whole.pop("resumed") == 0
    for number, end in enumerate(ends):
        assert 1 <= end.pop("resumed") <= deaths[f"run-{number}"]
        assert [name for name in whole if end[name] != whole[name]] == []


@pytest.mark.parametrize("after", [1, 3, 4, 8, 15])
def test_torn_after_any_update_a_run_resumes_bit_for_bit(tiny_bert, tmp_path, undisturbed, after):
    torn(tiny_bert, tmp_path / "run", after)
    with only():
        assert train(tiny_bert, tmp_path / "run", resume=True) == undisturbed


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_the_memory_of_every_optimizer_is_kept(tiny_bert, tmp_path, optimizer):
    more = {"config": replace(CONFIG, optimizer=optimizer, epochs=2), "data": PARTS["train"]}
    whole = train(tiny_bert, tmp_path / "whole", **more)
    torn(tiny_bert, tmp_path / "run", 3, **more)
    assert train(tiny_bert, tmp_path / "run", resume=True, **more) == whole


def test_tied_weights_and_token_losses_are_kept(tiny_checkpoints, tmp_path):
    more = {"task": language_modelling(max_length=20), "config": replace(CONFIG, epochs=2)}
    whole = train(tiny_checkpoints["gpt2"], tmp_path / "whole", **more)
    torn(tiny_checkpoints["gpt2"], tmp_path / "run", 5, **more)
    assert train(tiny_checkpoints["gpt2"], tmp_path / "run", resume=True, **more) == whole


# Damage


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def garble(path):
    path.write_text("no JSON")


FILES = ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"]
HARMS = [
    *itertools.product(FILES, [truncate, flip, Path.unlink]),
    ("manifest.json", garble),
    ("manifest.json", lambda path: path.write_text("[]")),
    ("manifest.json", lambda path: path.write_text('{"files": {}}')),
]


@pytest.mark.parametrize(("name", "harm"), HARMS)
def test_what_is_damaged_is_seen_and_named(folder, name, harm):
    harm(folder / "00000010" / name)
    with pytest.warns(UserWarning, match=rf"00000010' is passed over: {name}"):
        assert Store(folder).newest().folder.name == "00000009"


@pytest.mark.parametrize(("name", "harm"), [(FILES[0], flip), (FILES[1], Path.unlink)])
def test_a_damaged_checkpoint_is_passed_over_to_the_same_bits(
    tiny_bert, folder, undisturbed, name, harm
):
    harm(folder / "00000010" / name)
    with only(f"00000010' is passed over: {name}"):
        assert train(tiny_bert, folder, resume=True) == undisturbed


def test_an_empty_folder_of_a_checkpoint_is_passed_over(folder):
    (folder / "00000011").mkdir()
    with pytest.warns(UserWarning, match=r"00000011' is passed over: manifest.json is missing"):
        assert Store(folder).newest().folder.name == "00000010"


def test_when_all_are_damaged_nothing_starts_afresh(tiny_bert, folder):
    for place in folder.iterdir():
        flip(place / "model.safetensors")
    updates = []
    with (
        pytest.warns(UserWarning, match="passed over"),
        pytest.raises(CheckpointError, match=r"all 3 .* are damaged"),
    ):
        train(tiny_bert, folder, task=hooked(on_loss=lambda: updates.append(1)), resume=True)
    assert not updates


@pytest.mark.parametrize("keep", [1, 2])
def test_damaged_ones_do_not_push_out_what_is_written_after_them(
    tiny_bert, tmp_path, undisturbed, keep
):
    """Twice torn, and the newest ones damaged in between: the new ones are found."""
    folder = torn(tiny_bert, tmp_path / "run", 10, keep=3)
    for number in (9, 10):
        flip(folder / f"{number:08d}" / "model.safetensors")
    with pytest.warns(UserWarning, match="passed over"):
        torn(tiny_bert, folder, 1, keep=keep, resume=True)  # update 9 is done, and 10 torn
    with only():
        assert train(tiny_bert, folder, resume=True)["weights"] == undisturbed["weights"]


def test_each_kept_checkpoint_has_the_best_of_its_time(tiny_bert, tmp_path):
    """The newest best is damaged: the one before it knows an older best, which is still there."""
    config = replace(CONFIG, learning_rate=1e-3)  # each evaluation is better than the last
    whole = train(tiny_bert, tmp_path / "whole", config=config)
    folder = torn(tiny_bert, tmp_path / "run", 8, config=config)
    assert sorted(place.name for place in folder.iterdir()) == [
        "00000004-best", "00000007", "00000008-best",
    ]  # fmt: skip
    flip(folder / "00000008-best" / "model.safetensors")
    with only("passed over"):  # once: going on removes it
        assert train(tiny_bert, folder, resume=True, config=config) == whole


# The disk


def listing(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def refuse(*_, **__):
    raise SafetensorError("Error while serializing: I/O error: No space left on device")


def broken_disk(kind: str):
    """A context in which no checkpoint can be written."""
    if kind == "file size":
        return small_files(40_000)
    patch = pytest.MonkeyPatch.context()

    @contextmanager
    def patched():
        with patch as context:
            places = {"fsync": os, "rename": Path, "save_file": checkpoints}
            context.setattr(places[kind], kind, refuse if kind == "save_file" else full)
            yield

    return patched()


@pytest.mark.parametrize("kind", ["file size", "fsync", "save_file", "rename"])
def test_a_full_disk_leaves_the_older_ones_and_nothing_of_its_own(folder, kind):
    store, before = Store(folder), listing(folder)
    tensors = {"model": {"w": torch.zeros(30_000)}, "optimizer": {}}
    with (
        broken_disk(kind),
        pytest.raises(CheckpointError, match="11 could not be written") as caught,
    ):
        store.write(11, tensors, {})
    assert "older ones are still there" in str(caught.value)
    assert listing(folder) == before
    assert not list(folder.glob(".*"))


def test_with_a_full_disk_training_goes_on_and_is_resumed_from_before(
    tiny_bert, folder, undisturbed
):
    before = listing(folder)
    with broken_disk("file size"), pytest.warns(UserWarning, match="goes on without a checkpoint"):
        train(tiny_bert, folder, resume=True)
    assert listing(folder) == before
    with only():
        assert train(tiny_bert, folder, resume=True) == undisturbed


@pytest.mark.parametrize("place", ["file", "file/run", pytest.param("/proc/run", marks=linux)])
def test_a_folder_that_cannot_be_used_is_refused_before_training(tiny_bert, tmp_path, place):
    (tmp_path / "file").write_text("in the way")
    updates = []
    counting = hooked(on_loss=lambda: updates.append(1))
    with pytest.raises(CheckpointError, match=r"cannot be written into .*: choose a folder"):
        train(tiny_bert, tmp_path / place, task=counting)
    assert not updates


def test_an_empty_folder_warns_and_a_used_one_is_refused(tiny_bert, tmp_path, folder, undisturbed):
    with only("there is no checkpoint"):
        assert train(tiny_bert, tmp_path / "new", resume=True) == undisturbed
    before = listing(folder)
    with pytest.raises(CheckpointError, match="earlier run: continue it with resume=True"):
        train(tiny_bert, folder)
    assert listing(folder) == before


def test_resume_without_a_folder_is_refused(tiny_bert):
    model, tokenizer = killed_runs.load(tiny_bert)
    with pytest.raises(ValueError, match="resume=True needs the folder"):
        fit(model, PARTS, LABELS, tokenizer, CONFIG, resume=True)


# Ctrl-C


def in_an_update(monkeypatch):
    return hooked(on_loss=at_call(11, interrupt))  # in the first piece of update 6


def in_an_evaluation(monkeypatch):
    return hooked(on_keep=at_call(2, interrupt))


def in_a_write(monkeypatch):
    real, now = os.fsync, at_call(30, interrupt)
    monkeypatch.setattr(os, "fsync", lambda handle: (now(), real(handle)))
    return LABELS


@pytest.mark.parametrize("where", [in_an_update, in_an_evaluation, in_a_write])
def test_ctrl_c_saves_and_returns_and_is_resumed_to_the_same_bits(
    tiny_bert, tmp_path, undisturbed, monkeypatch, where
):
    with monkeypatch.context() as patch, only("interrupted"):
        stopped = train(tiny_bert, tmp_path / "run", task=where(patch))
    number = len(stopped["steps"])
    assert 0 < number < UPDATES
    assert stopped["stopped"] == "interrupted"
    assert stopped["last"].startswith(f"{number:08d}")
    assert stopped["steps"] == undisturbed["steps"][:number]
    assert signal.getsignal(signal.SIGINT) is HANDLER
    with only():
        assert train(tiny_bert, tmp_path / "run", resume=True) == undisturbed


def test_ctrl_c_writes_a_checkpoint_that_was_not_due(tiny_bert, tmp_path):
    model, tokenizer = killed_runs.load(tiny_bert)
    task = hooked(on_loss=at_call(3, interrupt))
    with pytest.warns(UserWarning, match="interrupted"):
        fit(model, PARTS, task, tokenizer, CONFIG, checkpoints=tmp_path / "run")
    assert Store(tmp_path / "run").newest().state["number"] == 2


def test_a_second_ctrl_c_aborts_even_a_write_and_what_was_whole_is_found(
    tiny_bert, tmp_path, undisturbed, monkeypatch
):
    real, now = os.fsync, at_call(20, lambda: (interrupt(), interrupt()))
    monkeypatch.setattr(os, "fsync", lambda handle: (now(), real(handle)))
    with pytest.raises(KeyboardInterrupt):
        train(tiny_bert, tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is HANDLER
    with only():
        assert train(tiny_bert, tmp_path / "run", resume=True) == undisturbed


def test_the_handler_is_put_back_after_an_error(tiny_bert, tmp_path):
    torn(tiny_bert, tmp_path / "run", 1)
    assert signal.getsignal(signal.SIGINT) is HANDLER


def test_a_notice_that_cannot_be_printed_does_not_break_the_run(tiny_bert, tmp_path, monkeypatch):
    def closed(*_):
        raise BrokenPipeError

    monkeypatch.setattr("ftlearn.training.interrupts.tqdm.write", closed)
    with pytest.warns(UserWarning, match="interrupted"):
        stopped = train(tiny_bert, tmp_path / "run", task=in_an_update(None))
    assert len(stopped["steps"]) == 6


def test_away_from_the_main_thread_a_run_works_and_leaves_signals_alone(
    tiny_bert, tmp_path, undisturbed
):
    ends = []
    thread = threading.Thread(target=lambda: ends.append(train(tiny_bert, tmp_path / "run")))
    thread.start()
    thread.join()
    assert ends == [undisturbed]


# Another run


def test_other_conditions_are_warned_of(tiny_bert, folder, undisturbed, monkeypatch):
    here = resuming._machine
    monkeypatch.setattr(
        resuming, "_machine", lambda run: {**here(run), "threads": 7, "torch": "9.9"}
    )
    with only(f"threads 1 → 7, torch {torch.__version__} → 9.9"):
        ended = train(tiny_bert, folder, resume=True)
    assert ended["weights"] == undisturbed["weights"]  # of these, only the names were changed


@pytest.mark.parametrize(
    "library", [ftlearn, torch, transformers, tokenizers, datasets, np], ids=lambda it: it.__name__
)
def test_another_version_is_named(tiny_bert, folder, monkeypatch, library):
    checkpointer, name, real = (
        new_checkpointer(tiny_bert, folder),
        library.__name__,
        versions.version,
    )
    monkeypatch.setattr(versions, "version", lambda one: "99.0.0" if one == name else real(one))
    with only(f"({name} {library.__version__} → 99.0.0)"):
        assert checkpointer.begin(resume=True)


def test_another_thread_count_is_seen(tiny_bert, folder):
    checkpointer = new_checkpointer(tiny_bert, folder)
    torch.set_num_threads(2)
    try:
        with only("threads 1 → 2"):
            checkpointer.begin(resume=True)
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"config": replace(CONFIG, learning_rate=0.5)}, r"learning_rate was 0.05 and is 0.5"),
        ({"config": replace(CONFIG, seed=3, epochs=9)}, r"epochs was 4 and is 9; seed was 1"),
        ({"data": PARTS["valid"]}, r"data was '[0-9a-f]+' and is"),
        ({"dropout": 0.3}, r"dropout was \[0.1\] and is \[0.3\]"),
    ],
)
def test_another_run_is_refused_by_name(tiny_bert, folder, other, message):
    before = listing(folder)
    with pytest.raises(CheckpointError, match=message):
        train(tiny_bert, folder, resume=True, **other)
    assert listing(folder) == before


def test_another_label_is_other_data(tiny_bert, folder):
    labels = ["0" if row == 4 else label for row, label in enumerate(PARTS["train"]["label"])]
    changed = PARTS["train"].remove_columns("label").add_column("label", labels)
    assert labels != PARTS["train"]["label"][:]
    with pytest.raises(CheckpointError, match="data was"):
        train(tiny_bert, folder, resume=True, data=DatasetDict(train=changed, valid=PARTS["valid"]))


def test_another_model_is_refused_by_name(tiny_bert, folder):
    model, tokenizer = models.load(tiny_bert, LABELS, pooling="mean", dropout=0.1, device="cpu")
    with pytest.raises(CheckpointError, match=r"of another model: .* \d+ tensors such as '\w+"):
        fit(model, PARTS, LABELS, tokenizer, CONFIG, checkpoints=folder, resume=True)


def test_other_frozen_parts_and_other_number_formats_are_refused(tiny_bert, folder):
    for change, message in (
        (lambda model: architecture.freeze(model, "body"), r"other parts were frozen.* such as"),
        (lambda model: model.to(torch.float64), "of another model"),
    ):
        model, tokenizer = killed_runs.load(tiny_bert)
        change(model)
        with pytest.raises(CheckpointError, match=message):
            fit(model, PARTS, LABELS, tokenizer, CONFIG, checkpoints=folder, resume=True)


def test_the_data_is_read_once_for_all_checkpoints(tiny_bert, tmp_path, monkeypatch):
    from ftlearn.data.batching import Encoded

    calls, real = [], Encoded.fingerprint
    monkeypatch.setattr(Encoded, "fingerprint", lambda data: calls.append(1) or real(data))
    train(tiny_bert, tmp_path / "run", config=replace(CONFIG, epochs=1))
    assert len(calls) == 1


# The end of a run


def test_a_finished_run_comes_back_at_once(tiny_bert, tmp_path, undisturbed):
    assert train(tiny_bert, tmp_path / "run") == undisturbed
    before, busy = listing(tmp_path / "run"), hooked(on_loss=tear, on_keep=tear)
    assert train(tiny_bert, tmp_path / "run", task=busy, resume=True) == undisturbed
    assert listing(tmp_path / "run") == before


def test_patience_counts_across_a_tear_and_a_stopped_run_stays_stopped(tiny_bert, tmp_path):
    patient = {"config": replace(CONFIG, epochs=30), "patience": 2}
    whole = train(tiny_bert, tmp_path / "whole", **patient)
    updates = len(whole["steps"])
    assert "in 2 evaluations" in whole["stopped"]
    assert updates < 30 * 4
    torn(tiny_bert, tmp_path / "run", updates - 2, **patient)
    assert train(tiny_bert, tmp_path / "run", resume=True, **patient) == whole
    busy = hooked(on_loss=tear, on_keep=tear)
    assert train(tiny_bert, tmp_path / "run", task=busy, resume=True, **patient) == whole


def test_the_best_weights_outlive_a_tear(tiny_bert, folder):
    model, tokenizer = killed_runs.load(tiny_bert)
    history = fit(model, PARTS, LABELS, tokenizer, CONFIG, checkpoints=folder, resume=True)
    assert history.best["step"] <= 8, "the best evaluation must be before the tear"
    log_loss = evaluate(model, PARTS["valid"], LABELS, tokenizer).scores["log_loss"]
    assert log_loss == pytest.approx(history.best["log_loss"], abs=1e-6)
    assert log_loss < history.evaluations[-1]["log_loss"]


def test_lost_best_weights_are_told_of(tiny_bert, folder, undisturbed):
    (best,) = folder.glob("*-best")
    shutil.rmtree(best)
    with only(f"the weights of the best evaluation (update {int(best.name[:8])}) are lost"):
        ended = train(tiny_bert, folder, resume=True)
    assert ended["files"] == undisturbed["files"]
    assert ended["weights"] != undisturbed["weights"]


def test_the_scale_of_half_precision_comes_back(tiny_bert, tmp_path):
    """Of fp16's scaler only the state: its arithmetic needs a GPU."""
    first, second = (new_checkpointer(tiny_bert, tmp_path / "run") for _ in range(2))
    for checkpointer in (first, second):
        checkpointer.run.scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=3)
        checkpointer.run.scaler.scale(torch.ones(()))  # it begins with the first loss
    first.run.scaler.update(1024.0)
    first.store.prepare()
    first.write()
    assert second.run.scaler.state_dict()["scale"] == 8.0
    assert second.begin(resume=True)
    assert second.run.scaler.state_dict() == first.run.scaler.state_dict()
    assert second.run.scaler.state_dict()["scale"] == 1024.0


def test_a_run_without_fp16_goes_on_in_fp16_with_a_new_scale(tiny_bert, tmp_path):
    """Begun in bf16 on a new card and resumed on an old one."""
    first, second = (new_checkpointer(tiny_bert, tmp_path / "run") for _ in range(2))
    first.store.prepare()
    first.write()
    second.run.scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    second.run.scaler.scale(torch.ones(()))
    assert second.begin(resume=True).state["scaler"] == {}
    assert second.run.scaler.state_dict()["scale"] == 8.0


def test_the_random_numbers_of_the_runs_device_are_kept(tiny_bert, tmp_path, monkeypatch):
    checkpointer, devices = new_checkpointer(tiny_bert, tmp_path / "run"), []
    real = resuming.runtime.rng_state
    monkeypatch.setattr(resuming.runtime, "rng_state", lambda on: devices.append(on) or real(CPU))
    checkpointer.run.device = torch.device("cuda:1")
    checkpointer.store.prepare()
    checkpointer.write()
    assert devices == [torch.device("cuda:1")]


def test_what_was_resumed_stands_on_its_own(tiny_bert, folder):
    """The optimiser's memory is not a view of a file that a later checkpoint replaces."""
    checkpointer = new_checkpointer(tiny_bert, folder)
    checkpointer.begin(resume=True)
    assert len(checkpointer.run.optimizer.state) > 10
    if Path("/proc/self/maps").exists():
        assert str(folder) not in Path("/proc/self/maps").read_text()


def test_a_run_without_validation_is_saved_too(tiny_bert, tmp_path):
    config = TrainConfig(epochs=1, batch_size=4)
    ended = train(tiny_bert, tmp_path / "run", data=PARTS["train"], config=config)
    assert ended["kept"] == ["00000003", "00000004"]


def test_a_run_goes_on_in_the_arithmetic_in_which_it_began(tiny_bert, tmp_path, monkeypatch):
    """Whatever is fastest by now: bf16 with eager attention then, fp32 here."""
    alone = {"data": PARTS["train"]}
    monkeypatch.setenv("FTLEARN_COMPUTE", "bf16")
    whole = train(tiny_bert, tmp_path / "whole", **alone)
    torn(tiny_bert, tmp_path / "run", 6, **alone)
    monkeypatch.setenv("FTLEARN_COMPUTE", "fp32")
    assert train(tiny_bert, tmp_path / "run", resume=True, **alone) == whole
    assert train(tiny_bert, tmp_path / "other", **alone)["weights"] != whole["weights"]


def test_on_another_processor_the_arithmetic_is_its_own_and_told(
    tiny_bert, folder, undisturbed, monkeypatch
):
    monkeypatch.setenv("FTLEARN_COMPUTE", "bf16")
    monkeypatch.setattr(resuming, "processor", lambda: "another")
    with pytest.warns(
        UserWarning, match=r"processor .* → another.*arithmetic fp32.* → bf16, eager"
    ):
        ended = train(tiny_bert, folder, resume=True)
    losses, expected = (
        [step["loss"] for step in run["steps"][10:]] for run in (ended, undisturbed)
    )
    assert losses != expected
    assert losses == pytest.approx(expected, rel=0.3)
