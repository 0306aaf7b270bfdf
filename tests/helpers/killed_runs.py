"""Small runs to be killed, interrupted and damaged, and what two runs must agree in.

    python tests/helpers/killed_runs.py FOLDER [command]

kills a run, or the whole command ``ftlearn fit``, again and again and prints what came of it (for
``tests/training/test_resuming.py``). One process imports everything and never computes; each life
is a fork of it.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict
from functools import partial, wraps
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, DatasetDict
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook
from waiting import HANG

from ftlearn import cli, models, training
from ftlearn.compatibility import CompatibilityWarning
from ftlearn.runtime.files import sha256
from ftlearn.tasks import classification
from ftlearn.training import History, TrainConfig, checkpoints, fit, fitting
from ftlearn.training.checkpoints import Store
from ftlearn.workflows import fitting as whole_runs

WORDS = ["ball", "code", "heart", "run", "chip", "pulse", "team", "server", "sleep"]
TEXTS = [" ".join(WORDS[(row * row + at) % 9] for at in range(2 + row % 7)) for row in range(22)]
ROWS = Dataset.from_dict({"text": TEXTS, "label": [str(row % 3) for row in range(22)]})
PARTS = DatasetDict(train=ROWS.select(range(16)), valid=ROWS.select(range(16, 22)))
LABELS = classification(ROWS, max_length=16)
CONFIG = TrainConfig(
    epochs=4,
    batch_size=4,
    micro_batches=2,
    learning_rate=0.05,
    warmup_ratio=0.3,
    schedule="constant",
    seed=1,
)
UPDATES = 16
SPARE = 2  # updates that a life makes at most after the one at whose news it is killed
KILLS, TIMED, WRITING, SEED = 40, 10, 10, 5
"""Runs are killed until there are so many deaths, so many of them by time and in a write."""
STAGES = {
    "training": (training, "train", 14),
    "model": (whole_runs, "save", 8),
    "report": (whole_runs, "_write", 8),
}
"""Parts of ``ftlearn fit``: what does them, and up to which of their writes a kill may come."""
PLANS = [
    ["training", "training", "model", "report"],
    ["timed", "timed", "model", "report"],
    ["training", "model", "model", "report"],
]
"""Where runs of the command are killed, one after the other, before they may end."""


def load(folder: Path, task: Any = LABELS, dropout: float = 0.1) -> tuple[nn.Module, Any]:
    """A model with dropout, so that the random numbers count, and its tokenizer."""
    return models.load(folder, task, seed=0, dropout=dropout, device="cpu")


def hooked(task: Any = LABELS, *, on_loss: Callable = int, on_keep: Callable = int) -> Any:
    """The task, with something that happens in each piece of an update, or of an evaluation."""

    class Hooked(type(task)):
        @wraps(type(task).loss)  # with its mark, or other logits would be computed
        def loss(self, logits, targets):
            on_loss()
            return super().loss(logits, targets)

        @wraps(type(task).reduce_logits)
        def reduce_logits(self, logits, targets):
            on_keep()
            return super().reduce_logits(logits, targets)

    return Hooked(**vars(task))


def at_call(number: int, do: Callable[[], Any]) -> Callable[[], None]:
    """A function that does something in its call of that number only."""
    calls = iter(range(1, 10**6))
    return lambda: do() if next(calls) == number else None


def digest(model: nn.Module) -> str:
    """A hash of every bit of the weights."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def outcome(model: nn.Module, history: History, store: Store) -> dict[str, Any]:
    """What must be equal: final weights, history apart from seconds, the last checkpoint."""
    last = max(store.folder.glob("0*"), key=lambda place: int(place.name[:8]))
    files = json.loads((last / checkpoints.MANIFEST).read_text())["files"]
    return {
        "weights": digest(model),
        "steps": [{**asdict(step), "seconds": 0} for step in history.steps],
        "evaluations": history.evaluations,
        "stopped": history.stopped,
        "last": last.name,
        "files": {name: files[name]["sha256"] for name in files if name != checkpoints.STATE},
        "kept": sorted(place.name for place in store.folder.iterdir()),
    }


class Point:
    """Kills this process in the call of a given number of what writes to the disk."""

    def __init__(self, number: int, how: str, writer: int) -> None:
        self.left, self.how, self.writer = number, how, writer
        self._wrap(checkpoints, "save_file", lambda group, path: os.truncate(path, 100))
        self._wrap(Path, "write_text", lambda path, *rest, **more: os.truncate(path, 10))
        self._wrap(Path, "rename", lambda *rest: None)
        self._wrap(Path, "replace", lambda *rest: None)
        self._wrap(os, "fsync", lambda handle: None)
        self._wrap(shutil, "rmtree", _rest_of_it)

    def _wrap(self, owner: Any, name: str, half: Callable) -> None:
        real = getattr(owner, name)

        def counted(*rest: Any, **more: Any) -> Any:
            self.left -= 1
            if self.left > 0:
                return real(*rest, **more)
            if self.how == "half" and name != "rmtree":
                real(*rest, **more)
            if self.how == "half":
                half(*rest, **more)
            elif self.how == "after":
                real(*rest, **more)
            os.write(self.writer, f"{name} {self.how}".encode())
            os.kill(os.getpid(), signal.SIGKILL)
            return None

        setattr(owner, name, counted)


def _rest_of_it(folder: Path, **more: Any) -> None:
    """Half of a folder, if there is one, is gone."""
    for path in sorted(folder.glob("*"))[::2]:
        path.unlink()


class Lives:
    """Runs that live until they are killed, and what came of them."""

    def __init__(self, root: Path, bert: Path) -> None:
        self.root, self.model, self.random = root, load(bert), random.Random(SEED)
        self.run, self.deaths, self.ends = 0, [], []

    def all(self) -> dict[str, Any]:
        """An undisturbed run; then runs with ``KILLS`` deaths among them, the last one finished."""
        self.live()
        while not self._enough():
            planned = self.random.random() < 0.5
            self.live(point=planned, after=None if planned else self.random.randint(0, UPDATES))
        runs = self.run
        while self.run == runs:
            self.live()
        return {"ends": self.ends, "deaths": self.deaths}

    def _enough(self) -> bool:
        """Of each kind, since a run may end before its time has come."""
        timed, writing = (sum(bool(d[kind]) for d in self.deaths) for kind in ("timed", "writing"))
        return len(self.deaths) >= KILLS and timed >= TIMED and writing >= WRITING

    def live(self, *, point: bool = False, after: int | None = None) -> None:
        """One life, killed at a point, or some time after so many of its updates, or not at all."""
        folder = self.root / f"run-{self.run}"
        before = _unfinished(folder)
        number, how = self.random.randint(1, 60), self.random.choice(["before", "half", "after"])

        def life(writer: int) -> None:
            if point:
                Point(number, how, writer)
            if after is not None:
                report_updates(writer, after + SPARE)
            self._train(folder, writer)

        status, heard = forked(life, None if after is None else wait_for(after))
        if status == 0:
            self.ends.append(json.loads(heard.lstrip(".")))
            self.run += 1
        elif status == -signal.SIGKILL:
            writing = heard.strip(".") or bool(_unfinished(folder) - before)
            self.deaths.append({"run": self.run, "timed": not point, "writing": writing})
        else:
            raise SystemExit(f"a life ended with {status}: {heard}")

    def _train(self, folder: Path, writer: int) -> None:
        store = Store(folder, seconds=0)
        model, tokenizer = self.model
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message="there is no checkpoint")
            warnings.simplefilter("ignore", CompatibilityWarning)  # the rows are drawn at random
            history = fit(model, PARTS, LABELS, tokenizer, CONFIG, checkpoints=store, resume=True)
        os.write(writer, f"\n{json.dumps(outcome(model, history, store))}".encode())


class Commands:
    """Runs of ``ftlearn fit`` that are killed as planned, and what they left at their end."""

    def __init__(self, root: Path) -> None:
        self.root, self.random = root, random.Random(SEED)
        self.deaths: list[dict[str, Any]] = []
        rows = [f"{text} {row},{row % 3}\n" for row, text in enumerate(TEXTS * 2)]
        (root / "rows.csv").write_text("text,label\n" + "".join(rows))

    def all(self) -> dict[str, Any]:
        """An undisturbed run, and one for each of ``PLANS``."""
        ends = [self.end("whole")]
        for number, stages in enumerate(PLANS):
            for stage in stages:
                self.die(f"run-{number}", stage)
            ends.append(self.end(f"run-{number}"))
        return {"ends": ends, "deaths": self.deaths}

    def end(self, name: str) -> dict[str, Any]:
        """A life that nothing disturbs."""
        status, heard = forked(lambda writer: self._command(name, writer), None)
        if status:
            raise SystemExit(f"{name} ended with {status}: {heard}")
        return json.loads(heard)

    def die(self, name: str, stage: str) -> None:
        """A life that is killed: at a point of a stage, or in the middle of its training."""
        if stage == "timed":
            number = self.random.randint(0, 5)
            arm, kill = partial(report_updates, last=number + SPARE), wait_for(number)
        else:
            arm, kill = self._armed(stage), None
        status, heard = forked(lambda writer: self._command(name, writer, arm), kill)
        if status != -signal.SIGKILL:
            raise SystemExit(f"{name} was to die in {stage} and ended with {status}: {heard}")
        self.deaths.append({"run": name, "stage": stage, "point": heard})

    def _armed(self, stage: str) -> Callable[[int], None]:
        """What makes a process die in one of the writes of a stage."""
        owner, name, most = STAGES[stage]
        number, how = self.random.randint(1, most), self.random.choice(["before", "half", "after"])

        def arm(writer: int) -> None:
            real = getattr(owner, name)

            def entered(*rest: Any, **more: Any) -> Any:
                Point(number, how, writer)
                real(*rest, **more)
                os.write(writer, b"end of the stage")
                os.kill(os.getpid(), signal.SIGKILL)

            setattr(owner, name, entered)

        return arm

    def _command(self, name: str, writer: int, arm: Callable = int) -> None:
        arm(writer)
        columns = ["--text", "text", "--label", "label", "--max-length", "16", "--device", "cpu"]
        how = ["--epochs", "3", "--batch-size", "8", "--learning-rate", "0.01", "--resume"]
        where = ["--checkpoint", str(self.root / "bert"), "--out", str(self.root / name)]
        with redirect_stdout(sys.stderr):
            status = cli.main(["fit", str(self.root / "rows.csv"), *columns, *how, *where])
        if status:
            raise SystemExit(status)
        os.write(writer, json.dumps(left_by(self.root / name)).encode())


def left_by(run: Path) -> dict[str, Any]:
    """What two runs of the command must agree in: all but times, memory and interruptions."""
    report = json.loads((run / "report.json").read_text())
    resumed = report["training"].pop("resumed")
    for name in ("seconds", "examples_per_second", "peak_memory_bytes", "notes"):
        del report[name]
    with (run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = {"seconds", "examples_per_second"}
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    return {
        "model": sha256(run / "model" / "model.safetensors"),
        "report": report,
        "history": [{name: row[name] for name in row.keys() - times} for row in rows],
        "page": (run / "report.html").stat().st_size > 10_000,
        "files": sorted(files),
        "resumed": resumed,
    }


def report_updates(writer: int, last: int) -> None:
    """From now on, tell of each update before it is made, and make none after the last.

    So whoever is to be killed is still there, however late the other process hears of it.
    """
    numbers = itertools.count(1)

    def before_update(*_: Any) -> None:
        os.write(writer, b".")
        if next(numbers) > last:
            time.sleep(HANG)

    register_optimizer_step_pre_hook(before_update)


def wait_for(updates: int) -> Callable[[int], None]:
    """A function that returns when it has heard of so many updates, or of the end."""

    def heard(reader: int) -> None:
        for _ in range(updates):
            if os.read(reader, 1) != b".":
                break

    return heard


def forked(do: Callable[[int], None], kill: Callable[[int], None] | None) -> tuple[int, str]:
    """Do something in a fork, killed when ``kill`` returns: how it ended, and what it wrote.

    ``do`` gets the writing end of a pipe, and ``kill`` the reading end.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _until_the_end(lambda: do(writer))
    os.close(writer)
    if kill:
        kill(reader)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reader) as pipe:
        heard = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), heard


def _until_the_end(do: Callable[[], None]) -> None:
    """Do something in a fork, and leave it without the parent's farewells."""
    status = 1
    try:
        do()
        status = 0
    finally:
        if status:
            import traceback

            traceback.print_exc()
        os._exit(status)


def _unfinished(folder: Path) -> set[tuple[str, int]]:
    """Folders in which a checkpoint was begun and not ended."""
    return {(path.name, path.stat().st_ino) for path in folder.glob(".writing-0*")}


if __name__ == "__main__":
    torch.set_num_threads(1)
    fitting.check_memory = lambda *_: None  # it takes longer than these runs
    root = Path(sys.argv[1])
    lives = Commands(root) if sys.argv[2:] == ["command"] else Lives(root, root / "bert")
    print(json.dumps(lives.all()))
