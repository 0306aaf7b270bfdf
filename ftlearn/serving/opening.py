"""A saved model is served by its task: it predicts, or it writes."""

from __future__ import annotations

from pathlib import Path

import torch

from ftlearn.models import folders, saving
from ftlearn.serving.chat_model import ChatModel
from ftlearn.serving.predictor import Predictor
from ftlearn.tasks import LanguageModelling


def opened(folder: str | Path, device: torch.device | str | None = None) -> Predictor | ChatModel:
    """The model of a folder that ``fit`` or ``models.save`` wrote.

    Raises ModelError where the folder is no saved model.
    """
    place = saving.locate(folder)
    if (place / saving.TASK_FILE).is_file():
        task, _ = folders.read_task(place)
        if isinstance(task, LanguageModelling):
            return ChatModel(folder, device)
    return Predictor(folder, device)
