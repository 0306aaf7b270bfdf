"""The settings of a run: which files, which model, how it is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ftlearn.config import TrainConfig
from ftlearn.data.errors import close_match
from ftlearn.errors import ArgumentError
from ftlearn.models.pooling import POOLINGS
from ftlearn.runtime.arguments import whole_number
from ftlearn.runtime.files import sha256

KINDS = {"auto": "auto", "classification": "class", "regression": "number"}
"""The kind of label column, in the words of ``data.read``, for each kind of task."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where the rows are and how to read them; see ``data.read``.

    text        the text column, or two for a pair of texts
    valid, test  files for validation and test; their rows with a label that ``train`` does not
                have are refused. Where one is missing, a tenth of ``train`` takes its place
    task        classification, regression, or auto: what the labels look like
    drop_rare   labels with fewer rows than this in ``train`` are left out, in all files

    >>> Files(train="notes.csv", task="clasification")
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: unknown task 'clasification': use auto, classification,
    regression. Did you mean 'classification'?
    """

    train: str | Path
    valid: str | Path | None = None
    test: str | Path | None = None
    text: tuple[str, ...] = ("text",)
    label: str = "label"
    task: str = "auto"
    delimiter: str | None = None
    encoding: str | None = None
    quoting: str = "auto"
    drop_rare: int = 0

    def __post_init__(self) -> None:
        text = (self.text,) if isinstance(self.text, str) else tuple(self.text)
        object.__setattr__(self, "text", text)
        if self.drop_rare < 0:
            raise ArgumentError(f"drop_rare is {self.drop_rare}: it must be a number of rows")
        if self.task not in KINDS:
            hint = close_match(self.task, KINDS)
            raise ArgumentError(f"unknown task {self.task!r}: use {', '.join(KINDS)}.{hint}")

    @property
    def paths(self) -> dict[str, Path]:
        """The files by part: train, and valid and test where there are such files."""
        files = {"train": self.train, "valid": self.valid, "test": self.test}
        return {part: Path(file) for part, file in files.items() if file is not None}

    @property
    def reading(self) -> dict[str, Any]:
        """How the files are read, as ``data.read`` takes it."""
        return {
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "quoting": self.quoting,
        }

    def sha256(self) -> dict[str, str]:
        """The fingerprint of each file, by part."""
        return {part: sha256(path) for part, path in self.paths.items()}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run of ``fit``.

    out         the folder for everything that is written
    checkpoint  the pretrained model: a name or a folder, as ``models.load`` takes it
    pooling     pretrained, mean or cls; only with pretrained can transformers.pipeline open
                the saved model
    max_length  tokens read of each text; the rest is cut
    patience    evaluations without improvement before training stops early; None never stops
    shard       under ``torchrun``, shard the weights over the devices instead of copying them

    >>> Plan(files=Files(train="notes.csv"), out="run", pooling="max")
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: unknown pooling 'max': use pretrained, mean, cls
    """

    files: Files
    out: str | Path
    checkpoint: str | Path = "minilm"
    pooling: str = "pretrained"
    max_length: int = 128
    patience: int | None = None
    device: str | None = None
    shard: bool = False
    config: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        if self.pooling not in ("pretrained", *POOLINGS):
            raise ArgumentError(
                f"unknown pooling {self.pooling!r}: use pretrained, {', '.join(POOLINGS)}"
            )
        for name, least in (("max_length", 8), ("patience", 1)):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, whole_number(name, value, least))
        check_device(self.device)

    def settings(self) -> dict[str, Any]:
        """Everything that decides what the run learns, as one flat mapping for JSON."""
        files = self.files
        return {
            "checkpoint": str(self.checkpoint),
            "task": files.task,
            "text": list(files.text),
            "label": files.label,
            "pooling": self.pooling,
            "max_length": self.max_length,
            "patience": self.patience,
            **files.reading,
            "drop_rare": files.drop_rare,
            **asdict(self.config),
        }


def check_device(name: str | None) -> None:
    """Raise ValueError for a device that torch does not know or that this machine lacks.

    >>> check_device("gpu")
    Traceback (most recent call last):
    ftlearn.errors.ArgumentError: unknown device 'gpu': use cpu, cuda or mps
    """
    try:
        kind = torch.device(name or "cpu").type
    except RuntimeError:
        raise ArgumentError(f"unknown device {name!r}: use cpu, cuda or mps") from None
    lacking = (kind == "cuda" and not torch.cuda.is_available()) or (
        kind == "mps" and not torch.backends.mps.is_available()
    )
    if lacking:
        raise ArgumentError(f"there is no device {name!r} here: leave it out to take the best one")
