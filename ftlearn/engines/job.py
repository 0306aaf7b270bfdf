"""What an output folder was begun with: a model and options, recorded in ``_job.json``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from ftlearn import formats
from ftlearn.errors import ExistsError
from ftlearn.formats import manifest
from ftlearn.models.saving import locate
from ftlearn.runtime.files import sha256, write_json

FILE = "_job.json"
"""Readers of a folder of Parquet files leave out names that begin with an underscore."""
METADATA = b"ftlearn.shard"
"""The key under which an output shard holds what it was made of."""
UNFINISHED = ".writing"


@dataclass(frozen=True)
class Job:
    """Predictions of one model: what each worker needs, wherever it runs.

    Parameters
    ----------
    model : the folder of the model, which all workers must see
    text : the text column, or two for a pair; by default those of the task
    device : cpu, cuda or mps; by default the best one where the worker runs
    model_format : what the model predicts in, as `formats.load` takes it
    """

    model: Path
    text: tuple[str, ...] = ()
    device: str | None = None
    model_format: str = "auto"

    def load(self) -> tuple[Any, Any, Any]:
        """The model, its task and its tokenizer, as the functions of ``streaming`` take them."""
        model, tokenizer, task = formats.load(self.model, self.model_format, self.device)
        return model, task, tokenizer

    def identity(self) -> dict[str, Any]:
        """What the answers depend on; the device changes only their rounding."""
        return {
            "model": _hash_of_folders(_model_folders(self.model, self.model_format)),
            "model_format": self.model_format,
            "text": list(self.text),
        }


def _model_folders(model: Path, model_format: str) -> list[Path]:
    """The folders with the files that answers depend on; ModelError where there is no model."""
    if manifest.is_exported(model):
        return [model]
    export = formats.export_folder(model, model_format)
    return [locate(model), *([export] if manifest.is_exported(export) else [])]


def _hash_of_folders(folders: Sequence[Path]) -> str:
    """A digest of the names and contents of the folders' files, without hidden ones."""
    files = [path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()]
    digest = hashlib.sha256()
    for path in files:
        if path.name[0] != ".":
            digest.update(f"{path.name} {sha256(path)}\n".encode())
    return digest.hexdigest()


def fingerprint(identity: Mapping[str, Any]) -> str:
    """A digest of an identity, which each output shard holds.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def begin(
    folder: Path, identity: Mapping[str, Any], names: Sequence[str], *, overwrite: bool
) -> None:
    """Prepare an output folder for a job, or for the rest of it; its lock must be held.

    Raises ExistsError where the folder holds anything else: files of others, the shards of another
    model or of other options, or of inputs that are not among ``names``.
    """
    stored = _stored(folder)
    _remove_unfinished(folder)
    if overwrite:
        _remove_shards(folder)
    elif stored is not None:
        _check_same(folder, stored, identity)
    shown = {path.name for path in folder.iterdir() if path.name[0] != "."}
    others = sorted(shown if stored is None else shown - {FILE, *names})
    if others:
        raise ExistsError(
            f"{folder} holds {others[0]}, which belongs to no input shard of this job: choose "
            "another output folder, or move it away"
        )
    record(folder, identity, complete=False)


def finish(folder: Path, identity: Mapping[str, Any], **counts: int) -> None:
    """Record that all shards are done, and leave nothing of workers that died on the way."""
    _remove_unfinished(folder)
    record(folder, identity, complete=True, **counts)


def record(folder: Path, identity: Mapping[str, Any], **progress: Any) -> None:
    """Write ``_job.json``: the identity, and whether all shards are done."""
    write_json(folder / FILE, {**identity, **progress})


def _stored(folder: Path) -> dict[str, Any] | None:
    """The content of ``_job.json``; None for a folder without one, or of another origin."""
    try:
        content = json.loads((folder / FILE).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) and "model" in content else None


def _check_same(folder: Path, stored: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    differing = [key for key in identity if stored.get(key) != identity[key]]
    if differing:
        key = differing[0]
        raise ExistsError(
            f"{folder} was begun with another {key} ({_short(stored.get(key))}, not "
            f"{_short(identity[key])}): choose another output folder, or have its shards replaced "
            "with overwrite=True"
        )


def _short(value: Any) -> str:
    """A value in a message; of a digest the beginning."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) < 40 else f"{text[:12]}…"


def _remove_unfinished(folder: Path) -> None:
    """Remove what killed workers left half-written."""
    for path in folder.glob(f".*{UNFINISHED}"):
        path.unlink(missing_ok=True)


def _remove_shards(folder: Path) -> None:
    """Remove the shards that this package wrote, and no other file."""
    for path in folder.glob("*.parquet"):
        if shard_metadata(path) is not None:
            path.unlink()


def shard_metadata(path: Path) -> dict[str, Any] | None:
    """What an output shard says that it was made of; None for other and unreadable files."""
    try:
        metadata = pyarrow.parquet.read_metadata(path).metadata or {}
        return json.loads(metadata[METADATA])
    except (pyarrow.ArrowException, OSError, KeyError, ValueError):
        return None
