"""The head that a saved model was trained with, and the task it is loaded for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ftlearn.compatibility.findings import Finding
from ftlearn.compatibility.labels import listed

TASK_FILE = "ftlearn_task.json"
"""The description of its task that ``models.save`` writes beside a model."""
NUMBER = ("a number",)
"""In place of labels, for a head that was trained to predict one number."""
LEVELS = "ordinal_levels"
"""The setting of a configuration that lists the levels of an ordinal model, lowest first."""
ELSEWHERE = ("labels of single words or of choices",)
"""For a head of the same name in the weights that was not trained to classify texts."""


def trained_labels(config: Any, *, pooled: bool) -> tuple[str, ...] | None:
    """The labels of a saved classification head in their order, or None where it has none.

    ``NUMBER`` and ``ELSEWHERE`` stand for heads without labels, and one name for all levels of an
    ordinal head. ``pooled`` says that a head of ``pooling.PooledClassifier`` is stored beside the
    model.

    >>> from transformers import BertConfig
    >>> trained_labels(BertConfig(id2label={0: "no", 1: "yes"}), pooled=True)
    ('no', 'yes')
    """
    architectures = config.architectures or ()
    if any(
        name.endswith(("ForTokenClassification", "ForMultipleChoice")) for name in architectures
    ):
        return ELSEWHERE
    if not (pooled or any(name.endswith("ForSequenceClassification") for name in architectures)):
        return None
    if levels_of(config):
        return _scale(levels_of(config))
    labels = tuple(config.id2label[class_id] for class_id in sorted(config.id2label))
    return NUMBER if len(labels) == 1 else labels


def order(trained: Sequence[str], task: Any) -> list[int] | None:
    """For each label of the task the output of the trained head; None if the labels differ.

    A head whose labels have no names (LABEL_0, LABEL_1, ...) predicts those of the task in order.

    >>> from types import SimpleNamespace
    >>> order(("no", "yes"), SimpleNamespace(labels=("yes", "no")))
    [1, 0]
    """
    wanted = _wanted(task)
    if len(wanted) == len(trained) and unnamed(trained):
        return list(range(len(wanted)))
    if len(wanted) != len(trained) or set(wanted) != set(trained):
        return None
    return [trained.index(label) for label in wanted]


def is_ordinal(task: Any) -> bool:
    """Whether the labels of a task are levels, whose head has one output per threshold."""
    return getattr(task, "ordered", False)


def levels_of(config: Any) -> tuple[str, ...]:
    """The levels of an ordinal model by its configuration; none for other models."""
    return tuple(getattr(config, LEVELS, None) or ())


def describe_levels(config: Any, task: Any) -> None:
    """List the levels of a task in the configuration, or remove those of another one."""
    if is_ordinal(task):
        setattr(config, LEVELS, list(task.labels))
    elif hasattr(config, LEVELS):
        delattr(config, LEVELS)


def _wanted(task: Any) -> tuple[str, ...]:
    if hasattr(task, "output_names"):  # of several tasks
        names = task.output_names()
        return names if len(names) > 1 else NUMBER
    return _scale(task.labels) if is_ordinal(task) else getattr(task, "labels", NUMBER)


def _scale(levels: Sequence[str]) -> tuple[str]:
    """A scale as one label: in another order its outputs would mean something else."""
    return (f"the levels {' < '.join(levels)}",)


def units(folder: Path) -> tuple[float, float]:
    """Centre and scale of the numbers that a folder's head predicts: (y − centre) / scale.

    They are read from ``TASK_FILE``; without it the head predicts in the data's own units.
    """
    try:
        task = json.loads((folder / TASK_FILE).read_text(encoding="utf-8"))
        return float(task.get("center", 0.0)), float(task.get("scale", 1.0))
    except (OSError, ValueError, TypeError, AttributeError):
        return 0.0, 1.0


def unnamed(trained: Sequence[str]) -> bool:
    """Whether all labels have the default names that transformers gives."""
    return all(name == f"LABEL_{class_id}" for class_id, name in enumerate(trained))


def head_and_task(trained: Sequence[str] | None, task: Any, folder: Path) -> list[Finding]:
    """A note where a trained head has other labels than the task, or labels without names."""
    if trained is None or getattr(task, "head", None) != "sequence classification":
        return []
    wanted = _wanted(task)
    name = str(folder)
    if order(trained, task) is None:
        message = (
            f"the model in {name!r} was trained for {_describe(trained)}, and the task has "
            f"{_describe(wanted)}: it keeps its trained body and gets a new head for these"
        )
        return [Finding("head", message)]
    if unnamed(trained) and tuple(wanted) != tuple(trained):
        message = (
            f"the labels of the model in {name!r} have no names: its outputs are taken for "
            f"{listed(wanted)} in this order"
        )
        return [Finding("head", message)]
    return []


def _describe(labels: Sequence[str]) -> str:
    if len(labels) == 1:
        return labels[0]
    return f"{len(labels)} labels ({listed(labels)})"
