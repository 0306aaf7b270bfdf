"""The last layer, computed only where the head reads it.

A classifier that reads the first token ([CLS]) throws away what the last layer makes of all
others. That token needs their keys and values, but neither their queries nor their way through
the feed-forward network, which are ten twelfths of a BERT layer's matrix products. Logits and
gradients are the same without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.bert.modeling_bert import eager_attention_forward

from ftlearn.models.pooling import PooledClassifier
from ftlearn.runtime import sharding

FAMILIES = ("Bert", "Roberta", "XLMRoberta", "Camembert", "Electra")
"""How the classes of transformers begin whose layers are BERT's, name for name."""


@contextmanager
def cls_only(model: nn.Module) -> Iterator[None]:
    """A context in which the last layer gives the first token alone, (B, 1, D).

    Does nothing for models whose head reads other tokens, too, and for other kinds of layers.

    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> size = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 2}
    >>> model = BertForSequenceClassification(BertConfig(**size)).eval()
    >>> ids = torch.tensor([[2, 7, 9]])
    >>> whole = model(ids).logits
    >>> with cls_only(model):
    ...     torch.allclose(model(ids).logits, whole, atol=1e-6)
    True
    """
    layer = read_by_first_token(model)
    if layer is None:
        yield
        return
    layer.forward = partial(_first_token, layer)
    try:
        yield
    finally:
        del layer.forward


def read_by_first_token(model: nn.Module) -> nn.Module | None:
    """The last layer of a model that reads nothing but the first token's vector."""
    kind = sharding.unsharded_class(model)
    if not (kind is PooledClassifier and model.pooling == "cls") and not _is_one(
        kind, "ForSequenceClassification"
    ):
        return None
    encoder = getattr(model.base_model, "encoder", None)
    layer = encoder.layer[-1] if hasattr(encoder, "layer") else None
    return layer if layer is not None and is_bert_layer(layer) else None


def is_bert_layer(layer: nn.Module) -> bool:
    """Whether a module is a layer of BERT's family that reads in both directions."""
    return _is_one(sharding.unsharded_class(layer), "Layer") and not layer.is_decoder


def _is_one(kind: type, ending: str) -> bool:
    known = {f"{family}{ending}" for family in FAMILIES}
    return kind.__name__ in known and kind.__module__.startswith("transformers.")


def _first_token(
    layer: nn.Module,
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    *_: Any,
    **__: Any,
) -> torch.Tensor:
    """A BERT layer's forward pass for the first token, (B, T, D) to (B, 1, D)."""
    own = layer.attention.self
    first = hidden_states[:, :1].contiguous()  # else `linear` copies its weights for each text

    def heads(vectors: torch.Tensor) -> torch.Tensor:  # (B, ·, D) to (B, H, ·, D/H)
        return vectors.unflatten(-1, (-1, own.attention_head_size)).transpose(1, 2)

    q, k, v = (
        heads(own.query(first)),
        heads(own.key(hidden_states)),
        heads(own.value(hidden_states)),
    )
    mask = None if attention_mask is None else attention_mask[:, :, :1]
    mixed = attend(own, q, k, v, mask)
    return layer.feed_forward_chunk(layer.attention.output(mixed.flatten(2), first))


def attend(
    own: nn.Module, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """A BERT layer's own kind of attention of q to k and v, (B, H, ·, D/H) to (B, ·, H, D/H)."""
    how = own.config._attn_implementation
    attention = ALL_ATTENTION_FUNCTIONS.get_interface(how, eager_attention_forward)
    dropout = own.dropout.p if own.training else 0.0
    return attention(own, q, k, v, mask, dropout=dropout, scaling=own.scaling)[0]
