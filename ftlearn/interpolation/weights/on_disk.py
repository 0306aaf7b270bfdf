"""Merging saved models, one tensor in memory at a time, into a folder of the same kind.

A safetensors file is a header (eight bytes of length, JSON with each tensor's dtype, shape and
offsets) and then the tensors' bytes without gaps. The merged model has the names, dtypes and
shapes of the models it is made from, so its files begin with the headers of the first model's
files, byte for byte, and the merged tensors follow in that order. The merged model is sharded as
the first one is; the others may be sharded differently.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open

from ftlearn.compatibility import settle
from ftlearn.compatibility.model_files import weights_of
from ftlearn.errors import ArgumentError
from ftlearn.interpolation.weights.linear import mix, weights_or_equal
from ftlearn.interpolation.weights.state_dicts import check_names
from ftlearn.runtime.disk import explained
from ftlearn.runtime.files import check_new_folder, written_folder

Rule = Callable[[str, list[torch.Tensor]], torch.Tensor]
"""From a tensor's name and its value in each model to the merged tensor."""

COPIED = ("*.json", "*.txt", "*.model", "*.jinja")
"""Files copied from the first folder: configuration and tokenizer. Weights in other formats and
notes on its training would not be those of the merged model."""

IRRELEVANT = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache")
"""Settings in config.json that may differ between models that can be merged."""

TASK_KEYS = ("kind", "labels", "center", "scale")
"""Settings in ftlearn_task.json that must be the same."""


class StoredTensor(NamedTuple):
    """Where a tensor is on disk: its file, and dtype, shape and offset from the file's header."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int


def interpolate(start: str | Path, end: str | Path, alpha: float, out: str | Path) -> Path:
    """Write (1 − α)·start + α·end, both folders of ``save_pretrained``, into a new folder.

    It needs memory for one result of the size of the largest tensor; the files of the models are
    memory-mapped, not loaded. See ``merge`` for the errors raised.
    """
    return soup([start, end], out, [1 - alpha, alpha])


def soup(
    folders: Sequence[str | Path], out: str | Path, weights: Sequence[float] | None = None
) -> Path:
    """Write Σ_k w_k θ_k of several saved models into a new folder; equal weights unless given."""
    weights = weights_or_equal(len(folders), weights)
    return merge(folders, out, lambda name, tensors: mix(tensors, weights, name=name))


def merge(folders: Sequence[str | Path], out: str | Path, rule: Rule) -> Path:
    """Write a new folder with ``rule(name, tensors)`` for every tensor of several saved models.

    Configuration and tokenizer are those of the first; sub-folders are left out. The folder is
    written under a temporary name and renamed at the end, so there is never half a model.

    Raises ExistsError when ``out`` exists, FileNotFoundError for a folder without weights or
    with a shard missing, and ValueError, naming the difference, when the models cannot be merged
    because their tensors, labels or vocabularies differ.
    """
    folders = [Path(folder) for folder in folders]
    out = Path(out)
    check_new_folder(out)
    models = check_mergeable(folders)
    files = sorted({tensor.file for tensor in models[0].values()})
    sizes = [file.stat().st_size for file in files]
    with explained("the model", out, sum(sizes), max(sizes)), written_folder(out) as target:
        for pattern in COPIED:
            for file in folders[0].glob(pattern):
                shutil.copyfile(file, target / file.name)
        for file in files:
            _write_file(target / file.name, file, models, rule)
    return out


def check_mergeable(folders: Sequence[str | Path]) -> list[dict[str, StoredTensor]]:
    """The tensors of each folder; ValueError, naming the difference, if they cannot be merged."""
    folders = [Path(folder) for folder in folders]
    models = [stored_tensors(folder) for folder in folders]
    for folder, tensors in zip(folders[1:], models[1:], strict=True):
        check_same_tensors(models[0], tensors)
        check_same_settings(folders[0], folder)
    return models


def stored_tensors(folder: str | Path) -> dict[str, StoredTensor]:
    """The tensors in all safetensors files of a folder, by name; only headers are read."""
    folder = Path(folder)
    settle(weights_of(folder), ValueError)
    files = sorted(folder.glob("*.safetensors"))
    shards = {name for index in folder.glob("*.index.json") for name in _shards(index)}
    missing = sorted(shards - {file.name for file in files})
    if missing or not files:
        lacking = f"{missing[0]!r}, which its index names" if missing else "any .safetensors file"
        raise FileNotFoundError(f"the folder {str(folder)!r} lacks {lacking}: save the model again")
    tensors: dict[str, StoredTensor] = {}
    for file in files:
        for name, entry in read_header(file).entries.items():
            if name in tensors:
                both = f"{tensors[name].file.name} and {file.name}"
                raise ArgumentError(f"{name!r} is in both {both} in {str(folder)!r}: remove one")
            shape = tuple(entry["shape"])
            offset = entry["data_offsets"][0]
            tensors[name] = StoredTensor(file, entry["dtype"], shape, offset)
    return tensors


class Header(NamedTuple):
    """The header of a safetensors file: its metadata, an entry per tensor, and its raw bytes."""

    metadata: Mapping[str, str]
    entries: Mapping[str, Any]
    content: bytes


def read_header(file: Path) -> Header:
    """The header of a safetensors file; the tensors are not read."""
    with file.open("rb") as source:
        length = source.read(8)
        content = source.read(int.from_bytes(length, "little"))
    entries = json.loads(content)
    return Header(entries.pop("__metadata__", {}), entries, length + content)


def read(folder: str | Path) -> dict[str, torch.Tensor]:
    """All tensors of a saved model by name, in memory."""
    return {name: _load(tensor, name) for name, tensor in stored_tensors(folder).items()}


def check_same_tensors(
    first: Mapping[str, StoredTensor], other: Mapping[str, StoredTensor]
) -> None:
    """Raise ValueError when two saved models differ in names, dtypes or shapes."""
    check_names(first, other)
    for name, tensor in first.items():
        here = f"{tensor.shape} of {tensor.dtype}"
        there = f"{other[name].shape} of {other[name].dtype}"
        if here != there:
            raise ArgumentError(f"{name!r} is {here} in one model and {there} in another")


def check_same_settings(first: Path, other: Path) -> None:
    """Raise ValueError when two folders use the same tensors in different ways."""
    readers = {
        "config.json": _architecture,
        "ftlearn_task.json": lambda file: {key: _json(file).get(key) for key in TASK_KEYS},
        "tokenizer.json": lambda file: {"vocabulary": _json(file)["model"].get("vocab")},
        **{file.name: _metadata for file in first.glob("*.safetensors")},
    }
    for name, read_settings in readers.items():
        if (first / name).is_file() and (other / name).is_file():
            here = read_settings(first / name)
            there = read_settings(other / name)
            differing = [key for key in here | there if here.get(key) != there.get(key)]
            if differing:
                raise ArgumentError(
                    f"{name} in {str(first)!r} and {str(other)!r} differ in {differing[0]!r}: only "
                    "models of the same architecture, with the same labels in the same order, can "
                    "be merged"
                )


def _architecture(config: Path) -> dict[str, Any]:
    """The part of a configuration that decides how tensors are used."""
    return {
        key: value
        for key, value in _json(config).items()
        if key not in IRRELEVANT and "dropout" not in key and not key.endswith("pdrop")
    }


def _metadata(file: Path) -> dict[str, str]:
    """A file's metadata, such as the pooling of a head, but not the library that wrote the file."""
    return {key: value for key, value in read_header(file).metadata.items() if key != "format"}


def _shards(index: Path) -> set[str]:
    return set(_json(index).get("weight_map", {}).values())


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _write_file(
    target: Path, source: Path, models: Sequence[Mapping[str, StoredTensor]], rule: Rule
) -> None:
    """Write the header of one file of the first model, then the merged tensors of that file."""
    header = read_header(source)
    with target.open("wb") as file:
        file.write(header.content)
        for name in sorted(header.entries, key=lambda name: models[0][name].offset):
            tensors = [_load(model[name], name) for model in models]
            merged = rule(name, tensors)
            if (merged.shape, merged.dtype) != (tensors[0].shape, tensors[0].dtype):
                raise ArgumentError(f"the rule made {name!r} a tensor of another shape or format")
            file.write(memoryview(merged.detach().cpu().reshape(-1).view(torch.uint8).numpy()))


def _load(tensor: StoredTensor, name: str) -> torch.Tensor:
    # Opened for each tensor: closing the file frees the memory that its pages were mapped to.
    with safe_open(tensor.file, framework="pt") as file:
        return file.get_tensor(name)
