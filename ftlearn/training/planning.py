"""What a job will cost, before it starts: operations, memory, hours, energy and money.

By formulas from a few numbers, so also for models and devices that are not here; ``resources``
counts a model that is. Peak rates, watts and prices are the caller's: none is stored here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from torch import nn

from ftlearn.errors import ArgumentError
from ftlearn.metrics import Interval
from ftlearn.runtime.arguments import number, whole_number

Uncertain = float | Interval
"""A number, or one with the bounds it lies between."""

WEIGHT_BYTES, LEARNING_BYTES = 4, 12
"""Of a weight in fp32, and of what learns it with AdamW: a gradient and two moments."""


@dataclass(frozen=True)
class Job:
    """A training run by its size.

    multiplied   N, the weights that multiply each token (``multiplied_weights``)
    tokens       D, tokens trained on, all epochs together
    learning     how many weights learn; all unless given
    activations  bytes that one device keeps for the backward pass of one micro-batch
    """

    multiplied: float
    tokens: float
    learning: float | None = None
    activations: float = 0.0

    @property
    def trained(self) -> float:
        """The number of weights that learn."""
        return self.multiplied if self.learning is None else self.learning

    @property
    def operations(self) -> float:
        """C = (2N + 2N + 2·learning) D: forward, gradients of inputs, gradients of weights.

        6ND if all weights learn (Kaplan et al. 2020, arXiv 2001.08361), nearly 4ND with LoRA.
        Attention between tokens comes on top; it is small where texts are short.

        >>> Job(1e9, tokens=1e6).operations
        6000000000000000.0
        """
        return (4 * self.multiplied + 2 * self.trained) * self.tokens

    def memory(self, devices: int = 1) -> float:
        """Bytes per device with weights, gradients and moments sharded, activations not.

        16 bytes per weight over n (ZeRO-3, Rajbhandari et al. 2019, arXiv 1910.02054).
        """
        kept = WEIGHT_BYTES * self.multiplied + LEARNING_BYTES * self.trained
        return kept / devices + self.activations


@dataclass(frozen=True)
class Device:
    """A device by the numbers of its data sheet and of a price list.

    peak    operations per second in the number format that is used
    memory  bytes
    watts   drawn under load
    price   per hour; 0 for a device of one's own
    """

    peak: float
    memory: float
    watts: Uncertain
    price: Uncertain = 0.0


class Plan(NamedTuple):
    """What a job costs on some devices: each uncertain number with its bounds."""

    devices: int
    operations: float
    memory: float
    """Bytes per device."""
    fits: bool
    hours: Interval
    kilowatt_hours: Interval
    price: Interval


def plan(
    job: Job,
    device: Device,
    *,
    utilisation: Uncertain,
    devices: int = 1,
    pue: Uncertain = 1.0,
    price_per_kwh: Uncertain = 0.0,
) -> Plan:
    """What a job costs on so many equal devices.

    ``utilisation`` is the share of the peak that training reaches, waiting for messages included;
    ``pue`` is energy of the whole data centre over that of its computers (power usage
    effectiveness). Raises ValueError for numbers that are impossible.

    >>> small = Device(peak=1e13, memory=16e9, watts=100)
    >>> print(plan(Job(1e9, tokens=1e6), small, utilisation=Interval(0.25, 0.1, 0.5)).hours)
    0.667 [0.333, 1.667]
    """
    devices = whole_number("devices", devices, 1)
    share = _interval("utilisation", utilisation, most=1.0)
    if share.low * device.peak <= 0:
        raise ArgumentError(f"utilisation {share}, peak {device.peak:g}: both must be above 0")
    at_peak = job.operations / (device.peak * devices) / 3600
    hours = Interval(*(at_peak / part for part in (share.value, share.high, share.low)))
    memory = job.memory(devices)
    energy, price = bill(
        hours,
        watts=product(devices, device.watts),
        price_per_hour=product(devices, device.price),
        pue=pue,
        price_per_kwh=price_per_kwh,
    )
    fits = memory <= device.memory
    return Plan(devices, job.operations, memory, fits, hours, energy, price)


def bill(
    hours: Uncertain,
    *,
    watts: Uncertain,
    price_per_hour: Uncertain = 0.0,
    pue: Uncertain = 1.0,
    price_per_kwh: Uncertain = 0.0,
) -> tuple[Interval, Interval]:
    """Kilowatt-hours, W · h · PUE / 1000, and the price: rent by the hour plus energy.

    >>> energy, price = bill(10, watts=300, pue=Interval(1.2, 1.1, 1.5), price_per_kwh=0.5)
    >>> print(energy, "", price)
    3.600 [3.300, 4.500]  1.800 [1.650, 2.250]
    """
    _interval("pue", pue, least=1.0)
    energy = product(hours, watts, pue, 0.001)
    rent, power = product(hours, price_per_hour), product(energy, price_per_kwh)
    return energy, Interval(*(a + b for a, b in zip(rent, power, strict=True)))


def product(*factors: Uncertain) -> Interval:
    """The product of numbers that are not negative, some of them uncertain.

    The low bound is that of all low ones together, so if each number lies between its bounds, the
    product does. That is wider than a 95 % interval of independent ones.

    >>> product(2, Interval(3, 2, 4), Interval(1, 0.5, 2))
    Interval(value=6.0, low=2.0, high=16.0)
    """
    intervals = [_interval("a factor", factor) for factor in factors]
    return Interval(*(math.prod(column) for column in zip(*intervals, strict=True)))


def _interval(
    name: str, value: Uncertain, *, least: float = 0.0, most: float = math.inf
) -> Interval:
    """The value as an Interval; ValueError unless least <= low <= value <= high <= most."""
    point, low, high = value if isinstance(value, tuple) else (value, value, value)
    point = number(name, point, least, most)
    low = number(f"low bound of {name}", low, least, point)
    return Interval(point, low, number(f"high bound of {name}", high, point, most))


def multiplied_weights(model: nn.Module) -> int:
    """N of 2ND: how many weights multiply each token.

    All matrices but those that are looked up in: a table of words costs no operation, unless it
    is the output layer, too (tied); then it counts once.

    >>> multiplied_weights(nn.Sequential(nn.Embedding(100, 8), nn.Linear(8, 5)))
    40
    """
    total = 0
    for module in model.modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.dim() > 1:
            total += 0 if isinstance(module, nn.Embedding) else weight.numel()
    return total
