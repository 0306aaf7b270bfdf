"""Out of memory: say what to do about it, or continue with smaller micro-batches."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from ftlearn import runtime
from ftlearn.data.batching import Batch
from ftlearn.runtime import distributed

MicroBatches = list[Batch]
"""The rows of one batch, in parts that pass through the model one after the other."""


@contextmanager
def explain_out_of_memory(batch: Batch) -> Iterator[None]:
    """A context in which torch's out-of-memory errors become a MemoryError that says what to do."""
    try:
        yield
    except RuntimeError as error:  # OutOfMemoryError is one; on a CPU only the message tells
        out_of_memory = isinstance(error, torch.OutOfMemoryError)
        if not out_of_memory and "can't allocate memory" not in str(error):
            raise
        rows, tokens = batch.inputs["input_ids"].shape
        raise MemoryError(
            f"a micro-batch of {rows} rows and {tokens} tokens does not fit in memory: raise "
            "TrainConfig.micro_batches (the result stays the same), lower batch_size or the "
            "task's max_length, or freeze a part of the model"
        ) from error


class RetrySmaller:
    """Calls a function of micro-batches, and again with smaller ones as long as they do not fit.

    ``split`` halves micro-batches, and ``clear_gradients`` removes what a failed call has left.
    ``halvings`` is how often every batch is halved from then on: what did not fit once will not fit
    later.
    Random numbers are drawn again, so that dropout is as if nothing had failed.
    """

    def __init__(
        self,
        split: Callable[[MicroBatches], MicroBatches],
        clear_gradients: Callable[[], None],
        device: torch.device,
    ) -> None:
        self.split = split
        self.clear_gradients = clear_gradients
        self.device = device
        self.halvings = 0

    def __call__(
        self, function: Callable[[MicroBatches], float], micro_batches: MicroBatches
    ) -> float:
        """The function's result; MemoryError where single rows do not fit, or on several ranks."""
        for _ in range(self.halvings):
            micro_batches = self.split(micro_batches)
        while True:
            rng_state = runtime.rng_state(self.device)
            try:
                return function(micro_batches)
            except MemoryError:
                self.clear_gradients()
                smaller = self.split(micro_batches)
                # Ranks wait for each other's gradients: one alone cannot cut its batch.
                if len(smaller) == len(micro_batches) or distributed.world_size() > 1:
                    raise
            micro_batches = smaller
            self.halvings += 1
            runtime.set_rng_state(rng_state, self.device)
            warnings.warn(
                f"a micro-batch did not fit in memory: batches are now cut into {len(smaller)} "
                "micro-batches; the gradient stays the same",
                stacklevel=2,
            )
