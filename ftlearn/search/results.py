"""The results of a search: table, best trial, best value so far, importance of each setting."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from ftlearn.errors import FtlearnError
from ftlearn.search import budget


class SearchError(FtlearnError, RuntimeError):
    """A search without a result: no trial is complete."""


class Best(NamedTuple):
    """The best trial: its settings, its value, and its row in the table."""

    settings: dict[str, Any]
    value: float
    row: int


@dataclass(frozen=True)
class Search:
    """The trials of a search; ``study`` is the Optuna study that holds them.

    trials   the budget: the number of trials to run
    stopped  why the search ended before its budget was spent; empty if it did not
    """

    study: Study
    trials: int
    stopped: str = ""

    def finished(self) -> list[FrozenTrial]:
        """Trials that count, in the order of their slots: complete, pruned and failed ones."""
        trials = [trial for trial in budget.all_trials(self.study) if budget.counts(trial)]
        return sorted(trials, key=budget.slot)

    def table(self) -> pd.DataFrame:
        """One row per trial: its settings, value, state, steps, seconds and error.

        The value of a pruned trial is the last one that it yielded.
        """
        return pd.DataFrame([_row(trial) for trial in self.finished()])

    def restarted(self) -> dict[int, int]:
        """From each trial whose process died to the one that ran its settings again, by number."""
        trials = budget.all_trials(self.study)
        later = {
            trial.number: [
                other.number
                for other in budget.begun_in_slot(trials, budget.slot(trial))
                if other.number > trial.number
            ]
            for trial in trials
            if budget.is_orphaned(trial)
        }
        return {number: others[0] for number, others in later.items() if others}

    @property
    def best(self) -> Best:
        """The complete trial with the lowest value; raises SearchError if none is complete."""
        values = self._values()
        if values.isna().all():
            raise SearchError("no trial is complete yet, so there is no best one: run more trials")
        row = int(values.idxmin())
        return Best(dict(self.finished()[row].params), float(values[row]), row)

    def best_so_far(self) -> pd.Series:
        """The lowest value of complete trials after 1, 2, ... trials, NaN before the first one."""
        values = self._values().cummin().ffill()
        return values.set_axis(range(1, len(values) + 1))

    def _values(self) -> pd.Series:
        """The values of complete trials, NaN for others."""
        values = [
            trial.value if trial.state is TrialState.COMPLETE else None for trial in self.finished()
        ]
        return pd.Series(values, dtype=float)

    def importance(self, *, seed: int = 0) -> pd.Series:
        """The share of the variance of the values that each setting explains, by fANOVA.

        A random forest models the objective over the whole space (Hutter et al. 2014, ICML); its
        trees are drawn from ``seed``. All values of a range count alike on a linear scale, even
        if the range is logarithmic: nine tenths of 0.00001 to 1 lie above 0.1. Interactions of
        settings are left out, and the shares of single settings are scaled to sum to 1. Raises
        ValueError for fewer than two complete trials.
        """
        complete = [t for t in self.finished() if t.state is TrialState.COMPLETE]
        if len(complete) < 2:
            raise ValueError(f"{len(complete)} trials are complete: importance needs at least two")
        evaluator = FanovaImportanceEvaluator(seed=seed)
        return pd.Series(get_param_importances(self.study, evaluator=evaluator), name="share")

    def __repr__(self) -> str:
        states = Counter(_state(trial) for trial in self.finished())
        counts = ", ".join(f"{count} {state}" for state, count in states.items()) or "none"
        best = f", best {self.best.value:.4g} in row {self.best.row}" if states["complete"] else ""
        stopped = f", stopped: {self.stopped}" if self.stopped else ""
        return f"Search({states.total()} of {self.trials} trials: {counts}{best}{stopped})"


def _state(trial: FrozenTrial) -> str:
    return "failed" if trial.state is TrialState.FAIL else trial.state.name.lower()


def _row(trial: FrozenTrial) -> dict[str, Any]:
    steps = trial.intermediate_values
    last = steps[max(steps)] if steps else float("nan")
    seconds = (trial.datetime_complete - trial.datetime_start).total_seconds()
    return {
        **trial.params,
        "value": last if trial.value is None else trial.value,
        "state": _state(trial),
        "steps": len(steps),
        "seconds": seconds,
        "error": trial.user_attrs.get(budget.ERROR, ""),
    }
