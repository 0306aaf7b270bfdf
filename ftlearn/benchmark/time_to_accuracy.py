"""How soon ftlearn reaches the accuracy of Trainer with its defaults after three epochs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from ftlearn.benchmark import contenders
from ftlearn.benchmark.part_result import Part
from ftlearn.benchmark.timing import Log, catch_errors, silenced, spread, timed
from ftlearn.benchmark.workload import Workload

EPOCHS = 3
EVERY = 4
"""Updates between two evaluations, until the target is reached."""

THEIRS, OURS = "Trainer, defaults", "ftlearn"

RULE = (
    "The target is the accuracy of Trainer after its last epoch. Target and stopping are both "
    "measured on the same held-out test texts, so the seconds compare speed; they are no way to "
    "choose when to stop. Evaluation is in the seconds of neither. A run that never reaches "
    "the target counts as 0 times faster."
)


@dataclass(frozen=True)
class Learned:
    """A training run: accuracy at its end, training seconds in total and until the target."""

    accuracy: float
    seconds: float
    reached: float | None


def follow(
    model: nn.Module, steps: Iterator[Any], target: float, score: Callable[[nn.Module], float]
) -> Learned:
    """Train to the end, and record the training seconds at which ``score`` first met the target."""
    seconds, reached, number = 0.0, None, 0
    with closing(steps):
        while True:
            start = time.perf_counter()
            ended = next(steps, StopIteration) is StopIteration
            seconds += time.perf_counter() - start
            evaluating = ended or (reached is None and number % EVERY == 0)
            value = score(model) if evaluating else 0.0
            if reached is None and evaluating and value >= target:
                reached = seconds
            if ended:
                return Learned(value, seconds, reached)
            number += 1


def time_to_accuracy(work: Workload, *, examples: int, seeds: Iterable[int], log: Log) -> Part:
    """Trainer with its defaults, then ftlearn, for three epochs each, with each seed in turn."""
    failures: dict[str, str] = {}
    rounds: list[dict[str, Any]] = []
    with catch_errors(failures, "warm-up"), silenced():
        _warm_up(work)
    for seed in seeds:
        sample = replace(work.sample(examples, seed=seed), epochs=EPOCHS)
        with catch_errors(failures, THEIRS), silenced():
            theirs = _trainer(sample)
            rounds.append({"seed": seed, "contender": THEIRS, **vars(theirs)})
            # Without a target there is nothing to reach: an error of Trainer counts for both.
            with catch_errors(failures, OURS), silenced():
                model, steps = contenders.ftlearn_updates(sample)
                ours = follow(model, steps, theirs.accuracy, sample.accuracy)
                rounds.append({"seed": seed, "contender": OURS, **vars(ours)})
        log(f"  seed {seed} done")
    return _part(rounds, failures, sample)


def _warm_up(work: Workload) -> None:
    few = work.sample(2 * work.batch_size, seed=work.seed)
    contenders.trainer(few).run()
    model, steps = contenders.ftlearn_updates(few)
    follow(model, steps, 1.0, lambda _: 0.0)


def _trainer(work: Workload) -> Learned:
    model, run = contenders.trainer(work)
    seconds, _ = timed(run)
    return Learned(work.accuracy(model), seconds, seconds)


def _part(rounds: list[dict[str, Any]], failures: dict[str, str], work: Workload) -> Part:
    by_seed = {
        name: {run["seed"]: run for run in rounds if run["contender"] == name}
        for name in (THEIRS, OURS)
    }
    pairs = [(by_seed[THEIRS][seed], ours) for seed, ours in by_seed[OURS].items()]
    ratios = [
        theirs["seconds"] / ours["reached"] if ours["reached"] else 0.0 for theirs, ours in pairs
    ]
    measured = {name: list(runs.values()) for name, runs in by_seed.items() if runs}
    return Part(
        name="accuracy",
        title=f"Time to the accuracy of Trainer after {EPOCHS} epochs on {len(work.train)} texts",
        rows=[_row(name, runs) for name, runs in measured.items()],
        bars={
            name: spread([run["reached"] or run["seconds"] for run in runs])
            for name, runs in measured.items()
        },
        unit="seconds of training until the accuracy is reached",
        rounds=rounds,
        ratios={"time_to_accuracy_vs_trainer_default": ratios},
        failures=failures,
        notes=[RULE],
    )


def _row(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    reached = [run["reached"] for run in runs if run["reached"] is not None]
    seconds = spread(reached)._asdict() if reached else dict.fromkeys(("median", "low", "high"))
    return {
        "contender": name,
        **seconds,
        "reached": f"{len(reached)} of {len(runs)}",
        "seconds in total": spread([run["seconds"] for run in runs]).median,
        "accuracy at the end": spread([run["accuracy"] for run in runs]).median,
    }
