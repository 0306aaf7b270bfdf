"""Python code that trains the same run without a workbench."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from ftlearn import models, tasks
from ftlearn.config import TrainConfig
from ftlearn.experiments.record import Record, Stage
from ftlearn.experiments.replay import Replay


def write(record: Record, replay: Replay, source: str | None) -> str:
    """The run as code, after which ``losses`` and ``scores`` are those of the record.

    If the workbench was given the data set, the task or the loading function as an object and not
    by name, the code has a comment in its place.
    """
    lines = [*_imports(record, replay, source), "", *_inputs(replay, source), ""]
    subset = record.rows < len(replay.data["train"])
    selection = f".shuffle(seed=0).select(range({record.rows}))" if subset else ""
    lines += [f'train = articles["train"]{selection}', "losses, scores = [], []", ""]
    ends = [stage.start for stage in record.stages[1:]]
    for stage, end in zip(record.stages, [*ends, None], strict=True):
        lines += [*_begin(record, replay, stage), *_loop(record, end), ""]
    return "\n".join(lines)


def _imports(record: Record, replay: Replay, source: str | None) -> list[str]:
    branched = len(record.stages) > 1
    names = ["TrainConfig", "evaluate", "steps"]
    if source is not None:
        names.append("data")
    if replay.load is models.load:
        names.append("models")
    lines = ["from dataclasses import replace", ""] if branched else []
    lines.append(f"from ftlearn import {', '.join(sorted(names))}")
    if branched:
        lines.append("from ftlearn.experiments import resume, snapshot")
    if _is_exported(replay.task):
        lines.append(f"from ftlearn.tasks import {type(replay.task).__name__}")
    return lines


def _is_exported(task: Any) -> bool:
    """Whether ``ftlearn.tasks`` exports the class of a task."""
    return getattr(tasks, type(task).__name__, None) is type(task)


def _inputs(replay: Replay, source: str | None) -> list[str]:
    lines = []
    if source is None:
        lines.append("# articles: the data set that the workbench was given")
    else:
        lines.append(f"articles = data.load({quoted(source)})")
    if _is_exported(replay.task):
        lines.append(f"task = {replay.task!r}")
    else:
        lines.append("# task: the task that the workbench was given")
    if replay.load is not models.load:
        lines.append(f"# {replay.load.__name__}: the function that loads the model")
    return lines


def _begin(record: Record, replay: Replay, stage: Stage) -> list[str]:
    batches = "task.batches(train, tokenizer, config), task.loss, config"
    if stage.start == 0:
        load = "models.load" if replay.load is models.load else replay.load.__name__
        seed = stage.config.seed
        return [
            f"config = {config_text(stage.config)}",
            f"model, tokenizer = {load}({quoted(record.checkpoint)}, task, seed={seed})",
            f"run = steps(model, {batches})",
        ]
    before = record.stages_until(stage.start)[-1]
    old = asdict(before.config)
    new = asdict(stage.config)
    changes = ", ".join(f"{name}={value_text(new[name])}" for name in new if new[name] != old[name])
    return [
        f"# From update {stage.start} on with {changes or 'the same settings'}",
        *([f"config = replace(config, {changes})"] if changes else []),
        "taken = snapshot(run)",
        "run.close()",
        f"run = resume(taken, model, {batches})",
    ]


def _loop(record: Record, end: int | None) -> list[str]:
    lines = [
        "for step in run:",
        "    losses.append(step.loss)",
        f"    if step.number % {record.every} == 0 or step.number == step.total:",
        '        scores.append(evaluate(model, articles["valid"], task, tokenizer).scores)',
    ]
    if end is not None:
        lines += [f"    if step.number == {end}:", "        break"]
    return lines


def config_text(config: TrainConfig) -> str:
    """A configuration as code, with the settings that are not the defaults.

    >>> config_text(TrainConfig(epochs=2, max_grad_norm=float("inf")))
    "TrainConfig(epochs=2, max_grad_norm=float('inf'))"
    """
    values = asdict(config)
    defaults = asdict(TrainConfig())
    arguments = [
        f"{name}={value_text(value)}" for name, value in values.items() if value != defaults[name]
    ]
    return f"TrainConfig({', '.join(arguments)})"


def value_text(value: Any) -> str:
    """A setting as code.

    >>> value_text(float("inf")), value_text("sgd")
    ("float('inf')", '"sgd"')
    """
    if isinstance(value, str):
        return quoted(value)
    return f"float({str(value)!r})" if value == float("inf") else repr(value)


def quoted(text: str) -> str:
    """A string literal in double quotes, as the course writes them.

    >>> print(quoted("minilm"))
    "minilm"
    """
    return json.dumps(text, ensure_ascii=False)
