"""``fit``: read, cut, train, measure, save; every step restartable, every number written down."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import ClassLabel
from torch import nn

from ftlearn import compatibility, models, runtime, training
from ftlearn.evaluation import Report, report_on
from ftlearn.fast import autotune
from ftlearn.models import save
from ftlearn.models.architecture import count_parameters
from ftlearn.runtime import distributed, sharding
from ftlearn.runtime.files import strict_json, write_json, write_text
from ftlearn.tasks import Task, classification, regression
from ftlearn.training.history import History
from ftlearn.training.resuming import INTERRUPTED
from ftlearn.workflows import html
from ftlearn.workflows.folder import RunFolder
from ftlearn.workflows.keeping import alone, check_space, kept_for_later
from ftlearn.workflows.plan import Plan
from ftlearn.workflows.splits import Parts, read_parts
from ftlearn.workflows.summary import Result, history_table, noted, summary

DONE, FINISHED_BEFORE = "done", "finished before"
Teller = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended (``state``) and what came of it, where it came to its end."""

    state: str
    history: History | None = None
    report: Report | None = None
    summary: dict[str, Any] | None = None


def fit(plan: Plan, *, resume: bool = False, tell: Teller = lambda line: None) -> Outcome:
    """Carry out a plan; ``tell`` gets each line that a person at a terminal should read.

    ``resume=True`` goes on with a run that was interrupted, and does nothing where it is
    finished. Under ``torchrun`` each process trains its share and the first one writes.

    Raises DataError, ModelError, RunError, BusyError, TooLargeError, CheckpointError and
    DivergedError, each with its remedy; before training has begun nothing is written.
    """
    start, folder = time.perf_counter(), RunFolder(Path(plan.out))
    with distributed.process_group(), alone(folder), noted() as notes:
        tell = tell if distributed.is_main() else _silent
        if distributed.is_main():
            folder.check_free(resume=resume)
        parts = read_parts(plan.files, seed=plan.config.seed)
        task = _task(plan, parts)
        _tell_data(plan, parts, task, tell)
        if resume and folder.finished:
            if distributed.is_main():
                folder.begin(_asked(plan))
            return Outcome(FINISHED_BEFORE)
        model, tokenizer = _load(plan, task, parts, tell)
        check_space(folder, model, plan.config, rows=len(parts.data["train"]))
        resumed = folder.begin(_asked(plan)) if distributed.is_main() else 0
        saving = {"checkpoints": folder.checkpoints, "resume": resume}
        given = (model, parts.data, task, tokenizer, plan.config)
        history = training.train(*given, patience=plan.patience, **saving)
        if history.stopped == INTERRUPTED:
            return Outcome(INTERRUPTED, history)
        valid, test = (
            report_on(model, parts.data[part], task, tokenizer, shared=True)
            for part in ("valid", "test")
        )
        whole = sharding.unsharded_copy(model)
        if not distributed.is_main():
            return Outcome(DONE, history, test)
        result = Result(plan, parts, task, model, tokenizer, history, valid, test, notes)
        facts = summary(result, start=start, resumed=resumed)
        return _kept(folder, Outcome(DONE, history, test, facts), (whole, tokenizer, task))


def _silent(line: str) -> None:
    """For the processes that are not the first."""


def _asked(plan: Plan) -> dict[str, Any]:
    """What must be the same when a run is resumed."""
    return {"configuration": plan.settings(), "data": plan.files.sha256()}


def _task(plan: Plan, parts: Parts) -> Task:
    files = plan.files
    label = parts.data["train"].features[files.label]
    make = classification if isinstance(label, ClassLabel) else regression
    text = files.text[0] if len(files.text) == 1 else files.text
    return make(parts.data, text=text, target=files.label, max_length=plan.max_length)


def _load(plan: Plan, task: Task, parts: Parts, tell: Teller) -> tuple[nn.Module, Any]:
    """Model and tokenizer, which read the texts and have the window that the plan asks for."""
    # A sharded model is loaded beside the devices, whose memory may not hold all of it.
    place = "cpu" if plan.shard else plan.device
    model, tokenizer = models.load(
        plan.checkpoint, task, seed=plan.config.seed, pooling=plan.pooling, device=place
    )
    found = compatibility.task_and_window(task, model, tokenizer)
    found += compatibility.texts_and_tokenizer(parts.data, task, tokenizer)
    compatibility.settle(found)
    if plan.shard:
        sharding.shard(model)
    device = runtime.device_of(model)
    numbers = autotune.training(model, device)
    millions, threads = count_parameters(model).total / 1e6, torch.get_num_threads()
    tell(
        f"model: {plan.checkpoint}, {millions:.1f} million parameters, on {device.type}, "
        f"{threads} thread{'s' * (threads > 1)}, in {numbers}"
    )
    return model, tokenizer


def _tell_data(plan: Plan, parts: Parts, task: Task, tell: Teller) -> None:
    for report in parts.reports.values():
        tell(str(report))
    labels = getattr(task, "labels", None)
    of = f"one of {len(labels)} labels ({_few(labels)})" if labels else "a number"
    tell(f"task: {' and '.join(plan.files.text)} → {plan.files.label}, {of}")
    rows = ", ".join(f"{len(part)} {name}" for name, part in parts.data.items())
    cut = f" ({' and '.join(parts.cut)} cut from the training file)" if parts.cut else ""
    tell(f"rows: {rows}{cut}")


def _few(labels: tuple[str, ...], most: int = 8) -> str:
    return ", ".join(labels[:most]) + (", ..." if len(labels) > most else "")


def _kept(folder: RunFolder, outcome: Outcome, fitted: tuple[nn.Module, Any, Task]) -> Outcome:
    """Write scores and report, and then the model: a disk may be full, and it is the largest."""
    with kept_for_later(folder, fitted[0], outcome.history):
        _write(folder, outcome.summary, outcome.history, outcome.report)
        save(*fitted, folder.model)
    folder.end()
    return outcome


def _write(folder: RunFolder, facts: dict[str, Any], history: History, test: Report) -> None:
    """Everything but the model."""
    write_text(
        folder.out / "history.csv", history_table(history).to_csv(index=False, lineterminator="\n")
    )
    facts = strict_json(facts)
    page = html.report_page(facts, history, test, title=facts["title"])
    write_text(folder.out / "report.html", page)
    write_json(folder.report, facts)
