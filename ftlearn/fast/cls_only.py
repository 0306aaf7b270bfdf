"""The last layer, computed only for the token that the head reads.

A classifier that reads the first token ([CLS]) discards the last layer's output for all others.
The first token attends to their keys and values, but needs neither their queries nor their
feed-forward pass, which are ten twelfths of a BERT layer's matrix products. Logits and gradients
are the same without them.
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

from ftlearn.fast.replaced_forward import replaced_forward
from ftlearn.models.pooling import PooledClassifier
from ftlearn.models.wrapping import method_of, unwrapped
from ftlearn.runtime import sharding

FAMILIES = ("Bert", "Roberta", "XLMRoberta", "Camembert", "Electra")
"""Prefixes of the transformers classes whose layers have the same parts and names as BERT's."""


@contextmanager
def cls_only(model: nn.Module) -> Iterator[None]:
    """A context in which the last layer computes the first token only, (B, 1, D).

    Does nothing for models whose head reads other tokens too, and for layers unlike BERT's.

    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> size = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 2}
    >>> model = BertForSequenceClassification(BertConfig(**size)).eval()
    >>> ids = torch.tensor([[2, 7, 9]])
    >>> whole = model(ids).logits
    >>> with cls_only(model):
    ...     torch.allclose(model(ids).logits, whole, atol=1e-6)
    True
    """
    layer = layer_read_at_cls(model)
    if layer is None:
        yield
        return
    with replaced_forward({layer: partial(_forward_first_token, layer)}):
        yield


def layer_read_at_cls(model: nn.Module) -> nn.Module | None:
    """The last layer of a model whose head reads only the first token; None for other models.

    None also where its tokens attend to a learned prefix, which ``cls_only`` does not compute.
    """
    if method_of(model) == "prefix":
        return None
    model = unwrapped(model)
    model_class = sharding.unsharded_class(model)
    pools_cls = model_class is PooledClassifier and model.pooling == "cls"
    if not pools_cls and not _is_bert_class(model_class, "ForSequenceClassification"):
        return None
    encoder = getattr(model.base_model, "encoder", None)
    layer = encoder.layer[-1] if hasattr(encoder, "layer") else None
    return layer if layer is not None and is_bert_layer(layer) else None


def is_bert_layer(layer: nn.Module) -> bool:
    """Whether a module is a layer of BERT's family that attends in both directions."""
    return _is_bert_class(sharding.unsharded_class(layer), "Layer") and not layer.is_decoder


def _is_bert_class(module_class: type, suffix: str) -> bool:
    names = {f"{family}{suffix}" for family in FAMILIES}
    return module_class.__name__ in names and module_class.__module__.startswith("transformers.")


def _forward_first_token(
    layer: nn.Module,
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    *_: Any,
    **__: Any,
) -> torch.Tensor:
    """A BERT layer's forward pass for the first token, (B, T, D) to (B, 1, D)."""
    attention = layer.attention.self
    first = hidden_states[:, :1].contiguous()  # else `linear` copies its weights for each text

    def heads(vectors: torch.Tensor) -> torch.Tensor:  # (B, ·, D) to (B, H, ·, D/H)
        return vectors.unflatten(-1, (-1, attention.attention_head_size)).transpose(1, 2)

    q = heads(attention.query(first))
    k = heads(attention.key(hidden_states))
    v = heads(attention.value(hidden_states))
    mask = None if attention_mask is None else attention_mask[:, :, :1]
    context = attend(attention, q, k, v, mask)  # (B, 1, H, D/H)
    return layer.feed_forward_chunk(layer.attention.output(context.flatten(2), first))


def attend(
    attention: nn.Module,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None,
) -> torch.Tensor:
    """Attention of q to k and v as a BERT layer's ``attention`` module is configured to compute it.

    q, k and v are (B, H, ·, D/H), the result is (B, ·, H, D/H).
    """
    implementation = attention.config._attn_implementation
    compute = ALL_ATTENTION_FUNCTIONS.get_interface(implementation, eager_attention_forward)
    dropout = attention.dropout.p if attention.training else 0.0
    return compute(attention, q, k, v, mask, dropout=dropout, scaling=attention.scaling)[0]
