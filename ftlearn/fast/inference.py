"""A model as it answers soonest here, with a last layer that keeps its digits.

bf16 has eight significant bits: numbers near 50,000 come in steps of 256, and in fp16 none is
above 65,504. A regression in the data's units holds their mean in the bias of its last layer, and
its answer is the sum of that and of all the rest, so that layer computes in fp32, always.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from ftlearn.fast import packed_bert
from ftlearn.models import architecture
from ftlearn.models.architecture import last_linear
from ftlearn.runtime import sharding
from ftlearn.runtime.arithmetic import Arithmetic


def inference_copy(model: nn.Module, arithmetic: Arithmetic) -> tuple[nn.Module, Arithmetic]:
    """The model as it answers in an arithmetic, and what is left of that for ``computing``.

    For bf16, for packed layers and for another attention than the model's it is a copy. In bf16
    its weights are narrow, which autocast would make them anew for each batch; else it shares the
    model's. The last layer of a classification or regression head, and buffers, such as the angles
    of rotary positions, keep their precision. A sharded model stays as it is.
    """
    narrow = arithmetic.dtype is torch.bfloat16
    wanted = architecture.other_attention(model, arithmetic.attention)
    packing = arithmetic.packed and packed_bert.available()
    if not (narrow or packing or wanted) or sharding.is_sharded(model):
        return model, arithmetic
    model = _narrowed(model) if narrow else _sharing(model)
    if wanted:
        architecture.use_attention(model, wanted)
    if packing:
        packed_bert.pack_layers(model)
    # In bf16 no casts are left to be done on the way.
    return model, replace(arithmetic, dtype=torch.float32) if narrow else arithmetic


def _sharing(model: nn.Module) -> nn.Module:
    """A copy of the modules around the same weights."""
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def _narrowed(model: nn.Module) -> nn.Module:
    """A copy with weights in bf16, but for the last layer of a head, which takes what comes."""
    head = _head(model)
    exact = set() if head is None else {id(each) for each in head.parameters()}
    weights = {
        id(each): nn.Parameter(
            each.detach().to(torch.float32 if id(each) in exact else torch.bfloat16),
            requires_grad=False,
        )
        for each in model.parameters()
    }
    model = copy.deepcopy(model, weights)  # takes those for copies, and so copies no fp32 weight
    if head is not None:
        last_linear(model).register_forward_pre_hook(_widen)
    return model


@contextmanager
def fp32_head(model: nn.Module) -> Iterator[None]:
    """A context in which the last layer of the head computes in fp32, under autocast, too.

    Does nothing for a model without a linear head for texts, such as a language model.

    >>> from ftlearn.models.pooling import PooledClassifier
    >>> from transformers import BertConfig, BertModel
    >>> encoder = BertModel(BertConfig(hidden_size=8, num_attention_heads=1, num_hidden_layers=1))
    >>> model = PooledClassifier(encoder, 3, "mean", seed=0)
    >>> with fp32_head(model), torch.autocast("cpu", torch.bfloat16):
    ...     model(torch.tensor([[2, 7, 9]])).logits.dtype
    torch.float32
    """
    layer = _head(model)
    if layer is None:
        yield
        return
    layer.forward = partial(_in_fp32, layer)
    try:
        yield
    finally:
        del layer.forward


def _head(model: nn.Module) -> nn.Linear | None:
    """The last layer of a head for texts, where there is one and it is a plain linear layer."""
    try:
        layer = last_linear(model)
    except ValueError:
        return None
    return layer if type(layer) is nn.Linear else None  # others may pack their weights


def _widen(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(each.float() for each in inputs)


def _in_fp32(layer: nn.Linear, vectors: torch.Tensor) -> torch.Tensor:
    bias = None if layer.bias is None else layer.bias.float()
    with torch.autocast(vectors.device.type, enabled=False):
        return F.linear(vectors.float(), layer.weight.float(), bias)
