"""A run fits on the disk, and keeps its scores when the disk is full."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ftlearn.config import TrainConfig
from ftlearn.runtime import disk, distributed
from ftlearn.training.checkpoints import Store
from ftlearn.training.history import History
from ftlearn.training.resuming import checkpoint_bytes, expected
from ftlearn.workflows.folder import RunError, RunFolder


def check_space(folder: RunFolder, model: nn.Module, config: TrainConfig, *, rows: int) -> None:
    """Raise RunError where what a run on ``rows`` rows will write does not fit on the disk."""
    if not distributed.is_main():
        return
    updates = -(-rows // config.batch_size)
    count = expected(config.epochs, updates, Store(folder.checkpoints))
    folder.check_space(count, checkpoint_bytes(model, config), model_bytes(model))


def model_bytes(model: nn.Module) -> int:
    """Bytes that the weights take on the disk; tied ones count once.

    >>> model_bytes(nn.Linear(10, 10, bias=False))
    400
    """
    return sum(weight.numel() * weight.element_size() for weight in model.parameters())


@contextmanager
def explain_full_disk(folder: RunFolder, model: nn.Module, history: History) -> Iterator[None]:
    """A context in which a full disk becomes a RunError: what is kept, and how to resume."""
    try:
        yield
    except Exception as error:
        if not disk.is_full(error):
            raise
        size = model_bytes(model)
        reason = disk.shortage(folder.out, size, size) or str(error)
        raise RunError(
            f"the model cannot be written into {folder.out}: {reason}. {_kept(folder, history)}"
        ) from error


def _kept(folder: RunFolder, history: History) -> str:
    names = ("report.html", "report.json", "history.csv")
    files = [name for name in names if (folder.out / name).is_file()]
    number = Store(folder.checkpoints).last_number()
    if not number:
        return (
            f"Kept: {', '.join(files) or 'nothing'}; no checkpoint: start again with a folder on "
            "another disk for `out`"
        )
    trained = number == history.steps[-1].number
    rest = "writes the model without training again" if trained else f"continues at update {number}"
    files.append(f"the checkpoint of update {number}")
    return f"Kept: {', '.join(files)}; make room, and the same run with resume=True {rest}"
