"""The cost of one update, found by a dry run on tensors without memory."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils import flop_counter
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ftlearn import runtime
from ftlearn.fast.counted_logits import output_embeddings, without_cache
from ftlearn.fast.training import speed_up
from ftlearn.models import architecture
from ftlearn.models.outputs import logits
from ftlearn.runtime.arithmetic import Arithmetic

FLOPS = {
    torch.ops.aten.addmm_: lambda _, a, b, **__: flop_counter.mm_flop(a, b),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        lambda q, k, v, *_, **__: flop_counter.sdpa_flop_count(q, k, v)
    ),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda gradient, q, k, v, *_, **__: flop_counter.sdpa_backward_flop_count(gradient, q, k, v)
    ),
}
"""Operations, from shapes, of what torch's counter omits: addmm in place, the CPU's attention."""


class BatchShape(NamedTuple):
    """A batch (B, T); of its positions ``counted`` get logits over a vocabulary (None: all)."""

    rows: int
    tokens: int
    counted: int | None = None


class Cost(NamedTuple):
    """What an update costs: bytes kept for the backward pass, short-lived bytes, and FLOPs."""

    saved: int
    short_lived: int
    flops: int


def dry_run(
    model: nn.Module, batch: BatchShape, arithmetic: Arithmetic, device: torch.device
) -> Cost:
    """The cost of an update on a batch.

    With activation checkpointing, one layer at a time keeps its tensors, the one that the backward
    pass has just computed again.
    """
    counter = flop_counter.FlopCounterMode(display=False, custom_mapping=FLOPS)
    dtype = arithmetic.dtype
    # Hidden states are in bf16 on CPUs only; fake tensors are always on the CPU.
    states = dtype if device.type == "cpu" else torch.float32
    autocast = runtime.autocast(torch.device("cpu"), dtype)
    with torch.random.fork_rng(devices=[]), FakeTensorMode():  # shapes without memory
        copy = same_shape(model)
        architecture.use_attention(copy, arithmetic.attention)
        ids = torch.zeros(batch.rows, batch.tokens, dtype=torch.long)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        with autocast, _some_logits(copy, batch.counted):
            with torch.no_grad(), LiveBytes(copy) as live_bytes, without_cache(copy):
                copy(**inputs)
            with counter, LiveBytes(copy):
                saved, loss = _forward(copy, inputs, states)
                if loss.requires_grad:
                    with torch.autocast("cpu", enabled=False):
                        loss.backward()
            for layer in _checkpointed_layers(copy)[-2:]:  # the last one may compute less
                layer.gradient_checkpointing = False
                saved = max(saved, _forward(copy, inputs, states)[0])
                layer.gradient_checkpointing = True
    return Cost(saved, live_bytes.peak, counter.get_total_flops())


def _forward(
    model: nn.Module, inputs: Mapping[str, torch.Tensor], states: torch.dtype
) -> tuple[int, torch.Tensor]:
    """Bytes that a forward pass keeps for the backward pass, without weights, and a loss."""
    sizes: dict[int, int] = {}
    alive = []  # keeps storages from being freed: another would get the same address

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        alive.append(storage)
        sizes[storage._cdata] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor), speed_up(model, Arithmetic(states)):
        loss = logits(model(**inputs)).float().log_softmax(-1).sum()
    for parameter in model.parameters():  # linear layers save views of their weights
        sizes.pop(parameter.untyped_storage()._cdata, None)
    return sum(sizes.values()), loss


@contextmanager
def _some_logits(model: nn.Module, counted: int | None) -> Iterator[None]:
    """A context in which a language model gives logits for the first ``counted`` positions only."""
    head = None if counted is None else output_embeddings(model)
    if head is None:
        yield
        return
    hook = head.register_forward_pre_hook(
        lambda _, inputs: (inputs[0].flatten(0, 1)[torch.arange(counted)], *inputs[1:])
    )
    try:
        yield
    finally:
        hook.remove()


def _checkpointed_layers(model: nn.Module) -> list[nn.Module]:
    flag = "gradient_checkpointing"
    return [module for module in model.modules() if getattr(module, flag, False)]


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive, without weights; ``peak`` is the maximum."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.known = {weight.untyped_storage()._cdata for weight in model.parameters()}
        self.now = self.peak = 0

    def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if call is torch.ops.aten._local_scalar_dense.default:
            return 1  # FlauBERT looks at its lengths, and fake tensors have no values
        result = call(*args, **(kwargs or {}))
        for tensor in filter(torch.is_tensor, tree_leaves(result)):
            self._follow(tensor.untyped_storage())
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self.known:
            return
        self.known.add(storage._cdata)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, storage._cdata, storage.nbytes())

    def _forget(self, address: int, size: int) -> None:
        self.known.discard(address)
        self.now -= size


def same_shape(model: nn.Module) -> nn.Module:
    """A copy of a model, adapters included, whose tensors have no numbers; in training mode.

    To be called in a FakeTensorMode.
    """
    copies: dict[int, Any] = {}
    for weight in model.parameters():
        numbers = torch.empty(weight.shape, dtype=weight.dtype)
        copies[id(weight)] = nn.Parameter(numbers, requires_grad=weight.requires_grad)
    ids_of_prompt = getattr(model, "prompt_tokens", {}).values()  # peft's, in no buffer
    for buffer in [*model.buffers(), *ids_of_prompt]:
        copies[id(buffer)] = torch.zeros(buffer.shape, dtype=buffer.dtype)
    return deepcopy(model, copies).train()
