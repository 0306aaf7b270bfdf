"""The load figures of docs/serving.md: what a service answers, beside what its model predicts.

    python -m tools.service_load RUN

RUN is what ``ftlearn fit`` wrote. The service has core 0 and one thread, the client core 1; with
two workers all share both. It takes four minutes on two cores that have nothing else to do, Linux.
"""

from __future__ import annotations

import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ftlearn import data, load
from ftlearn.serving import ServeSettings, opened

SIZES = (1, 2, 4, 8, 16, 32)
ROUNDS = 3
SECONDS = 12.0
SHARES = (0.2, 0.4, 0.6, 0.8, 0.9, 1.1, 1.3)
"""Rates of one process, as shares of its predicted knee."""
SHARES_OF_TWO = (0.4, 0.8, 1.2, 1.6, 1.9, 2.3)
SETTINGS = ServeSettings()
SERVER, CLIENT = 0, 1
"""The cores."""


class Prediction(NamedTuple):
    """What is known of a service before it is loaded."""

    curve: load.BatchCurve
    largest_batch: int
    overhead: float

    @property
    def knee(self) -> float:
        """Requests per second."""
        return load.knee(self.curve, self.largest_batch, self.overhead)

    def latencies(self, due: np.ndarray) -> np.ndarray:
        """Simulated latencies (N,) of requests that are due at given times (N,)."""
        whole = load.BatchCurve(self.curve.fixed, self.curve.per_text + self.overhead)
        wait = SETTINGS.max_wait_ms / 1000
        return load.batch_latencies(due, whole, self.largest_batch, wait)


@contextmanager
def on_cores(*cores: int) -> Iterator[None]:
    """A context in which this process, and those that it starts, have these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measured_curve(folder: Path, texts: Sequence[str]) -> tuple[load.BatchCurve, int]:
    """The line through the seconds of batches in one thread, and the texts of a full batch."""
    torch.set_num_threads(1)
    predictor = opened(folder, "cpu")
    predictor.predict(texts[:8])
    draw, sizes, seconds = random.Random(0), [], []
    for _ in range(ROUNDS):
        for size in SIZES:
            for _ in range(max(1, 4 // size)):
                batch = draw.sample(texts, size)
                start = time.perf_counter()
                predictor.predict(batch)
                seconds.append(time.perf_counter() - start)
                sizes.append(size)
    for size in SIZES:
        median = statistics.median(t for s, t in zip(sizes, seconds, strict=True) if s == size)
        print(f"  batch of {size}: {1000 * median:.0f} ms")
    tokens = statistics.mean(map(predictor.tokens, texts))
    return load.batch_curve(sizes, seconds), int(SETTINGS.batch_tokens / tokens)


@contextmanager
def service(folder: Path, *cores: int, workers: int = 1) -> Iterator[str]:
    """The address of a service in processes of its own, with one thread per worker."""
    command = [sys.executable, "-m", "ftlearn", "serve", str(folder), "--port", "0"]
    with on_cores(*cores):
        process = subprocess.Popen(
            [*command, "--workers", str(workers)],
            env=os.environ | {"OMP_NUM_THREADS": str(workers)},  # of which each has its share
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    try:
        said = process.stdout.readline().strip()
        print(f"\n{said}")
        yield re.search(r"http://[^ ]+", said)[0]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def overhead_of(url: str) -> float:
    """Seconds per request outside the model: of requests that are refused before they reach it."""
    refused = load.closed_loop(url, [""], clients=4, seconds=3)
    return float((refused.done.max() - refused.due.min()) / len(refused.due))


def show(runs: Sequence[load.LoadRun], prediction: Prediction | None = None) -> None:
    """The figures of some runs as a table in Markdown, and the most that was answered."""
    head = ["per second", "answered", "p50 ms", "p95 ms", "p99 ms", "other"]
    head += ["simulated p50, p95, p99"] if prediction else []
    for cells in (head, ["---"] * len(head)):
        print(f"| {' | '.join(cells)} |")
    for run in runs:
        cells = [f"{run.rate:.1f}", f"{run.answered_per_second:.1f}"]
        for percent in (50, 95, 99):
            value, low, high = (f"{1000 * seconds:.0f}" for seconds in run.percentile(percent))
            cells.append(f"{value} [{low}, {high}]")
        cells.append(str({k: v for k, v in run.statuses.items() if k != "200"} or "none"))
        if prediction:
            simulated = np.percentile(prediction.latencies(run.due), [50, 95, 99])
            cells.append(", ".join(f"{1000 * seconds:.0f}" for seconds in simulated))
        print(f"| {' | '.join(cells)} |")


def measured(url: str, texts: Sequence[str], rates: Sequence[float]) -> list[load.LoadRun]:
    """A run of Poisson arrivals at each rate, after a warm-up."""
    load.constant_rate(url, texts, rates[0], 3)
    return [load.constant_rate(url, texts, rate, SECONDS, seed=1) for rate in rates]


def main() -> None:
    """Predict, measure, compare."""
    folder = Path(sys.argv[1])
    texts = list(data.load("topics")["test"]["text"])
    with on_cores(SERVER):
        curve, largest = measured_curve(folder, texts)
    with service(folder, SERVER) as url, on_cores(CLIENT):
        prediction = Prediction(curve, largest, overhead_of(url))
        print(f"{prediction}: knee at {prediction.knee:.1f} per second")
        runs = measured(url, texts, [share * prediction.knee for share in SHARES])
    show(runs, prediction)
    most = max(run.answered_per_second for run in runs)
    print(f"at most {most:.1f} answered per second: {most / prediction.knee - 1:+.0%}")
    with service(folder, SERVER, CLIENT, workers=2) as url:
        runs = measured(url, texts, [share * prediction.knee for share in SHARES_OF_TWO])
    show(runs)


if __name__ == "__main__":
    main()
