"""Train those rows of an embedding table that the training texts hold, and no others.

A vocabulary has tens of thousands of rows and a small data set names a few thousand of them. The
others get no gradient, so Adam's means of theirs stay zero and only weight decay moves them. To
carry them through every update costs memory for three numbers more a weight and a walk over all
of it; here they are left out, and the result is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
import torch.nn.functional as F
from torch import nn

WORTH = 0.5
"""The share of a table's rows above which leaving out the others would not pay."""


class TrainedRows:
    """The used rows of one table as a parameter of their own, (U, D).

    While ``lent`` the table looks them up when the model trains; ``write`` copies them back after
    an update, so that whoever evaluates the model or saves it finds the whole table as it is.

    >>> table = nn.Embedding(4, 1)
    >>> rows = TrainedRows("table", table, [1, 3])
    >>> with rows.lent(), torch.no_grad():
    ...     _ = rows.parameter.fill_(7.0)
    ...     rows.write(decay=0.5)
    >>> table.weight[1].item(), rows.places.tolist()
    (7.0, [-1, 0, -1, 1])
    """

    def __init__(self, name: str, table: nn.Embedding, used: Sequence[int]) -> None:
        self.name, self.table = name, table
        device = table.weight.device
        self.used = torch.as_tensor(used, device=device)
        self.places = torch.full((table.num_embeddings,), -1, device=device)
        self.places[self.used] = torch.arange(len(used), device=device)
        self.parameter = nn.Parameter(self.picked(table.weight.detach()))
        at = table.padding_idx
        self.padding = None if at is None or self.places[at] < 0 else int(self.places[at])

    @property
    def left_out(self) -> int:
        """How many numbers of the table are not trained."""
        return self.table.weight.numel() - self.parameter.numel()

    def picked(self, whole: torch.Tensor) -> torch.Tensor:
        """The used rows (U, D) of something as large as the table, (V, D)."""
        return whole.index_select(0, self.used)

    def spread(self, rows: torch.Tensor) -> torch.Tensor:
        """The used rows (U, D) among zeros, (V, D)."""
        return rows.new_zeros(self.table.weight.shape).index_copy_(0, self.used, rows)

    @torch.no_grad()
    def read(self) -> None:
        """Take the rows from the table."""
        torch.index_select(self.table.weight, 0, self.used, out=self.parameter)

    @torch.no_grad()
    def write(self, *, decay: float = 0.0) -> None:
        """Copy the rows into the table, and shrink the others by a share ``decay``."""
        if decay:
            self.table.weight.mul_(1 - decay)
        self.table.weight.index_copy_(0, self.used, self.parameter)

    @contextmanager
    def lent(self) -> Iterator[None]:
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


@contextmanager
def active_all(tables: Iterable[TrainedRows]) -> Iterator[None]:
    """``Rows.lent`` of several tables."""
    with ExitStack() as stack:
        for rows in tables:
            stack.enter_context(rows.lent())
        yield


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
