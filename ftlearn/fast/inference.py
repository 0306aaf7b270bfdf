"""The fastest copy of a model for inference on this machine, with a last layer in fp32.

bf16 has eight significant bits: numbers near 50,000 come in steps of 256, and fp16 has none above
65,504. A regression in the data's units holds their mean in the bias of its last layer, and its
prediction is the sum of that bias and all the rest, so the last layer always computes in fp32.
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
from ftlearn.fast.replaced_forward import replaced_forward
from ftlearn.models import architecture, lora
from ftlearn.models.architecture import last_linear
from ftlearn.models.ordinal_head import SharedRowLinear
from ftlearn.models.task_heads import TaskHeads
from ftlearn.models.wrapping import virtual_token_count
from ftlearn.runtime import sharding
from ftlearn.runtime.arithmetic import Arithmetic


def inference_copy(model: nn.Module, arithmetic: Arithmetic) -> tuple[nn.Module, Arithmetic]:
    """The model to predict with in an arithmetic, and the rest of the arithmetic for ``computing``.

    For bf16, for packed layers and for another attention than the model's it is a copy. In bf16
    its weights are bf16 too, which autocast would cast again for each batch; otherwise the copy
    shares the model's weights, or in fp32 holds those of a bf16 model. Adapters are merged into the
    copy if layers are packed, and if the frozen weights are bf16 and fp32 is asked for. The last
    layer of a classification or regression head, and buffers such as the angles of rotary
    positions, stay fp32. A sharded model is returned as it is.
    """
    in_bf16 = arithmetic.dtype is torch.bfloat16
    attention = architecture.other_attention(model, arithmetic.attention)
    packed = arithmetic.packed and packed_bert.available() and not virtual_token_count(model)
    from_bf16 = not in_bf16 and _holds_bf16(model)
    merging = lora.can_be_merged(model) and not in_bf16 and (from_bf16 or packed)
    widening = from_bf16 and arithmetic.dtype is torch.float32
    if not (in_bf16 or widening or packed or attention or merging) or sharding.is_sharded(model):
        return model, arithmetic
    if merging:
        model = lora.merged_view(model)
    elif widening:
        model = lora.fp32_copy(model)
    else:
        model = _bf16_copy(model) if in_bf16 else _copy_with_same_weights(model)
    if attention:
        architecture.use_attention(model, attention)
    if packed:
        packed_bert.pack_layers(model)
    if in_bf16:
        arithmetic = replace(arithmetic, dtype=torch.float32)  # no casts are left for autocast
    return model, arithmetic


def _holds_bf16(model: nn.Module) -> bool:
    return any(parameter.dtype is torch.bfloat16 for parameter in model.parameters())


def _copy_with_same_weights(model: nn.Module) -> nn.Module:
    """A copy of the modules that shares parameters and buffers with the model."""
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def _bf16_copy(model: nn.Module) -> nn.Module:
    """A copy with weights in bf16, except for the last layer of a head, which casts its input."""
    head = _head(model)
    in_head = set() if head is None else {id(parameter) for parameter in head.parameters()}
    copies = {}
    for parameter in model.parameters():
        dtype = torch.float32 if id(parameter) in in_head else torch.bfloat16
        copies[id(parameter)] = nn.Parameter(parameter.detach().to(dtype), requires_grad=False)
    model = copy.deepcopy(model, copies)  # uses them as copies, so no fp32 weight is copied
    if head is not None:
        last_linear(model).register_forward_pre_hook(_cast_to_fp32)
    return model


@contextmanager
def fp32_head(model: nn.Module) -> Iterator[None]:
    """A context in which the last layer of the head computes in fp32, even under autocast.

    Does nothing for a model without a linear classification head, such as a language model.

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
    with replaced_forward({layer: partial(_in_fp32, layer)}):
        yield


def _head(model: nn.Module) -> nn.Linear | None:
    """The last layer of a classification or regression head; None where it is no plain linear."""
    try:
        layer = last_linear(model)
    except ValueError:
        return None
    plain = (nn.Linear, SharedRowLinear, TaskHeads)  # others may pack theirs
    return layer if type(layer) in plain else None


def _cast_to_fp32(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(tensor.float() for tensor in inputs)


def _in_fp32(layer: nn.Linear, vectors: torch.Tensor) -> torch.Tensor:
    bias = None if layer.bias is None else layer.bias.float()
    with torch.autocast(vectors.device.type, enabled=False):
        return F.linear(vectors.float(), layer.weight.float(), bias)
