"""What happened in a training run: steps and evaluations."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import pandas as pd

from ftlearn.config import TrainConfig
from ftlearn.runtime.arithmetic import Arithmetic


@dataclass(frozen=True)
class Step:
    """What one update did. The loss is the one before the update."""

    number: int
    """Updates so far, from 1."""
    epoch: float
    """Passes over the data so far: 1.0 after the first."""
    loss: float
    """Mean loss of the batch."""
    learning_rate: float
    gradient_norm: float
    """Length of the gradient before clipping."""
    examples: int
    """Rows seen so far."""
    seconds: float
    """Time spent in updates so far."""
    total: int
    """Updates in the whole run."""

    @property
    def examples_per_second(self) -> float:
        """Mean training speed so far."""
        return self.examples / self.seconds

    @property
    def ends_epoch(self) -> bool:
        """Whether this was the last update of an epoch."""
        return self.epoch.is_integer()


@dataclass
class History:
    """What happened in a run: every step, and every evaluation on the validation data."""

    config: TrainConfig
    monitor: str
    steps: list[Step] = field(default_factory=list)
    evaluations: list[dict[str, float]] = field(default_factory=list)
    stopped: str = ""
    """Why the run ended before its last update; empty when it did not."""
    arithmetic: Arithmetic | None = None
    """Number format, attention and matrix products of the run."""

    @property
    def best(self) -> dict[str, float] | None:
        """The evaluation with the lowest loss."""
        return min(self.evaluations, key=lambda scores: scores[self.monitor], default=None)

    def table(self) -> pd.DataFrame:
        """One row per step."""
        return pd.DataFrame([asdict(step) for step in self.steps])

    def evaluation_table(self) -> pd.DataFrame:
        """One row per evaluation: step, epoch and the scores."""
        return pd.DataFrame(self.evaluations)

    def __repr__(self) -> str:
        if not self.steps:
            return "History(no steps)"
        last = self.steps[-1]
        scores = f", best {self.monitor} {self.best[self.monitor]:.4f}" if self.best else ""
        ended = f", stopped: {self.stopped}" if self.stopped else ""
        return (
            f"History({last.number} updates, {last.epoch:.1f} epochs, {last.seconds:.1f} s, "
            f"{last.examples_per_second:.0f} examples/s, last loss {last.loss:.4f}{scores}{ended})"
        )
