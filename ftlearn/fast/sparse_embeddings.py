"""Training only those rows of an embedding table that occur in the training texts.

A vocabulary has tens of thousands of rows, and a small data set uses a few thousand of them. The
others get no gradient, so their Adam moments stay zero and only weight decay changes them. Keeping
them in every update costs three more numbers per weight and a pass over all of them; here they are
left out, and the result is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

DECAY_EVERY = 16
"""Steps after which weight decay is applied to the unused rows: a pass over the whole table."""

MAX_SHARE = 0.5
"""The share of used rows above which leaving out the others would not be faster."""


class TrainedRows:
    """The U used rows of an embedding table as a parameter of their own, (U, D).

    While ``active``, the table looks them up when the model trains. ``follow`` has them copied
    back after each step of an optimizer, so they are up to date whenever the model is evaluated or
    saved. The unused rows get their weight decay every ``DECAY_EVERY`` steps and at the last one: a
    run that ends early leaves them at most that many decays behind.

    >>> table = nn.Embedding(4, 1)
    >>> rows = TrainedRows("table", table, [1, 3])
    >>> optimizer = torch.optim.SGD([rows.parameter], lr=1.0)
    >>> rows.follow(optimizer, steps=1)
    >>> rows.parameter.grad = rows.parameter.detach() - 7.0
    >>> _ = optimizer.step()
    >>> round(table.weight[1].item(), 3), rows.places.tolist()
    (7.0, [-1, 0, -1, 1])
    """

    def __init__(self, name: str, table: nn.Embedding, used: Sequence[int]) -> None:
        self.name, self.table = name, table
        device = table.weight.device
        self.used = torch.as_tensor(used, device=device)
        self.places = torch.full((table.num_embeddings,), -1, device=device)
        self.places[self.used] = torch.arange(len(used), device=device)
        self.parameter = nn.Parameter(self.gather(table.weight.detach()))
        self.decay = 1.0  # of the unused rows, since it was last applied
        self.steps = self.last = 0
        self.padding: int | None = None
        if table.padding_idx is not None and self.places[table.padding_idx] >= 0:
            self.padding = int(self.places[table.padding_idx])

    @property
    def left_out(self) -> int:
        """How many weights of the table are not trained."""
        return self.table.weight.numel() - self.parameter.numel()

    def gather(self, full: torch.Tensor) -> torch.Tensor:
        """The used rows (U, D) of a tensor of the table's shape, (V, D)."""
        return full.index_select(0, self.used)

    @torch.no_grad()
    def read(self) -> None:
        """Copy the rows from the table into the parameter."""
        torch.index_select(self.table.weight, 0, self.used, out=self.parameter)

    def follow(self, optimizer: torch.optim.Optimizer, *, steps: int) -> None:
        """Have the rows copied into the table after each step of an optimizer.

        The other rows get no gradient, but AdamW decays them too: the product of all decays is
        applied to them every ``DECAY_EVERY`` steps and after the last of ``steps``.
        """
        self.last = steps
        optimizer.register_step_post_hook(self._write)

    @torch.no_grad()
    def _write(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self.steps += 1
        for group in optimizer.param_groups:
            if any(parameter is self.parameter for parameter in group["params"]):
                self.decay *= 1 - group["lr"] * group["weight_decay"]
        if self.steps % DECAY_EVERY == 0 or self.steps == self.last:
            self.table.weight.mul_(self.decay)
            self.decay = 1.0
        self.table.weight.index_copy_(0, self.used, self.parameter)

    @contextmanager
    def active(self) -> Iterator[None]:
        """A context in which these rows are trained in place of the table."""
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
    """The rows of the model's token embeddings that occur in ``ids``, where that saves much.

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
    embeddings = _token_embeddings(model)
    if embeddings is None:
        return []
    name, table = embeddings
    used = {int(token) for row in ids for token in row}
    if table.padding_idx is not None:
        used.add(table.padding_idx)
    if len(used) > MAX_SHARE * table.num_embeddings:
        return []
    return [TrainedRows(name, table, sorted(used))]


def _token_embeddings(model: nn.Module) -> tuple[str, nn.Embedding] | None:
    """The name and the table of trainable token embeddings, unless another module reads it too."""
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
