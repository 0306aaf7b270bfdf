"""How soon ftlearn is as accurate as Trainer with its defaults is after three epochs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from ftlearn.benchmark import contenders
from ftlearn.benchmark.part import Part
from ftlearn.benchmark.timing import Tell, caught, hushed, spread, timed
from ftlearn.benchmark.workload import Work

EPOCHS = 3
EVERY = 4
"""Updates between two looks at the accuracy, until the target is reached."""

THEIRS, OURS = "Trainer, defaults", "ftlearn"

RULE = (
    "The target is the accuracy of Trainer after its last epoch. Target and stopping are both "
    "measured on the same held-out test texts, so the seconds compare speed; they are no way to "
    "choose when to stop. Evaluation is not in the seconds of either. A run that never reaches "
    "the target counts as 0 times sooner."
)


@dataclass(frozen=True)
class Learned:
    """A training run: accuracy at its end, training seconds in all and until the target."""

    accuracy: float
    seconds: float
    reached: float | None


def follow(
    model: nn.Module, learning: Iterator[Any], target: float, score: Callable[[nn.Module], float]
) -> Learned:
    """Train to the end, and note the training seconds at which ``score`` first met the target."""
    seconds, reached, number = 0.0, None, 0
    with closing(learning):
        while True:
            start = time.perf_counter()
            ended = next(learning, StopIteration) is StopIteration
            seconds += time.perf_counter() - start
            looking = ended or (reached is None and number % EVERY == 0)
            value = score(model) if looking else 0.0
            if reached is None and looking and value >= target:
                reached = seconds
            if ended:
                return Learned(value, seconds, reached)
            number += 1


def time_to_accuracy(work: Work, *, examples: int, seeds: Iterable[int], tell: Tell) -> Part:
    """Trainer with defaults for three epochs, then ftlearn as many, with each seed in turn."""
    failures: dict[str, str] = {}
    rounds: list[dict[str, Any]] = []
    with caught(failures, "warm-up"), hushed():
        _warm_up(work)
    for seed in seeds:
        given = replace(work.drawn(examples, seed=seed), epochs=EPOCHS)
        with caught(failures, THEIRS), hushed():
            theirs = _trainer(given)
            rounds.append({"seed": seed, "contender": THEIRS, **vars(theirs)})
            # Without a target there is nothing to reach: one error then stands for both.
            with caught(failures, OURS), hushed():
                model, learning = contenders.ftlearn_updates(given)
                ours = follow(model, learning, theirs.accuracy, given.accuracy)
                rounds.append({"seed": seed, "contender": OURS, **vars(ours)})
        tell(f"  seed {seed} done")
    return _part(rounds, failures, given)


def _warm_up(work: Work) -> None:
    few = work.drawn(2 * work.batch_size, seed=work.seed)
    contenders.trainer(few).run()
    model, learning = contenders.ftlearn_updates(few)
    follow(model, learning, 1.0, lambda _: 0.0)


def _trainer(work: Work) -> Learned:
    model, run = contenders.trainer(work)
    seconds, _ = timed(run)
    return Learned(work.accuracy(model), seconds, seconds)


def _part(rounds: list[dict[str, Any]], failures: dict[str, str], work: Work) -> Part:
    by = {
        name: {each["seed"]: each for each in rounds if each["contender"] == name}
        for name in (THEIRS, OURS)
    }
    both = [(by[THEIRS][seed], ours) for seed, ours in by[OURS].items()]
    ratios = [
        theirs["seconds"] / ours["reached"] if ours["reached"] else 0.0 for theirs, ours in both
    ]
    measured = {name: list(runs.values()) for name, runs in by.items() if runs}
    return Part(
        name="accuracy",
        title=f"Time to the accuracy of Trainer after {EPOCHS} epochs on {len(work.train)} texts",
        rows=[_row(name, runs) for name, runs in measured.items()],
        bars={
            name: spread([each["reached"] or each["seconds"] for each in runs])
            for name, runs in measured.items()
        },
        unit="seconds of training until the accuracy is reached",
        rounds=rounds,
        ratios={"time_to_accuracy_vs_trainer_default": ratios},
        failures=failures,
        notes=[RULE],
    )


def _row(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    reached = [each["reached"] for each in runs if each["reached"] is not None]
    seconds = spread(reached)._asdict() if reached else dict.fromkeys(("median", "low", "high"))
    return {
        "contender": name,
        **seconds,
        "reached": f"{len(reached)} of {len(runs)}",
        "seconds in all": spread([each["seconds"] for each in runs]).median,
        "accuracy at the end": spread([each["accuracy"] for each in runs]).median,
    }
