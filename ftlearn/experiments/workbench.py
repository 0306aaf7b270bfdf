"""The workbench: trains named runs one at a time, and keeps all of them."""

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
    so that another workbench on the same data and folder, after a restart too, has it again;
    ``folder=None`` keeps runs only as long as the workbench. ``load(checkpoint, task, seed=...)``
    gives model and tokenizer. Snapshots for ``branch`` take at most ``space`` bytes, and
    ``share`` of the time of a run; any evaluation can be returned to, with a snapshot or without.

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
        self.route = Replay(datasets.load(data) if isinstance(data, str) else data, task, load)
        self.source = data if isinstance(data, str) else None
        self.monitor, self.share = task.monitor, share
        self._temporary = tempfile.TemporaryDirectory() if folder is None else None
        self.folder = Path(folder or self._temporary.name)
        self.shelf = SnapshotCache(self.folder / "snapshots", space=space)
        self.records = record.read_all(self.folder, self.route.fingerprint)
        self.current: Record | None = None
        self.control = Control()
        self.watchers: list[Callable[[], None]] = []  # called whenever a run has ended
        self._one = threading.Lock()

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
        """Go back to an evaluation of a run and train on from there with changed settings.

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
        """The record of a new run, not yet trained; ``every`` is an epoch where it is not given.

        Raises ValueError for a name that is taken or impossible, and impossible settings.
        """
        config = config or TrainConfig()
        rows = self.route.check_rows(rows)
        epoch = -(-rows // config.batch_size)
        every = epoch if every is None else every
        if every < 1:
            raise ValueError(f"every is {every}: evaluate after at least 1 update")
        total = config.epochs * epoch
        name = self._free(name)
        return Record(name, checkpoint, rows, every, total, [Stage(0, config)])

    def begin_branch(self, parent: str, at: int, name: str | None = None, **changes: Any) -> Record:
        """The record of a run that leaves ``parent`` after update ``at``, not yet trained.

        Raises KeyError for an unknown parent, and ValueError where it was not evaluated or where
        nothing would be left to train.
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

        What goes wrong on the way is kept in the record (``status`` and ``error``), not raised.
        Raises RuntimeError while another run is at work, and BusyError while another notebook
        trains a run of this name.
        """
        alone = locked(self.folder / run.name)
        with (
            alone,
            self._alone(run, control or Control()) as control,
            interrupts.graceful_interrupt() as interrupt,
        ):
            try:
                self._train(run, lambda: not interrupt.asked and control.may_go_on())
                run.status = record.FINISHED
            except StoppedError:
                run.status = record.STOPPED
            except Exception as error:  # noqa: BLE001 - whatever it is, the learner must see it
                run.status, run.error = record.FAILED, f"{type(error).__name__}: {error}"
            finally:
                run.doing = ""
                self._keep(run)
        for tell in self.watchers:
            tell()
        return run

    def model(self, name: str, at: int | None = None) -> tuple[nn.Module, Any]:
        """Model and tokenizer as they were at an update of a run; None is its last."""
        run = self[name]
        last = run.steps[-1].number if run.steps else 0
        reached = self.route.reach(run, last if at is None else at, self.shelf, Control().may_go_on)
        reached.close()
        return reached.model, reached.batches.tokenizer

    def compare(self) -> pd.DataFrame:
        """One row a run: the settings in which they differ, and the best evaluation."""
        return compare.table(self.records.values(), self.monitor)

    def figure(self, *, ax: Axes | None = None) -> Axes:
        """Training and validation loss of all runs over their updates."""
        return compare.figure(self.records.values(), self.monitor, ax=ax)

    def to_csv(self, file: str | Path | None = None) -> Path:
        """Write every update and evaluation of all runs as a table; ``folder/runs.csv``.

        An older table of runs is replaced. Raises ExistsError for any other file.
        """
        file, table = Path(file or self.folder / "runs.csv"), compare.long(self.records.values())
        header = ",".join(table.columns)
        if file.exists() and file.read_text("utf-8", errors="replace").split("\n")[0] != header:
            raise ExistsError(f"{file} is no table of runs that was written here: name another")
        write_text(file, table.to_csv(index=False))
        return file

    def code(self, name: str) -> str:
        """Python code that trains the same run by itself, branches included."""
        return codegen.write(self[name], self.route, self.source)

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
        # Some disks do not tell a from A, and another notebook may have added runs meanwhile.
        if name.casefold() in taken or (self.folder / name).exists():
            raise ValueError(f"the name {name!r} is taken: choose another")
        return name

    @contextmanager
    def _alone(self, run: Record, control: Control) -> Iterator[Control]:
        if not self._one.acquire(blocking=False):
            raise RuntimeError(f"{self.current.name!r} is training: stop it, or wait for its end")
        try:
            self.current, self.control, self.records[run.name] = run, control, run
            yield control
        finally:
            self.current = None
            self._one.release()

    def _train(self, run: Record, may_go_on: Callable[[], bool]) -> None:
        """Train from where the run leaves its parent; raise StoppedError when it may not go on."""
        self._keep(run)
        spent, began = 0.0, time.perf_counter()
        with closing(self.route.reach(run, run.start, self.shelf, may_go_on)) as steps:
            fitting.check_memory(steps.model, steps.batches, steps.config)
            run.doing = "training"
            while steps.number < run.total:
                if not may_go_on():
                    raise StoppedError
                run.steps.append(next(steps))
                if steps.number % run.every == 0 or steps.number == run.total:
                    self._evaluate(run, steps)
                    if spent < self.share * (time.perf_counter() - began):
                        start = time.perf_counter()
                        self.route.shelve(run, steps, self.shelf)
                        spent += time.perf_counter() - start

    def _evaluate(self, run: Record, steps: training.Run) -> None:
        run.doing, start = "evaluating", time.perf_counter()
        scores = self.route.scores(steps.model, steps.batches.tokenizer)
        run.evaluations.append(
            {"step": steps.number, "epoch": steps.number / len(steps.batches), **scores}
        )
        run.evaluating += time.perf_counter() - start
        self._keep(run)
        run.doing = "training"

    def _keep(self, run: Record) -> None:
        record.write(run, self.folder / run.name / "run.json")
