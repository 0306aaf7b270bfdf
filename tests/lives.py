"""Small runs to be killed, interrupted and damaged, and what two runs must agree in.

    python tests/lives.py FOLDER

kills a run again and again and prints what came of it (for ``tests/test_resume.py``). One process
imports everything and never computes; each life is a fork of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, DatasetDict
from torch import nn

from ftlearn import checkpoints, models, tasks
from ftlearn.checkpoints import Store
from ftlearn.training import History, TrainConfig, fit, fitting

WORDS = ["ball", "code", "heart", "run", "chip", "pulse", "team", "server", "sleep"]
TEXTS = [" ".join(WORDS[(row * row + at) % 9] for at in range(2 + row % 7)) for row in range(22)]
ROWS = Dataset.from_dict({"text": TEXTS, "label": [str(row % 3) for row in range(22)]})
PARTS = DatasetDict(train=ROWS.select(range(16)), valid=ROWS.select(range(16, 22)))
LABELS = tasks.classification(ROWS, max_length=16)
CONFIG = TrainConfig(
    epochs=4,
    batch_size=4,
    accumulate=2,
    learning_rate=0.05,
    warmup=0.3,
    schedule="constant",
    seed=1,
)
UPDATES = 16
KILLS, SEED = 40, 5


def load(folder: Path, task: Any = LABELS, dropout: float = 0.1) -> tuple[nn.Module, Any]:
    """A model with dropout, so that the random numbers count, and its tokenizer."""
    return models.load(folder, task, seed=0, dropout=dropout, device="cpu")


def hooked(task: Any = LABELS, *, on_loss: Callable = int, on_keep: Callable = int) -> Any:
    """The task, with something that happens in each piece of an update, or of an evaluation."""

    class Hooked(type(task)):
        def loss(self, logits, targets):
            on_loss()
            return super().loss(logits, targets)

        def keep(self, logits, targets):
            on_keep()
            return super().keep(logits, targets)

    return Hooked(**vars(task))


def at_call(number: int, do: Callable[[], Any]) -> Callable[[], None]:
    """A function that does something in its call of that number only."""
    calls = iter(range(1, 10**6))
    return lambda: do() if next(calls) == number else None


def digest(model: nn.Module) -> str:
    """A hash of every bit of the weights."""
    whole = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        whole.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return whole.hexdigest()


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

    def __init__(self, number: int, how: str, told: int) -> None:
        self.left, self.how, self.told = number, how, told
        self._wrap(checkpoints, "save_file", lambda group, path: os.truncate(path, 100))
        self._wrap(Path, "write_text", lambda path, *rest, **more: os.truncate(path, 10))
        self._wrap(Path, "rename", lambda *rest: None)
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
            os.write(self.told, f"{name} {self.how}".encode())
            os.kill(os.getpid(), signal.SIGKILL)
            return None

        setattr(owner, name, counted)


def _rest_of_it(folder: Path, **more: Any) -> None:
    """Half of a folder is gone."""
    for path in sorted(folder.iterdir())[::2]:
        path.unlink()


class Lives:
    """Runs that live until they are killed, and what came of them."""

    def __init__(self, root: Path, bert: Path) -> None:
        self.root, self.model, self.random = root, load(bert), random.Random(SEED)
        self.run, self.deaths, self.ends = 0, [], []
        self.seconds = 0.0

    def all(self) -> dict[str, Any]:
        """An undisturbed run; then runs with ``KILLS`` deaths among them, the last one finished."""
        start = time.monotonic()
        self.live()
        self.seconds = time.monotonic() - start
        while len(self.deaths) < KILLS:
            planned = self.random.random() < 0.5
            self.live(point=planned, after=None if planned else self.random.uniform(0, 0.7))
        runs = self.run
        while self.run == runs:
            self.live()
        return {"ends": self.ends, "deaths": self.deaths}

    def live(self, *, point: bool = False, after: float | None = None) -> None:
        """One life, killed at a point, or after a share of the time of a run, or at its end."""
        folder, (hears, told) = self.root / f"run-{self.run}", os.pipe()
        before = _unfinished(folder)
        number, how = self.random.randint(1, 60), self.random.choice(["before", "half", "after"])
        child = os.fork()
        if child == 0:
            os.close(hears)
            _until_the_end(lambda: self._train(folder, told, (number, how) if point else None))
        os.close(told)
        if after is not None:
            time.sleep(after * self.seconds)
            os.kill(child, signal.SIGKILL)
        with os.fdopen(hears) as told_by_child:
            heard = told_by_child.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == 0:
            self.ends.append(json.loads(heard))
            self.run += 1
        elif status == -signal.SIGKILL:
            writing = heard or bool(_unfinished(folder) - before)
            self.deaths.append({"run": self.run, "timed": not point, "writing": writing})
        else:
            raise SystemExit(f"a life ended with {status}: {heard}")

    def _train(self, folder: Path, told: int, point: tuple[int, str] | None) -> None:
        store = Store(folder, seconds=0)
        if point:
            Point(*point, told)
        model, tokenizer = self.model
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message="there is no checkpoint")
            history = fit(model, PARTS, LABELS, tokenizer, CONFIG, checkpoints=store, resume=True)
        os.write(told, json.dumps(outcome(model, history, store)).encode())


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
    print(json.dumps(Lives(root, root / "bert").all()))
