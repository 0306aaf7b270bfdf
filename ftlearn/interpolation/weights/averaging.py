"""Averages of the weights that a training run passes through."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ftlearn.interpolation.weights.state_dicts import (
    Source,
    check_same_architecture,
    distinct,
    map_tensors,
    state_of,
    widened,
)
from ftlearn.losses import at_least_fp32


class Average:
    """θ̄ ← θ̄ + r_t·(θ_t − θ̄) after update t = 1, 2, ...; what the rate r_t is makes its kind.

    Take every model in by ``update``; ``state`` is the average so far, to be put into a model by
    ``weights.write``. It is kept in fp32 at least; tensors of whole numbers are the latest. The
    statistics of batch normalisation belong to the weights they were measured with: measure them
    again for the average.

    >>> average = Average(lambda t: 1 / t)
    >>> for value in (1.0, 2.0, 6.0): average.update({"w": torch.tensor([value])})
    >>> average.state
    {'w': tensor([3.])}
    """

    def __init__(self, rate: Callable[[int], float]) -> None:
        self.rate, self.count = rate, 0
        self._mean: dict[str, torch.Tensor] = {}
        self._types: dict[str, torch.dtype] = {}

    @property
    def state(self) -> dict[str, torch.Tensor]:
        """A copy of the average in the formats of the models; tied weights are tied."""
        if not self.count:
            raise ValueError("there is no average yet: call update(model) first")
        return map_tensors(self._mean, lambda name, mean: mean.to(self._types[name], copy=True))

    @torch.no_grad()
    def update(self, model: Source) -> None:
        """Take one more module or state dict into the average.

        Raises ValueError where it is not of the same make as those before.
        """
        state = state_of(model)
        if not self.count:
            self._begin(state)
        check_same_architecture([self._mean, widened(state)])
        self.count += 1
        rate = self.rate(self.count)
        for name in distinct(self._mean):
            mean, value = self._mean[name], state[name].to(self._mean[name].device)
            if mean.is_floating_point():
                mean.lerp_(at_least_fp32(value), rate)
            else:
                mean.copy_(value)

    def _begin(self, state: dict[str, torch.Tensor]) -> None:
        self._mean = map_tensors(widened(state), lambda name, tensor: tensor.clone())
        self._types = {name: tensor.dtype for name, tensor in state.items()}


def ema(decay: float, *, bias_corrected: bool = False) -> Average:
    """The exponential moving average θ̄ ← β·θ̄ + (1 − β)·θ, begun at the first model.

    ``bias_corrected`` begins at nothing instead, and divides by 1 − β^t as Adam does: then early
    models do not count more than late ones (Kingma and Ba 2014, arXiv 1412.6980, section 3).

    >>> average = ema(0.9)
    >>> for value in (1.0, 2.0): average.update({"w": torch.tensor([value])})
    >>> average.state
    {'w': tensor([1.1000])}
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay is {decay}: give a number from 0 to below 1, such as 0.99")
    if bias_corrected:
        return Average(lambda t: (1 - decay) / (1 - decay**t))
    return Average(lambda t: 1 - decay if t > 1 else 1.0)


def swa() -> Average:
    """The plain mean of all models taken in, each with weight 1/t.

    Stochastic weight averaging (Izmailov et al. 2018, arXiv 1803.05407): take one model
    in at the end of each cycle or epoch of the late part of a run.
    """
    return Average(lambda t: 1 / t)
