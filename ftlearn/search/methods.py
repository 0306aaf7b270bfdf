"""Samplers, which choose the next settings, and pruners, which end trials early, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from ftlearn.search import budget, space

METHODS: dict[str, Callable[[int], BaseSampler]] = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False),
}
"""Samplers by name, made from a seed. ``"grid"`` is the fourth method, without randomness."""

PRUNERS: dict[str | None, Callable[[], optuna.pruners.BasePruner]] = {
    None: optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
}
"""Pruners by name: ``"median"`` ends a trial that is worse than the median of the complete trials,
``"halving"`` one that is not in the best third of its rung. Under ``"median"`` the first five
trials run to the end."""


def sampler(method: str, searched: space.Space, trials: int, seed: int) -> BaseSampler:
    """The sampler of a method; raises ValueError for an unknown name."""
    if method == "grid":
        return Grid(space.grid(searched, trials), seed)
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: use grid, {', '.join(METHODS)}")
    return Seeded(METHODS[method], seed)


def pruner(name: str | optuna.pruners.BasePruner | None) -> optuna.pruners.BasePruner:
    """A pruner by name, or the one given; raises ValueError for an unknown name.

    >>> type(pruner("median")).__name__
    'MedianPruner'
    """
    if isinstance(name, optuna.pruners.BasePruner):
        return name
    if name not in PRUNERS:
        known = ", ".join(map(repr, PRUNERS))
        raise ValueError(f"unknown pruning {name!r}: use {known}, or a pruner of Optuna")
    return PRUNERS[name]()


class Seeded(BaseSampler):
    """A sampler whose random numbers depend only on the seed and on the slot of the trial.

    Optuna's samplers restart their random numbers in each process: a search that is resumed, or
    distributed across processes, with the same seed would draw the same settings again.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self.make = make
        self.seed = seed
        self.inner = make(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        entropy = np.random.SeedSequence([self.seed, budget.slot_index(study, trial)])
        self.inner = self.make(int(entropy.generate_state(1)[0]))
        self.inner.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        return self.inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, Any]
    ) -> dict[str, Any]:
        return self.inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        return self.inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        self.inner.after_trial(study, trial, state, values)


class Grid(BaseSampler):
    """A sampler that gives each trial the point of a shuffled grid that belongs to its slot.

    Optuna's ``GridSampler`` counts a trial that was killed as finished, and parallel workers may
    draw a point twice.
    """

    def __init__(self, points: list[dict[str, Any]], seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(points))
        self.points = [points[index] for index in order]

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, Any]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        # A trial beyond the grid is surplus: it ends before it runs.
        return self.points[budget.slot_index(study, trial) % len(self.points)][param_name]
