"""The workbench: trains named runs, one at a time, and keeps all of them."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from datasets import DatasetDict
from matplotlib.axes import Axes
from torch import nn

from ftlearn import data as datasets
from ftlearn import models, training
from ftlearn.config import TrainConfig
from ftlearn.errors import ExistsError
from ftlearn.experiments import codegen, compare, record
from ftlearn.experiments.control import Control
from ftlearn.experiments.record import Record, Stage
from ftlearn.experiments.replay import Replay, StoppedError
from ftlearn.experiments.snapshot import SnapshotCache
from ftlearn.runtime.files import write_text
from ftlearn.runtime.locking import locked
from ftlearn.training import fitting, interrupts

Load = Callable[..., tuple[nn.Module, Any]]


class Workbench:
    """Runs on one data set (parts ``train`` and ``valid``) and one task, by name.

    ``data`` is a name for ``data.load`` or a DatasetDict. Every run is written into ``folder``,
    so that a new workbench on the same data and folder has it again, also after a restart;
    ``folder=None`` keeps runs only as long as the workbench. ``load(checkpoint, task, seed=...)``
    returns model and tokenizer. Snapshots for ``branch`` take at most ``space`` bytes and a share
    ``share`` of a run's time. A run can branch at any of its evaluations, with or without a
    snapshot.

    Raises KeyError for a missing part, and ValueError for a folder of runs on other data.
    """

    def __init__(
        self,
        data: str | DatasetDict,
        task: Any,
        *,
        folder: str | Path | None = "experiments",
        load: Load = models.load,
        space: int = 2_000_000_000,
        share: float = 0.02,
    ) -> None:
        self.source = data if isinstance(data, str) else None
        self.replay = Replay(datasets.load(data) if isinstance(data, str) else data, task, load)
        self.monitor = task.monitor
        self.share = share
        self._temporary = tempfile.TemporaryDirectory() if folder is None else None
        self.folder = Path(folder or self._temporary.name)
        self.snapshots = SnapshotCache(self.folder / "snapshots", space=space)
        self.records = record.read_all(self.folder, self.replay.fingerprint)
        self.current: Record | None = None
        self.control = Control()
        self.watchers: list[Callable[[], None]] = []  # called whenever a run has ended
        self._lock = threading.Lock()

    def run(
        self,
        name: str | None = None,
        config: TrainConfig | None = None,
        *,
        rows: int | None = None,
        checkpoint: str = "minilm",
        every: int | None = None,
    ) -> Record:
        """Train a run to its end, as ``begin`` and ``train`` do one after the other.

        ``bench.run("first", TrainConfig(epochs=2), rows=96)``
        """
        return self.train(self.begin(name, config, rows=rows, checkpoint=checkpoint, every=every))

    def branch(self, parent: str, at: int, name: str | None = None, **changes: Any) -> Record:
        """Go back to an evaluation of a run and train from there with changed settings.

        ``bench.branch("first", 24, "slower", learning_rate=1e-5)``
        """
        return self.train(self.begin_branch(parent, at, name, **changes))

    def begin(
        self,
        name: str | None = None,
        config: TrainConfig | None = None,
        *,
        rows: int | None = None,
        checkpoint: str = "minilm",
        every: int | None = None,
    ) -> Record:
        """The record of a new run, not yet trained.

        ``every`` is the number of updates from one evaluation to the next, by default an epoch.
        Raises ValueError for a name that is taken or not allowed, and for impossible settings.
        """
        config = config or TrainConfig()
        rows = self.replay.check_rows(rows)
        updates_per_epoch = -(-rows // config.batch_size)
        every = updates_per_epoch if every is None else every
        if every < 1:
            raise ValueError(f"every is {every}: evaluate after at least 1 update")
        total = config.epochs * updates_per_epoch
        name = self._free(name)
        return Record(name, checkpoint, rows, every, total, [Stage(0, config)])

    def begin_branch(self, parent: str, at: int, name: str | None = None, **changes: Any) -> Record:
        """The record of a run that leaves ``parent`` after update ``at``, not yet trained.

        Raises KeyError for an unknown parent, and ValueError if it was not evaluated there or if
        nothing is left to train.
        """
        before = self[parent]
        evaluations = [scores for scores in before.evaluations if scores["step"] <= at]
        if not evaluations or evaluations[-1]["step"] != at:
            known = ", ".join(str(scores["step"]) for scores in before.evaluations) or "none"
            raise ValueError(f"{parent!r} was not evaluated at update {at}; it was at: {known}")
        stages = before.stages_until(at)
        config = replace(stages[-1].config, **changes)
        total = config.epochs * -(-before.rows // config.batch_size)
        if total <= at:
            raise ValueError(
                f"with these settings a run ends after {total} updates, and {at} are done: "
                "give more epochs"
            )
        return Record(
            self._free(name),
            before.checkpoint,
            before.rows,
            before.every,
            total,
            [*stages, Stage(at, config)],
            parent=parent,
            steps=before.steps[:at],
            evaluations=[dict(scores) for scores in evaluations],
        )

    def train(self, run: Record, control: Control | None = None) -> Record:
        """Train a run that was begun, until its end or until ``control`` or Ctrl-C stops it.

        Errors during training are kept in the record (``status`` and ``error``), not raised.
        Raises RuntimeError while another run trains, and BusyError while another notebook trains
        a run of this name.
        """
        with (
            locked(self.folder / run.name),
            self._current(run, control or Control()) as control,
            interrupts.graceful_interrupt() as interrupt,
        ):
            try:
                self._train(run, lambda: not interrupt.asked and control.may_continue())
                run.status = record.FINISHED
            except StoppedError:
                run.status = record.STOPPED
            except Exception as error:  # noqa: BLE001 - the learner must see any error
                run.status, run.error = record.FAILED, f"{type(error).__name__}: {error}"
            finally:
                run.doing = ""
                self._save(run)
        for watcher in self.watchers:
            watcher()
        return run

    def model(self, name: str, at: int | None = None) -> tuple[nn.Module, Any]:
        """Model and tokenizer after update ``at`` of a run, by default its last."""
        run = self[name]
        if at is None:
            at = run.steps[-1].number if run.steps else 0
        steps = self.replay.reach(run, at, self.snapshots, Control().may_continue)
        steps.close()
        return steps.model, steps.batches.tokenizer

    def compare(self) -> pd.DataFrame:
        """One row per run: the settings in which runs differ, and the best evaluation."""
        return compare.table(self.records.values(), self.monitor)

    def figure(self, *, ax: Axes | None = None) -> Axes:
        """Training and validation loss of all runs over their updates."""
        return compare.figure(self.records.values(), self.monitor, ax=ax)

    def to_csv(self, file: str | Path | None = None) -> Path:
        """Write every update and evaluation of all runs as a table, by default ``folder/runs.csv``.

        An older table of runs is replaced. Raises ExistsError for any other file.
        """
        file = Path(file or self.folder / "runs.csv")
        table = compare.long(self.records.values())
        header = ",".join(table.columns)
        if file.exists() and file.read_text("utf-8", errors="replace").split("\n")[0] != header:
            raise ExistsError(f"{file} is no table of runs from a workbench: choose another file")
        write_text(file, table.to_csv(index=False))
        return file

    def code(self, name: str) -> str:
        """Python code that trains the same run without a workbench, branches included."""
        return codegen.write(self[name], self.replay, self.source)

    def free_name(self) -> str:
        """The first of "run 1", "run 2" and so on that is not taken."""
        number = len(self.records) + 1
        while f"run {number}" in self.records or (self.folder / f"run {number}").exists():
            number += 1
        return f"run {number}"

    def __getitem__(self, name: str) -> Record:
        if name not in self.records:
            known = ", ".join(map(repr, self.records)) or "none"
            raise KeyError(f"no run {name!r} on this workbench; there are: {known}")
        return self.records[name]

    def _free(self, name: str | None) -> str:
        name = self.free_name() if name is None else record.check_name(name)
        taken = {known.casefold() for known in self.records} | {"snapshots"}
        # Some file systems ignore case, and another notebook may have added runs meanwhile.
        if name.casefold() in taken or (self.folder / name).exists():
            raise ValueError(f"the name {name!r} is taken: choose another")
        return name

    @contextmanager
    def _current(self, run: Record, control: Control) -> Iterator[Control]:
        """A context in which the run is the only one that trains; RuntimeError if another does."""
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(f"{self.current.name!r} is training: stop it, or wait for its end")
        try:
            self.current = run
            self.control = control
            self.records[run.name] = run
            yield control
        finally:
            self.current = None
            self._lock.release()

    def _train(self, run: Record, may_continue: Callable[[], bool]) -> None:
        """Train from where the run leaves its parent; StoppedError if it may not continue."""
        self._save(run)
        snapshot_seconds = 0.0
        began = time.perf_counter()
        with closing(self.replay.reach(run, run.start, self.snapshots, may_continue)) as steps:
            fitting.check_memory(steps.model, steps.batches, steps.config)
            run.doing = "training"
            while steps.number < run.total:
                if not may_continue():
                    raise StoppedError
                run.steps.append(next(steps))
                if steps.number % run.every == 0 or steps.number == run.total:
                    self._evaluate(run, steps)
                    if snapshot_seconds < self.share * (time.perf_counter() - began):
                        start = time.perf_counter()
                        self.replay.keep_snapshot(run, steps, self.snapshots)
                        snapshot_seconds += time.perf_counter() - start

    def _evaluate(self, run: Record, steps: training.Run) -> None:
        run.doing = "evaluating"
        start = time.perf_counter()
        scores = self.replay.scores(steps.model, steps.batches.tokenizer)
        run.evaluations.append(
            {"step": steps.number, "epoch": steps.number / len(steps.batches), **scores}
        )
        run.evaluating += time.perf_counter() - start
        self._save(run)
        run.doing = "training"

    def _save(self, run: Record) -> None:
        record.write(run, self.folder / run.name / "run.json")
