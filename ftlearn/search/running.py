"""``run``: a search that survives errors, interrupts and killed processes."""

from __future__ import annotations

import logging
import math
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import Trial
from tqdm import tqdm

from ftlearn.runtime.arguments import whole_number
from ftlearn.runtime.progress import bar
from ftlearn.search import budget, methods, storages
from ftlearn.search.results import Search, SearchError
from ftlearn.search.space import Space, grid

Objective = Callable[..., float | Iterator[float]]

PLAN = "plan"
WAIT_SECONDS = 1
"""How often a process that has no trial left to begin looks after those of others."""


class _SurplusError(RuntimeError):
    """A trial beyond the budget: other processes have taken all slots."""


def run(
    objective: Objective,
    space: Space,
    *,
    method: str = "tpe",
    trials: int = 20,
    seed: int = 0,
    prune: str | BasePruner | None = None,
    storage: str | Path | None = None,
    name: str = "search",
) -> Search:
    """Search for the settings with the lowest value of an objective, with a budget of ``trials``.

    ``objective(**settings)`` returns a number, or yields one after each step; the last one is
    the value of the trial. ``method`` is ``"grid"`` (at most ``trials`` points), ``"random"``,
    ``"tpe"`` or ``"gp"``; ``prune`` ends trials that yield early: ``"median"`` or ``"halving"``.

    ``storage`` keeps the trials: a file, or for many machines a database, for example
    ``"postgresql://user@host/searches"`` after ``pip install "ftlearn[search]"``. The same call
    with the same storage and name continues the search, also from several processes at once. They
    wait for each other until together they have finished ``trials``; a trial whose process died is
    run again by another. Without storage the trials are lost when the process ends.

    An error ends its trial and is kept in the table; a value that is not finite is an error.
    Ctrl-C ends the search and returns the trials so far. Raises SearchError if every trial failed,
    and ValueError for arguments that contradict each other or the stored search.

    >>> from ftlearn import search
    >>> run(lambda x: (x - 2) ** 2, {"x": search.uniform(0, 8)}, method="grid", trials=5).best
    Best(settings={'x': 2.0}, value=0.0, row=4)
    """
    trials = whole_number("trials", trials, 1)
    sampler, pruner = methods.sampler(method, space, trials, seed), methods.pruner(prune)
    points = len(grid(space, trials)) if method == "grid" else None
    with _quiet(), storages.opened(storage) as backend:
        study = optuna.create_study(
            storage=backend, sampler=sampler, pruner=pruner, study_name=name, load_if_exists=True
        )
        _check_plan(study, space, method, points, seed)
        return _run_trials(study, objective, space, points or trials)


def _run_trials(study: Study, objective: Objective, space: Space, trials: int) -> Search:
    """Run trials until all slots of the budget are finished, or until an interrupt."""
    run_trial = _trial(study, objective, space, trials)
    stopped = ""
    with _bar(trials) as bar:
        while not stopped:
            budget.recover(study)
            taken = budget.claimed(study)
            bar.update(taken - bar.n)
            try:
                if taken < trials:
                    _begin_trial(study, run_trial)
                elif budget.awaits_others(study):
                    time.sleep(WAIT_SECONDS)
                else:
                    break
            except KeyboardInterrupt:
                warnings.warn("the search was interrupted; it is returned so far", stacklevel=3)
                stopped = "interrupted"
    search = Search(study, trials, stopped)
    _check_any_succeeded(search)
    return search


def _begin_trial(study: Study, run_trial: Callable[[Trial], float]) -> None:
    """Run one trial; an error in it is recorded."""
    begun: list[int] = []

    def run_noted(trial: Trial) -> float:
        begun.append(trial.number)
        return run_trial(trial)

    try:
        study.optimize(run_noted, n_trials=1, catch=(Exception,))
    except (UpdateFinishedTrialError, ValueError, AssertionError):  # by which Optuna says so
        if not begun or not budget.is_orphaned(budget.all_trials(study)[begun[0]]):
            raise
        warnings.warn(
            "this process was silent for so long, suspended perhaps, that its trial was given to "
            "another one",
            stacklevel=4,
        )


def _trial(
    study: Study, objective: Objective, space: Space, trials: int
) -> Callable[[Trial], float]:
    """The function that runs a trial, as Optuna calls it."""

    def run_trial(trial: Trial) -> float:
        trial.set_user_attr(budget.WORKER, budget.this_worker())
        settings = {name: _suggest(trial, name, space[name]) for name in space}
        if budget.is_surplus(study, budget.all_trials(study)[trial.number], trials):
            trial.set_user_attr(budget.SURPLUS, True)
            raise _SurplusError
        try:
            return _value(trial, objective(**settings))
        except optuna.TrialPruned:
            raise
        except Exception as error:
            trial.set_user_attr(budget.ERROR, f"{type(error).__name__}: {error}")
            raise

    return run_trial


def _value(trial: Trial, result: float | Iterator[float]) -> float:
    """The value of a trial: what the objective returned, or the last value that it yielded."""
    if not isinstance(result, Iterator):
        return _finite(result)
    value = None
    for step, value in enumerate(result, start=1):
        trial.report(_finite(value), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    if value is None:
        raise ValueError("the objective yielded nothing: it must yield a number after each step")
    return float(value)


def _finite(value: Any) -> float:
    if not isinstance(value, bool) and math.isfinite(float(value)):
        return float(value)
    raise ValueError(f"the objective gave {value!r}: it must be a finite number")


def _suggest(trial: Trial, name: str, distribution: Any) -> Any:
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    options = {"log": distribution.log}
    if not distribution.log:
        options["step"] = distribution.step
    if isinstance(distribution, optuna.distributions.IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, **options)
    return trial.suggest_float(name, distribution.low, distribution.high, **options)


def _check_plan(study: Study, space: Space, method: str, points: int | None, seed: int) -> None:
    """Store the plan of a new study; ValueError if a stored study was begun with another plan."""
    ranges = {name: distribution_to_json(space[name]) for name in space}
    plan = {"method": method, "seed": seed, "space": ranges, "grid points": points}
    stored = study.user_attrs.get(PLAN)
    if stored is None:
        study.set_user_attr(PLAN, plan)
        return
    differing = [key for key in plan if plan[key] != stored.get(key)]
    if differing:
        key = differing[0]
        raise ValueError(
            f"the stored search {study.study_name!r} was begun with another {key} "
            f"({stored.get(key)}, not {plan[key]}): give this one another name"
        )


def _check_any_succeeded(search: Search) -> None:
    """Raise SearchError if every finished trial failed."""
    errors = [trial.user_attrs.get(budget.ERROR) for trial in search.finished()]
    if errors and all(errors):
        raise SearchError(
            f"all {len(errors)} trials failed, the first with {errors[0]}: "
            "call the objective by itself with settings of the space to see where"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """A context without Optuna's log messages from this thread: the table has the errors."""
    this_thread = threading.get_ident()
    handlers = list(logging.getLogger("optuna").handlers)

    def from_other_threads(record: logging.LogRecord) -> bool:
        return record.thread != this_thread

    for handler in handlers:
        handler.addFilter(from_other_threads)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(from_other_threads)


def _bar(trials: int) -> tqdm:
    # A search that takes less than a second needs no bar, and only the main thread may draw one.
    in_main_thread = threading.current_thread() is threading.main_thread()
    return bar(shown=in_main_thread, total=trials, desc="search", unit="trial", delay=1)
