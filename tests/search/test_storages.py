"""Storages of a search: what is waited for, taken over, and refused."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading

import optuna
import pytest
import search_worker
from search_worker import begun
from waiting import joined, waited

from ftlearn import search
from ftlearn.errors import ArgumentError
from ftlearn.search import budget, running, storages

SPACE = {"x": search.uniform(0, 1)}


@pytest.mark.parametrize("storage", ["{folder}/search.log", "sqlite:///{folder}/search.db"])
def test_the_last_trial_of_a_process_that_is_killed_is_taken_over(storage, tmp_path, monkeypatch):
    """All trials are begun, so another process waits; it reruns the one whose process dies."""
    monkeypatch.setattr(running, "WAIT_SECONDS", 0.01)
    storage, log = storage.format(folder=tmp_path), tmp_path / "begun"
    command = [sys.executable, search_worker.__file__, storage, "4", "3", "1", str(log)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as victim:
        waited(lambda: len(begun(log)) == 4)
        calls: list[float] = []
        found: list[search.Search] = []

        def objective(x: float, y: float) -> float:
            calls.append(x)
            return search_worker.objective(x, y)

        def wait_and_take_over() -> None:
            options = search_worker.OPTIONS
            found.append(
                search.run(objective, search_worker.SPACE, trials=4, storage=storage, **options)
            )

        thread = threading.Thread(target=wait_and_take_over)
        thread.start()
        thread.join(1)
        assert (calls, thread.is_alive()) == ([], True)
        victim.kill()
        victim.wait()
        joined(thread)
    assert [float(begun(log)[-1][1])] == calls
    assert len(found[0].table()) == 4
    (pair,) = found[0].restarted().items()
    assert [found[0].study.trials[number].params["x"] for number in pair] == calls * 2


@pytest.mark.parametrize(
    ("storage", "awaited"), [("{folder}/search.log", False), ("sqlite:///{folder}/s.db", True)]
)
def test_a_trial_on_another_host_is_awaited_where_it_sends_heartbeats(storage, awaited, tmp_path):
    with storages.opened(storage.format(folder=tmp_path)) as backend:
        study = optuna.create_study(storage=backend)
        assert not budget.awaits_others(study)
        trial = study.ask()
        trial.set_user_attr(
            budget.WORKER, budget.this_worker() | {"host": f"not {platform.node()}"}
        )
        assert budget.awaits_others(study) is awaited
        trial.set_user_attr(budget.WORKER, budget.this_worker())
        assert budget.awaits_others(study)


def test_a_process_whose_trial_was_taken_over_goes_on(tmp_path):
    """As after a suspended laptop: others have failed its trial for want of heartbeats."""
    url = f"sqlite:///{tmp_path}/search.db"
    calls: list[float] = []

    def objective(x: float) -> float:
        calls.append(x)
        if len(calls) == 2:
            study = optuna.load_study(study_name="search", storage=url)
            study.tell(1, state=optuna.trial.TrialState.FAIL)
        return x

    with pytest.warns(UserWarning, match="its trial was given to another one"):
        found = search.run(objective, SPACE, method="random", trials=4, storage=url)
    expected = search.run(lambda x: x, SPACE, method="random", trials=4)
    assert found.table()["x"].tolist() == expected.table()["x"].tolist()
    assert found.restarted() == {1: 2}


def test_a_missing_driver_and_a_missing_folder_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ArgumentError, match=r"its driver is not installed.*ftlearn\[search\]"):
        search.run(lambda x: x, SPACE, trials=1, storage="postgresql://ada@host/searches")
    monkeypatch.setattr(storages, "TRIES", 1)
    with pytest.raises(search.SearchError, match=r"cannot be used .*unable to open"):
        search.run(lambda x: x, SPACE, trials=1, storage=f"sqlite:///{tmp_path}/no/search.db")
