"""The options of ``ftlearn fit`` in groups: the files, the training, the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from ftlearn.cli.options import DATA, RUN, TRAINING, option, text_columns
from ftlearn.errors import ArgumentError

LORA_RATE = 5e-4
"""The learning rate of adapters, which begin at zero and need larger steps than weights."""


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """What to learn from."""

    train: Annotated[
        Path,
        typer.Argument(
            metavar="TRAIN",
            help="Labelled texts: .csv, .tsv, .jsonl or .parquet, one row per text. Chats, "
            "completions and preferences: .jsonl.",
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
    text_pair: Annotated[
        str | None,
        option("The column with the second text of a pair, beside --text.", DATA, "COLUMN"),
    ] = None
    label: Annotated[
        list[str],
        option(
            "The column with the label, the number or the answer to learn. Without it that of the "
            "task: label, answer or answers. With --task joint give it twice or more.",
            DATA,
            "COLUMN",
        ),
    ] = field(default_factory=list)
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
            "where all labels are numbers and one has decimals. ordinal (levels in an order, such "
            "as stars), chat (messages with roles), "
            "completion (prompt and answer), language-modelling (texts), question-answering "
            "(question, context, answer), pair (two texts and a label or number), joint (several "
            "--label columns, one model), ranking (a text "
            "and its item), preference (prompt, chosen and rejected answer; a model that writes) "
            "or reward (the same; a model that scores answers).",
            DATA,
        ),
    ] = "auto"
    levels: Annotated[
        str | None,
        option(
            "For ordinal, the labels from the lowest to the highest, such as bad,fair,good. "
            "Without it they must be numbers.",
            DATA,
            "LABEL,LABEL,...",
        ),
    ] = None
    drop_rare: Annotated[
        int,
        option("Leave out labels with fewer rows than this in TRAIN, in all files.", DATA, "ROWS"),
    ] = 0

    def settings(self) -> dict[str, Any]:
        """The files and columns, as ``workflows.Files`` takes them."""
        settings = {**vars(self), "text": text_columns(self.text, self.text_pair)}
        settings |= self._labels()
        settings["levels"] = tuple(name.strip() for name in (self.levels or "").split(",") if name)
        del settings["text_pair"]
        return settings

    def _labels(self) -> dict[str, Any]:
        """The label column, or for several tasks the columns."""
        if self.task == "joint":
            return {"label": None, "labels": tuple(self.label)}
        if len(self.label) > 1:
            raise ArgumentError(
                f"`label` names {len(self.label)} columns, which task='joint' learns at once: give "
                f"one for the task {self.task}"
            )
        return {"label": self.label[0] if self.label else None}


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How to train."""

    epochs: Annotated[int, option("Passes over the training rows.", TRAINING)] = 3
    learning_rate: Annotated[
        float | None,
        option(
            "Step size. Halve it if the loss jumps; 1e-5 to 5e-4 is usual, with --lora 1e-4 to "
            "2e-3. Without it 1e-4, with --lora or --adapter 5e-4.",
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
    layer_decay: Annotated[
        float,
        option(
            "Each layer learns at this share of the rate of the layer above it, such as 0.9: lower "
            "layers change less.",
            TRAINING,
        ),
    ] = 1.0
    lora_plus_ratio: Annotated[
        float,
        option(
            "LoRA+: how many times the rate of its matrices A the matrices B learn at, such as 16.",
            TRAINING,
            flag="--lora-plus",
        ),
    ] = 1.0
    patience: Annotated[
        int | None,
        option(
            "Stop after this many epochs without a better validation loss. Without it, never. "
            "The best epoch's weights are kept either way.",
            TRAINING,
        ),
    ] = None
    loss: Annotated[
        str | None,
        option(
            "For preference: dpo, ipo, kto, orpo or simpo; without it dpo. For ordinal: coral or "
            "cumulative-link; without it coral.",
            TRAINING,
            "NAME",
        ),
    ] = None
    beta: Annotated[
        float | None,
        option(
            "For preference: how tightly the model is held to its reference (dpo, ipo, kto), or "
            "the weight of the comparison (orpo, simpo). Without it 0.1, for simpo 2.",
            TRAINING,
        ),
    ] = None
    decode: Annotated[
        str | None,
        option(
            "For ordinal, the level that is predicted: mode (best for accuracy), median (absolute "
            "error) or mean (squared error). Without it median.",
            TRAINING,
            "NAME",
        ),
    ] = None
    seed: Annotated[
        int, option("Fixes the split, the order of the rows and the new head.", TRAINING, least=0)
    ] = 0

    def settings(self, *, adapters: bool) -> dict[str, Any]:
        """The settings of the training, as ``workflows.Plan`` takes them."""
        from ftlearn.config import TrainConfig

        settings = dict(vars(self))
        others = {name: settings.pop(name) for name in ("patience", "loss", "beta", "decode")}
        if settings["learning_rate"] is None:
            settings["learning_rate"] = LORA_RATE if adapters else TrainConfig.learning_rate
        return {**others, "config": TrainConfig(**settings)}


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
