"""Gradual unfreezing: a run that begins with the head and takes up the layers from the top."""

from __future__ import annotations

from collections.abc import Iterator

from ftlearn.errors import ArgumentError
from ftlearn.models import architecture
from ftlearn.models.partial import unfreeze_top
from ftlearn.training.history import Step
from ftlearn.training.loop import Run


def gradual_unfreezing(run: Run, *, layers_per_epoch: int = 1) -> Iterator[Step]:
    """The steps of a run that trains more layers in each epoch, from the top down.

    The first epoch trains the head, each further one ``layers_per_epoch`` more layers from the top,
    and the embeddings come after the lowest layer (Howard & Ruder 2018, arXiv 1801.06146):

        run = steps(model, batches, loss, config)
        for step in gradual_unfreezing(run): ...

    Raises ValueError for ``layers_per_epoch`` below 1, and as ``unfreeze_top`` does.
    """
    if layers_per_epoch < 1:
        raise ArgumentError(f"layers_per_epoch is {layers_per_epoch}: choose 1 or more")
    _train_top(run, 0)
    layers = 0
    for step in run:
        yield step
        if step.ends_epoch:
            layers += layers_per_epoch
            _train_top(run, layers)


def _train_top(run: Run, layers: int) -> None:
    depth = len(architecture.layers(run.model))
    if layers > depth:
        architecture.unfreeze(run.model)
    else:
        unfreeze_top(run.model, layers)
    run.update_trainable()
