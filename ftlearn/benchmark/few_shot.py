"""A few labels per class: SetFit, ftlearn's few-shot recipe, and a linear probe."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset

from ftlearn import models
from ftlearn.benchmark import contenders
from ftlearn.benchmark.part_result import Part
from ftlearn.benchmark.timing import Log, catch_errors, silenced, spread, timed
from ftlearn.benchmark.workload import Workload
from ftlearn.evaluation import baselines

THEIRS, OURS, PROBE = "SetFit", "ftlearn", "logistic regression on frozen features"

NEEDED = 'SetFit is not installed: pip install "ftlearn[bench]"'

WARM_UP = 2
"""Labels per class in the first run of each, which does not count."""


class Trial(NamedTuple):
    """The function that is timed, and the one that scores its result on the test texts."""

    learn: Callable[[], Any]
    accuracy: Callable[[], float]


def has_setfit() -> bool:
    """Whether SetFit is installed.

    >>> isinstance(has_setfit(), bool)
    True
    """
    return importlib.util.find_spec("setfit") is not None


def setfit(work: Workload) -> Trial:
    """SetFit with its default settings (Tunstall et al. 2022, arXiv 2209.11055), same window."""
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
    # Class numbers are the task's: those of two files that are read separately may differ.
    labels = work.task.targets(work.train)
    rows = Dataset.from_dict({"text": work.train[work.task.text], "label": labels})
    trainer = Trainer(model=model, args=arguments, train_dataset=rows)

    def accuracy() -> float:
        predictions = np.asarray(model.predict(list(work.test[work.task.text]), use_labels=False))
        return float(np.mean(predictions == np.asarray(work.task.targets(work.test))))

    return Trial(trainer.train, accuracy)


def few_shot_recipe(work: Workload) -> Trial:
    """ftlearn's few-shot recipe."""
    model, stages = contenders.few_shot_recipe(work)

    def learn() -> None:
        for _ in stages:
            pass

    return Trial(learn, lambda: work.accuracy(model))


def probe(work: Workload) -> Trial:
    """Logistic regression on features of length 1 of the pretrained model, nothing else trained."""
    model, tokenizer = models.load(work.folder, device=work.device)
    test = baselines.embed(model, work.test, work.task, tokenizer)
    reports = []

    def learn() -> None:
        train = baselines.embed(model, work.train, work.task, tokenizer)
        reports.append(baselines.linear_probe(train, work.train, test, work.test, work.task))

    return Trial(learn, lambda: reports[-1].scores["accuracy"])


TRIALS = {THEIRS: setfit, OURS: few_shot_recipe, PROBE: probe}


def few_labels(work: Workload, *, per_class: Iterable[int], seeds: Iterable[int], log: Log) -> Part:
    """All three on the same few texts, in turn, for each number of labels and each seed."""
    failures: dict[str, str] = {}
    rounds: list[dict[str, Any]] = []
    draws = [(count, seed) for count in per_class for seed in seeds]
    for number, (count, seed) in enumerate([(WARM_UP, draws[0][1]), *draws]):
        sample = work.sample_per_class(count, seed=seed)
        first = number % len(TRIALS)
        for name in [*TRIALS, *TRIALS][first : first + len(TRIALS)]:
            if name in failures:
                continue
            with catch_errors(failures, name), silenced():
                learn, accuracy = TRIALS[name](sample)
                seconds, _ = timed(learn)
                run = {"round": number, "labels": count, "seed": seed, "contender": name}
                run |= {"seconds": seconds, "accuracy": accuracy() if number else None}
                rounds.append(run)
        log(f"  {count} labels per class, seed {seed} done" if number else "  warm-up done")
    return _part(rounds, failures)


def _part(rounds: list[dict[str, Any]], failures: dict[str, str]) -> Part:
    counted = [run for run in rounds if run["round"]]
    seconds = {(run["round"], run["contender"]): run["seconds"] for run in counted}
    ratios = {
        number: seconds[number, THEIRS] / ours
        for (number, name), ours in seconds.items()
        if name == OURS and (number, THEIRS) in seconds
    }
    groups = {}
    for labels in dict.fromkeys(run["labels"] for run in counted):
        for name in TRIALS:
            runs = [run for run in counted if (run["labels"], run["contender"]) == (labels, name)]
            if runs:
                groups[labels, name] = runs
    return Part(
        name="few",
        title="Few labels: accuracy on the test texts and seconds of training",
        rows=[_row(*key, runs, ratios) for key, runs in groups.items()],
        bars={
            f"{name}, {labels} per class": spread([run["seconds"] for run in runs])
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
    times_faster = [ratios[run["round"]] for run in runs if name == OURS and run["round"] in ratios]
    accuracy = spread([run["accuracy"] for run in runs])
    return {
        "labels per class": labels,
        "contender": name,
        **spread([run["seconds"] for run in runs])._asdict(),
        "accuracy": accuracy.median,
        "lowest": accuracy.low,
        "highest": accuracy.high,
        "times faster than SetFit": spread(times_faster).median if times_faster else None,
    }
