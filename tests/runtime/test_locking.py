"""One process at a time: a second one is told who is at work, and a dead one is not in the way."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from ftlearn.errors import BusyError, FtlearnError
from ftlearn.runtime.locking import locked
from tools.notebooks import ROOT

HOLD = """
import sys
from ftlearn.runtime.locking import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""
TAKE = """
import sys
from ftlearn.errors import BusyError
from ftlearn.runtime.locking import locked
print("ready", flush=True)
sys.stdin.readline()
taken = 0
while taken < 100:
    try:
        with locked(sys.argv[1]):
            file = open(sys.argv[1] + ".count", "r+")
            number = int(file.read())
            file.seek(0)
            file.write(str(number + 1))
            file.close()
            taken += 1
    except BusyError:
        pass
print(taken)
"""


def started(code: str, folder: Path) -> subprocess.Popen:
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert child.stdout.readline() in ("held\n", "ready\n")
    return child


def test_a_second_process_is_told_who_is_at_work_and_since_when(tmp_path):
    child = started(HOLD, tmp_path / "run")
    with pytest.raises(BusyError) as caught, locked(tmp_path / "run"):
        pass
    for part in (str(tmp_path / "run"), f"process {child.pid} on {platform.node()}, since 20"):
        assert part in str(caught.value)
    child.communicate("\n")
    with locked(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_holder_that_dies_gives_the_lock_back(tmp_path, how: str):
    child = started(HOLD, tmp_path / "run")
    getattr(child, how)()
    child.wait()
    with locked(tmp_path / "run"):
        pass


def test_of_many_that_try_at_once_one_has_it(tmp_path):
    # The file is made and removed again and again: no two may hold one each.
    (tmp_path / "run.count").write_text("0")
    children = [started(TAKE, tmp_path / "run") for _ in range(3)]
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    assert [int(child.communicate()[0]) for child in children] == [100] * 3
    assert int((tmp_path / "run.count").read_text()) == 300


def test_threads_of_one_process_exclude_each_other_too(tmp_path):
    outcomes = []

    def other() -> None:
        try:
            with locked(tmp_path):
                outcomes.append("taken")
        except BusyError as error:
            outcomes.append(str(error))

    with locked(tmp_path):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(outcomes) == 1
    assert f"in use by process {os.getpid()} on" in outcomes[0]


def test_one_waits_as_long_as_it_is_asked_to(tmp_path):
    child = started(HOLD, tmp_path)
    threading.Timer(0.3, lambda: child.communicate("\n")).start()
    with locked(tmp_path, wait=30):
        pass


def test_folders_that_were_made_for_the_lock_go_with_it(tmp_path):
    with locked(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "a" / "b"):
        (tmp_path / "a" / "notes.txt").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "notes.txt"]


@pytest.mark.parametrize("seen", [FileNotFoundError, FileExistsError])
def test_a_folder_that_its_last_holder_takes_away_is_made_again(tmp_path, monkeypatch, seen):
    real, gone = FileLock.acquire, []

    def acquire(lock: FileLock, **how: Any) -> Any:
        if not gone:  # between our making the folder and our opening the file in it
            gone.append((tmp_path / "run").rmdir())
            raise seen(lock.lock_file)
        return real(lock, **how)

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with locked(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_locks_is_told_and_used(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def unsupported(*_: Any) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.warns(UserWarning, match="has no locks"), locked(tmp_path):
        pass


def test_that_a_place_is_in_use_is_one_of_our_errors():
    assert issubclass(BusyError, FtlearnError)


# Whole runs: forks of one process that has everything imported


@pytest.fixture(scope="module")
def races(tiny_bert, tmp_path_factory) -> dict[str, Any]:
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    root = tmp_path_factory.mktemp("races")
    shutil.copytree(tiny_bert, root / "bert")
    worker = Path(__file__).parents[1] / "helpers" / "race_worker.py"
    run = subprocess.run([sys.executable, worker, root], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_of_two_fits_that_begin_at_once_one_trains(races):
    runs = sorted(races["at once"], key=lambda run: run["status"])
    assert [run["status"] for run in runs] == [0, 2]
    assert "report.html (read this first)" in runs[0]["said"]
    assert f"is in use by process {runs[0]['pid']} on " in runs[1]["said"]


@pytest.mark.parametrize("name", ["held", "kept"])
def test_nothing_is_touched_while_another_process_is_at_work(races, name: str):
    race = races[name]
    assert race["second"]["status"] == 2
    assert f"is in use by process {race['first']['pid']} on " in race["second"]["said"]
    assert not race["touched"]


def test_after_a_kill_the_next_run_goes_on(races):
    assert races["held"]["first"]["status"] == -signal.SIGKILL
    assert races["after the kill"]["status"] == 0
    assert races["left"] == ["history.csv", "model", "report.html", "report.json", "run.json"]
