"""The task that joins several ones: its rows, its loss, its outputs, its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
import torch
from datasets import Dataset, DatasetDict

from ftlearn.data.batching import Encoded, RowTargets, target_ids
from ftlearn.errors import ArgumentError, UnknownNameError
from ftlearn.losses import LossSum
from ftlearn.multitask import sampling_shares
from ftlearn.runtime.arguments import number
from ftlearn.tasks import joint_rows
from ftlearn.tasks.base import Task, require_columns
from ftlearn.tasks.joint_batches import JointBatches, factors_of
from ftlearn.tasks.ordinal import Ordinal
from ftlearn.tasks.regression import Regression

if TYPE_CHECKING:
    from ftlearn.config import TrainConfig

Averaged = Literal["task", "batch"]
"""Over which rows of a batch a loss is averaged: those of its task, or all."""
LEARNED: Literal["learned"] = "learned"
SMALLEST = 1e-12  # the least loss whose logarithm is taken


@dataclass(frozen=True, kw_only=True)
class Joint(Task):
    """Several tasks that share an encoder: logits (B, ΣK) are those of all heads side by side.

    A row has a text and a target of one task or more, each in the column that has the task's name.
    The loss of a batch is Σ w_i L_i over the tasks that have rows in it. With ``average="task"``
    L_i is a mean over the rows of task i in the batch, so w_i alone says what a task counts; with
    ``"batch"`` it is their sum divided by all rows of the batch, so a task counts by its rows, too.
    Either holds for the whole batch, however it is cut into micro-batches.

    An epoch draws Σ min(n_i, ``cap``) rows, by ``multitask.sampling_shares``. Weights that are
    ``"learned"`` follow ``multitask.uncertainty_weighting``: the model has a log-variance s_i per
    task, which its logits (B, ΣK + n) end with. L_i is in the units of training: of a regression,
    the squared error of standardised targets.
    """

    names: tuple[str, ...]
    tasks: tuple[Task, ...]
    weights: tuple[float, ...] | Literal["learned"]
    temperature: float = 1.0
    cap: int | None = None
    average: Averaged = "task"
    head: ClassVar[str] = "sequence classification"
    monitor: ClassVar[str] = "loss"

    def __post_init__(self) -> None:
        super().__post_init__()
        joint_rows.check_names(self.names, self.text_columns)
        for name, task in zip(self.names, self.tasks, strict=True):
            joint_rows.check_shares(name, task, len(self.text_columns))
        sampling_shares([1], temperature=self.temperature, cap=self.cap)
        if self.average not in get_args(Averaged):
            raise ArgumentError(f"average is {self.average!r}: use 'task' or 'batch'")
        if self.weights != LEARNED:
            weights = tuple(number("a weight", weight, 0.0) for weight in self.weights)
            object.__setattr__(self, "weights", weights)

    @property
    def learned(self) -> bool:
        """Whether the model learns the weights of the losses."""
        return self.weights == LEARNED

    def task(self, name: str) -> Task:
        """One of the tasks alone, on the columns of the joint rows."""
        if name not in self.names:
            raise UnknownNameError(f"there is no task {name!r}: use one of {', '.join(self.names)}")
        return replace(
            self.tasks[self.names.index(name)],
            text=self.text,
            target=name,
            max_length=self.max_length,
            truncation=self.truncation,
        )

    # Rows

    def rows(self, data: Mapping[str, Dataset | DatasetDict]) -> Dataset | DatasetDict:
        """One data set of the rows of each task, whose columns are those that the task was made of.

        A table with a column per task is such a data set already.
        """
        return joint_rows.merge(
            data, dict(zip(self.names, self.tasks, strict=True)), self.text_columns
        )

    def part(self, dataset: Dataset, name: str) -> Dataset:
        """The rows that have a target of a task."""
        require_columns(dataset, [self.task(name).target])
        return dataset.select(joint_rows.rows_with(dataset, name))

    def targets(self, dataset: Dataset) -> list[tuple[float, ...]]:
        """The target of each task in each row, (N, n), NaN where there is none."""
        return joint_rows.target_rows(dataset, {name: self.task(name) for name in self.names})

    def readable_targets(self, dataset: Dataset) -> list[dict[str, Any]]:
        """The targets of each row by the name of their task."""
        return joint_rows.targets_by_name(dataset, self.names)

    def encode(self, dataset: Dataset, tokenizer: Any) -> Encoded:
        """Tokenise all rows; their targets are ``numbers``, and ``targets`` number their groups."""
        targets = self.targets(dataset)
        present = [tuple(target == target for target in row) for row in targets]
        groups = {tasks: group for group, tasks in enumerate(sorted(set(present), reverse=True))}
        inputs, truncated = self._token_ids(dataset, tokenizer)
        return Encoded(
            inputs,
            [groups[tasks] for tasks in present],
            self.window(tokenizer),
            truncated,
            numbers=targets,
        )

    def batches(self, dataset: Dataset, tokenizer: Any, config: TrainConfig) -> JointBatches:
        """The training batches; each epoch draws its rows by temperature and cap."""
        return JointBatches(
            self.encode(dataset, tokenizer),
            tokenizer,
            config.batch_size,
            config.micro_batches,
            config.seed,
            temperature=self.temperature,
            cap=self.cap,
            average=self.average,
            weights=self.weights,
        )

    # Training

    @property
    def widths(self) -> list[int]:
        """The number of logits of each head, K."""
        return [task.head_arguments()["num_labels"] for task in self.tasks]

    def head_arguments(self) -> dict[str, Any]:
        names = self.output_names()
        return {
            "num_labels": len(names),
            "id2label": dict(enumerate(names)),
            "label2id": {name: number for number, name in enumerate(names)},
            "problem_type": "multi_label_classification",
        }

    def output_names(self) -> tuple[str, ...]:
        """What each of the logits (B, ΣK) stands for."""
        names = []
        for name, task in zip(self.names, self.tasks, strict=True):
            if isinstance(task, Ordinal):
                steps = zip(task.labels, task.labels[1:], strict=False)
                names += [f"{name}: at least {upper}, above {lower}" for lower, upper in steps]
            else:
                names += [f"{name}: {label}" for label in getattr(task, "labels", ("a number",))]
        return tuple(names)

    def split(self, logits: torch.Tensor) -> dict[str, torch.Tensor]:
        """The logits of each task, (B, K), from those of all."""
        widths = self.widths
        return dict(zip(self.names, logits[:, : sum(widths)].split(widths, dim=1), strict=True))

    def task_losses(
        self, logits: torch.Tensor, targets: torch.Tensor | RowTargets
    ) -> dict[str, LossSum]:
        """The loss of each task that has rows here: their sum, without its weight, and count."""
        values = self._values(targets)
        losses = {}
        for column, (name, outputs) in enumerate(self.split(logits).items()):
            rows = ~values[:, column].isnan()
            if rows.any():
                task, of_task = self.tasks[column], values[rows, column]
                ids = of_task if isinstance(task, Regression) else of_task.long()
                losses[name] = task.loss(outputs[rows], ids)
        return losses

    def loss(self, logits: torch.Tensor, targets: torch.Tensor | RowTargets) -> LossSum:
        """Σ w_i L_i times the rows of the batch, which are the count."""
        values = self._values(targets)
        factors = self._factors(targets)
        total = logits.new_zeros((), dtype=torch.promote_types(logits.dtype, torch.float32))
        for name, summed in self.task_losses(logits, targets).items():
            column = self.names.index(name)
            total = total + factors[column] * self._weighted(column, summed, logits)
        return LossSum(total, len(values))

    def _weighted(self, column: int, summed: LossSum, logits: torch.Tensor) -> torch.Tensor:
        """The summed loss of a task times its weight."""
        if not self.learned:
            return self.weights[column] * summed.total
        # Each row adds ½ s_i, so that it is added once per L_i, a mean over these rows.
        log_variance = logits[0, sum(self.widths) + column].float()
        return 0.5 * torch.exp(-log_variance) * summed.total + 0.5 * log_variance * summed.count

    def count_targets(self, targets: torch.Tensor | RowTargets) -> int:
        """The rows of a batch."""
        return len(target_ids(targets))

    def _values(self, targets: torch.Tensor | RowTargets) -> torch.Tensor:
        """The targets (B, n), which may come with the factors of the whole batch beside them."""
        numbers = targets.numbers if isinstance(targets, RowTargets) else targets
        return numbers[:, : len(self.names)]

    def _factors(self, targets: torch.Tensor | RowTargets) -> torch.Tensor:
        """The factor of each task, (n,); where none came with the targets they are all."""
        values = self._values(targets)
        if isinstance(targets, RowTargets) and targets.numbers.shape[1] > values.shape[1]:
            return targets.numbers[0, values.shape[1] :]
        return factors_of(values) if self.average == "task" else values.new_ones(values.shape[1])

    # Prediction

    def reduce_logits(
        self, logits: torch.Tensor, targets: torch.Tensor | RowTargets
    ) -> torch.Tensor:
        """The outputs of all tasks side by side."""
        parts = zip(self.tasks, self.split(logits).values(), strict=True)
        return torch.cat([task.reduce_logits(part, targets) for task, part in parts], dim=1)

    def outputs_of(self, outputs: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs of each task, (N, K), from those of all."""
        ends = np.cumsum([len(getattr(task, "labels", ("a number",))) for task in self.tasks])
        return dict(zip(self.names, np.split(outputs, ends[:-1], axis=1), strict=True))

    def decode(self, outputs: np.ndarray) -> list[dict[str, Any]]:
        """The prediction of each task by its name."""
        parts = self.outputs_of(outputs).values()
        columns = [task.decode(part) for task, part in zip(self.tasks, parts, strict=True)]
        return [dict(zip(self.names, row, strict=True)) for row in zip(*columns, strict=True)]

    # Scores

    def metrics(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """The loss, and the metrics of each task that has targets here; targets are (N, n).

        With learned weights the loss is ½ Σ log L_i, their optimum's but for a constant.
        """
        loss = 0.0
        scores = {}
        for column, (name, part) in enumerate(self.outputs_of(outputs).items()):
            rows = ~np.isnan(targets[:, column])
            if rows.any():
                of_task = self._typed(column, targets[rows, column])
                mean = self._unit_losses(column, part[rows], of_task).mean()
                loss += self._weighted_mean(column, mean, share=rows.mean())
                task_scores = self.tasks[column].metrics(part[rows], of_task)
                scores |= {f"{name} {metric}": value for metric, value in task_scores.items()}
        return {"loss": float(loss), **scores}

    def _weighted_mean(self, column: int, mean: float, *, share: float) -> float:
        """What the mean loss of a task, which a share of the rows has, adds to the loss."""
        if self.learned:
            return 0.5 * np.log(max(mean, SMALLEST))
        return self.weights[column] * mean * (share if self.average == "batch" else 1.0)

    def metric_names(self) -> tuple[str, ...]:
        named = zip(self.names, self.tasks, strict=True)
        return ("loss", *(f"{name} {metric}" for name, t in named for metric in t.metric_names()))

    def example_losses(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Σ w_i of each row's losses, (N,); with learned weights, of equal ones."""
        losses = np.zeros(len(outputs))
        for column, part in enumerate(self.outputs_of(outputs).values()):
            rows = ~np.isnan(targets[:, column])
            weight = 1.0 if self.learned else self.weights[column]
            of_task = self._typed(column, targets[rows, column])
            losses[rows] += weight * self._unit_losses(column, part[rows], of_task)
        return losses

    def _typed(self, column: int, targets: np.ndarray) -> np.ndarray:
        """The targets of a task as it takes them: numbers, or ids of classes."""
        return targets if isinstance(self.tasks[column], Regression) else targets.astype(int)

    def _unit_losses(self, column: int, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The losses of rows in the units of training."""
        task = self.tasks[column]
        scale = task.scale**2 if isinstance(task, Regression) else 1.0
        return task.example_losses(outputs, targets) / scale
