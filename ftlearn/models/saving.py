"""Saving a fine-tuned model: a plain ``save_pretrained`` folder, and the task beside it.

    folder/   config.json  model.safetensors  tokenizer.json  ...  ftlearn_task.json

``transformers.pipeline("text-classification", folder, truncation=True)`` predicts as
``evaluation.predict`` does, with the same label names; ``AutoModelForSequenceClassification``
opens the folder too. Two things to know:

- A pipeline truncates long texts only with ``truncation=True``, and then where the task does,
  because the tokenizer is saved with the task's ``max_length`` as its window. Without it the
  pipeline reads the whole text, and fails on one that is longer than the model's positions.
- A model with its own pooling (``pooling.PooledClassifier``) is not one of transformers' classes:
  ``models.load_finetuned`` opens it, a pipeline would find its encoder only.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ftlearn.compatibility import heads
from ftlearn.compatibility.heads import TASK_FILE
from ftlearn.compatibility.labels import listed
from ftlearn.errors import ArgumentError
from ftlearn.models import adapters, folders, hub, joint_head, loading, lora, ordinal_head
from ftlearn.models.folders import kind
from ftlearn.models.hub import ModelError
from ftlearn.models.pooling import HEAD_FILE
from ftlearn.models.units import in_units
from ftlearn.models.verbosity import quiet
from ftlearn.models.wrapping import is_adapted
from ftlearn.tasks import Classification, Joint, Ordinal, Regression, Task

__all__ = ["TASK_FILE", "kind", "load_finetuned", "locate", "save", "save_tasks"]

DEFAULT_WINDOW = 512
"""Tokens, for a model that does not say how many positions it has."""


def save(
    model: nn.Module,
    tokenizer: Any,
    task: Task,
    folder: str | Path,
    *,
    precision: str = "fp32",
) -> Path:
    """Write model, tokenizer and task into a folder; an older saved model there is replaced.

    Of a model with an adapter the merged weights are written, W + (alpha / R) BA, summed in fp32;
    see ``save_adapter`` for the adapter alone. Weights take 4 bytes each in fp32; in ``"bf16"`` 2,
    rounded to eight significant bits, which loses much of a small change.

    The centre and scale of a regression go into the last linear layer that is written, so that
    every reader of the folder gets numbers in the data's units; the model in memory does not
    change. (A head without a bias, as GPT-2's, cannot hold a centre: then the task file holds
    both, and a warning says so.) The heads of a joint task become one layer, in the units of
    training; see ``save_tasks``. Everything is written beside ``folder`` and renamed at the end;
    files there that ``save`` did not write stay.

    Raises ModelError when ``folder`` holds anything other than a model that this function wrote, or
    a file that would be replaced; DiskFullError, which says how many megabytes are missing.
    """
    folder = Path(folder)
    if is_adapted(model):
        model = lora.merged_view(model)
    ordinal_head.equal_rows(model)
    if isinstance(task, Joint):
        model = joint_head.joined(model, task)
    dtype = _dtype(precision, task)
    size = sum(dtype.itemsize * parameter.numel() for parameter in model.parameters())
    with (
        folders.saved_folder(folder, "the model", size, tokenizer, task) as fresh,
        in_units(model, task) as written_task,
    ):
        with quiet():
            _in_format(model, dtype).save_pretrained(fresh)
        folders.write_task(fresh, written_task)
    return folder


def save_tasks(
    model: nn.Module, tokenizer: Any, joint: Joint, folder: str | Path, *, precision: str = "fp32"
) -> dict[str, Path]:
    """Write each task of a joint model into a folder of its own in ``folder``, as ``save`` does.

    Each holds the encoder and the head of its task, and opens as any classifier: with
    ``transformers.pipeline`` and ``AutoModelForSequenceClassification``.
    """
    folders_by_name = {}
    for name in joint.names:
        alone, task = joint_head.single_task(model, joint, name)
        folders_by_name[name] = save(
            alone, tokenizer, task, Path(folder) / name, precision=precision
        )
    return folders_by_name


def _dtype(precision: str, task: Task) -> torch.dtype:
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}.get(precision)
    if dtype is None:
        raise ArgumentError(f"precision is {precision!r}: use fp32 or bf16")
    if dtype is torch.bfloat16 and isinstance(task, Regression):
        raise ArgumentError("bf16 has too few digits for a regression's mean: use precision='fp32'")
    return dtype


def _in_format(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The model, or for bf16 a copy of it in bf16."""
    if dtype is torch.float32:
        return model
    copies = {id(weight): nn.Parameter(weight.detach().to(dtype)) for weight in model.parameters()}
    return copy.deepcopy(model, copies)


def load_finetuned(
    folder: str | Path,
    device: torch.device | str | None = None,
    *,
    base: str | Path | None = None,
) -> tuple[nn.Module, Any, Task]:
    """The model, its tokenizer and its task, ready for ``evaluation``; ``None`` is the best device.

    A classification or regression model of transformers, without a task file, is opened too, with
    the columns ``text`` and ``label`` and the labels of its configuration. The folder of
    ``save_adapter`` gives the base model with its adapter; ``base`` is where that model is now, if
    it is no longer found by its name.

    Raises ModelError when the folder is no saved model, its task is unknown, or an adapter belongs
    to another base model.
    """
    folder = locate(folder)
    if adapters.is_adapter(folder):
        return adapters.load_adapter(folder, device, base=base)
    if (folder / TASK_FILE).is_file():
        task, _ = folders.read_task(folder)
        _check_labels(task, folder)
    else:
        task = _task_from_config(folder)
    model, tokenizer = loading.load(folder, task, device=device)
    return model.eval(), tokenizer, task


def locate(folder: str | Path) -> Path:
    """The folder with the model itself: this one, or ``model`` or ``adapter`` inside it.

    Raises ModelError when neither holds a model, or a file in it is not what its name says.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(
            f"there is no folder {str(folder)!r}: give the one that `ftlearn fit` or "
            "save_pretrained wrote"
        )
    for candidate in (folder, folder / "model", folder / "adapter"):
        if adapters.is_adapter(candidate):
            return candidate
        if (candidate / "config.json").is_file():
            return hub.find(candidate)
    raise ModelError(
        f"folder {str(folder)!r} holds no model (no config.json there or in {'model'!r}): has its "
        "training finished?"
    )


def _check_labels(task: Task, folder: Path) -> None:
    """Raise ModelError where the model beside a task file was trained for other labels."""
    pooled = (folder / HEAD_FILE).is_file()
    trained = heads.trained_labels(loading.configuration(folder), pooled=pooled)
    if trained and task.head == "sequence classification" and heads.order(trained, task) is None:
        raise ModelError(
            f"{TASK_FILE} in {str(folder)!r} is of another model than config.json beside it, which "
            f"has the labels {listed(trained)}: copy the whole folder again"
        )


def _task_from_config(folder: Path) -> Task:
    """The task of a folder without a task file, according to its configuration."""
    config = loading.configuration(folder)
    trained = any(name.endswith("ForSequenceClassification") for name in config.architectures or ())
    if not (trained or (folder / HEAD_FILE).is_file()):
        raise ModelError(
            f"the model in {str(folder)!r} has no classification head (it is "
            f"{', '.join(config.architectures or ['unnamed'])}): fine-tune it first"
        )
    window = _window_of(folder, config)
    if heads.levels_of(config):
        return Ordinal(max_length=window, labels=heads.levels_of(config))
    if config.problem_type == "multi_label_classification":
        raise ModelError(
            f"the model in {str(folder)!r} gives several labels to one text; ftlearn reads "
            "models that give one"
        )
    if config.num_labels == 1:
        return Regression(max_length=window)
    labels = tuple(config.id2label[index] for index in sorted(config.id2label))
    return Classification(max_length=window, labels=labels)


def _window_of(folder: Path, config: Any) -> int:
    """How many tokens ``transformers.pipeline`` reads of a text with this model."""
    positions = getattr(config, "max_position_embeddings", None) or 0
    window = positions if positions > 0 else DEFAULT_WINDOW  # XLNet, which has no limit, says -1
    try:
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return window
    return int(min(window, settings.get("model_max_length") or window))
