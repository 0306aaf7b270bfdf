"""How the next settings are chosen, and when a trial is given up: names for Optuna's own."""

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
"""Methods that draw, by name, from a seed. ``"grid"`` is the fourth."""

PRUNERS: dict[str | None, Callable[[], optuna.pruners.BasePruner]] = {
    None: optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
}
"""Rules for giving up, by name: worse than the median of the complete trials; not in the best
third of a rung. Under ``"median"`` the first five trials run to the end."""


def sampler(method: str, searched: space.Space, trials: int, seed: int) -> BaseSampler:
    """The sampler of a method; raises ValueError for a name that is unknown."""
    if method == "grid":
        return Grid(space.grid(searched, trials), seed)
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: use grid, {', '.join(METHODS)}")
    return Seeded(METHODS[method], seed)


def pruner(name: str | optuna.pruners.BasePruner | None) -> optuna.pruners.BasePruner:
    """A pruner by name, or the given one; raises ValueError for a name that is unknown.

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
    """A sampler whose draws depend on the seed and on the place of the trial, on nothing else.

    Optuna's own begin their random numbers anew with each process: a search that is continued,
    or shared out, with the same seed would draw the same settings a second time.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self.make, self.seed = make, seed
        self.inner = make(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        words = [self.seed, budget.place(study, trial)]
        self.inner = self.make(int(np.random.SeedSequence(words).generate_state(1)[0]))
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
    """Gives each trial the point of a shuffled grid that belongs to its place.

    Optuna's ``GridSampler`` counts a trial that was killed as done, and workers that share a
    grid may draw a point twice.
    """

    def __init__(self, points: list[dict[str, Any]], seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(points))
        self.points = [points[at] for at in order]

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, Any]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        # A trial beyond the grid is spare: it is given back before it runs.
        return self.points[budget.place(study, trial) % len(self.points)][param_name]
