"""What the frozen layers at the bottom make of each text, computed once and kept.

Where the embeddings and the lowest layers are frozen and nothing is dropped, a text enters the
lowest trained layer as the same vectors in every epoch. They are computed in one pass without
gradients, in batches by length that depend on the data alone, so that a resumed run has the same
ones. From then on a step costs the trained layers only. A text is recognised by its token ids.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ftlearn import runtime
from ftlearn.config import TrainConfig
from ftlearn.data.batching import Batches, by_length, collate
from ftlearn.errors import ArgumentError
from ftlearn.fast.cls_only import is_bert_layer
from ftlearn.fast.replaced_forward import replaced_forward
from ftlearn.models import architecture
from ftlearn.models.wrapping import virtual_token_count
from ftlearn.runtime import disk, distributed, sharding
from ftlearn.runtime.arithmetic import Arithmetic

FAMILIES = ("LlamaDecoderLayer", "GPT2Block", "MistralDecoderLayer", "Qwen2DecoderLayer")
"""Layers, besides BERT's, that take hidden states first and return nothing else."""
POSITIONS = 2048
"""Positions (B × T) of a batch of the pass that computes the states."""
SHARE = 0.25
"""The share of the free memory that the states may take; larger ones go into a temporary file."""


class FrozenPrefix:
    """The hidden states of the training texts as they leave the lowest ``depth`` layers.

    They are computed when ``active`` is first entered, and again after a frozen weight changed.
    """

    def __init__(self, model: nn.Module, depth: int, batches: Batches) -> None:
        self.model, self.depth, self.batches = model, depth, batches
        self.layers = list(architecture.layers(model)[:depth])
        self.weights = [weight for weight in model.parameters() if not weight.requires_grad]
        self.first_token_only = False
        self.states: torch.Tensor | None = None  # of all texts one after the other, (·, D)
        self.places: dict[bytes, slice] = {}  # of a text, by its ids
        self.folder: tempfile.TemporaryDirectory | None = None
        self._conditions: Any = None
        self._batch: torch.Tensor | None = None  # what enters the lowest trained layer, (B, T, D)

    @contextmanager
    def active(self, arithmetic: Arithmetic) -> Iterator[None]:
        """A context in which texts of this run pass the frozen layers without being computed."""
        conditions = arithmetic, [(weight.data_ptr(), weight._version) for weight in self.weights]
        if conditions != self._conditions:
            self._conditions = conditions
            self._compute(arithmetic)
        if self.states is None:
            yield
            return
        numbered = enumerate(self.layers)
        passes = {layer: partial(self._pass, number, layer.forward) for number, layer in numbered}
        hook = self.model.register_forward_pre_hook(self._look_up, with_kwargs=True)
        try:
            with replaced_forward(passes):
                yield
        finally:
            hook.remove()
            self._batch = None

    def _look_up(self, _: nn.Module, args: tuple, inputs: Mapping[str, Any]) -> None:
        """Find the states of a batch that enters the model; none where it holds another text."""
        self._batch = None
        keys = [] if args else keys_of(inputs)
        if not keys or not all(key in self.places for key in keys):
            return
        rows, width = inputs["input_ids"].shape
        width = 1 if self.first_token_only else width
        batch = self.states.new_zeros(rows, width, self.states.shape[-1])
        for row, key in enumerate(keys):
            states = self.states[self.places[key]]
            batch[row, : len(states)] = states
        self._batch = batch.to(inputs["input_ids"].device)

    def _pass(
        self, number: int, original: Callable, hidden: torch.Tensor, *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """The forward pass of frozen layer ``number``, in place of its ``original``."""
        if self._batch is None:
            return original(hidden, *args, **kwargs)
        return self._batch if number == 0 else hidden

    @torch.no_grad()
    def _compute(self, arithmetic: Arithmetic) -> None:
        """Fill ``states`` and ``places``; leave ``states`` None where there is no room for them."""
        encoded, self.places, self.states = self.batches.encoded.apart(), {}, None
        start = 0
        for rows in by_length(encoded.lengths, POSITIONS):
            batch = collate(encoded, rows, self.batches.tokenizer)
            hidden = self._leaving(batch.to(runtime.device_of(self.model)).inputs, arithmetic)
            if self.states is None:  # the first batch holds the longest text
                self.first_token_only = hidden.shape[1] < batch.inputs["input_ids"].shape[1]
                count = len(encoded) if self.first_token_only else sum(encoded.lengths)
                self.states = self._allocate(count, hidden)
                if self.states is None:
                    return
            for key, row, vectors in zip(keys_of(batch.inputs), rows, hidden.cpu(), strict=True):
                place = slice(start, start + min(encoded.lengths[row], len(vectors)))
                self.states[place] = vectors[: encoded.lengths[row]]
                self.places[key] = place
                start = place.stop

    def _leaving(self, inputs: Mapping[str, Any], arithmetic: Arithmetic) -> torch.Tensor:
        """What leaves the highest frozen layer, (B, T, D); the layers above are not run."""
        device, top = runtime.device_of(self.model), self.layers[-1]
        try:
            with (
                replaced_forward({top: partial(_stop, top.forward)}),
                runtime.autocast(device, arithmetic.dtype),
            ):
                self.model(**inputs)
        except _Stop as stop:
            return stop.hidden
        raise ArgumentError(f"{type(self.model).__name__} does not use its {self.depth}th layer")

    def _allocate(self, count: int, like: torch.Tensor) -> torch.Tensor | None:
        """Room for ``count`` vectors like those in memory or, if it is short, in a file."""
        shape = (count, like.shape[-1])
        size = count * like.shape[-1] * like.element_size()
        if size <= SHARE * runtime.memory_available():
            return torch.empty(shape, dtype=like.dtype)
        self.folder = tempfile.TemporaryDirectory(prefix="ftlearn-", ignore_cleanup_errors=True)
        why = disk.shortage(self.folder.name, size, size)
        if why is None:
            path = Path(self.folder.name) / "hidden_states"
            try:
                _reserve(path, size)
                numbers = shape[0] * shape[1]
                return torch.from_file(str(path), shared=True, size=numbers, dtype=like.dtype).view(
                    shape
                )
            except OSError as error:
                why = error.strerror
        warnings.warn(
            f"the frozen layers are computed in every epoch, because what they give takes "
            f"{runtime.format_bytes(size)} and fits neither in memory nor in a temporary file: "
            f"{why}",
            stacklevel=2,
        )
        return None


def frozen_prefix(
    model: nn.Module, batches: Any, config: TrainConfig, without: Collection[str] = ()
) -> FrozenPrefix | None:
    """The frozen layers at the bottom of a model, where keeping what they give saves time.

    None for runs of one epoch, on several ranks, for models of unknown families, and where it is
    named in ``without``.
    """
    if "frozen_prefix" in without:
        return None
    single = distributed.world_size() == 1 and not sharding.is_sharded(model)
    if not single or config.epochs < 2 or not isinstance(batches, Batches):
        return None
    depth = frozen_depth(model)
    return FrozenPrefix(model, depth, batches) if depth else None


def frozen_depth(model: nn.Module) -> int:
    """How many layers at the bottom give the same for a text in every epoch.

    The embeddings and these layers are frozen, and have no dropout. Virtual tokens, which are
    learned before a text, change what all layers give.

    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> size = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 3}
    >>> off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    >>> model = BertForSequenceClassification(BertConfig(**size, **off))
    >>> frozen_depth(architecture.freeze(model, "embeddings", "layer.0", "layer.2"))
    1
    """
    if virtual_token_count(model):
        return 0
    try:
        stack = architecture.layers(model)
    except (ArgumentError, AttributeError):
        return 0
    if not all(is_bert_layer(layer) or type(layer).__name__ in FAMILIES for layer in stack):
        return 0
    inside = {id(module) for module in stack.modules()}
    below = [
        module
        for name, module in architecture.backbone(model).named_modules()
        if id(module) not in inside
        and any(part in name for part in ("embed", "wte", "wpe", "drop"))
    ]
    if not all(map(_is_constant, below)):
        return 0
    depth = 0
    while depth < len(stack) and _is_constant(stack[depth]):
        depth += 1
    return depth


def _is_constant(module: nn.Module) -> bool:
    """Whether a module is frozen and drops nothing."""
    drops = [part.p for part in module.modules() if isinstance(part, nn.Dropout)]
    drops += [getattr(part, "attention_dropout", 0.0) for part in module.modules()]
    numbers = [drop for drop in drops if isinstance(drop, float | int)]
    return not any(numbers) and not any(weight.requires_grad for weight in module.parameters())


def keys_of(inputs: Mapping[str, torch.Tensor]) -> list[bytes]:
    """What identifies each text of a batch of inputs (B, T): all its inputs without padding.

    >>> ids, mask = torch.tensor([[7, 8, 0], [7, 8, 9]]), torch.tensor([[1, 1, 0], [1, 1, 1]])
    >>> short, _ = keys_of({"input_ids": ids, "attention_mask": mask})
    >>> keys_of({"input_ids": ids[:1, :2], "attention_mask": mask[:1, :2]}) == [short]
    True
    """
    if "attention_mask" not in inputs:
        return []
    tensors = [inputs[name].cpu().numpy() for name in sorted(inputs)]
    mask = inputs["attention_mask"].cpu().numpy().astype(bool)
    return [
        b"".join(np.ascontiguousarray(tensor[row][mask[row]]).tobytes() for tensor in tensors)
        for row in range(len(mask))
    ]


class _Stop(Exception):  # noqa: N818 - no error: it ends a forward pass early
    """Carries hidden states out of a forward pass."""

    def __init__(self, hidden: torch.Tensor) -> None:
        super().__init__()
        self.hidden = hidden


def _stop(original: Callable, *args: Any, **kwargs: Any) -> None:
    raise _Stop(original(*args, **kwargs))


def _reserve(path: Path, size: int) -> None:
    """Make a file of a size; OSError where the disk has no room, which a mapping would not say."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
