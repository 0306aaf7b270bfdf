"""Saved models of every kind of task that predicts, and texts for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import DatasetDict
from task_kinds import KINDS

from ftlearn import models
from ftlearn.models import architecture


@pytest.fixture(scope="session")
def saved(tiny_checkpoints, tmp_path_factory) -> Callable[..., Path]:
    """A function from a kind of task, and of model, to the folder of such a model."""
    root = tmp_path_factory.mktemp("formats")

    def save(kind: str, shape: str = "bert") -> Path:
        folder = root / f"{kind}-{shape}"
        if not folder.is_dir():
            task = KINDS[kind]
            model, tokenizer = models.load(tiny_checkpoints[shape], task, seed=0, device="cpu")
            spread_head(model, kind)
            models.save(model, tokenizer, task, folder)
        return folder

    return save


def spread_head(model: Any, kind: str) -> None:
    """Larger weights in the head, so that answers differ from text to text."""
    if kind == "ranking":
        return
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if architecture.is_head(name) and weight.ndim == 2:
            row = torch.randn(weight.shape[1])
            shared = kind == "ordinal" or ".for_level." in name  # one row for all thresholds
            weight.data = row.expand_as(weight).clone() if shared else torch.randn_like(weight)


@pytest.fixture(scope="session")
def texts_of(topics: DatasetDict) -> Callable[..., list[Any]]:
    """A function from a kind of task to texts, or pairs of texts, of very different lengths."""
    articles = topics["valid"]["text"][:60]
    cut = [" ".join(text.split()[: 1 + number % 40]) for number, text in enumerate(articles)]

    def texts(kind: str) -> list[Any]:
        if KINDS[kind].text_columns == ("text",):
            return cut
        questions = [" ".join(text.split()[:6]) for text in articles]
        return list(zip(questions, reversed(cut), strict=True))

    return texts
