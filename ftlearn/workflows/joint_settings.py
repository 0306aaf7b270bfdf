"""How a run on several label columns weighs, draws and reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ftlearn.data.errors import close_match
from ftlearn.errors import ArgumentError
from ftlearn.runtime.arguments import number

LEARNED: Literal["learned"] = "learned"


@dataclass(frozen=True, kw_only=True)
class JointSettings:
    """What ``tasks.joint`` takes beside the columns.

    task_weight  how much the losses of some columns count, 1 for all others; or "learned"
    temperature  above 1, columns with few labels are drawn more often than their share
    ordinal      columns whose labels are levels, each with its levels from the lowest to the
                 highest, or with () where they are numbers

    >>> JointSettings(task_weight={"tone": 0.5}).weights(("topic", "tone"))
    {'topic': 1.0, 'tone': 0.5}
    """

    task_weight: Mapping[str, float] | Literal["learned"] = field(default_factory=dict)
    temperature: float = 1.0
    ordinal: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def check(self, task: str, columns: Sequence[str]) -> None:
        """Raise ArgumentError for another task than joint, and for a column that is not learned."""
        learned = self.task_weight == LEARNED
        weights = {} if learned else self.task_weight
        if task != "joint" and self != JointSettings():
            used = next(name for name, value in vars(self).items() if value not in ({}, 1.0))
            raise ArgumentError(f"{used} is for joint, and the task is {task}")
        for setting, names in (("task_weight", weights), ("ordinal", self.ordinal)):
            for name in names:
                if name not in columns:
                    hint = close_match(name, columns)
                    raise ArgumentError(
                        f"{setting} is for {name!r}, and what is learned is in "
                        f"{', '.join(columns)}.{hint}"
                    )
        for name, weight in weights.items():
            number(f"the task_weight of {name!r}", weight, 0.0)
        if not number("temperature", self.temperature) > 0:
            raise ArgumentError(
                f"temperature is {self.temperature}: choose a number above 0, such as 2"
            )

    def weights(self, columns: Sequence[str]) -> dict[str, float] | Literal["learned"]:
        """The weight of each column's loss, as ``tasks.joint`` takes them."""
        if self.task_weight == LEARNED:
            return LEARNED
        return {name: float(self.task_weight.get(name, 1.0)) for name in columns}

    def record(self) -> dict[str, Any]:
        """What decides what a run learns, for JSON."""
        return {
            "task_weight": LEARNED if self.task_weight == LEARNED else dict(self.task_weight),
            "temperature": self.temperature,
            "ordinal": {name: list(levels) for name, levels in self.ordinal.items()},
        }
