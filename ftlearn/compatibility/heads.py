"""The head that a saved model was trained with, and the task it is to do now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ftlearn.compatibility.findings import Finding
from ftlearn.compatibility.labels import listed

TASK_FILE = "ftlearn_task.json"
"""The note on its task that ``saved.save`` writes beside a model."""
NUMBER = ("a number",)
"""In place of labels, for a head that was trained to give one number."""
ELSEWHERE = ("labels of single words or of choices",)
"""For a head of the same name in the weights that was trained for something else than texts."""


def trained_labels(config: Any, *, pooled: bool) -> tuple[str, ...] | None:
    """The labels of a saved classification head in their order, or None where it has none.

    ``NUMBER`` and ``ELSEWHERE`` stand for heads that give none. ``pooled`` says that a head of
    ``pooling.PooledClassifier`` is beside the model.

    >>> from transformers import BertConfig
    >>> trained_labels(BertConfig(id2label={0: "no", 1: "yes"}), pooled=True)
    ('no', 'yes')
    """
    made = config.architectures or ()
    if any(name.endswith(("ForTokenClassification", "ForMultipleChoice")) for name in made):
        return ELSEWHERE
    if not (pooled or any(name.endswith("ForSequenceClassification") for name in made)):
        return None
    names = tuple(config.id2label[at] for at in sorted(config.id2label))
    return NUMBER if len(names) == 1 else names


def order(trained: Sequence[str], task: Any) -> list[int] | None:
    """For each label of the task the output of a trained head that gives it; None for other labels.

    A head whose labels have no names (LABEL_0, LABEL_1, ...) gives those of the task in order.

    >>> from types import SimpleNamespace
    >>> order(("no", "yes"), SimpleNamespace(labels=("yes", "no")))
    [1, 0]
    """
    wanted = getattr(task, "labels", NUMBER)
    if len(wanted) == len(trained) and unnamed(trained):
        return list(range(len(wanted)))
    if len(wanted) != len(trained) or set(wanted) != set(trained):
        return None
    return [trained.index(label) for label in wanted]


def units(folder: Path) -> tuple[float, float]:
    """Centre and scale of the numbers that a folder's head gives, as (y − centre) / scale.

    They are those of the note beside the model; without one the head gives the data's own units.
    """
    try:
        note = json.loads((folder / TASK_FILE).read_text(encoding="utf-8"))
        return float(note.get("center", 0.0)), float(note.get("scale", 1.0))
    except (OSError, ValueError, TypeError, AttributeError):
        return 0.0, 1.0


def unnamed(trained: Sequence[str]) -> bool:
    """Whether labels are what transformers calls them where nobody has named them."""
    return all(name == f"LABEL_{at}" for at, name in enumerate(trained))


def head_and_task(trained: Sequence[str] | None, task: Any, folder: Path) -> list[Finding]:
    """A note where a trained head was for other labels than the task's, or does not name them."""
    if trained is None or getattr(task, "head", None) != "sequence classification":
        return []
    wanted, name = getattr(task, "labels", NUMBER), str(folder)
    if order(trained, task) is None:
        message = (
            f"the model in {name!r} was trained for {_said(trained)}, and the task has "
            f"{_said(wanted)}: it keeps its trained body and gets a new head for these"
        )
        return [Finding("head", message)]
    if unnamed(trained) and tuple(wanted) != tuple(trained):
        message = (
            f"the labels of the model in {name!r} have no names: its outputs are taken for "
            f"{listed(wanted)} in this order"
        )
        return [Finding("head", message)]
    return []


def _said(labels: Sequence[str]) -> str:
    if labels in (NUMBER, ELSEWHERE):
        return labels[0]
    return f"{len(labels)} labels ({listed(labels)})"
