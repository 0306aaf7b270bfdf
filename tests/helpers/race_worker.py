"""Processes that work in one folder at the same time (for ``tests/runtime/test_locking.py``).

    python tests/helpers/race_worker.py FOLDER

prints the exit code and the output of each. One process imports everything and never computes; each
run is a fork of it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import killed_runs
import torch
from waiting import HANG

from ftlearn import cli
from ftlearn.training import fit, fitting
from ftlearn.workflows import fitting as whole_runs
from ftlearn.workflows import summary


class Child:
    """A fork at work; ``wait`` gives its exit code and its output."""

    def __init__(self, file: Path, do: Callable[[], Any]) -> None:
        self.file, self.process = file, os.fork()
        if self.process == 0:
            killed_runs._until_the_end(lambda: self._do(do))

    def _do(self, do: Callable[[], Any]) -> None:
        with self.file.open("w") as output, redirect_stdout(output), redirect_stderr(output):
            status = do()
        os._exit(status or 0)

    def wait(self) -> dict[str, Any]:
        status = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        return {"pid": self.process, "status": status, "said": self.file.read_text()}


class Gate:
    """A place where a child stops, and reports that, until it is killed."""

    def __init__(self) -> None:
        self.arrived, self.arrive = os.pipe()

    def stop(self) -> None:
        os.write(self.arrive, b".")
        signal.pause()

    def reached(self) -> None:
        """Wait until the child has come; RuntimeError where it does not, because it has ended."""
        if not select.select([self.arrived], [], [], HANG)[0]:
            raise RuntimeError(
                "the child did not come to its gate: is what it stops at still called"
            )


def stopping_at(gate: Gate, owner: Any, name: str, do: Callable[[], Any]) -> Callable[[], Any]:
    """A version of ``do`` that stops at a gate before it calls ``owner.name``."""
    real = getattr(owner, name)

    def stop_first(*args: Any, **kwargs: Any) -> Any:
        gate.stop()
        return real(*args, **kwargs)

    def call() -> Any:
        setattr(owner, name, stop_first)
        return do()

    return call


def command(root: Path, out: str, *more: str) -> Callable[[], int]:
    """The command ``ftlearn fit`` on a few rows."""
    columns = ["--text", "text", "--label", "label", "--max-length", "16", "--device", "cpu"]
    where = ["--checkpoint", str(root / "bert"), "--epochs", "1", "--out", str(root / out)]
    return lambda: cli.main(["fit", str(root / "rows.csv"), *columns, *where, *more])


def training(root: Path) -> Callable[[], int]:
    """Training from Python, with checkpoints."""

    def train() -> int:
        model, tokenizer = killed_runs.load(root / "bert")
        try:
            fit(
                model,
                killed_runs.PARTS,
                killed_runs.LABELS,
                tokenizer,
                killed_runs.CONFIG,
                checkpoints=root / "kept",
            )
        except RuntimeError as error:
            print(f"{type(error).__name__}: {error}")
            return 2
        return 0

    return train


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_bytes().hex()
        for path in folder.rglob("*")
        if path.is_file()
    }


def held(root: Path, name: str, first: Callable, second: Callable, gate: Gate) -> dict[str, Any]:
    """A second run while a first one is at work, and whether it changed anything.

    The first one is then killed while it holds the lock.
    """
    at_work = Child(root / f"{name}-first.txt", first)
    gate.reached()
    before = contents(root / name)
    other = Child(root / f"{name}-second.txt", second).wait()
    touched = contents(root / name) != before
    os.kill(at_work.process, signal.SIGKILL)
    return {"second": other, "touched": touched, "first": at_work.wait()}


def at_once(root: Path) -> list[dict[str, Any]]:
    """Two runs that begin in one folder at the same moment."""
    runs = [Child(root / f"at-once-{number}.txt", command(root, "at-once")) for number in range(2)]
    return [run.wait() for run in runs]


def main(root: Path) -> dict[str, Any]:
    """All races."""
    rows = [f"{text} {row},{row % 3}\n" for row, text in enumerate(killed_runs.TEXTS * 2)]
    (root / "rows.csv").write_text("text,label\n" + "".join(rows))
    gates, again = [Gate(), Gate()], command(root, "held", "--resume")
    begun = stopping_at(gates[0], whole_runs.training, "train", command(root, "held"))
    trained = stopping_at(gates[1], fitting, "_run_to_end", training(root))
    return {
        "at once": at_once(root),
        "held": held(root, "held", begun, again, gates[0]),
        "kept": held(root, "kept", trained, training(root), gates[1]),
        "after the kill": Child(root / "again.txt", again).wait(),
        "left": sorted(path.name for path in (root / "held").iterdir()),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    # These take longer than the runs, and write nothing.
    fitting.check_memory = lambda *_: None
    whole_runs.html.report_page = lambda *_, **__: "<html>"
    summary.scores = lambda report: {
        name: dict.fromkeys(("value", "low", "high"), value)
        for name, value in report.scores.items()
    }
    print(json.dumps(main(Path(sys.argv[1]))))
