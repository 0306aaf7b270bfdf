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
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ftlearn.compatibility import heads
from ftlearn.compatibility.heads import TASK_FILE
from ftlearn.compatibility.labels import listed
from ftlearn.models import architecture, hub, loading
from ftlearn.models.hub import ModelError
from ftlearn.models.pooling import HEAD_FILE
from ftlearn.runtime import disk
from ftlearn.runtime.files import written_folder
from ftlearn.runtime.locking import LOCK_NAME
from ftlearn.tasks import Classification, LanguageModelling, Regression, Task

FORMAT = 1
KINDS = {
    "classification": Classification,
    "regression": Regression,
    "language modelling": LanguageModelling,
}
FILES = "files"
"""The key of the task file under which the names of the saved files are listed."""
USUAL_FILES = (
    *("config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json"),
    *("*token*.json", "vocab.*", "merges.txt", "spiece.model", "sentencepiece*.model"),
    *("chat_template.jinja", "additional_chat_templates"),
)
"""What ``save_pretrained`` writes, for a task file from before it listed them."""
DEFAULT_WINDOW = 512
"""Tokens, for a model that does not say how many positions it has."""


def save(model: nn.Module, tokenizer: Any, task: Task, folder: str | Path) -> Path:
    """Write model, tokenizer and task into a folder; an older saved model there is replaced.

    The centre and scale of a regression go into the last linear layer that is written, so that
    every reader of the folder gets numbers in the data's units; the model in memory does not
    change. (A head without a bias, as GPT-2's, cannot hold a centre: then the task file holds
    both, and a warning says so.) Everything is written beside ``folder`` and renamed at the end,
    so there is never half a model. Files in it that ``save`` did not write, such as a model card,
    stay.

    Raises ModelError when ``folder`` holds anything other than a model that this function wrote,
    or when a file in it that ``save`` did not write would be replaced; DiskFullError, which says
    how many megabytes are missing.
    """
    folder = Path(folder)
    _check_replaceable(folder)
    size = sum(parameter.nbytes for parameter in model.parameters())
    with (
        disk.explained("the model", folder, size, size),
        written_folder(folder, carry=_foreign_files) as fresh,
        _in_units(model, task) as written_task,
    ):
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.model_max_length = min(task.max_length, tokenizer.model_max_length)
        with loading.quiet():
            model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        names = sorted(path.name for path in fresh.iterdir())
        (fresh / TASK_FILE).write_text(_task_json(written_task, names), encoding="utf-8")
        _same_mode(fresh)
    return folder


def load_finetuned(
    folder: str | Path, device: torch.device | str | None = None
) -> tuple[nn.Module, Any, Task]:
    """The model, its tokenizer and its task, ready for ``evaluation``; ``None`` is the best device.

    A classification or regression model of transformers, without a task file, is opened too, with
    the columns ``text`` and ``label`` and the labels of its configuration.

    Raises ModelError when the folder is no saved model, or its task is unknown.
    """
    folder = locate(folder)
    if (folder / TASK_FILE).is_file():
        task = _read_task(folder)
        _check_labels(task, folder)
    else:
        task = _task_from_config(folder)
    model, tokenizer = loading.load(folder, task, device=device)
    return model.eval(), tokenizer, task


def locate(folder: str | Path) -> Path:
    """The folder with the model itself: this one, or ``model`` inside it.

    Raises ModelError when neither holds a model, or a file in it is not what its name says.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(
            f"there is no folder {str(folder)!r}: give the one that `ftlearn fit` or "
            "save_pretrained wrote"
        )
    for candidate in (folder, folder / "model"):
        if (candidate / "config.json").is_file():
            return hub.find(candidate)
    raise ModelError(
        f"folder {str(folder)!r} holds no model (no config.json there or in {'model'!r}): has its "
        "training finished?"
    )


def kind(task: Task) -> str:
    """The kind of a task, in a word or two.

    >>> kind(Regression())
    'regression'
    """
    return next(name for name, task_class in KINDS.items() if task_class is type(task))


def _task_json(task: Task, names: list[str]) -> str:
    """The content of the task file; ``names`` are those of the files beside it."""
    content = {"format": FORMAT, "kind": kind(task), **asdict(task), FILES: names}
    return json.dumps(content, ensure_ascii=False)


def _same_mode(folder: Path) -> None:
    """Give all files the mode of the task file: safetensors lets only the owner read its own."""
    mode = (folder / TASK_FILE).stat().st_mode
    for path in filter(Path.is_file, folder.rglob("*")):
        path.chmod(mode)


def _read_task(folder: Path) -> Task:
    try:
        content = json.loads((folder / TASK_FILE).read_text(encoding="utf-8"))
        file_format = content.pop("format")
        task_class = KINDS[content.pop("kind")]
        content.pop(FILES, None)
        if file_format != FORMAT:
            raise ValueError(f"its format is {file_format!r}, this version reads {FORMAT}")
        fields = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in content.items()
        }
        return task_class(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{TASK_FILE} in {str(folder)!r} cannot be read ({error}): restore it, or delete it "
            "to have the task taken from config.json"
        ) from error


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
    if config.problem_type == "multi_label_classification":
        raise ModelError(
            f"the model in {str(folder)!r} gives several labels to one text; ftlearn reads "
            "models that give one"
        )
    window = _window_of(folder, config)
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


@contextmanager
def _in_units(model: nn.Module, task: Task) -> Iterator[Task]:
    """A context in which the model predicts in the data's units; yields the task it then solves.

    The tensors of the last linear layer are replaced for the time being, so no weight changes.
    """
    if not isinstance(task, Regression) or (task.center, task.scale) == (0.0, 1.0):
        yield task
        return
    layer = architecture.last_linear(model)
    weight, bias = layer.weight, layer.bias
    if bias is None:
        warnings.warn(
            "the head of this model has no bias to hold the mean of the targets: only "
            "ftlearn answers in the data's units, transformers.pipeline does not",
            stacklevel=4,
        )
        yield task
        return
    layer.weight = nn.Parameter(weight.detach() * task.scale)
    layer.bias = nn.Parameter(bias.detach() * task.scale + task.center)
    try:
        yield replace(task, center=0.0, scale=1.0)
    finally:
        layer.weight, layer.bias = weight, bias


def _check_replaceable(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ModelError(f"{str(folder)!r} is a file: choose the name of a folder")
    if not folder.is_dir() or not any(path.name != LOCK_NAME for path in folder.iterdir()):
        return
    if not (folder / TASK_FILE).is_file():
        raise ModelError(
            f"folder {str(folder)!r} holds other things than a model that ftlearn saved (it has no "
            f"{TASK_FILE}): choose a new folder"
        )


def _foreign_files(old: Path, fresh: Path) -> list[Path]:
    """What is in the folder of an older saved model that ``save`` did not write; it is kept."""
    written = _written_names(old)
    foreign = [path for path in old.iterdir() if path.name not in written]
    for path in foreign:
        if (fresh / path.name).exists():
            raise ModelError(
                f"{path.name!r} in {str(old)!r} is not of the model that was saved there, and this "
                "one has a file of that name: rename it, or choose a new folder"
            )
    return foreign


def _written_names(folder: Path) -> set[str]:
    """The names that an older ``save`` wrote, according to its task file."""
    try:
        names = json.loads((folder / TASK_FILE).read_text(encoding="utf-8")).get(FILES)
    except (ValueError, AttributeError):
        names = None
    if not isinstance(names, list):
        names = [path.name for pattern in USUAL_FILES for path in folder.glob(pattern)]
    return {TASK_FILE, *map(str, names)}
