"""One of several processes that search on a database: python database_worker.py URL FOLDER ROLE.

``here`` and ``far`` stop in the middle of their second trial and wait to be killed, ``far`` as if
on another host, whose processes nobody here can look up. Other roles run trials to their ends, but
none before both stand there.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from waiting import waited

from ftlearn import search
from ftlearn.search import storages

SPACE = {"x": search.uniform(0, 1), "y": search.log_uniform(1e-3, 1e3)}
OPTIONS = {"method": "random", "seed": 7, "name": "shared", "trials": 16}
VICTIMS = ("here", "far")
HEARTBEAT = 1


def objective(x: float, y: float) -> Iterator[float]:
    """A cheap function of both settings, in three steps."""
    for step in (3, 2, 1):
        yield step * ((x - 0.3) ** 2 + 0.01 * abs(y - 1) ** 0.5)


def begun(folder: Path) -> list[tuple[str, str]]:
    """The role and the setting x of each trial that has begun."""
    lines = [path.read_text().splitlines() for path in sorted(folder.glob("begun-*"))]
    return [tuple(line.split()) for log in lines for line in log]


def main(url: str, folder: Path, role: str) -> None:
    """Search until all trials are finished, or until the end of this process."""
    storages.HEARTBEAT_SECONDS = HEARTBEAT
    if role == "far":
        platform.node = lambda: "another-host"
    calls: list[float] = []

    def logged_objective(x: float, y: float) -> Iterator[float]:
        calls.append(x)
        with (folder / f"begun-{os.getpid()}").open("a") as file:
            file.write(f"{role} {x!r}\n")
        for value in objective(x, y):
            yield value
            if role in VICTIMS and len(calls) == 2:
                (folder / f"stands-{role}").touch()
                time.sleep(3600)
            elif role not in VICTIMS:
                waited(lambda: all((folder / f"stands-{name}").exists() for name in VICTIMS))

    search.run(logged_objective, SPACE, storage=url, **OPTIONS)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
