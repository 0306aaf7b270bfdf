"""Opening a fitted model, or an export of it, in the format that is asked for."""

from __future__ import annotations

from pathlib import Path

import torch

from ftlearn import models
from ftlearn.formats import manifest
from ftlearn.formats.comparing import Loaded
from ftlearn.formats.names import (
    AUTO,
    GGUF_READY,
    INT8,
    LOADABLE,
    ONNX,
    FormatError,
    check_name,
)
from ftlearn.formats.onnx_model import FILE, OnnxModel
from ftlearn.formats.prepared import TorchModel
from ftlearn.models import folders, saving
from ftlearn.models.fingerprints import fingerprint
from ftlearn.models.loading import read_tokenizer
from ftlearn.tasks import LanguageModelling, Task

EXPORTS = "formats"
"""The folder in that of a run where its exports are, each under the name of its format."""


def load(folder: str | Path, name: str = AUTO, device: torch.device | str | None = None) -> Loaded:
    """A fitted model in a format, its tokenizer and its task, ready for ``evaluation``.

    ``folder`` is a run, a saved model, or what ``export`` wrote, which has one format. ``"auto"``
    is that format, or what ``models.load_finetuned`` gives; ``"fp32"`` and ``"bf16"`` are computed
    by torch on ``device``; ``"onnx"`` and ``"int8"`` by ONNX Runtime on the CPU, from the exports
    that are in the run.

    Raises FormatError for a format that the folder does not have, a file that is missing or cut,
    and a model that writes texts; ModelError as ``models.load_finetuned``.
    """
    check_name(name, LOADABLE)
    folder = Path(folder)
    if manifest.is_exported(folder):
        return _exported(folder, name, device)
    if name in (ONNX, INT8):
        return _exported_of(folder, name, device)
    loaded = models.load_finetuned(folder, device)
    if name == AUTO:
        return loaded
    model, tokenizer, task = loaded
    check_predicts(task, folder, name)
    return TorchModel(model, name), tokenizer, task


def task_of(folder: str | Path) -> Task:
    """The task of a fitted model or of an export, without opening the model where a file says it.

    Raises ModelError as ``models.load_finetuned``.
    """
    place = Path(folder) if manifest.is_exported(folder) else saving.locate(folder)
    if (place / saving.TASK_FILE).is_file():
        return folders.read_task(place)[0]
    return models.load_finetuned(folder, "cpu")[2]


def check_predicts(task: object, folder: Path, name: str) -> None:
    """Raise FormatError for a model that writes texts."""
    if isinstance(task, LanguageModelling):
        raise FormatError(
            f"{folder} holds a model that writes texts ({type(task).__name__}), and the format "
            f"{name} is for models that predict: leave it out, or export it as {GGUF_READY}"
        )


def export_folder(folder: str | Path, name: str) -> Path:
    """Where the export of a run in a format is.

    >>> export_folder("run", "onnx").as_posix()
    'run/formats/onnx'
    """
    return Path(folder) / EXPORTS / name


def _exported_of(folder: Path, name: str, device: torch.device | str | None) -> Loaded:
    """The export of a run in a format, if it was made from the model that is there now."""
    place = export_folder(folder, name)
    saving.locate(folder)  # names the folder where it holds no model at all
    if not manifest.is_exported(place):
        raise FormatError(
            f"{folder} has not been exported as {name}: run `ftlearn export {folder} --format "
            f"{name}` first"
        )
    loaded = _exported(place, name, device)
    model, _, _ = models.load_finetuned(folder, "cpu")
    if loaded[0].fingerprint != fingerprint(model.named_parameters()):
        raise FormatError(
            f"{place} was exported from other weights than {folder} holds now: delete it and run "
            f"`ftlearn export {folder} --format {name}` again"
        )
    return loaded


def _exported(folder: Path, name: str, device: torch.device | str | None) -> Loaded:
    """The model of an exported folder."""
    described = manifest.read(folder)
    if name not in (AUTO, described.name):
        raise FormatError(
            f"{folder} is an export as {described.name}, and {name} is asked for: give the folder "
            "of the run"
        )
    if described.name == GGUF_READY:
        return models.load_finetuned(folder, device)
    if torch.device(device or "cpu").type != "cpu":
        raise FormatError(
            f"the format {described.name} is computed on the CPU, and device is {device}: leave "
            "the device out, or take the format fp32"
        )
    task, _ = folders.read_task(folder)
    model = OnnxModel(folder / FILE, described.name, described.fingerprint)
    return model, read_tokenizer(folder), task
