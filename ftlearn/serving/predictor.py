"""A saved model as the service uses it: which texts it takes, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ftlearn.data.columns import Columns
from ftlearn.data.records import Record, Rejected
from ftlearn.errors import ArgumentError, FtlearnError
from ftlearn.evaluation import predict_texts
from ftlearn.formats import load
from ftlearn.formats.prepared import PreparedModel
from ftlearn.models.fingerprints import fingerprint
from ftlearn.tasks import LanguageModelling

CHARACTERS_PER_TOKEN = 4
"""A rough count, for the size of batches only: the forward pass has limits of its own."""


class FieldError(FtlearnError, ValueError):
    """A part of a request that cannot be used; ``field`` names it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


class Predictor:
    """A model, tokenizer and task of a folder that ``fit``, ``models.save`` or an export wrote.

    It computes in ``model_format``, see ``formats.load``. ``name`` tells models apart that come
    from folders of the same name, and formats of one model. Raises ModelError where the folder is
    no saved model, and ValueError where its model writes texts instead of predicting, or is not
    there in the format.
    """

    def __init__(
        self,
        folder: str | Path,
        device: torch.device | str | None = None,
        model_format: str = "auto",
    ) -> None:
        self.folder = Path(folder)
        self.model_format = model_format
        self.model, self.tokenizer, self.task = load(folder, model_format, device)
        if isinstance(self.task, LanguageModelling):
            raise ArgumentError(
                f"{folder} holds a model that writes texts ({type(self.task).__name__}) and "
                "predicts nothing: open it with ChatModel"
            )
        self._checks = Columns.of(self.task.text)
        self._window = self.task.window(self.tokenizer)
        self.name = served_name(self.folder, self.model)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the text, or of the two texts, that the model reads."""
        return self._checks.text

    def item(self, value: Any, field: str) -> str | tuple[str, str]:
        """The text, or pair of texts, that a part of a request holds; raises FieldError."""
        names = self.columns
        checked = self._checks.check(Record(1, _cells(value, names, field)))
        if isinstance(checked, Rejected):
            raise FieldError(field, checked.reason)
        texts = tuple(checked.cells[name] for name in names)
        return texts if len(names) > 1 else texts[0]

    def tokens(self, item: str | tuple[str, str]) -> int:
        """About how many tokens the model reads of an item."""
        characters = len(item) if isinstance(item, str) else sum(map(len, item))
        return min(self._window, characters // CHARACTERS_PER_TOKEN + 2)

    def predict(self, items: Sequence[str | tuple[str, str]]) -> list[dict[str, Any]]:
        """One answer per item, as ``ftlearn predict`` writes it."""
        return predict_texts(self.model, self.task, self.tokenizer, list(items))


def served_name(folder: Path, model: nn.Module) -> str:
    """The name of a folder, the beginning of its model's fingerprint, and its format if chosen."""
    name = folder.resolve().name
    if isinstance(model, PreparedModel):
        return f"{name}-{model.fingerprint[:8]}-{model.name}"
    return f"{name}-{fingerprint(model.named_parameters())[:8]}"


def _cells(value: Any, names: Sequence[str], field: str) -> dict[str, Any]:
    """A text, a list of two texts, or an object with the names of the columns, by column."""
    if isinstance(value, Mapping):
        if set(value) != set(names):
            raise FieldError(
                field, f"has the names {_listed(value)}; this model reads {_listed(names)}"
            )
        return dict(value)
    if len(names) == 1:
        return {names[0]: value}
    if not isinstance(value, list | tuple) or len(value) != len(names):
        raise FieldError(field, f"must be a list of two texts, or an object with {_listed(names)}")
    return dict(zip(names, value, strict=True))


def _listed(names: Any) -> str:
    """Up to five names in quotes."""
    shown = [repr(str(name)[:40]) for name in names]
    return " and ".join(shown[:5]) + (" and others" if len(shown) > 5 else "")
