"""The model that answers, and how another one takes its place while requests come in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Protocol

from ftlearn.errors import FtlearnError
from ftlearn.generation import Decoding
from ftlearn.serving.chat_model import ChatModel, Order
from ftlearn.serving.predictor import Predictor

PROBES = ("a", "Does it answer?", "A text of some length, " * 20)
"""What a new model must answer before it takes over."""


class ModelRefusedError(FtlearnError, RuntimeError):
    """A model that may not take the place of the present one; the message says why."""


class Holder(Protocol):
    """What has the model that answers, such as a ``Batcher``."""

    model: Any


class ServedModels:
    """The model that a service has, and the one before it.

    A new model is loaded and tried beside the present one, which goes on answering; requests of
    one batch are all answered by one model, and a dialogue that has begun by the one that began it.
    """

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._previous: Predictor | ChatModel | None = None
        self._loading = asyncio.Lock()

    async def replace(self, folder: str | Path, *, other_labels: bool = False) -> str:
        """Serve the model of a folder from the next batch on; returns its name.

        Raises ModelRefusedError where the folder cannot be opened, the model has another task or
        other labels (which ``other_labels`` allows), or does not answer the probes.
        """
        async with self._loading:
            present = self._holder.model
            fresh = await asyncio.to_thread(_opened, folder, present, other_labels=other_labels)
            self._previous, self._holder.model = present, fresh
            return fresh.name

    def rollback(self) -> str:
        """Serve the model before the present one again; a second call returns to the present one.

        Raises ModelRefusedError where none was replaced.
        """
        if self._previous is None:
            raise ModelRefusedError("no model was replaced: there is none to go back to")
        self._previous, self._holder.model = self._holder.model, self._previous
        return self._holder.model.name


def _opened(
    folder: str | Path, present: Predictor | ChatModel, *, other_labels: bool
) -> Predictor | ChatModel:
    """The model of a folder, which fits and answers."""
    try:
        device = next(present.model.parameters()).device
        if isinstance(present, ChatModel):
            fresh = ChatModel(folder, device)
        else:
            fresh = Predictor(folder, device, present.model_format)
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
    try:
        _probe(fresh)
    except (FtlearnError, RuntimeError, ValueError, IndexError) as error:
        raise ModelRefusedError(f"the model does not answer: {error}") from error
    return fresh


def _probe(model: Predictor | ChatModel) -> None:
    """Let a model answer; raises what it raises."""
    if isinstance(model, Predictor):
        columns = len(model.columns)
        model.predict(PROBES if columns == 1 else [(text,) * columns for text in PROBES])
        return
    for text in PROBES:
        prompt = model.prompt([{"role": "user", "content": text}])
        list(model.write(Order(prompt, Decoding(max_new_tokens=2), seed=0), lambda: False))


def _interface(task: Any) -> dict[str, Any]:
    """What clients rely on."""
    return {
        "task": type(task).__name__,
        "columns": list(getattr(task, "text_columns", ())),
        "labels": list(getattr(task, "labels", ())),
    }
