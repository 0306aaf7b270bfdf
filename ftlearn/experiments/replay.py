"""Bring a run to any of its updates: from a snapshot, or by repeating its updates."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from typing import Any

from datasets import Dataset, DatasetDict
from torch import nn

from ftlearn.data.part_names import require_part
from ftlearn.evaluation import evaluate
from ftlearn.experiments.record import Record, Stage
from ftlearn.experiments.snapshot import Snapshot, SnapshotCache, resume, snapshot
from ftlearn.training import Run, steps


class StoppedError(Exception):
    """The user stopped the run."""


class Replay:
    """What all runs of a workbench share: data, task, and how a model is built."""

    def __init__(self, data: DatasetDict, task: Any, load: Callable[..., Any]) -> None:
        for part in ("train", "valid"):
            require_part(data, part)
        self.data, self.task, self.load = data, task, load

    @cached_property
    def fingerprint(self) -> str:
        """A hash of texts, targets and task."""
        task = self.task
        names = task.text_columns
        parts = [self.data["train"], self.data["valid"]]
        columns = [list(part[name]) for part in parts for name in dict.fromkeys(names)]
        targets = [list(task.targets(part)) for part in parts]
        content = json.dumps([columns, targets, repr(task)])
        return hashlib.sha256(content.encode()).hexdigest()

    def check_rows(self, rows: int | None) -> int:
        """The number of training rows, by default all; ValueError if there are not as many."""
        available = len(self.data["train"])
        if rows is None:
            return available
        if not 1 <= rows <= available:
            raise ValueError(f"rows is {rows}: the training part has between 1 and {available}")
        return rows

    def rows(self, count: int) -> Dataset:
        """The first rows of the shuffled training part: fewer rows are a subset of more."""
        train = self.data["train"]
        if count == len(train):
            return train
        return train.shuffle(seed=0).select(range(count))

    def scores(self, model: nn.Module, tokenizer: Any) -> dict[str, float]:
        """The metrics on the part ``valid``."""
        return evaluate(model, self.data["valid"], self.task, tokenizer).scores

    def reach(
        self,
        record: Record,
        number: int,
        snapshots: SnapshotCache,
        may_continue: Callable[[], bool],
    ) -> Run:
        """A run that has made ``number`` updates and continues under the settings that follow.

        It starts from the last snapshot before ``number``, or from the checkpoint, and repeats the
        updates in between, bit for bit. Raises StoppedError when ``may_continue()`` is False.
        """
        record.doing = "loading"
        seed = record.stages[0].config.seed
        model, tokenizer = self.load(record.checkpoint, self.task, seed=seed)
        rows = self.rows(record.rows)
        batches = {
            stage: self.task.batches(rows, tokenizer, stage.config) for stage in record.stages
        }
        run = self._enter(record, number, snapshots, model, batches)
        try:
            while run.number < number:
                record.doing = f"repeating update {run.number + 1} of {number}"
                if not may_continue():
                    raise StoppedError
                next(run)
                run = self._changed(record, run, batches)
        except BaseException:
            run.close()
            raise
        return run

    def keep_snapshot(self, record: Record, run: Run, snapshots: SnapshotCache) -> None:
        """Store a snapshot of the run after its current update."""
        snapshots.put(self._key(record, run.number), snapshot(run))

    def _enter(
        self, record: Record, number: int, snapshots: SnapshotCache, model: nn.Module, batches: dict
    ) -> Run:
        """A run at the last snapshot at or before an update, or at the checkpoint."""
        evaluated = [round(scores["step"]) for scores in record.evaluations]
        for at in reversed([at for at in evaluated if at <= number]):
            taken = snapshots.get(self._key(record, at))
            if taken is not None:
                stage = _stage_after(record, at)
                return self._resumed(taken, model, batches[stage], stage)
        first = record.stages[0]
        return steps(
            model, batches[first], self.task.loss, first.config, count=self.task.count_targets
        )

    def _changed(self, record: Record, run: Run, batches: dict) -> Run:
        """The run under new settings if a stage begins after its update; otherwise as it is."""
        stage = _stage_after(record, run.number)
        if run.config == stage.config:
            return run
        run.close()
        return self._resumed(snapshot(run), run.model, batches[stage], stage)

    def _resumed(self, taken: Snapshot, model: nn.Module, batches: Any, stage: Stage) -> Run:
        count = self.task.count_targets
        return resume(taken, model, batches, self.task.loss, stage.config, count=count)

    def _key(self, record: Record, number: int) -> str:
        """All that an update depends on, so that runs with the same beginning share snapshots."""
        stages = [asdict(stage) for stage in record.stages_until(number)]
        key = [self.fingerprint, record.checkpoint, record.rows, number, stages]
        return json.dumps([*key, _source(self.load)])


def _stage_after(record: Record, number: int) -> Stage:
    """The stage whose settings hold for the update after ``number``."""
    return [stage for stage in record.stages if stage.start <= number][-1]


def _source(load: Callable[..., Any]) -> str:
    """The source code of the function: under the same name it may have been changed."""
    try:
        return inspect.getsource(load)
    except (OSError, TypeError):  # not defined in a file or cell
        return repr(load)
