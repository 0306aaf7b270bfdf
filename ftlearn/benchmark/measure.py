"""From the settings to the parts that are measured."""

from __future__ import annotations

from collections.abc import Callable

from ftlearn.benchmark import ablation, few_shot, prediction, throughput
from ftlearn.benchmark import time_to_accuracy as target
from ftlearn.benchmark.part import Part
from ftlearn.benchmark.settings import Settings
from ftlearn.benchmark.timing import Tell, caught
from ftlearn.benchmark.workload import Work
from ftlearn.errors import ArgumentError

Measure = Callable[[Work, Settings, Tell], Part]


def train(work: Work, settings: Settings, tell: Tell) -> Part:
    """Training speed beside the article's loop and Trainer."""
    return throughput.training_speed(
        work, examples=settings.examples, rounds=settings.rounds, tell=tell
    )


def predict(work: Work, settings: Settings, tell: Tell) -> Part:
    """Prediction speed beside transformers.pipeline, on four times as many texts: it is quicker."""
    return prediction.prediction_speed(
        work, examples=4 * settings.examples, rounds=settings.rounds, tell=tell
    )


def time_to_accuracy(work: Work, settings: Settings, tell: Tell) -> Part:
    """Seconds until Trainer's accuracy, on twice as many texts as a round of the speed has."""
    return target.time_to_accuracy(
        work, examples=2 * settings.examples, seeds=settings.run_seeds, tell=tell
    )


def few_labels(work: Work, settings: Settings, tell: Tell) -> Part:
    """Seconds and accuracy beside SetFit."""
    return few_shot.few_labels(
        work, per_class=settings.per_class, seeds=settings.run_seeds, tell=tell
    )


def lever_speeds(work: Work, settings: Settings, tell: Tell) -> Part:
    """The ablation of ftlearn's own loop."""
    return ablation.lever_speeds(
        work, examples=settings.examples, rounds=settings.rounds, tell=tell
    )


PARTS: dict[str, Measure] = {
    "train": train,
    "predict": predict,
    "accuracy": time_to_accuracy,
    "few": few_labels,
    "levers": lever_speeds,
}


def planned(settings: Settings, *, tell: Tell) -> tuple[str, ...]:
    """The parts that will be measured: those asked for, 'few' only where SetFit is installed.

    Raises ValueError where 'few' was asked for by name and SetFit is not installed, and for an
    impossible choice.
    """
    parts, _ = settings.parts, settings.per_class
    if "few" not in parts or few_shot.has_setfit():
        return parts
    if settings.only:
        raise ArgumentError(few_shot.NEEDED)
    tell(f"without the part 'few': {few_shot.NEEDED}")
    return tuple(part for part in parts if part != "few")


def measured(name: str, work: Work, settings: Settings, tell: Tell) -> Part:
    """One part; where it fails as a whole, an empty one that says why."""
    failures: dict[str, str] = {}
    with caught(failures, name):
        return PARTS[name](work, settings, tell)
    return Part(name, title=name, rows=[], bars={}, unit="", rounds=[], failures=failures)
