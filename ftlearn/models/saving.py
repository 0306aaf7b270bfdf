"""A fitted model on disk: a plain ``save_pretrained`` folder, and a note on the task beside it.

    folder/   config.json  model.safetensors  tokenizer.json  ...  ftlearn_task.json

``transformers.pipeline("text-classification", folder, truncation=True)`` answers as
``evaluation.predict`` does, with the same label names; ``AutoModelForSequenceClassification``
opens the folder too. Two things to know:

- A pipeline cuts long texts only where it is told ``truncation=True``; then it cuts where the
  task does, because the tokenizer is saved with the task's ``max_length`` as its window. Untold,
  it reads the whole text, and fails where the text is longer than the model's positions.
- A model with its own pooling (``pooling.PooledClassifier``) is not one of transformers' classes:
  ``saved.load`` opens it, a pipeline would find its encoder only.
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
from ftlearn.runtime.locking import NAME
from ftlearn.tasks import Classification, LanguageModelling, Regression, Task

FORMAT = 1
KINDS = {
    "classification": Classification,
    "regression": Regression,
    "language modelling": LanguageModelling,
}
WRITTEN = "files"
"""Where the note lists what was saved beside it."""
USUAL = ("config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json")
USUAL += ("*token*.json", "vocab.*", "merges.txt", "spiece.model", "sentencepiece*.model")
USUAL += ("chat_template.jinja", "additional_chat_templates")
"""What ``save_pretrained`` writes, where a note is older than its list."""
DEFAULT_WINDOW = 512
"""Tokens, for a model that does not say how many positions it has."""


def save(model: nn.Module, tokenizer: Any, task: Task, folder: str | Path) -> Path:
    """Write model, tokenizer and task into a folder; an older saved model there is replaced.

    A regression's centre and scale go into the last linear layer of what is written, so that
    every reader of the folder gets numbers in the data's units; the model in memory stays as it
    is. (A head without a bias, as GPT-2's, cannot hold a centre: then the note holds both, and a
    warning says so.) All is written beside ``folder`` first and renamed at the end, so there is
    never half a model. Files in it that no ``save`` wrote, such as a model card, stay.

    Raises ModelError when ``folder`` holds no model that this function wrote, and when a file in
    it that somebody else wrote would be replaced; DiskFullError, which counts the megabytes.
    """
    folder, size = Path(folder), sum(weights.nbytes for weights in model.parameters())
    _check_replaceable(folder)
    fits = disk.explained("the model", folder, size, size)
    with fits, written_folder(folder, carry=_others) as fresh, _in_units(model, task) as written:
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.model_max_length = min(task.max_length, tokenizer.model_max_length)
        with loading.quiet():
            model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        names = sorted(path.name for path in fresh.iterdir())
        (fresh / TASK_FILE).write_text(_note(written, names), encoding="utf-8")
        _readable_by_all_or_none(fresh)
    return folder


def load_finetuned(
    folder: str | Path, device: torch.device | str | None = None
) -> tuple[nn.Module, Any, Task]:
    """The model, its tokenizer and its task, ready for ``evaluation``; ``None`` is the best device.

    A classification or regression folder of transformers that has no note is opened too, with
    the columns ``text`` and ``label`` and the labels of its configuration.

    Raises ModelError when the folder is no saved model, or its task cannot be known.
    """
    folder = locate(folder)
    noted = (folder / TASK_FILE).is_file()
    task = _checked(_read_note(folder), folder) if noted else _task_of(folder)
    model, tokenizer = loading.load(folder, task, device=device)
    return model.eval(), tokenizer, task


def locate(folder: str | Path) -> Path:
    """The folder with the model itself: the given one, or ``model`` inside it.

    Raises ModelError when neither holds a model, or a file of it is not what its name says.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(
            f"there is no folder {str(folder)!r}: give the one that `ftlearn fit` or "
            "save_pretrained wrote"
        )
    for place in (folder, folder / "model"):
        if (place / "config.json").is_file():
            return hub.find(place)
    raise ModelError(
        f"folder {str(folder)!r} holds no model (no config.json there or in {'model'!r}): has its "
        "training finished?"
    )


def kind(task: Task) -> str:
    """What sort of task it is, in a word or two.

    >>> kind(Regression())
    'regression'
    """
    return {known: name for name, known in KINDS.items()}[type(task)]


def _note(task: Task, written: list[str]) -> str:
    note = {"format": FORMAT, "kind": kind(task), **asdict(task), WRITTEN: written}
    return json.dumps(note, ensure_ascii=False)


def _readable_by_all_or_none(folder: Path) -> None:
    """Give all files the mode of the note: safetensors hides its own from other users."""
    mode = (folder / TASK_FILE).stat().st_mode
    for path in filter(Path.is_file, folder.rglob("*")):
        path.chmod(mode)


def _read_note(folder: Path) -> Task:
    try:
        note = json.loads((folder / TASK_FILE).read_text(encoding="utf-8"))
        written, made = note.pop("format"), KINDS[note.pop("kind")]
        note.pop(WRITTEN, None)
        if written != FORMAT:
            raise ValueError(f"its format is {written!r}, this version reads {FORMAT}")
        lists = {name: tuple(value) for name, value in note.items() if isinstance(value, list)}
        return made(**{**note, **lists})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{TASK_FILE} in {str(folder)!r} cannot be read ({error}): restore it, or delete it "
            "to have the task taken from config.json"
        ) from error


def _checked(task: Task, folder: Path) -> Task:
    """The task of a note; ModelError where the model beside it was trained for another one."""
    pooled = (folder / HEAD_FILE).is_file()
    trained = heads.trained_labels(loading.configuration(folder), pooled=pooled)
    if trained and task.head == "sequence classification" and heads.order(trained, task) is None:
        raise ModelError(
            f"{TASK_FILE} in {str(folder)!r} is of another model than config.json beside it, which "
            f"has the labels {listed(trained)}: copy the whole folder again"
        )
    return task


def _task_of(folder: Path) -> Task:
    """The task of a folder without a note, as its configuration tells it."""
    config = loading.configuration(folder)
    trained = any(n.endswith("ForSequenceClassification") for n in config.architectures or ())
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
    labels = tuple(config.id2label[at] for at in sorted(config.id2label))
    return Classification(max_length=window, labels=labels)


def _window_of(folder: Path, config: Any) -> int:
    """Tokens that a saved model reads in ``transformers.pipeline``."""
    positions = getattr(config, "max_position_embeddings", None) or 0
    window = positions if positions > 0 else DEFAULT_WINDOW  # XLNet, which has no end, says -1
    try:
        said = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return window
    return int(min(window, said.get("model_max_length") or window))


@contextmanager
def _in_units(model: nn.Module, task: Task) -> Iterator[Task]:
    """A context in which the model answers in the data's units; the task that it then solves.

    The tensors of the last linear layer are exchanged and put back, so no weight changes.
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
    if not folder.is_dir() or not any(place.name != NAME for place in folder.iterdir()):
        return
    if not (folder / TASK_FILE).is_file():
        raise ModelError(
            f"folder {str(folder)!r} holds other things than a model that ftlearn saved (it has no "
            f"{TASK_FILE}): choose a new folder"
        )


def _others(old: Path, fresh: Path) -> list[Path]:
    """What stands in an older saved model that ``save`` did not write; it is carried over."""
    own = _own_names(old)
    others = [place for place in old.iterdir() if place.name not in own]
    taken = [place.name for place in others if (fresh / place.name).exists()]
    if taken:
        raise ModelError(
            f"{taken[0]!r} in {str(old)!r} is not of the model that was saved there, and this one "
            "has a file of that name: rename it, or choose a new folder"
        )
    return others


def _own_names(folder: Path) -> set[str]:
    """The names that an older ``save`` wrote, as its note tells."""
    try:
        written = json.loads((folder / TASK_FILE).read_text(encoding="utf-8")).get(WRITTEN)
    except (ValueError, AttributeError):
        written = None
    if isinstance(written, list):
        return {TASK_FILE, *map(str, written)}
    usual = {path.name for pattern in USUAL for path in folder.glob(pattern)}
    return {TASK_FILE, *usual}
