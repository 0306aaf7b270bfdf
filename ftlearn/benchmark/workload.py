"""The workload of all contenders: the same texts, model, batch size and seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, DatasetDict
from transformers import AutoConfig, AutoModelForSequenceClassification

from ftlearn import data, evaluation, models, runtime
from ftlearn.benchmark.lengths import with_news_lengths
from ftlearn.benchmark.settings import Settings, Source
from ftlearn.config import TrainConfig
from ftlearn.data.batching import Encoded
from ftlearn.errors import ArgumentError
from ftlearn.tasks import classification


@dataclass(frozen=True)
class Workload:
    """Texts for training and testing, the pretrained model, and how it is trained."""

    folder: Path
    """The folder of the pretrained model."""
    task: Any
    tokenizer: Any
    train: Dataset
    test: Dataset | None
    device: torch.device
    scratch: Path
    """A folder that is deleted after the measurement."""
    batch_size: int = 16
    epochs: int = 1
    seed: int = 0

    @property
    def config(self) -> TrainConfig:
        """ftlearn's default settings with this number of epochs, batch size and seed."""
        return TrainConfig(epochs=self.epochs, batch_size=self.batch_size, seed=self.seed)

    @cached_property
    def encoded(self) -> Encoded:
        """The training texts as token ids, without padding."""
        return self.task.encode(self.train, self.tokenizer)

    @property
    def model_config(self) -> Any:
        """The checkpoint's configuration with the task's labels."""
        return AutoConfig.from_pretrained(self.folder, **self.task.head_arguments())

    def plain_model(self) -> torch.nn.Module:
        """The pretrained model as transformers loads it, in fp32, with a new head."""
        runtime.seed_everything(self.seed)
        return AutoModelForSequenceClassification.from_pretrained(
            self.folder,
            dtype=torch.float32,
            use_safetensors=True,
            **self.task.head_arguments(),
        )

    def accuracy(self, model: torch.nn.Module) -> float:
        """Share of the test texts that a model classifies correctly."""
        if self.test is None:
            raise ArgumentError("accuracy needs texts to test on: pass --test FILE beside --train")
        model = model.to(self.device)
        return evaluation.evaluate(model, self.test, self.task, self.tokenizer).scores["accuracy"]

    def sample(self, count: int, *, seed: int) -> Workload:
        """The same workload on ``count`` random training texts; on all if there are fewer."""
        rows = self.train.shuffle(seed=seed).select(range(min(count, len(self.train))))
        return replace(self, train=rows, seed=seed)

    def sample_per_class(self, per_class: int, *, seed: int) -> Workload:
        """The same workload on ``per_class`` training texts of each class."""
        rows = data.subset(self.train, per_class=per_class, label=self.task.target, seed=seed)
        return replace(self, train=rows, seed=seed)


def open_workload(source: Source, settings: Settings, scratch: Path) -> Workload:
    """Read the texts and find the model. Raises FtlearnError where one of them cannot be used."""
    parts = _read(source)
    task = classification(
        parts, text=source.text, target=source.label, max_length=source.max_length
    )
    device = torch.device(settings.device or runtime.best_device())
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ArgumentError(
            "--device is cuda, and torch finds no CUDA device here: use --device cpu"
        )
    _, tokenizer = models.load(settings.checkpoint, task, device="cpu")
    if source.tokens:
        parts = {
            name: with_news_lengths(rows, task, tokenizer, mean=source.tokens, seed=seed)
            for seed, (name, rows) in enumerate(parts.items())
        }
    return Workload(
        folder=models.find(settings.checkpoint),
        task=task,
        tokenizer=tokenizer,
        train=parts["train"],
        test=parts.get("test"),
        device=device,
        scratch=scratch,
        batch_size=settings.batch_size,
        seed=settings.seed,
    )


def _read(source: Source) -> DatasetDict:
    if source.train is None:
        if source.test is not None:
            raise ArgumentError(
                "--test goes with --train: the bundled texts have their own test part"
            )
        return data.load("topics")
    files = {"train": source.train, "test": source.test}
    return DatasetDict(
        {
            part: data.read(file, text=source.text, label=source.label, kind="class")[0]
            for part, file in files.items()
            if file is not None
        }
    )
