"""The model that answers, and how another one takes its place while requests come in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from ftlearn.errors import FtlearnError
from ftlearn.serving.batcher import Batcher
from ftlearn.serving.predictor import Predictor

PROBES = ("a", "Does it answer?", "A text of some length, " * 20)
"""What a new model must answer before it takes over."""


class ModelRefusedError(FtlearnError, RuntimeError):
    """A model that may not take the place of the present one; the message says why."""


class ServedModels:
    """The model of a batcher, and the one before it.

    A new model is loaded and tried beside the present one, which goes on answering; requests of
    one batch are all answered by one model.
    """

    def __init__(self, batcher: Batcher) -> None:
        self._batcher = batcher
        self._previous: Predictor | None = None
        self._loading = asyncio.Lock()

    async def replace(self, folder: str | Path, *, other_labels: bool = False) -> str:
        """Serve the model of a folder from the next batch on; returns its name.

        Raises ModelRefusedError where the folder cannot be opened, the model has another task or
        other labels (which ``other_labels`` allows), or does not answer the probes.
        """
        async with self._loading:
            present = self._batcher.model
            fresh = await asyncio.to_thread(_opened, folder, present, other_labels=other_labels)
            self._previous, self._batcher.model = present, fresh
            return fresh.name

    def rollback(self) -> str:
        """Serve the model before the present one again; a second call returns to the present one.

        Raises ModelRefusedError where none was replaced.
        """
        if self._previous is None:
            raise ModelRefusedError("no model was replaced: there is none to go back to")
        self._previous, self._batcher.model = self._batcher.model, self._previous
        return self._batcher.model.name


def _opened(folder: str | Path, present: Predictor, *, other_labels: bool) -> Predictor:
    """The model of a folder, which fits and answers."""
    try:
        fresh = Predictor(folder, next(present.model.parameters()).device)
    except (FtlearnError, OSError) as error:
        raise ModelRefusedError(f"the folder cannot be served: {error}") from error
    before, after = _interface(present.task), _interface(fresh.task)
    if before["task"] != after["task"] or before["columns"] != after["columns"]:
        raise ModelRefusedError(
            f"its task is {after['task']} of {after['columns']}, and requests are written for "
            f"{before['task']} of {before['columns']}: start a service of its own"
        )
    if before["labels"] != after["labels"] and not other_labels:
        raise ModelRefusedError(
            f"its labels are {after['labels']} instead of {before['labels']}: allow_other_labels "
            "allows it, if the clients know them"
        )
    columns = len(present.columns)
    try:
        fresh.predict(PROBES if columns == 1 else [(text,) * columns for text in PROBES])
    except (FtlearnError, RuntimeError, ValueError, IndexError) as error:
        raise ModelRefusedError(f"the model does not answer: {error}") from error
    return fresh


def _interface(task: Any) -> dict[str, Any]:
    """What clients rely on."""
    return {
        "task": type(task).__name__,
        "columns": list(task.text_columns),
        "labels": list(getattr(task, "labels", ())),
    }
