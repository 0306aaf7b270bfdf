"""A saved model is served by its task: it predicts, or it writes."""

from __future__ import annotations

from pathlib import Path

import torch

from ftlearn.formats.loading import check_predicts
from ftlearn.formats.manifest import is_exported
from ftlearn.formats.names import AUTO
from ftlearn.models import folders, saving
from ftlearn.serving.chat_model import ChatModel
from ftlearn.serving.predictor import Predictor
from ftlearn.tasks import LanguageModelling


def opened(
    folder: str | Path,
    device: torch.device | str | None = None,
    model_format: str = "auto",
) -> Predictor | ChatModel:
    """The model of a folder that ``fit``, ``models.save`` or an export wrote.

    Raises ModelError where the folder is no saved model, and FormatError as ``formats.load``.
    """
    place = Path(folder) if is_exported(folder) else saving.locate(folder)
    if (place / saving.TASK_FILE).is_file():
        task, _ = folders.read_task(place)
        if isinstance(task, LanguageModelling):
            if model_format != AUTO:
                check_predicts(task, Path(folder), model_format)
            return ChatModel(folder, device)
    return Predictor(folder, device, model_format)
