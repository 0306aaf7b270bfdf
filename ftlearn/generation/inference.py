"""A model made ready to write: its fastest copy, and the state of everything global around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from transformers import GenerationConfig

from ftlearn import runtime
from ftlearn.fast import autotune
from ftlearn.fast.inference import inference_copy
from ftlearn.models import lora
from ftlearn.models.wrapping import unwrapped
from ftlearn.runtime import device_of
from ftlearn.runtime.arguments import whole_number
from ftlearn.runtime.arithmetic import Arithmetic, computing


class Writer(NamedTuple):
    """A model that writes, where it is, and in which arithmetic it computes."""

    model: nn.Module
    device: torch.device
    arithmetic: Arithmetic

    @classmethod
    def of(cls, model: nn.Module, precision: str = "auto") -> Writer:
        """The model's fastest copy for inference on this machine, adapters merged."""
        device = device_of(model)
        model = lora.merged_view(model) if lora.can_be_merged(model) else model
        # Which attention is faster was measured on whole texts, not on one token after a cache.
        arithmetic = replace(autotune.prediction(model, device, precision), attention=None)
        fast_model, rest = inference_copy(model, arithmetic)
        return cls(fast_model, device, rest)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A context in which the model computes; afterwards everything is as it was before."""
        was_training = self.model.training
        self.model.eval()
        try:
            with (
                torch.inference_mode(),
                only_passed_settings(unwrapped(self.model)),
                contiguous_head_inputs(self.model),
                computing(self.device, self.arithmetic),
            ):
                yield
        finally:
            self.model.train(was_training)


@contextmanager
def only_passed_settings(model: nn.Module) -> Iterator[None]:
    """A context in which a model's own generation settings add nothing to those that are passed.

    transformers fills every setting that is None from ``model.generation_config``, and so from a
    file that came with the weights.
    """
    before = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = before


@contextmanager
def contiguous_head_inputs(model: nn.Module) -> Iterator[None]:
    """A context in which the last layer gets its vectors (B, 1, D) in one block of memory.

    Models cut the last position out of (B, T, D) without copying it. For such a view torch repeats
    the weights of the vocabulary once per row: on a CPU that took half of the first step.
    """
    head = model.get_output_embeddings()
    if head is None:
        yield
        return
    hook = head.register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(), *inputs[1:]))
    try:
        yield
    finally:
        hook.remove()


class Draws:
    """The random numbers of one batch, apart from the global generators.

    >>> cpu = torch.device("cpu")
    >>> draws = Draws(0, 0, cpu)
    >>> with draws.drawing():
    ...     first = torch.rand(1)
    >>> with draws.drawing():
    ...     second = torch.rand(1)
    >>> with Draws(0, 0, cpu).drawing():
    ...     both = torch.cat([torch.rand(1), torch.rand(1)])
    >>> bool((both == torch.cat([first, second])).all())
    True
    """

    def __init__(self, seed: int, batch: int, on: torch.device) -> None:
        sequence = np.random.SeedSequence((whole_number("seed", seed, 0), batch))
        self._seed = int(sequence.generate_state(1, np.uint64)[0])
        self._device = on
        self._state: dict | None = None

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """A context in which torch draws these numbers, from where the last one left off."""
        before = runtime.rng_state(self._device)
        if self._state is None:
            torch.manual_seed(self._seed)
        else:
            runtime.set_rng_state(self._state, self._device)
        try:
            yield
        finally:
            self._state = runtime.rng_state(self._device)
            runtime.set_rng_state(before, self._device)
