"""``run``: a search from its first trial to its last, whatever happens in between."""

from __future__ import annotations

import json
import logging
import math
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.pruners import BasePruner
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.study import Study
from optuna.trial import Trial
from tqdm import tqdm

from ftlearn.errors import ExistsError
from ftlearn.runtime.arguments import whole_number
from ftlearn.runtime.progress import bar
from ftlearn.search import budget, methods
from ftlearn.search.results import Search, SearchError
from ftlearn.search.space import Space, grid

Objective = Callable[..., float | Iterator[float]]

PLAN = "plan"
HEARTBEAT_SECONDS = 60
"""How often a worker tells a database that it lives; one that is silent for two is lost."""


class _SpareError(RuntimeError):
    """A trial beyond the budget: other processes have taken all places."""


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
    """Search for the settings with the lowest value of an objective, in so many trials.

    ``objective(**settings)`` returns a number, or yields one after each step; the last one is
    the value of the trial. ``method`` is ``"grid"`` (at most ``trials`` points), ``"random"``,
    ``"tpe"`` or ``"gp"``; ``prune`` gives up trials that yield: ``"median"`` or ``"halving"``.

    ``storage`` keeps the trials: in a file, or in a database for many machines, for example
    ``"postgresql+psycopg://user@host/searches"`` after ``pip install "psycopg[binary]"``, its
    driver. The same call with the same storage and name continues the search, also from other
    processes at the same time, until ``trials`` are finished together; a trial whose process
    died is run again. Without storage the trials end with the process.

    An error ends its trial and is kept in the table; a value that is not finite is an error.
    Ctrl-C ends the search, and what is there is returned. Raises SearchError where every trial
    failed, and ValueError for settings that contradict each other or the stored search.

    >>> from ftlearn import search
    >>> run(lambda x: (x - 2) ** 2, {"x": search.uniform(0, 8)}, method="grid", trials=5).best
    Best(settings={'x': 2.0}, value=0.0, row=4)
    """
    sampler, pruner = methods.sampler(method, space, _checked(trials), seed), methods.pruner(prune)
    points = len(grid(space, trials)) if method == "grid" else None
    how = {"sampler": sampler, "pruner": pruner, "study_name": name, "load_if_exists": True}
    with _quiet(), _opened(storage) as opened:
        study = optuna.create_study(storage=opened, **how)
        _same_plan(study, space, method, points, seed)
        return _drain(study, objective, space, points or trials)


def _checked(trials: int) -> int:
    return whole_number("trials", trials, 1)


def _drain(study: Study, objective: Objective, space: Space, trials: int) -> Search:
    """Run trials until all places of the budget are taken, or an interrupt comes."""
    carry_out, stopped = _trial(study, objective, space, trials), ""
    budget.recover(study)
    with _bar(trials) as bar:
        while (taken := budget.claimed(study)) < trials and not stopped:
            bar.update(taken - bar.n)
            try:
                study.optimize(carry_out, n_trials=1, catch=(Exception,))
            except KeyboardInterrupt:
                warnings.warn("the search was interrupted; it is returned so far", stacklevel=3)
                stopped = "interrupted"
            else:
                budget.recover(study)
        bar.update(budget.claimed(study) - bar.n)
    search = Search(study, trials, stopped)
    _require_one(search)
    return search


def _trial(
    study: Study, objective: Objective, space: Space, trials: int
) -> Callable[[Trial], float]:
    """One trial as Optuna calls it."""

    def carry_out(trial: Trial) -> float:
        trial.set_user_attr(budget.WORKER, budget.this_worker())
        settings = {name: _suggest(trial, name, space[name]) for name in space}
        if budget.is_spare(study, study.get_trials(deepcopy=False)[trial.number], trials):
            trial.set_user_attr(budget.SPARE, True)
            raise _SpareError
        try:
            return _value(trial, objective(**settings))
        except optuna.TrialPruned:
            raise
        except Exception as error:
            trial.set_user_attr(budget.ERROR, f"{type(error).__name__}: {error}")
            raise

    return carry_out


def _value(trial: Trial, given: float | Iterator[float]) -> float:
    """The value of a trial: what the objective returned, or the last that it yielded."""
    if not isinstance(given, Iterator):
        return _finite(given)
    value = None
    for step, value in enumerate(given, start=1):
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
    ends, how = (distribution.low, distribution.high), {"log": distribution.log}
    if not distribution.log:
        how["step"] = distribution.step
    if isinstance(distribution, optuna.distributions.IntDistribution):
        return trial.suggest_int(name, *ends, **how)
    return trial.suggest_float(name, *ends, **how)


def _same_plan(study: Study, space: Space, method: str, points: int | None, seed: int) -> None:
    """Note what the study searches, or raise ValueError where it was begun differently."""
    ranges = {name: distribution_to_json(space[name]) for name in space}
    plan = {"method": method, "seed": seed, "space": ranges, "grid points": points}
    begun = study.user_attrs.get(PLAN)
    if begun is None:
        study.set_user_attr(PLAN, plan)
        return
    differing = [key for key in plan if plan[key] != begun.get(key)]
    if differing:
        key = differing[0]
        raise ValueError(
            f"the stored search {study.study_name!r} was begun with another {key} "
            f"({begun.get(key)}, not {plan[key]}): give this one another name"
        )


def _require_one(search: Search) -> None:
    errors = [trial.user_attrs.get(budget.ERROR) for trial in search.finished()]
    if errors and all(errors):
        raise SearchError(
            f"all {len(errors)} trials failed, the first with {errors[0]}: "
            "call the objective by itself with settings of the space to see where"
        )


@contextmanager
def _opened(storage: str | Path | None) -> Iterator[BaseStorage | None]:
    """The storage by path or URL; a database is given back at the end of the run."""
    if storage is None:
        yield None
    elif "://" in str(storage):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            database = RDBStorage(str(storage), heartbeat_interval=HEARTBEAT_SECONDS)
        yield database
        database.remove_session()
    else:
        _check_journal(Path(storage))
        yield JournalStorage(JournalFileBackend(str(storage)))


def _check_journal(file: Path) -> None:
    """Raise ExistsError for a file that is no journal of a search: it would be written into."""
    if not file.exists() or (file.is_file() and not file.stat().st_size):
        return
    try:
        with file.open(encoding="utf-8") as lines:
            known = "op_code" in json.loads(next(lines))
    except (OSError, ValueError, TypeError):
        known = False
    if not known:
        raise ExistsError(f"{file} is not the storage of a search: choose another file")


@contextmanager
def _quiet() -> Iterator[None]:
    """A context in which Optuna says nothing in this thread: the table has the errors, too."""
    own = threading.get_ident()
    handlers = list(logging.getLogger("optuna").handlers)

    def from_elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != own

    for handler in handlers:
        handler.addFilter(from_elsewhere)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(from_elsewhere)


def _bar(trials: int) -> tqdm:
    # A search that takes less than a second needs no bar; another thread may not draw one.
    main = threading.current_thread() is threading.main_thread()
    return bar(shown=main, total=trials, desc="search", unit="trial", delay=1)
