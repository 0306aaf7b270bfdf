"""A PostgreSQL server of a test's own: in a temporary folder, on a Unix socket, and then gone."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accounts import is_root
from waiting import HANG, waited

USERS = ("postgres", "nobody")
"""Who runs the server where the tests are root's: it refuses root."""


def programs() -> Path | None:
    """The folder with initdb and postgres; None where they are not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent  # a link may stand alone where it is found
    installed = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    return Path(installed[-1]) if installed else None


@contextmanager
def server() -> Iterator[str]:
    """The URL of a running server, which is stopped at the end whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a short name: a socket's path has 107 bytes
    user = _user()
    try:
        if user:
            os.chown(folder, user["user"], user["group"])
        data = folder / "data"
        initialise = ["initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8"]
        _run([*initialise, "--locale=C", "--no-sync"], folder, user)
        process = subprocess.Popen(
            [programs() / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **user,
        )
        try:
            waited(lambda: process.poll() is not None or _answers(folder))
            assert process.poll() is None, "the server has ended"
            yield f"postgresql://tester@/postgres?host={folder}"
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> dict[str, Any]:
    """The user and group to run as, for ``subprocess``; empty where this user may run it."""
    if not is_root():
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(known[name] for name in USERS if name in known)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _run(command: list[Any], folder: Path, user: dict[str, Any]) -> None:
    command = [str(programs() / command[0]), *map(str, command[1:])]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=HANG, check=False, **user
    )
    assert done.returncode == 0, done.stderr


def _answers(folder: Path) -> bool:
    command = [programs() / "pg_isready", "-h", folder, "-q"]
    return subprocess.run(command, check=False, timeout=HANG).returncode == 0


def _stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGINT)  # fast: connections are closed
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
