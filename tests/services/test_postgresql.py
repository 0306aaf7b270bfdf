"""Several processes search on one PostgreSQL; two are killed, and no trial is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import database_worker
import postgresql
import pytest
from database_worker import OPTIONS, SPACE, VICTIMS, begun
from waiting import HANG, waited

from ftlearn import search
from ftlearn.search import budget, storages
from tools.notebooks import ROOT

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(postgresql.programs() is None, reason="PostgreSQL is not installed"),
]

pytest.importorskip("psycopg", reason="the extra 'search' is not installed")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgresql.server() as url:
        yield url


def start(url: str, folder: Path, role: str) -> subprocess.Popen:
    command = [sys.executable, database_worker.__file__, url, str(folder), role]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    log = (folder / f"errors-{role}").open("a")
    return subprocess.Popen(command, env=environment, stderr=log)


def test_no_trial_is_lost_when_two_of_four_workers_are_killed(url, tmp_path):
    workers = {role: start(url, tmp_path, role) for role in ("here", "far", "works-1", "works-2")}
    try:
        waited(lambda: all((tmp_path / f"stands-{role}").exists() for role in VICTIMS))
        for role in VICTIMS:
            workers[role].kill()
            workers[role].wait()
        for role in ("works-1", "works-2"):
            assert workers[role].wait(HANG) == 0, (tmp_path / f"errors-{role}").read_text()
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()

    def unwanted(x, y):
        raise AssertionError("all trials are finished")

    found = search.run(unwanted, SPACE, storage=url, **OPTIONS)
    undisturbed = search.run(database_worker.objective, SPACE, **OPTIONS)
    columns = ["x", "y", "value", "state", "steps"]
    assert found.table()[columns].equals(undisturbed.table()[columns])
    assert (found.table()["state"] == "complete").all()
    assert len(found.table()) == OPTIONS["trials"]
    assert found.best == undisturbed.best

    # Each killed trial failed, is marked as what it was, and was run again with its settings.
    trials = {trial.number: trial for trial in found.study.trials}
    restarted = found.restarted()
    assert len(restarted) == 2
    hosts = {trials[number].user_attrs[budget.WORKER]["host"] for number in restarted}
    assert "another-host" in hosts
    assert len(hosts) == 2
    for number, again in restarted.items():
        assert trials[number].state.name == "FAIL"
        assert trials[again].state.name == "COMPLETE"
        assert trials[again].params == trials[number].params
        assert trials[again].user_attrs[budget.SLOT] == budget.slot(trials[number])
    runs = Counter(x for _, x in begun(tmp_path))
    assert sorted(runs.values()) == [1] * 14 + [2] * 2
    assert {float(x) for x, count in runs.items() if count == 2} == {
        trials[number].params["x"] for number in restarted
    }


def test_a_stored_search_is_joined_by_name_alone(url):
    space = {"x": search.uniform(0, 1)}
    options = {"method": "random", "storage": url, "trials": 3}
    first = search.run(lambda x: x, space, name="first", **options)
    other = search.run(lambda x: -x, space, name="other", **options)
    assert search.run(lambda x: 1 / 0, space, name="first", **options).best == first.best
    assert other.best.value == -max(first.table()["x"])
    with pytest.raises(ValueError, match="was begun with another seed"):
        search.run(lambda x: x, space, name="first", seed=1, **options)


def test_many_workers_may_make_the_tables_at_once():
    together = threading.Barrier(4)

    def make_tables(url: str) -> None:
        together.wait(HANG)
        with storages.opened(url) as storage:
            assert storage.get_all_studies() == []

    with postgresql.server() as fresh, ThreadPoolExecutor(4) as pool:
        for made in [pool.submit(make_tables, fresh) for _ in range(4)]:
            made.result(HANG)


def test_a_server_that_is_not_there_is_named_without_its_password(monkeypatch):
    monkeypatch.setattr(storages, "TRIES", 1)
    nowhere = "postgresql://ada:secret@/none?host=/nonexistent"
    with pytest.raises(search.SearchError, match=r"ada:\*\*\*@/none.*server running") as told:
        search.run(lambda x: x, {"x": SPACE["x"]}, storage=nowhere, trials=1)
    assert "secret" not in str(told.value)
