"""Which trials of a study count, so that parallel and interrupted processes share one budget.

The budget is a number of slots, and each slot is run until one of its trials is finished. A slot
is named by the number of its first trial. A trial whose process died is *orphaned*: another trial
with the same settings takes its slot. A trial that was begun beyond the budget, because several
processes began trials at once, is *surplus*, and ends before it runs. Both stay in the study as
failed trials without an error, and do not count.
"""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import psutil
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage, fail_stale_trials
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

# The values are stored in studies: another one would keep old studies from being continued.
SLOT = "again"
"""User attribute of a trial that reruns an orphaned one: the slot."""

ERROR = "error"
"""User attribute of a trial that failed: the error."""

SURPLUS = "spare"
"""User attribute of a surplus trial."""

WORKER = "worker"
"""User attribute of a trial: the process that runs it, as ``this_worker`` describes it."""

SILENCE = timedelta(minutes=2)
"""How long a trial may run before it names its worker."""


def slot(trial: FrozenTrial) -> int:
    """The slot of a trial: the number of the first trial with the same place in the budget."""
    return trial.user_attrs.get(SLOT, trial.number)


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is finished and counts: complete, pruned, or failed with an error."""
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or ERROR in trial.user_attrs


def is_orphaned(trial: FrozenTrial) -> bool:
    """Whether a trial within the budget ended unfinished, since its process died."""
    failed = trial.state is TrialState.FAIL and ERROR not in trial.user_attrs
    return failed and SURPLUS not in trial.user_attrs


def all_trials(study: Study) -> list[FrozenTrial]:
    """All trials of a study as they are now, not copied: do not change them."""
    return study.get_trials(deepcopy=False)


def begun_in_slot(trials: Iterable[FrozenTrial], number: int) -> list[FrozenTrial]:
    """The trials of a slot that have begun, in order, without surplus ones."""
    return [
        trial
        for trial in trials
        if slot(trial) == number
        and trial.state is not TrialState.WAITING
        and SURPLUS not in trial.user_attrs
    ]


def slots(trials: Iterable[FrozenTrial]) -> set[int]:
    """The slots of the trials, without those of surplus ones."""
    return {slot(trial) for trial in trials if SURPLUS not in trial.user_attrs}


def slot_index(study: Study, trial: FrozenTrial) -> int:
    """The index of a trial's slot in the budget, from 0: how many slots began before it."""
    return sum(number < slot(trial) for number in slots(all_trials(study)))


def claimed(study: Study) -> int:
    """How many slots of the budget are taken by trials that are finished or running."""
    trials = all_trials(study)
    return len(slots(t for t in trials if counts(t) or t.state is TrialState.RUNNING))


def is_surplus(study: Study, trial: FrozenTrial, budget: int) -> bool:
    """Whether a trial that has just begun is beyond the budget, or its slot is already taken."""
    same_slot = [t for t in all_trials(study) if slot(t) == slot(trial)]
    earlier = [t for t in same_slot if t.number < trial.number]
    return slot_index(study, trial) >= budget or not all(is_orphaned(t) for t in earlier)


def this_worker() -> dict[str, Any]:
    """The process that runs a trial: host, pid, and when it began, since pids are reused."""
    process = psutil.Process(os.getpid())
    return {"host": platform.node(), "pid": process.pid, "began": process.create_time()}


def is_dead(trial: FrozenTrial) -> bool:
    """Whether the process of a running trial is known to be gone.

    Nothing is known of processes on another host. A trial that names no worker within two minutes
    was begun by a process that died at once.
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


def awaits_others(study: Study) -> bool:
    """Whether trials run whose end, or whose process's death, this process would learn of.

    A file tells nothing of a process on another host: its trial is not waited for.
    """
    running = [trial for trial in all_trials(study) if trial.state is TrialState.RUNNING]
    if isinstance(unwrapped_storage(study), RDBStorage):
        return bool(running)
    workers = [trial.user_attrs.get(WORKER) for trial in running]
    return any(worker is None or worker["host"] == platform.node() for worker in workers)


def unwrapped_storage(study: Study) -> BaseStorage:
    """The storage of a study, without the cache that Optuna puts around a database."""
    return getattr(study._storage, "_backend", study._storage)


def recover(study: Study) -> int:
    """Fail trials whose process has died and enqueue orphaned settings again; return how many.

    A process on this host is looked up. In a database, one that has sent no heartbeat is dead, too.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        fail_stale_trials(study)  # does nothing for a storage without heartbeats
    for trial in all_trials(study):
        if trial.state is TrialState.RUNNING and is_dead(trial):
            with suppress(UpdateFinishedTrialError):  # another process was faster
                study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    trials = all_trials(study)
    taken = slots(trial for trial in trials if not is_orphaned(trial))
    orphaned = {slot(trial): trial.params for trial in trials if is_orphaned(trial)}
    free = {number: params for number, params in orphaned.items() if number not in taken}
    for number, params in free.items():
        study.enqueue_trial(params, user_attrs={SLOT: number})
    return len(free)
