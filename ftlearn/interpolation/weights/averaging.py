"""Averages of the weights over a training run."""

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
    """A running average θ̄ ← θ̄ + r_t·(θ_t − θ̄), t = 1, 2, ..., with a rate r_t, as EMA or SWA.

    Add models with ``update``; ``state`` is the average so far, which ``write`` copies into a
    model. It is kept in fp32 at least; integer tensors are those of the latest model. The
    statistics of batch normalisation belong to the weights they were measured with: measure them
    again for the average.

    >>> average = Average(lambda t: 1 / t)
    >>> for value in (1.0, 2.0, 6.0): average.update({"w": torch.tensor([value])})
    >>> average.state
    {'w': tensor([3.])}
    """

    def __init__(self, rate: Callable[[int], float]) -> None:
        self.rate = rate
        self.count = 0
        self._mean: dict[str, torch.Tensor] = {}
        self._dtypes: dict[str, torch.dtype] = {}

    @property
    def state(self) -> dict[str, torch.Tensor]:
        """A copy of the average in the dtypes of the models; tied weights stay tied."""
        if not self.count:
            raise ValueError("there is no average yet: call update(model) first")
        return map_tensors(self._mean, lambda name, mean: mean.to(self._dtypes[name], copy=True))

    @torch.no_grad()
    def update(self, model: Source) -> None:
        """Add one more module or state dict to the average.

        Raises ValueError when its architecture differs from that of the models before.
        """
        state = state_of(model)
        if not self.count:
            self._begin(state)
        check_same_architecture([self._mean, widened(state)])
        self.count += 1
        rate = self.rate(self.count)
        for name in distinct(self._mean):
            mean = self._mean[name]
            value = state[name].to(mean.device)
            if mean.is_floating_point():
                mean.lerp_(at_least_fp32(value), rate)
            else:
                mean.copy_(value)

    def _begin(self, state: dict[str, torch.Tensor]) -> None:
        self._mean = map_tensors(widened(state), lambda name, tensor: tensor.clone())
        self._dtypes = {name: tensor.dtype for name, tensor in state.items()}


def ema(decay: float, *, bias_corrected: bool = False) -> Average:
    """The exponential moving average θ̄ ← β·θ̄ + (1 − β)·θ, which starts at the first model.

    ``bias_corrected`` starts at 0 instead and divides by 1 − β^t, as Adam does, so that the first
    model does not count more than later ones (Kingma and Ba 2014, arXiv 1412.6980, section 3).

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
    """The plain mean of all models added, by the rate 1/t.

    Stochastic weight averaging (Izmailov et al. 2018, arXiv 1803.05407): add a model at the end of
    each cycle or epoch in the late part of a run. Lesson 10 averages after each update of the
    last pass.
    """
    return Average(lambda t: 1 / t)
