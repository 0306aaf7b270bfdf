"""Train those rows of an embedding table that the training texts hold, and no others.

A vocabulary has tens of thousands of rows and a small data set names a few thousand of them. The
others get no gradient, so Adam's means of theirs stay zero and only weight decay moves them. To
carry them through every update costs memory for three numbers more a weight and a walk over all
of it; here they are left out, and the result is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

SHRINK_EVERY = 16
"""Steps after which the other rows shrink by weight decay: each time a walk over the table."""

WORTH = 0.5
"""The share of a table's rows above which leaving out the others would not pay."""


class TrainedRows:
    """The used rows of one table as a parameter of their own, (U, D).

    While ``active`` the table looks them up when the model trains. ``follow`` copies them back
    after each step of an optimizer, so that whoever evaluates or saves the model finds the whole
    table as it is.

    >>> table = nn.Embedding(4, 1)
    >>> rows = TrainedRows("table", table, [1, 3])
    >>> optimizer = torch.optim.SGD([rows.parameter], lr=1.0)
    >>> rows.follow(optimizer, steps=1)
    >>> rows.parameter.grad = rows.parameter.detach() - 7.0
    >>> _ = optimizer.step()
    >>> table.weight[1].item(), rows.places.tolist()
    (7.0, [-1, 0, -1, 1])
    """

    def __init__(self, name: str, table: nn.Embedding, used: Sequence[int]) -> None:
        self.name, self.table = name, table
        device = table.weight.device
        self.used = torch.as_tensor(used, device=device)
        self.places = torch.full((table.num_embeddings,), -1, device=device)
        self.places[self.used] = torch.arange(len(used), device=device)
        self.parameter = nn.Parameter(self.gather(table.weight.detach()))
        self.decay, self.steps, self.last = 1.0, 0, 0
        at = table.padding_idx
        self.padding = None if at is None or self.places[at] < 0 else int(self.places[at])

    @property
    def left_out(self) -> int:
        """How many numbers of the table are not trained."""
        return self.table.weight.numel() - self.parameter.numel()

    def gather(self, whole: torch.Tensor) -> torch.Tensor:
        """The used rows (U, D) of something as large as the table, (V, D)."""
        return whole.index_select(0, self.used)

    def scatter(self, rows: torch.Tensor) -> torch.Tensor:
        """The used rows (U, D) among zeros, (V, D)."""
        return rows.new_zeros(self.table.weight.shape).index_copy_(0, self.used, rows)

    @torch.no_grad()
    def read(self) -> None:
        """Take the rows from the table."""
        torch.index_select(self.table.weight, 0, self.used, out=self.parameter)

    def follow(self, optimizer: torch.optim.Optimizer, *, steps: int) -> None:
        """Have the rows copied into the table after each step of an optimizer.

        The other rows get no gradient, but AdamW's weight decay: they shrink by what it comes to,
        every ``SHRINK_EVERY`` steps and after the last of ``steps``.
        """
        self.last = steps
        optimizer.register_step_post_hook(self._write)

    @torch.no_grad()
    def _write(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self.steps += 1
        for group in optimizer.param_groups:
            if any(parameter is self.parameter for parameter in group["params"]):
                self.decay *= 1 - group["lr"] * group["weight_decay"]
        if self.steps % SHRINK_EVERY == 0 or self.steps == self.last:
            self.table.weight.mul_(self.decay)
            self.decay = 1.0
        self.table.weight.index_copy_(0, self.used, self.parameter)

    @contextmanager
    def active(self) -> Iterator[None]:
        """A context in which these rows learn in the table's place."""
        hook = self.table.register_forward_hook(self._look_up)
        try:
            yield
        finally:
            hook.remove()

    def _look_up(
        self, table: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
    ) -> torch.Tensor:
        if not (table.training and torch.is_grad_enabled()):
            return output
        places = self.places[inputs[0]]
        if (places < 0).any():
            raise ValueError(
                f"{self.name} is asked for id {int(inputs[0][places < 0][0])}, which no training "
                "text of this run holds: end the run before you train on others"
            )
        return F.embedding(places, self.parameter, padding_idx=self.padding)


def trained_rows(model: nn.Module, ids: Iterable[Sequence[int]]) -> list[TrainedRows]:
    """The model's table of words as the rows that ``ids`` name, where that saves much.

    Empty where the model has no such table, where it is frozen, tied to the output or of an
    unusual kind, and where more than half of it is used.

    >>> class Model(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.words = nn.Embedding(10, 2)
    ...     def get_input_embeddings(self): return self.words
    >>> [rows.name for rows in trained_rows(Model(), [[1, 2], [2, 5]])]
    ['words.weight']
    """
    found = _words(model)
    if found is None:
        return []
    name, table = found
    used = sorted({int(each) for row in ids for each in row} | _padding(table))
    return [TrainedRows(name, table, used)] if len(used) <= WORTH * table.num_embeddings else []


def _words(model: nn.Module) -> tuple[str, nn.Embedding] | None:
    """The trainable table of words with its name, unless something else reads it too."""
    try:
        table = getattr(model, "base_model", model).get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
    plain = type(table) is nn.Embedding and table.max_norm is None
    if not plain or table.sparse or table.scale_grad_by_freq or not table.weight.requires_grad:
        return None
    named = model.named_parameters(remove_duplicate=False)
    names = [name for name, parameter in named if parameter is table.weight]
    return (names[0], table) if len(names) == 1 else None


def _padding(table: nn.Embedding) -> set[int]:
    return set() if table.padding_idx is None else {table.padding_idx}
