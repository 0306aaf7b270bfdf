"""A handful of labels a class: SetFit, ftlearn's few-shot recipe, and a linear probe."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset
from torch import nn

from ftlearn import models
from ftlearn.benchmark import contenders
from ftlearn.benchmark.part import Part
from ftlearn.benchmark.timing import Tell, caught, hushed, spread, timed
from ftlearn.benchmark.workload import Work
from ftlearn.evaluation import baselines

THEIRS, OURS, PROBE = "SetFit", "ftlearn", "logistic regression on frozen features"

NEEDED = 'SetFit is not installed: pip install "ftlearn[bench]"'

WARM_UP = 2
"""Labels a class of the first run of each, which does not count."""


class Trial(NamedTuple):
    """What is timed, and what scores it afterwards on the test texts."""

    learn: Callable[[], Any]
    accuracy: Callable[[], float]


def has_setfit() -> bool:
    """Whether SetFit is installed.

    >>> isinstance(has_setfit(), bool)
    True
    """
    return importlib.util.find_spec("setfit") is not None


def setfit(work: Work) -> Trial:
    """SetFit with its default settings (Tunstall et al. 2022, arXiv 2209.11055), cut like ours."""
    from setfit import SetFitModel, Trainer, TrainingArguments  # an extra that takes 10 s to load

    model = SetFitModel.from_pretrained(str(work.folder), device=str(work.device))
    model.model_body.max_seq_length = work.task.max_length  # its own setting reaches only the head
    arguments = TrainingArguments(
        output_dir=str(work.scratch / "setfit"),
        seed=work.seed,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        show_progress_bar=False,
    )
    # Class numbers are the task's: those of two files read apart may differ.
    labels = work.task.targets(work.train)
    rows = Dataset.from_dict({"text": work.train[work.task.text], "label": labels})
    trainer = Trainer(model=model, args=arguments, train_dataset=rows)

    def accuracy() -> float:
        answers = np.asarray(model.predict(list(work.test[work.task.text]), use_labels=False))
        return float(np.mean(answers == np.asarray(work.task.targets(work.test))))

    return Trial(trainer.train, accuracy)


def own(work: Work) -> Trial:
    """ftlearn's few-shot recipe."""
    model, learning = contenders.few_shot_recipe(work)
    return Trial(lambda: [None for _ in learning], lambda: work.accuracy(model))


def probe(work: Work) -> Trial:
    """Logistic regression on features of length 1 of the pretrained model, nothing else trained."""
    model, tokenizer = models.load(work.folder, device=work.device)
    features = partial(_features, model, work, tokenizer)
    test, reports = features(work.test), []

    def learn() -> None:
        train = features(work.train)
        reports.append(baselines.linear_probe(train, work.train, test, work.test, work.task))

    return Trial(learn, lambda: reports[-1].scores["accuracy"])


def _features(model: nn.Module, work: Work, tokenizer: Any, rows: Any) -> np.ndarray:
    return baselines.embed(model, rows, work.task, tokenizer)


TRIALS = {THEIRS: setfit, OURS: own, PROBE: probe}


def few_labels(work: Work, *, per_class: Iterable[int], seeds: Iterable[int], tell: Tell) -> Part:
    """All three on the same few texts, in turn, for each number of labels and each seed."""
    failures: dict[str, str] = {}
    rounds: list[dict[str, Any]] = []
    draws = [(count, seed) for count in per_class for seed in seeds]
    for number, (count, seed) in enumerate([(WARM_UP, draws[0][1]), *draws]):
        given, first = work.few(count, seed=seed), number % len(TRIALS)
        for name in [*TRIALS, *TRIALS][first : first + len(TRIALS)]:
            if name not in failures:
                with caught(failures, name), hushed():
                    learn, accuracy = TRIALS[name](given)
                    seconds, _ = timed(learn)
                    found = {"seconds": seconds, "accuracy": accuracy() if number else None}
                    run = {"round": number, "labels": count, "seed": seed, "contender": name}
                    rounds.append(run | found)
        tell(f"  {count} labels a class, seed {seed} done" if number else "  warm-up done")
    return _part(rounds, failures)


def _part(rounds: list[dict[str, Any]], failures: dict[str, str]) -> Part:
    counted = [each for each in rounds if each["round"]]
    seconds = {(each["round"], each["contender"]): each["seconds"] for each in counted}
    ratios = {
        at: seconds[at, THEIRS] / own
        for (at, name), own in seconds.items()
        if name == OURS and (at, THEIRS) in seconds
    }
    groups = {
        (labels, name): [
            each for each in counted if (each["labels"], each["contender"]) == (labels, name)
        ]
        for labels in {each["labels"]: None for each in counted}
        for name in TRIALS
    }
    groups = {key: runs for key, runs in groups.items() if runs}
    return Part(
        name="few",
        title="Few labels: accuracy on the test texts and seconds of training",
        rows=[_row(*key, runs, ratios) for key, runs in groups.items()],
        bars={
            f"{name}, {labels} a class": spread([each["seconds"] for each in runs])
            for (labels, name), runs in groups.items()
        },
        unit="seconds of training",
        rounds=rounds,
        ratios={"few_shot_vs_setfit": list(ratios.values())},
        failures=failures,
    )


def _row(
    labels: int, name: str, runs: list[dict[str, Any]], ratios: dict[int, float]
) -> dict[str, Any]:
    sooner = [ratios[each["round"]] for each in runs if name == OURS and each["round"] in ratios]
    accuracy = spread([each["accuracy"] for each in runs])
    return {
        "labels a class": labels,
        "contender": name,
        **spread([each["seconds"] for each in runs])._asdict(),
        "accuracy": accuracy.median,
        "lowest": accuracy.low,
        "highest": accuracy.high,
        "times sooner than SetFit": spread(sooner).median if sooner else None,
    }
