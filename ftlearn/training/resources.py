"""Estimates before a training run starts: memory, floating-point operations, time."""

from __future__ import annotations

import statistics
import time
import weakref
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils import flop_counter
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PretrainedConfig

from ftlearn import optim, runtime
from ftlearn.errors import FtlearnError
from ftlearn.fast import autotune
from ftlearn.fast.training import speed_up
from ftlearn.models import architecture
from ftlearn.models.outputs import logits
from ftlearn.runtime.arithmetic import Arithmetic

OPTIMIZER_COPIES = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
"""fp32 copies of each trainable number that an optimiser keeps."""

LIBRARIES = 45_000_000
"""Bytes of code and buffers that the first update loads, measured on Linux x86."""

MINILM = 600_000_000
"""Bytes for training all of MiniLM with a batch of 16 texts of 64 tokens."""

REUSE = 2
"""Memory of short-lived tensors over their size: freed blocks are seldom reused exactly."""

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


class TooLargeError(FtlearnError, MemoryError):
    """A run that would not fit in memory; the message names a smaller choice."""


@dataclass(frozen=True)
class Estimate:
    """Memory in bytes and operations of one update on a batch (B, T)."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    """What the forward pass keeps for the backward pass."""
    working: int
    """Short-lived tensors inside a layer, and what the libraries load."""
    flops: int
    """Floating-point operations of one update: forward, and backward where anything is trained."""

    @property
    def memory(self) -> int:
        """The sum of all parts; Python with its imported libraries holds about 500 MB besides."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.working

    def __str__(self) -> str:
        parts = ("weights", "gradients", "optimizer", "activations", "working")
        sizes = ", ".join(f"{part} {runtime.format_bytes(getattr(self, part))}" for part in parts)
        total = runtime.format_bytes(self.memory)
        return f"{total} ({sizes}), {self.flops / 1e9:.0f} GFLOP per update"


def skeleton(config: PretrainedConfig, *, causal: bool = False) -> nn.Module:
    """A model of a configuration without weights: its shapes alone, no memory.

    >>> from transformers import BertConfig
    >>> architecture.count_parameters(skeleton(BertConfig(num_labels=3))).total
    109484547
    """
    auto = AutoModelForCausalLM if causal else AutoModelForSequenceClassification
    with torch.device("meta"):
        return auto.from_config(config)


def estimate(
    model: nn.Module,
    *,
    batch_size: int,
    tokens: int,
    optimizer: str = "adamw",
    precision: str | Arithmetic = "auto",
    left_out: int = 0,
) -> Estimate:
    """Memory and operations of training a model on batches of ``batch_size`` × ``tokens``.

    ``model`` may be a ``skeleton``. Weights count with 4 bytes, frozen ones with their own; frozen
    ones have no gradient and no optimiser state, nor have ``left_out`` others
    (``TrainedRows.left_out``). What autograd saves, short-lived tensors and operations are counted
    in a dry run on tensors without memory.
    """
    total, trained = architecture.count_parameters(model)
    trained -= left_out
    device = runtime.device_of(model)
    if device.type == "meta":
        device = runtime.best_device()
    arithmetic = precision
    if not isinstance(arithmetic, Arithmetic):
        arithmetic = autotune.training(model, device, precision)
    saved, short_lived, flops = _dry_run(model, batch_size, tokens, arithmetic, device)
    return Estimate(
        weights=4 * total - _saved_by_format(model),
        gradients=4 * trained,
        optimizer=4 * trained * OPTIMIZER_COPIES[optimizer],
        activations=saved,
        working=LIBRARIES + REUSE * short_lived,
        flops=flops,
    )


def _dry_run(
    model: nn.Module, batch_size: int, tokens: int, arithmetic: Arithmetic, device: torch.device
) -> tuple[int, int, int]:
    """Bytes saved for the backward pass, peak of short-lived bytes, and FLOPs, of one update."""
    sizes: dict[int, int] = {}
    alive = []  # keeps storages from being freed: another would get the same address

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        alive.append(storage)
        sizes[storage._cdata] = storage.nbytes()
        return tensor

    counter = flop_counter.FlopCounterMode(display=False, custom_mapping=FLOPS)
    dtype = arithmetic.dtype
    autocast = runtime.autocast(torch.device("cpu"), dtype)  # fake tensors are on the CPU
    states = dtype if device.type == "cpu" else torch.float32  # bf16 hidden states on CPUs only
    with torch.random.fork_rng(devices=[]), FakeTensorMode():  # shapes without memory
        copy = _same_shape(model)
        architecture.use_attention(copy, arithmetic.attention)
        ids = torch.zeros(batch_size, tokens, dtype=torch.long)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        with torch.no_grad(), autocast, _LiveBytes(copy) as live_bytes:
            copy(**inputs)
        with counter, _LiveBytes(copy):
            saving = saved_tensors_hooks(pack, lambda tensor: tensor)
            with saving, autocast, speed_up(copy, Arithmetic(states)):
                loss = logits(copy(**inputs)).float().log_softmax(-1).sum()
            if loss.requires_grad:
                loss.backward()
    for parameter in copy.parameters():  # linear layers save views of their weights
        sizes.pop(parameter.untyped_storage()._cdata, None)
    return sum(sizes.values()), live_bytes.peak, counter.get_total_flops()


class _LiveBytes(TorchDispatchMode):
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


def _same_shape(model: nn.Module) -> nn.Module:
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


def _saved_by_format(model: nn.Module) -> int:
    """Bytes that frozen weights take less than they would in fp32."""
    frozen = [weight for weight in model.parameters() if not weight.requires_grad]
    return sum((4 - weight.element_size()) * weight.numel() for weight in frozen)


def seconds_per_update(
    model: nn.Module, *, batch_size: int, tokens: int, repeats: int = 3, precision: str = "auto"
) -> float:
    """Measure one whole update on this machine, forward to AdamW's step; median of ``repeats``.

    Weights are not changed, because the learning rate is zero; gradients are dropped.
    """
    device, was_training = runtime.device_of(model), model.training
    arithmetic = autotune.training(model, device, precision)
    ids = torch.full((batch_size, tokens), 5, device=device)
    groups = optim.decay_groups(model.parameters(), weight_decay=0.0)
    optimizer = optim.optimizer("adamw", groups, learning_rate=0.0)
    model.train()
    times = []
    for _ in range(repeats + 1):  # the first one warms up
        start = time.perf_counter()
        with speed_up(model, arithmetic):
            with runtime.autocast(device, arithmetic.dtype):
                out = model(input_ids=ids, attention_mask=torch.ones_like(ids))
            logits(out).float().sum().backward()
        optim.clip_grad_norm(model.parameters(), 1.0)  # waits for a GPU to finish
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - start)
    model.train(was_training)
    return statistics.median(times[1:])


def require_memory(
    needed: Estimate,
    *,
    available: int | None = None,
    micro_batches: int = 1,
    rows: int | None = None,
) -> None:
    """Raise TooLargeError, naming smaller choices, where a micro-batch does not fit in memory.

    ``needed`` is for one of ``micro_batches`` micro-batches of a batch of ``rows`` rows (None: more
    than ever need to be cut apart), ``available`` in bytes (None: what is free now).
    """
    free = runtime.memory_available() if available is None else available
    if needed.memory <= free:
        return
    rows = rows or micro_batches * needed.activations  # a row per byte: any cut is possible
    room = free - (needed.memory - needed.activations)
    fitting_rows = room * -(-rows // micro_batches) // max(1, needed.activations)
    if fitting_rows > 0:
        count = -(-rows // fitting_rows)
        remedy = f"cut the batch into {count} micro-batches with TrainConfig(micro_batches={count})"
    else:
        remedy = "freeze the body (architecture.freeze(model, 'body')) or keep fewer layers"
        if needed.memory > MINILM:
            remedy += ", or load 'minilm', which needs about 0.6 GB"
    raise TooLargeError(
        f"this run needs {runtime.format_bytes(needed.memory)} and the machine has "
        f"{runtime.format_bytes(free)} free: {remedy}"
    )


def plan_time(model: nn.Module, lengths: list[int], *, config: Any) -> float:
    """Estimated seconds of a run on rows of these ``lengths`` in tokens, from a measured update."""
    mean = max(1, round(sum(lengths) / len(lengths)))  # cost is taken as linear in tokens
    rows = -(-config.batch_size // config.micro_batches)
    updates = config.epochs * len(lengths) / rows
    return seconds_per_update(model, batch_size=rows, tokens=mean) * updates
