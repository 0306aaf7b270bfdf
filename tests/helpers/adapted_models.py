"""Small models with adapters of every method, as if they had learnt."""

from __future__ import annotations

from pathlib import Path

import tiny_models
import torch
from tiny_decoder import tiny_decoder
from torch import nn

from ftlearn import models
from ftlearn.models.wrapping import in_adapter
from ftlearn.tasks import language_modelling

IDS = torch.tensor([[5, 60, 7, 81, 9, 40]])
TASKS = {"llama": language_modelling(max_length=64)}


def saved_bases(root: Path) -> dict[str, Path]:
    """Folders of small models with random weights by kind: llama, bert and others."""
    shapes = tiny_models.save_all(root / "shapes", ["warm and cold", "mild days"])
    return {"llama": tiny_decoder(root / "decoder"), **shapes}


def load(folders: dict[str, Path], kind: str = "llama", **more) -> nn.Module:
    """A language model, or for other kinds a classifier."""
    task = TASKS.get(kind, tiny_models.CLASSES)
    return models.load(folders[kind], task, device="cpu", **more)[0].eval()


def trained(model: nn.Module, *, by: float = 0.1) -> nn.Module:
    """The adapted model as if it had learnt: all that is trained has moved at random."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad and in_adapter(name):
                weight.add_(by * torch.randn(weight.shape, generator=generator))
    return model.eval()


def logits(model: nn.Module, ids: torch.Tensor = IDS) -> torch.Tensor:
    """What a model answers, without a graph."""
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
