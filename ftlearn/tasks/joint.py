"""Several tasks on one encoder: hard parameter sharing, with a head for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from ftlearn.errors import ArgumentError, ArgumentTypeError
from ftlearn.tasks.base import Task, Truncation
from ftlearn.tasks.joint_rows import check_shares
from ftlearn.tasks.joint_task import LEARNED, Averaged, Joint


def joint(
    tasks: Mapping[str, Task],
    *,
    weights: Mapping[str, float] | Literal["learned"] | None = None,
    temperature: float = 1.0,
    cap: int | None = None,
    average: Averaged = "task",
    max_length: int | None = None,
    truncation: Truncation = "warn",
) -> Joint:
    """A task of several ones with names, which ``models.load`` gives one encoder and a head each.

    The tasks are classifications, ordinal tasks and regressions, on texts or all on pairs. They
    are trained on ``rows``; ``weights`` are 1 unless given, or ``"learned"``; ``temperature``,
    ``cap`` and ``average`` as in ``Joint``. Without ``max_length`` it is the longest of the tasks'.
    Raises ArgumentError for other tasks, names that are taken, and weights that do not fit.

    >>> from datasets import Dataset
    >>> from ftlearn.tasks.classification import classification
    >>> rows = Dataset.from_dict({"text": ["a", "b"], "topic": ["x", "y"], "tone": ["u", "v"]})
    >>> both = {name: classification(rows, target=name) for name in ("topic", "tone")}
    >>> joint(both, weights={"topic": 1, "tone": 0.5}).output_names()
    ('topic: x', 'topic: y', 'tone: u', 'tone: v')
    """
    _check(tasks)
    first = next(iter(tasks.values()))
    return Joint(
        names=tuple(tasks),
        tasks=tuple(tasks.values()),
        weights=_weights(weights, tuple(tasks)),
        temperature=temperature,
        cap=cap,
        average=average,
        text=first.text,
        target="",
        max_length=max_length or max(task.max_length for task in tasks.values()),
        truncation=truncation,
    )


def _check(tasks: Mapping[str, Task]) -> None:
    """Raise ArgumentError for what is no mapping of tasks that can share an encoder."""
    if not isinstance(tasks, Mapping) or not tasks:
        raise ArgumentTypeError(
            f"tasks is {tasks!r}: give a dictionary of tasks by their names, such as "
            '{"topic": tasks.classification(articles)}'
        )
    for name, task in tasks.items():
        check_shares(name, task)


def _weights(
    weights: Mapping[str, float] | Literal["learned"] | None, names: Sequence[str]
) -> tuple[float, ...] | Literal["learned"]:
    if weights is None:
        return (1.0,) * len(names)
    if weights == LEARNED:
        return LEARNED
    if not isinstance(weights, Mapping) or set(weights) != set(names):
        raise ArgumentError(
            f"weights are {weights!r}: give a number per task ({', '.join(names)}), or 'learned'"
        )
    return tuple(weights[name] for name in names)
