"""A search in a process of its own: python search_worker.py STORAGE TRIALS ENDS TOGETHER LOG.

Each trial writes its settings to the log when it begins, so that another process sees which trials
were run. No trial ends before TOGETHER processes have begun one. After ENDS trials this process
finishes no more of them: it waits to be killed.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from waiting import waited

from ftlearn import search

SPACE = {"x": search.uniform(0, 1), "y": search.log_uniform(1e-3, 1e3)}
OPTIONS = {"method": "random", "seed": 7, "name": "shared"}


def objective(x: float, y: float) -> float:
    """A cheap function of both settings."""
    return (x - 0.3) ** 2 + 0.01 * abs(y - 1) ** 0.5


def begun(log: Path) -> list[tuple[str, str]]:
    """The process and the setting x of each trial in the log."""
    return [tuple(line.split()) for line in log.read_text().splitlines()] if log.exists() else []


def main() -> None:
    """Search as the arguments of the command line say."""
    storage, trials, ends, together, log = sys.argv[1:]
    finished: list[float] = []

    def logged_objective(x: float, y: float) -> float:
        with Path(log).open("a") as file:
            file.write(f"{os.getpid()} {x!r}\n")
        while len(finished) >= int(ends):
            time.sleep(1)
        finished.append(x)
        waited(lambda: len({process for process, _ in begun(Path(log))}) >= int(together))
        return objective(x, y)

    search.run(logged_objective, SPACE, trials=int(trials), storage=storage, **OPTIONS)


if __name__ == "__main__":
    main()
