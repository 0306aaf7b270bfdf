"""The folder of a saved model or adapter: the task file, the tokenizer, whose files are whose."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ftlearn.compatibility.heads import TASK_FILE
from ftlearn.models.hub import ModelError
from ftlearn.runtime import disk
from ftlearn.runtime.files import written_folder
from ftlearn.runtime.locking import LOCK_NAME
from ftlearn.tasks import (
    Chat,
    Classification,
    Completion,
    Joint,
    LanguageModelling,
    Ordinal,
    Preference,
    QuestionAnswering,
    Ranking,
    Regression,
    RewardModelling,
    Task,
)

FORMAT = 1
KINDS = {
    "classification": Classification,
    "regression": Regression,
    "ordinal": Ordinal,
    "language modelling": LanguageModelling,
    "chat": Chat,
    "preference": Preference,
    "reward": RewardModelling,
    "ranking": Ranking,
    "completion": Completion,
    "question answering": QuestionAnswering,
    "joint": Joint,
}
FILES = "files"
"""The key of the task file under which the names of the saved files are listed."""
BASE = "base"
"""The key under which an adapter's task file describes the model that it belongs to."""
USUAL_FILES = (
    *("config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json"),
    *("*token*.json", "vocab.*", "merges.txt", "spiece.model", "sentencepiece*.model"),
    *("chat_template.jinja", "additional_chat_templates"),
)
"""What ``save_pretrained`` writes, for a task file from before it listed them."""


def kind(task: Task) -> str:
    """The kind of a task, in a word or two.

    >>> kind(Regression())
    'regression'
    """
    return next(name for name, task_class in KINDS.items() if task_class is type(task))


@contextmanager
def saved_folder(folder: Path, what: str, size: int, tokenizer: Any, task: Task) -> Iterator[Path]:
    """A context with a temporary folder that replaces an older saved model in ``folder``.

    What is saved in it, ``what`` of about ``size`` bytes, gets the tokenizer beside it, with the
    task's ``max_length`` as its window. The caller writes the task file, last.

    Raises ModelError when ``folder`` holds anything else than what ftlearn saved.
    """
    _check_replaceable(folder)
    with (
        disk.explained(what, folder, size, size),
        written_folder(folder, carry=_foreign_files) as fresh,
    ):
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.model_max_length = min(task.max_length, tokenizer.model_max_length)
        if isinstance(task, Chat):  # the template of the training, its system prompt included
            tokenizer.chat_template = task.template_for(tokenizer)
        tokenizer.save_pretrained(fresh)
        yield fresh
        _same_mode(fresh)


def write_task(folder: Path, task: Task, **more: Any) -> None:
    """Write the task file, with the names of the files that are there; ``more`` joins it."""
    names = sorted(path.name for path in folder.iterdir())
    content = {"format": FORMAT, **record(task), FILES: names, **more}
    text = json.dumps(content, ensure_ascii=False)
    (folder / TASK_FILE).write_text(text, encoding="utf-8")


def read_task(folder: Path) -> tuple[Task, dict[str, Any]]:
    """The task of a task file, and what it says of an adapter's base model, if anything.

    Raises ModelError where the file cannot be read.
    """
    try:
        content = json.loads((folder / TASK_FILE).read_text(encoding="utf-8"))
        file_format = content.pop("format")
        content.pop(FILES, None)
        base = content.pop(BASE, {})
        if file_format != FORMAT:
            raise ValueError(f"its format is {file_format!r}, this version reads {FORMAT}")
        return from_record(content), base
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{TASK_FILE} in {str(folder)!r} cannot be read ({error}): restore it, or delete it "
            "to have the task taken from config.json"
        ) from error


def record(task: Task) -> dict[str, Any]:
    """A task as JSON can hold it: its kind and its fields; of a joint task, also of those in it.

    >>> record(Regression(center=2.0))["kind"]
    'regression'
    """
    fields = asdict(task)
    if isinstance(task, Joint):
        fields["tasks"] = [record(part) for part in task.tasks]
    return {"kind": kind(task), **fields}


def from_record(content: dict[str, Any]) -> Task:
    """The task of a ``record``; KeyError and TypeError where it is none.

    >>> from_record(record(Regression(center=2.0))) == Regression(center=2.0)
    True
    """
    fields = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    task_class = KINDS[fields.pop("kind")]
    if task_class is Joint:
        fields["tasks"] = tuple(map(from_record, fields["tasks"]))
    return task_class(**fields)


def _same_mode(folder: Path) -> None:
    """Give all files the mode of the task file: safetensors lets only the owner read its own."""
    mode = (folder / TASK_FILE).stat().st_mode
    for path in filter(Path.is_file, folder.rglob("*")):
        path.chmod(mode)


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
