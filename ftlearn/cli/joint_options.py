"""The options of ``ftlearn fit --task joint``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from ftlearn.cli.options import DATA, TRAINING, option
from ftlearn.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class JointOptions:
    """How several label columns are learned at once."""

    ordinal: Annotated[
        list[str],
        option(
            "For joint: a --label column whose labels are levels, if they are no numbers with "
            "their order: tone=bad,fair,good. Give it once per such column.",
            DATA,
            "COLUMN[=LABEL,...]",
        ),
    ] = field(default_factory=list)
    task_weight: Annotated[
        list[str],
        option(
            "For joint: how much the loss of a column counts, such as tone=0.5; once per column, "
            "without it 1. Or learned: the model learns all weights.",
            TRAINING,
            "COLUMN=NUMBER|learned",
        ),
    ] = field(default_factory=list)
    temperature: Annotated[
        float,
        option(
            "For joint: rows are drawn by the number n of a column's labels as n^(1/temperature); "
            "above 1, rare columns are drawn more often.",
            TRAINING,
        ),
    ] = 1.0

    def settings(self) -> dict[str, Any]:
        """The settings as ``workflows.Plan`` takes them."""
        from ftlearn.workflows.joint_settings import LEARNED, JointSettings

        learned = self.task_weight == [LEARNED]
        weights = LEARNED if learned else dict(map(_weight, self.task_weight))
        levels = dict(map(_levels, self.ordinal))
        return {
            "joint": JointSettings(
                task_weight=weights, temperature=self.temperature, ordinal=levels
            )
        }


def _weight(text: str) -> tuple[str, float]:
    """A column and its weight.

    >>> _weight("tone=0.5")
    ('tone', 0.5)
    """
    name, _, value = text.rpartition("=")
    try:
        return name, float(value)
    except ValueError:
        raise ArgumentError(
            f"task_weight is {text!r}: write the column and a number, such as tone=0.5, or learned"
        ) from None


def _levels(text: str) -> tuple[str, tuple[str, ...]]:
    """A column and its levels, if they are named.

    >>> _levels("tone=bad, fair"), _levels("stars")
    (('tone', ('bad', 'fair')), ('stars', ()))
    """
    name, _, levels = text.partition("=")
    return name, tuple(level.strip() for level in levels.split(",") if level.strip())
