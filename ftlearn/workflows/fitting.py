"""``fit``: read, split, train, measure, save; every step can be resumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ftlearn import compatibility, language, models, runtime, training
from ftlearn.evaluation import Report, report_on
from ftlearn.fast import autotune
from ftlearn.models import save, save_adapter, save_tasks, with_adapter
from ftlearn.models.architecture import count_parameters
from ftlearn.models.virtual_tokens import shorten_window
from ftlearn.models.wrapping import is_adapted, virtual_token_count
from ftlearn.runtime import distributed, sharding
from ftlearn.runtime.files import strict_json, write_json, write_text
from ftlearn.tasks import Joint, Task
from ftlearn.training.history import History
from ftlearn.training.resuming import INTERRUPTED
from ftlearn.workflows import html, tasks, writing
from ftlearn.workflows.disk_space import check_space, explain_full_disk
from ftlearn.workflows.folder import RunFolder, locked_by_main
from ftlearn.workflows.plan import WRITING, Plan
from ftlearn.workflows.references import with_reference
from ftlearn.workflows.splits import Parts
from ftlearn.workflows.summary import (
    Result,
    Written,
    history_table,
    record_warnings,
    summary,
)

DONE, FINISHED_BEFORE = "done", "finished before"
PARITY_PROMPTS = 2
"""Prompts for which the saved model must write what the trained one does."""
Log = Callable[[str], None]
"""Takes one line for the person at the terminal."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended (``state``), and its results where it reached the end."""

    state: str
    history: History | None = None
    report: Report | None = None
    summary: dict[str, Any] | None = None


def fit(plan: Plan, *, resume: bool = False, log: Log = lambda line: None) -> Outcome:
    """Carry out a plan; ``log`` gets each line that a person at a terminal should read.

    ``resume=True`` continues an interrupted run; of a finished one it checks that settings and data
    are the same. Under ``torchrun`` each process trains on its share and the first one writes.

    Raises DataError, ModelError, RunError, BusyError, TooLargeError, CheckpointError and
    DivergedError, each with its remedy; before training has begun nothing but run.json is written.
    """
    start, folder = time.perf_counter(), RunFolder(Path(plan.out))
    with distributed.process_group(), locked_by_main(folder), record_warnings() as notes:
        main = distributed.is_main()
        log = log if main else _silent
        if main:
            folder.check_free(resume=resume)
        parts, task = _read(plan, log)
        if resume and folder.finished:
            if main:
                folder.begin(_request(plan))  # refuses other settings or data
            return Outcome(FINISHED_BEFORE)
        model, tokenizer = _load(plan, task, parts, log)
        check_space(folder, model, plan.config, rows=len(parts.data["train"]))
        resumed = folder.begin(_request(plan)) if main else 0
        parts, task = with_reference(parts, task, model, tokenizer)
        before = _observe(plan, model, tokenizer, task, parts, log)
        untrained = before and report_on(model, parts.data["test"], task, tokenizer)
        history = _train(plan, model, tokenizer, task, parts, resume=resume)
        if history.stopped == INTERRUPTED:
            return Outcome(INTERRUPTED, history)
        valid = report_on(model, parts.data["valid"], task, tokenizer, shared=True)
        test = report_on(model, parts.data["test"], task, tokenizer, shared=True)
        after = _observe(plan, model, tokenizer, task, parts, log)
        unsharded = sharding.unsharded_copy(model)
        if not main:
            return Outcome(DONE, history, test)
        written = before and Written(before, after, untrained)
        result = Result(plan, parts, task, model, tokenizer, history, valid, test, notes, written)
        outcome = Outcome(DONE, history, test, summary(result, start=start, resumed=resumed))
        _save(folder, outcome, result, unsharded)
        return outcome


def _silent(line: str) -> None:
    """For the processes that are not the first."""


def _request(plan: Plan) -> dict[str, Any]:
    """What must be the same when a run is resumed."""
    return {"configuration": plan.settings(), "data": plan.files.sha256()}


def _read(plan: Plan, log: Log) -> tuple[Parts, Task]:
    parts, task = tasks.read(plan)
    for report in parts.reports.values():
        log(str(report))
    log(f"task: {tasks.described(task)}")
    log(_rows(parts))
    return parts, task


def _rows(parts: Parts) -> str:
    """How many rows each part has, and which parts were cut from the training file."""
    rows = ", ".join(f"{len(part)} {name}" for name, part in parts.data.items())
    if len(parts.cut) > 1:
        first, second = parts.cut
        return f"rows: {rows!s} ({first} and {second} cut from the training file)"
    if parts.cut:
        return f"rows: {rows!s} ({parts.cut[0]} cut from the training file)"
    return f"rows: {rows!s}"


def _load(plan: Plan, task: Task, parts: Parts, log: Log) -> tuple[nn.Module, Any]:
    """Model and tokenizer, after a check that they can read the texts at the length asked for."""
    # A sharded model is loaded beside the devices, whose memory may not hold all of it.
    device = "cpu" if plan.shard else plan.device
    model, tokenizer = models.load(
        plan.checkpoint, task, seed=plan.config.seed, pooling=plan.pooling, device=device
    )
    if plan.method is not None:
        model = with_adapter(
            model,
            plan.method,
            rank=plan.lora,
            layers=plan.lora_layers,
            tokens=plan.virtual_tokens,
            seed=plan.config.seed,
        )
        shorten_window(model, tokenizer)
    findings = compatibility.task_and_window(task, model, tokenizer)
    findings += compatibility.texts_and_tokenizer(parts.data, task, tokenizer)
    compatibility.settle(findings)
    tasks.use_template(task, tokenizer)
    if plan.activation_checkpointing:
        models.checkpoint_activations(model)
    if plan.shard:
        sharding.shard(model)
    _log_model(plan, model, log)
    return model, tokenizer


def _log_model(plan: Plan, model: nn.Module, log: Log) -> None:
    device = runtime.device_of(model)
    arithmetic = autotune.training(model, device)
    count, number = count_parameters(model), torch.get_num_threads()
    threads = f"{number} threads" if number > 1 else "1 thread"
    total, trained = count.total / 1e6, count.trainable / 1e6
    if plan.method:
        log(
            f"model: {plan.checkpoint!s}, {total:.1f} million parameters, {trained:.2f} million of "
            f"them trained, on {device.type}, {threads}, in {arithmetic!s}"
        )
    else:
        log(
            f"model: {plan.checkpoint!s}, {total:.1f} million parameters, on {device.type}, "
            f"{threads}, in {arithmetic!s}"
        )


def _observe(
    plan: Plan, model: nn.Module, tokenizer: Any, task: Task, parts: Parts, log: Log
) -> writing.Writing | None:
    """What a language model writes now; None for other tasks, and for one of several ranks."""
    if plan.files.task not in WRITING or distributed.world_size() > 1:
        return None
    count = min(writing.PROMPTS, len(parts.data["test"]))
    log(f"the model writes for {count} prompts of the test rows ...")
    return writing.observe(model, tokenizer, task, parts.data["test"])


def _train(
    plan: Plan, model: nn.Module, tokenizer: Any, task: Task, parts: Parts, *, resume: bool
) -> History:
    return training.train(
        model,
        parts.data,
        task,
        tokenizer,
        plan.config,
        patience=plan.patience,
        checkpoints=RunFolder(Path(plan.out)).checkpoints,
        resume=resume,
    )


def _save(folder: RunFolder, outcome: Outcome, result: Result, model: nn.Module) -> None:
    """Write the reports, then the model: it is the largest, and the disk may be full."""
    with explain_full_disk(folder, model, outcome.history):
        _write(folder, outcome)
        if is_adapted(model):
            save_adapter(model, result.tokenizer, result.task, folder.adapter)
        if isinstance(result.task, Joint):
            save_tasks(model, result.tokenizer, result.task, folder.tasks)
        if not virtual_token_count(model):  # which are part of no weight
            save(model, result.tokenizer, result.task, folder.model)
    if result.written:
        _check_parity(folder, result, model)
    folder.end()


def _check_parity(folder: RunFolder, result: Result, model: nn.Module) -> None:
    """Raise ModelError where the saved model reads, computes or writes otherwise."""
    prompts = result.written.after.prompts[:PARITY_PROMPTS]
    # One after the other: two copies of a model in fp32 would be the most memory of the run.
    trained = models.greedy_answers(model, result.tokenizer, prompts, task=result.task)
    written = folder.adapter if virtual_token_count(model) else folder.model
    reopened, its_tokenizer, _ = models.load_finetuned(written, runtime.device_of(model))
    models.parity(trained, models.greedy_answers(reopened, its_tokenizer, prompts))


def _write(folder: RunFolder, outcome: Outcome) -> None:
    """Everything but the model."""
    history = history_table(outcome.history).to_csv(index=False, lineterminator="\n")
    write_text(folder.out / "history.csv", history)
    facts = strict_json(outcome.summary)
    page = html.report_page(
        facts,
        outcome.history,
        outcome.report,
        title=facts["title"],
        language=language.chosen(),
    )
    write_text(folder.out / "report.html", page)
    write_json(folder.report, facts)
