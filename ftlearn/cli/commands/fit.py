"""``ftlearn fit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ftlearn.cli.errors import INTERRUPTED
from ftlearn.cli.fit_options import FileOptions, RunOptions, TrainingOptions
from ftlearn.cli.joint_options import JointOptions
from ftlearn.cli.model_options import ModelOptions
from ftlearn.cli.options import DeviceOptions, ReadingOptions, grouped
from ftlearn.cli.output import fit_lines, is_main_process, say

if TYPE_CHECKING:
    from ftlearn.workflows import Outcome, Plan


@grouped
def fit(
    files: FileOptions,
    reading: ReadingOptions,
    model: ModelOptions,
    training: TrainingOptions,
    joint: JointOptions,
    run: RunOptions,
    device: DeviceOptions,
) -> None:
    """Fine-tune a pretrained model on your labelled texts or chats, and report how good it is.

    Splits off validation and test rows where you give none, trains with checkpoints, compares with
    simple baselines, and writes into --out: `model/` (opens with transformers), `report.html`,
    `report.json` and `history.csv`.

    Example: `ftlearn fit reviews.csv --text review --label topic --out run`

    Then: `ftlearn predict run --input new.txt --output answers.jsonl`

    A model that writes: `ftlearn fit chats.jsonl --task chat --lora 8 --out run`

    Then: `ftlearn generate run --input prompts.jsonl --output said.jsonl`, or `ftlearn chat run`

    One that answers as you prefer: `ftlearn fit pairs.jsonl --task preference --lora 8 --out run`
    """
    from ftlearn import workflows

    adapts = model.lora is not None or model.adapter is not None
    trained = training.settings(adapters=adapts) | joint.settings()
    rows = workflows.Files(**files.settings(), **vars(reading))
    plan = workflows.Plan(files=rows, out=run.out, **trained, **vars(model), **vars(device))
    try:
        outcome = workflows.fit(plan, resume=run.resume, log=say)
    except KeyboardInterrupt:
        if is_main_process():
            say(_how_to_resume(plan), err=True)
        raise typer.Exit(INTERRUPTED) from None
    _show(plan, outcome)
    if outcome.state == workflows.INTERRUPTED:
        raise typer.Exit(INTERRUPTED)


def _show(plan: Plan, outcome: Outcome) -> None:
    from ftlearn import workflows

    if not is_main_process():
        return
    if outcome.state == workflows.INTERRUPTED:
        last = outcome.history.steps[-1]
        say(f"stopped after update {last.number} of {last.total}", err=True)
        say(_how_to_resume(plan), err=True)
    elif outcome.state == workflows.FINISHED_BEFORE:
        say(f"this run is finished already: see {Path(plan.out) / 'report.html'}")
    elif outcome.summary is not None:
        for line in fit_lines(outcome.summary, Path(plan.out)):
            say(line)


def _how_to_resume(plan: Plan) -> str:
    from ftlearn.training.checkpoints import Store

    folder = Path(plan.out) / "checkpoints"
    if Store(folder):
        return f"saved in {folder}: the same command with --resume continues from there"
    return "nothing of the training is saved yet: the same command with --resume starts again"
