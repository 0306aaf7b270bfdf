"""From the settings to the parts that are measured."""

from __future__ import annotations

from collections.abc import Callable

from ftlearn.bench import accuracy, few, levers, predicting, speed
from ftlearn.bench.part import Part
from ftlearn.bench.rounds import Tell, caught
from ftlearn.bench.settings import Settings
from ftlearn.bench.work import Work

Measure = Callable[[Work, Settings, Tell], Part]


def train(work: Work, settings: Settings, tell: Tell) -> Part:
    """Training speed beside the article's loop and Trainer."""
    return speed.training_speed(work, examples=settings.examples, rounds=settings.rounds, tell=tell)


def predict(work: Work, settings: Settings, tell: Tell) -> Part:
    """Prediction speed beside transformers.pipeline, on four times as many texts: it is quicker."""
    return predicting.prediction_speed(
        work, examples=4 * settings.examples, rounds=settings.rounds, tell=tell
    )


def time_to_accuracy(work: Work, settings: Settings, tell: Tell) -> Part:
    """Seconds until Trainer's accuracy, on twice as many texts as a round of the speed has."""
    return accuracy.time_to_accuracy(
        work, examples=2 * settings.examples, seeds=settings.run_seeds, tell=tell
    )


def few_labels(work: Work, settings: Settings, tell: Tell) -> Part:
    """Seconds and accuracy beside SetFit."""
    return few.few_labels(work, per_class=settings.per_class, seeds=settings.run_seeds, tell=tell)


def lever_speeds(work: Work, settings: Settings, tell: Tell) -> Part:
    """The ablation of ftlearn's own loop."""
    return levers.lever_speeds(work, examples=settings.examples, rounds=settings.rounds, tell=tell)


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
    if "few" not in parts or few.has_setfit():
        return parts
    if settings.only:
        raise ValueError(few.NEEDED)
    tell(f"without the part 'few': {few.NEEDED}")
    return tuple(part for part in parts if part != "few")


def measured(name: str, work: Work, settings: Settings, tell: Tell) -> Part:
    """One part; where it fails as a whole, an empty one that says why."""
    failures: dict[str, str] = {}
    with caught(failures, name):
        return PARTS[name](work, settings, tell)
    return Part(name, title=name, rows=[], bars={}, unit="", rounds=[], failures=failures)
