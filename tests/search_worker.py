"""A process of its own that searches: python search_worker.py STORAGE TRIALS SECONDS LOG.

Each trial writes its settings to the log when it begins, and sleeps; so another process sees
what was really carried out, and when this one may be killed.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from ftlearn import search

SPACE = {"x": search.uniform(0, 1), "y": search.log_uniform(1e-3, 1e3)}
HOW = {"method": "random", "seed": 7, "name": "shared"}


def objective(x: float, y: float) -> float:
    """A cheap function of both settings."""
    return (x - 0.3) ** 2 + 0.01 * abs(y - 1) ** 0.5


def main() -> None:
    """Search as the command line says."""
    storage, trials, seconds, log = sys.argv[1:]

    def noted(x: float, y: float) -> float:
        with Path(log).open("a") as file:
            file.write(f"{os.getpid()} {x!r}\n")
        time.sleep(float(seconds))
        return objective(x, y)

    search.run(noted, SPACE, trials=int(trials), storage=storage, **HOW)


if __name__ == "__main__":
    main()
