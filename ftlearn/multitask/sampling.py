"""How often the rows of each task are drawn, by the sizes of the tasks and a temperature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ftlearn.errors import ArgumentError


def sampling_shares(
    sizes: Sequence[int], *, temperature: float = 1.0, cap: int | None = None
) -> np.ndarray:
    """The share of each task among the rows that are drawn, p_i ∝ min(n_i, cap)^(1/T).

    Temperature 1 draws by size, infinity from all tasks alike (Raffel et al. 2019, arXiv
    1910.10683, section 3.5.2). Raises ValueError for a task without rows, a temperature of 0 or
    less, and a cap below 1.

    >>> sampling_shares([900, 100]), sampling_shares([900, 100], temperature=2)
    (array([0.9, 0.1]), array([0.75, 0.25]))
    """
    logarithms = np.log(_capped(sizes, cap))
    if not temperature > 0:
        raise ArgumentError(f"temperature is {temperature}: choose a number above 0, such as 2")
    scaled = (logarithms - logarithms.max()) / temperature
    return np.exp(scaled) / np.exp(scaled).sum()


def rows_per_epoch(
    sizes: Sequence[int], *, temperature: float = 1.0, cap: int | None = None
) -> list[int]:
    """How many rows of each task an epoch draws: ``sampling_shares`` of Σ min(n_i, cap) rows.

    The shares are rounded by largest remainders, and every task gets at least one row if there
    are enough. Errors as those of ``sampling_shares``.

    >>> rows_per_epoch([900, 100], temperature=2), rows_per_epoch([900, 100], cap=200)
    ([750, 250], [200, 100])
    """
    total = int(_capped(sizes, cap).sum())
    exact = sampling_shares(sizes, temperature=temperature, cap=cap) * total
    counts = np.floor(exact + 1e-9).astype(int)
    by_remainder = np.argsort(counts - exact, kind="stable")
    counts[by_remainder[: total - counts.sum()]] += 1
    for task in np.flatnonzero(counts == 0):  # total is at least the number of tasks
        counts[counts.argmax()] -= 1
        counts[task] = 1
    return counts.tolist()


def drawn_rows(size: int, count: int, *, seed: Sequence[int], epoch: int) -> np.ndarray:
    """Which of the rows 0..size−1 an epoch draws, ``count`` of them.

    Rows are drawn without replacement from one shuffled pass over all of them after the other, and
    an epoch goes on where the last one stopped. So rows are drawn equally often, but for one time,
    and an epoch is a function of the seed and its number alone.

    >>> [sorted(drawn_rows(4, 2, seed=(0,), epoch=epoch).tolist()) for epoch in (0, 1)]
    [[0, 2], [1, 3]]
    """
    places = np.arange(epoch * count, (epoch + 1) * count)
    passes = range(int(places[0] // size), int(places[-1] // size) + 1)
    shuffled = [np.random.default_rng((*seed, number)).permutation(size) for number in passes]
    return np.concatenate(shuffled)[places - passes[0] * size]


def _capped(sizes: Sequence[int], cap: int | None) -> np.ndarray:
    if cap is not None and cap < 1:
        raise ArgumentError(f"cap is {cap}: choose a number of rows, 1 or more")
    for task, size in enumerate(sizes):
        if size < 1:
            raise ArgumentError(f"task {task} has {size} rows: leave it out, or add rows")
    return np.minimum(np.asarray(sizes, dtype=float), np.inf if cap is None else cap)
