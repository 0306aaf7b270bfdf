"""Which parts are measured, and on how much."""

from __future__ import annotations

from collections.abc import Callable

from ftlearn.benchmark import ablation, few_shot, formats, generation, prediction, sft, throughput
from ftlearn.benchmark import time_to_accuracy as target
from ftlearn.benchmark.part_result import Part
from ftlearn.benchmark.settings import Settings
from ftlearn.benchmark.timing import Log, catch_errors
from ftlearn.benchmark.workload import Workload
from ftlearn.errors import ArgumentError

Measure = Callable[[Workload, Settings, Log], Part]


def train(work: Workload, settings: Settings, log: Log) -> Part:
    """Training speed beside the article's loop and Trainer."""
    return throughput.training_speed(
        work, examples=settings.examples, rounds=settings.rounds, log=log
    )


def predict(work: Workload, settings: Settings, log: Log) -> Part:
    """Prediction speed beside transformers.pipeline, on four times as many texts."""
    return prediction.prediction_speed(
        work, examples=4 * settings.examples, rounds=settings.rounds, log=log
    )


def time_to_accuracy(work: Workload, settings: Settings, log: Log) -> Part:
    """Seconds until Trainer's accuracy, on twice as many texts as a round of ``train``."""
    return target.time_to_accuracy(
        work, examples=2 * settings.examples, seeds=settings.run_seeds, log=log
    )


def few_labels(work: Workload, settings: Settings, log: Log) -> Part:
    """Seconds and accuracy beside SetFit."""
    return few_shot.few_labels(
        work, per_class=settings.per_class, seeds=settings.run_seeds, log=log
    )


def lever_speeds(work: Workload, settings: Settings, log: Log) -> Part:
    """The ablation of ftlearn's own loop."""
    return ablation.lever_speeds(work, examples=settings.examples, rounds=settings.rounds, log=log)


def generate(work: Workload, settings: Settings, log: Log) -> Part:
    """Generation speed beside transformers.pipeline, with the language model of the course."""
    count = max(1, settings.examples // 32)
    return generation.generation_speed(work, count, rounds=settings.rounds, log=log)


def chats(work: Workload, settings: Settings, log: Log) -> Part:
    """Speed and memory of training a language model beside SFTTrainer, on a quarter as many."""
    return sft.chat_training_speed(
        sft.open_chats(work, max(1, settings.examples // 4)), rounds=settings.rounds, log=log
    )


def format_speeds(work: Workload, settings: Settings, log: Log) -> Part:
    """Prediction speed in each format beside ONNX Runtime's, on twice as many texts."""
    return formats.format_speeds(
        work, examples=2 * settings.examples, rounds=settings.rounds, log=log
    )


PARTS: dict[str, Measure] = {
    "train": train,
    "predict": predict,
    "accuracy": time_to_accuracy,
    "few": few_labels,
    "levers": lever_speeds,
    "sft": chats,
    "generate": generate,
    "formats": format_speeds,
}


def parts_to_measure(settings: Settings, *, log: Log) -> tuple[str, ...]:
    """The parts that the settings name; 'few' only where SetFit is installed.

    Raises ArgumentError where 'few' or 'sft' is named and SetFit or trl is not installed, and for
    settings that cannot be read.
    """
    parts = settings.parts
    _ = settings.per_class  # raises now, not after an hour
    if "sft" in parts and not sft.has_trl():
        raise ArgumentError(sft.NEEDED)
    if "few" not in parts or few_shot.has_setfit():
        return parts
    if settings.only:
        raise ArgumentError(few_shot.NEEDED)
    log(f"without the part 'few': {few_shot.NEEDED}")
    return tuple(part for part in parts if part != "few")


def measure_part(name: str, work: Workload, settings: Settings, log: Log) -> Part:
    """One part; where all of it fails, an empty one with the error."""
    failures: dict[str, str] = {}
    with catch_errors(failures, name):
        return PARTS[name](work, settings, log)
    return Part(name, title=name, rows=[], bars={}, unit="", rounds=[], failures=failures)
