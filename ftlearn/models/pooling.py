"""From token vectors to one vector per text, and a classifier with a pooling of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from transformers.modeling_outputs import SequenceClassifierOutput

from ftlearn.losses import at_least_fp32
from ftlearn.runtime import device_of

HEAD_FILE = "pooled_head.safetensors"


def pool_mean(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Mean over the real tokens, (B, T, D) and (B, T) to (B, D); padding does not count.

    >>> pool_mean(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[1, 1, 0]]))
    tensor([[2.]])
    """
    weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1)


def pool_cls(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """The vector of the first token ([CLS] in BERT), (B, T, D) to (B, D)."""
    return hidden[:, 0]


POOLINGS = {"mean": pool_mean, "cls": pool_cls}
"""From token vectors (B, T, D) and their mask (B, T) to one vector per text (B, D)."""


def fresh_linear(inputs: int, outputs: int, *, seed: int) -> nn.Linear:
    """A linear layer with weights from N(0, 0.02²) and a bias of zeros.

    The global random-number generators stay as they are.

    >>> bool((fresh_linear(3, 2, seed=1).weight == fresh_linear(3, 2, seed=1).weight).all())
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = nn.Linear(inputs, outputs)
        nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer


class PooledClassifier(nn.Module):
    """An encoder, a pooling and one linear layer: (B, T) ids to logits (B, C).

    It is not one of transformers' own classes: ``models.load`` opens the folders that it writes,
    while ``transformers.pipeline`` would find only the encoder in them.
    """

    def __init__(self, encoder: nn.Module, outputs: int, pooling: str, *, seed: int) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"unknown pooling {pooling!r}: use pretrained, {', '.join(POOLINGS)}")
        self.base_model = encoder
        self.config = encoder.config
        self.pooling = pooling
        head = fresh_linear(self.config.hidden_size, outputs, seed=seed)
        device = device_of(encoder)
        # A layer of fake tensors, as `training.resources` makes, cannot be moved.
        self.classifier = head if device == head.weight.device else head.to(device)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **inputs: Any
    ) -> SequenceClassifierOutput:
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        hidden = self.base_model(
            input_ids=input_ids, attention_mask=attention_mask, **inputs
        ).last_hidden_state
        return SequenceClassifierOutput(logits=self.outputs_of(hidden, attention_mask))

    def outputs_of(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """The logits (B, C) of hidden states (B, T, D)."""
        return self.classifier(POOLINGS[self.pooling](hidden, attention_mask))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model into a folder; see ``save_pooled``."""
        save_pooled(self, folder)


class TextEmbedder(PooledClassifier):
    """An encoder whose mean token vector is scaled to length 1: (B, T) ids to (B, D).

    It has no weights besides those of the encoder, which alone is saved.
    """

    def __init__(self, encoder: nn.Module) -> None:
        nn.Module.__init__(self)
        self.base_model = encoder
        self.config = encoder.config
        self.pooling = "mean"

    def outputs_of(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """The vectors (B, D) of hidden states (B, T, D)."""
        return F.normalize(pool_mean(at_least_fp32(hidden), attention_mask), dim=-1)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the encoder into a folder, which ``AutoModel`` opens."""
        self.base_model.save_pretrained(folder)


def save_pooled(model: PooledClassifier, folder: str | Path) -> None:
    """Write encoder, head and the name of the pooling into a folder."""
    model.base_model.save_pretrained(folder)
    head = {name: tensor.contiguous() for name, tensor in model.classifier.state_dict().items()}
    save_file(head, Path(folder) / HEAD_FILE, metadata={"pooling": model.pooling})


def read_pooled(encoder: nn.Module, folder: str | Path) -> PooledClassifier:
    """Put the head that ``save_pooled`` wrote on an encoder."""
    with safe_open(Path(folder) / HEAD_FILE, framework="pt") as file:
        pooling = file.metadata()["pooling"]
        head = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    model = PooledClassifier(encoder, len(head["bias"]), pooling, seed=0)
    model.classifier.load_state_dict(head)
    return model
