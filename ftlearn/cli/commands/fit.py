"""``ftlearn fit``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ftlearn.cli.errors import INTERRUPTED
from ftlearn.cli.options import (
    DATA,
    MODEL,
    RUN,
    TRAINING,
    DeviceOptions,
    ReadingOptions,
    grouped,
    option,
)
from ftlearn.cli.output import fit_lines, is_main_process, say

if TYPE_CHECKING:
    from ftlearn.workflows import Outcome, Plan


LORA_RATE = 5e-4
"""The learning rate of adapters, which begin at zero and need larger steps than weights."""


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """What to learn from."""

    train: Annotated[
        Path,
        typer.Argument(
            metavar="TRAIN",
            help="Labelled texts: .csv, .tsv, .jsonl or .parquet, one row per text. Chats and "
            "completions: .jsonl.",
        ),
    ]
    text: Annotated[
        list[str],
        option(
            "The column with the text. Give it twice for pairs of texts. Without it that of the "
            "task: text, messages, prompt, or question and context.",
            DATA,
            "COLUMN",
        ),
    ] = field(default_factory=list)
    label: Annotated[
        str | None,
        option(
            "The column with the label, the number or the answer to learn. Without it that of the "
            "task: label, answer or answers.",
            DATA,
            "COLUMN",
        ),
    ] = None
    valid: Annotated[
        Path | None,
        option("Rows to choose the best epoch by. Without it, a tenth of TRAIN.", DATA, "FILE"),
    ] = None
    test: Annotated[
        Path | None,
        option(
            "Rows for the final score, never trained on, with labels of TRAIN. Without it, a "
            "tenth of TRAIN.",
            DATA,
            "FILE",
        ),
    ] = None
    task: Annotated[
        str,
        option(
            "classification (one of a few labels), regression (a number), or auto: regression "
            "where all labels are numbers and one has decimals. chat (messages with roles), "
            "completion (prompt and answer), language-modelling (texts), question-answering "
            "(question, context, answer).",
            DATA,
        ),
    ] = "auto"
    drop_rare: Annotated[
        int,
        option("Leave out labels with fewer rows than this in TRAIN, in all files.", DATA, "ROWS"),
    ] = 0


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The model to start from."""

    checkpoint: Annotated[
        str | None,
        option(
            "The pretrained model: a name (minilm and smollm2 need no network), a Hub id or a "
            "folder. A classifier for other labels gets a new head. Without it minilm, or smollm2 "
            "where the model writes.",
            MODEL,
            "NAME|FOLDER",
        ),
    ] = None
    lora: Annotated[
        int | None,
        option(
            "Train LoRA adapters of this rank, such as 8, in place of the weights: less memory, "
            "less forgotten. Writes adapter/ beside the merged model/.",
            MODEL,
            "RANK",
        ),
    ] = None
    lora_layers: Annotated[
        int | None, option("Adapters in this many top layers only: faster.", MODEL, "LAYERS")
    ] = None
    system: Annotated[
        str | None,
        option("For chats without one: the system prompt, in training and later.", MODEL, "TEXT"),
    ] = None
    template: Annotated[
        Path | None,
        option("A Jinja chat template in place of the model's own.", MODEL, "FILE"),
    ] = None
    pooling: Annotated[
        str,
        option(
            "How the vectors of a text become one: pretrained (as in transformers' own class, the "
            "only way that transformers.pipeline opens), mean (MiniLM's own) or cls (the first "
            "token's).",
            MODEL,
        ),
    ] = "pretrained"
    max_length: Annotated[
        int | None,
        option(
            "Tokens (about 3/4 of a word) read of each text, at most as many as the model has "
            "positions; the rest is cut. Without it 128, for chats 512, for questions 384, for "
            "completions 256.",
            MODEL,
        ),
    ] = None
    shard: Annotated[
        bool,
        option(
            "For a model that does not fit one device: under torchrun, spread its weights over "
            "all of them (FSDP2).",
            MODEL,
            flag="--shard",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How to train."""

    epochs: Annotated[int, option("Passes over the training rows.", TRAINING)] = 3
    learning_rate: Annotated[
        float | None,
        option(
            "Step size. Halve it if the loss jumps; 1e-5 to 5e-4 is usual, with --lora 1e-4 to "
            "2e-3. Without it 1e-4, with --lora 5e-4.",
            TRAINING,
        ),
    ] = None
    batch_size: Annotated[int, option("Rows in one update.", TRAINING)] = 16
    micro_batches: Annotated[
        int,
        option(
            "Cut each batch into this many parts: less memory, the same result, a little slower.",
            TRAINING,
        ),
    ] = 1
    patience: Annotated[
        int | None,
        option(
            "Stop after this many epochs without a better validation loss. Without it, never. "
            "The best epoch's weights are kept either way.",
            TRAINING,
        ),
    ] = None
    seed: Annotated[
        int, option("Fixes the split, the order of the rows and the new head.", TRAINING, least=0)
    ] = 0


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where the results go."""

    out: Annotated[
        Path, option("A new folder for the model, the report and the checkpoints.", RUN, "DIR")
    ]
    resume: Annotated[
        bool,
        option(
            "Continue an interrupted run in --out; all other options as before.",
            RUN,
            flag="--resume",
        ),
    ] = False


@grouped
def fit(
    files: FileOptions,
    reading: ReadingOptions,
    model: ModelOptions,
    training: TrainingOptions,
    run: RunOptions,
    device: DeviceOptions,
) -> None:
    """Fine-tune a pretrained model on your labelled texts or chats, and report how good it is.

    Splits off validation and test rows where you give none, trains with checkpoints, compares with
    simple baselines, and writes into --out: `model/` (opens with transformers), `report.html`,
    `report.json` and `history.csv`.

    Example: `ftlearn fit reviews.csv --text review --label stars --out run`

    Then: `ftlearn predict run --input new.txt --output answers.jsonl`

    A model that writes: `ftlearn fit chats.jsonl --task chat --lora 8 --out run`

    Then: `ftlearn generate run --input prompts.jsonl --output said.jsonl`, or `ftlearn chat run`
    """
    from ftlearn import workflows

    chosen = vars(model) | vars(device) | _training(training, adapters=model.lora is not None)
    plan = workflows.Plan(
        files=workflows.Files(**vars(files), **vars(reading)), out=run.out, **chosen
    )
    try:
        outcome = workflows.fit(plan, resume=run.resume, log=say)
    except KeyboardInterrupt:
        if is_main_process():
            say(_how_to_resume(plan), err=True)
        raise typer.Exit(INTERRUPTED) from None
    _show(plan, outcome)
    if outcome.state == workflows.INTERRUPTED:
        raise typer.Exit(INTERRUPTED)


def _training(options: TrainingOptions, *, adapters: bool) -> dict[str, Any]:
    """The settings of the training, as a plan takes them."""
    from ftlearn.config import TrainConfig

    settings = dict(vars(options))
    patience = settings.pop("patience")
    if settings["learning_rate"] is None:
        settings["learning_rate"] = LORA_RATE if adapters else TrainConfig.learning_rate
    return {"patience": patience, "config": TrainConfig(**settings)}


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
