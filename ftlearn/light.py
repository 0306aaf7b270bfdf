"""A model as it answers soonest here, with a last layer that keeps its digits.

bf16 has eight significant bits: numbers near 50,000 come in steps of 256, and in fp16 none is
above 65,504. A regression in the data's units holds their mean in the bias of its last layer, and
its answer is the sum of that and of all the rest, so that layer computes in fp32, always.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from ftlearn import parallel, runtime
from ftlearn.architecture import last_linear
from ftlearn.runtime import device_of


def light(model: nn.Module, precision: str = "auto") -> tuple[nn.Module, torch.dtype]:
    """The model as it answers soonest here, and the number format for ``runtime.autocast``.

    For bf16 it is a copy with weights in bf16, which autocast would convert anew for each batch,
    and with the attention that is fastest without a backward pass. The last layer of a
    classification or regression head, and buffers, such as the angles of rotary positions, keep
    their precision.
    """
    dtype = runtime.precision(device_of(model), precision)
    if dtype is not torch.bfloat16 or parallel.is_sharded(model):
        return model, dtype
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
    pretrained = getattr(model, "base_model", model)
    if getattr(pretrained, "_supports_sdpa", False):
        pretrained.set_attn_implementation("sdpa")
    if head is not None:
        last_linear(model).register_forward_pre_hook(_widen)
    return model, torch.float32  # no casts left to be done on the way


@contextmanager
def exact_head(model: nn.Module) -> Iterator[None]:
    """A context in which the last layer of the head computes in fp32, under autocast, too.

    Does nothing for a model without a linear head for texts, such as a language model.

    >>> from ftlearn.pooling import PooledClassifier
    >>> from transformers import BertConfig, BertModel
    >>> encoder = BertModel(BertConfig(hidden_size=8, num_attention_heads=1, num_hidden_layers=1))
    >>> model = PooledClassifier(encoder, 3, "mean", seed=0)
    >>> with exact_head(model), torch.autocast("cpu", torch.bfloat16):
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
