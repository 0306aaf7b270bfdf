"""Random-number generators of Python, NumPy and torch: seeded, saved, restored."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Set the seeds of Python, NumPy and torch (all devices).

    >>> seed_everything(0); first = torch.rand(2)
    >>> seed_everything(0); bool((torch.rand(2) == first).all())
    True
    """
    seed = int(seed)  # Python's generator does not accept NumPy's integers
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries still draw from the global generator
    torch.manual_seed(seed)


def rng_state(on: torch.device) -> dict[str, Any]:
    """The state of the generators that a run on a device uses, as JSON can hold it.

    >>> cpu = torch.device("cpu"); state = rng_state(cpu); first = torch.rand(2)
    >>> set_rng_state(state, cpu); bool((torch.rand(2) == first).all())
    True
    """
    version, words, gauss = random.getstate()
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    state = {
        "python": [version, list(words), gauss],
        "numpy": [name, keys.tolist(), *rest],
        "torch": torch.get_rng_state().tolist(),
    }
    if on.type != "cpu":
        state[on.type] = torch.get_device_module(on).get_rng_state(on).tolist()
    return state


def set_rng_state(state: dict[str, Any], on: torch.device) -> None:
    """Restore the generators to a state that ``rng_state`` returned.

    A state from another kind of device leaves this device's generator as it is.
    """
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(tuple(state["numpy"]))  # noqa: NPY002
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
    if state.get(on.type):
        device_state = torch.tensor(state[on.type], dtype=torch.uint8)
        torch.get_device_module(on).set_rng_state(device_state, on)
