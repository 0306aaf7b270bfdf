"""Which trials of a study count, so that many processes and interruptions share one budget.

Each setting is run until it is finished. A trial that was running when its process died is
*lost*: another one with the same settings takes its place. A trial that several processes began
beyond the budget is *spare*, and is given back before it runs. Both stay in the study as failed
trials without an error, and count for nothing.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

AGAIN, ERROR, SPARE, WORKER = "again", "error", "spare", "worker"
"""Names of what is noted in a trial: whose place it takes, its error, and who runs it."""

SILENCE = timedelta(minutes=2)
"""How long a trial may be at work without a note of who runs it."""


def origin(trial: FrozenTrial) -> int:
    """The number of the trial whose settings this one carries out: its own or a lost one's."""
    return trial.user_attrs.get(AGAIN, trial.number)


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is finished and counts: complete, pruned, or failed with an error."""
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or ERROR in trial.user_attrs


def is_lost(trial: FrozenTrial) -> bool:
    """Whether a trial ended without having been carried out, though it was within the budget."""
    failed = trial.state is TrialState.FAIL and ERROR not in trial.user_attrs
    return failed and SPARE not in trial.user_attrs


def all_trials(study: Study) -> list[FrozenTrial]:
    """All trials of a study as they are now; not to be changed."""
    return study.get_trials(deepcopy=False)


def origins(trials: Iterable[FrozenTrial]) -> set[int]:
    """The origins that hold a place in the budget."""
    return {origin(trial) for trial in trials if SPARE not in trial.user_attrs}


def place(study: Study, trial: FrozenTrial) -> int:
    """The place of a trial in the budget, from 0: how many others began before its origin."""
    begun = origin(trial)
    return sum(number < begun for number in origins(all_trials(study)))


def claimed(study: Study) -> int:
    """How many places of the budget are taken by trials that are finished or at work."""
    trials = all_trials(study)
    return len(origins(t for t in trials if counts(t) or t.state is TrialState.RUNNING))


def is_spare(study: Study, trial: FrozenTrial, budget: int) -> bool:
    """Whether a trial that has just begun is one too many."""
    twins = [t for t in all_trials(study) if origin(t) == origin(trial) and t.number < trial.number]
    return place(study, trial) >= budget or not all(is_lost(twin) for twin in twins)


def this_worker() -> dict[str, Any]:
    """Who runs a trial: host, process, and when it began, since numbers of processes return."""
    process = psutil.Process(os.getpid())
    return {"host": platform.node(), "pid": process.pid, "began": process.create_time()}


def is_dead(trial: FrozenTrial) -> bool:
    """Whether the process of a running trial is known to be gone.

    Of another host nothing is known; a trial that names nobody for two minutes was begun by a
    process that died at once.
    """
    worker = trial.user_attrs.get(WORKER)
    if worker is None:
        return datetime.now() - trial.datetime_start > SILENCE
    if worker["host"] != platform.node():
        return False
    try:
        process = psutil.Process(worker["pid"])
        same = abs(process.create_time() - worker["began"]) < 1
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def recover(study: Study) -> int:
    """Mark trials whose process has died, and put all lost settings back in line; how many."""
    for trial in all_trials(study):
        if trial.state is TrialState.RUNNING and is_dead(trial):
            with suppress(UpdateFinishedTrialError):  # another process was quicker
                study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    trials = all_trials(study)
    alive = origins(trial for trial in trials if not is_lost(trial))
    lost = {origin(each): each.params for each in trials if is_lost(each)}
    waiting = {begun: params for begun, params in lost.items() if begun not in alive}
    for begun, params in waiting.items():
        study.enqueue_trial(params, user_attrs={AGAIN: begun})
    return len(waiting)
