"""Merging saved models, one tensor in memory at a time, into a folder of the same kind.

A safetensors file is a header (eight bytes of length, JSON with each tensor's format, shape and
offsets) and then the tensors' bytes without gaps. The merged model has the names, formats and
shapes of the models it came from, so its files begin with the headers of the first model's files,
byte for byte, and the merged tensors follow in that order. Sharded models stay sharded as the
first one is; the others may be cut differently.
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
from ftlearn.interpolation.weights.linear import mix, shares
from ftlearn.interpolation.weights.state_dicts import check_names
from ftlearn.runtime.disk import explained
from ftlearn.runtime.files import check_new_folder, written_folder

Rule = Callable[[str, list[torch.Tensor]], torch.Tensor]
"""From a tensor's name and its value in each model to the merged tensor."""

TEXTS = ("*.json", "*.txt", "*.model", "*.jinja")
"""What is copied from the first folder: configuration and tokenizer. Weights in other formats
and notes on its training would not be those of the merged model."""

IDLE = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache")
NOTED = ("kind", "labels", "center", "scale")


class Stored(NamedTuple):
    """Where a tensor is on the disk: format, shape and place in the file as its header says."""

    file: Path
    kind: str
    shape: tuple[int, ...]
    offset: int


def interpolate(start: str | Path, end: str | Path, alpha: float, out: str | Path) -> Path:
    """Write (1 − α)·start + α·end, both folders of ``save_pretrained``, into a new folder.

    Memory is needed for one result of the size of the largest tensor; the files it is made from
    are mapped, not loaded. See ``merge`` for what is refused.
    """
    return soup([start, end], out, [1 - alpha, alpha])


def soup(
    folders: Sequence[str | Path], out: str | Path, weights: Sequence[float] | None = None
) -> Path:
    """Write Σ_k w_k θ_k of several saved models into a new folder; equal weights unless given."""
    given = shares(len(folders), weights)
    return merge(folders, out, lambda name, tensors: mix(tensors, given, name=name))


def merge(folders: Sequence[str | Path], out: str | Path, rule: Rule) -> Path:
    """Write a new folder with ``rule(name, tensors)`` for every tensor of several saved models.

    Configuration and tokenizer are those of the first; sub-folders are left out. The folder is
    written beside its place and renamed at the end, so there is never half a model.

    Raises ExistsError when ``out`` exists, FileNotFoundError for a folder without weights or
    with a shard missing, and ValueError, saying what differs, when the models cannot be merged:
    other tensors, labels, or vocabulary.
    """
    places, out = [Path(folder) for folder in folders], Path(out)
    check_new_folder(out)
    stored = compared(places)
    files = sorted({tensor.file for tensor in stored[0].values()})
    sizes = [file.stat().st_size for file in files]
    with explained("the model", out, sum(sizes), max(sizes)), written_folder(out) as fresh:
        for text in (path for pattern in TEXTS for path in places[0].glob(pattern)):
            shutil.copyfile(text, fresh / text.name)
        for file in files:
            _write_file(fresh / file.name, file, stored, rule)
    return out


def compared(folders: Sequence[str | Path]) -> list[dict[str, Stored]]:
    """What each folder holds; ValueError, saying what differs, where they cannot be merged."""
    places = [Path(folder) for folder in folders]
    stored = [tensors_in(place) for place in places]
    for other, place in zip(stored[1:], places[1:], strict=True):
        check_stored(stored[0], other)
        check_same_make(places[0], place)
    return stored


def tensors_in(folder: str | Path) -> dict[str, Stored]:
    """What all safetensors files of a folder hold, by name; only headers are read."""
    folder = Path(folder)
    settle(weights_of(folder), ValueError)
    files = sorted(folder.glob("*.safetensors"))
    wanted = {name for index in folder.glob("*.index.json") for name in _shards(index)}
    missing = sorted(wanted - {file.name for file in files})
    if missing or not files:
        what = f"{missing[0]!r}, which its index names" if missing else "any .safetensors file"
        raise FileNotFoundError(f"the folder {str(folder)!r} lacks {what}: save the model again")
    found: dict[str, Stored] = {}
    for file in files:
        for name, entry in read_header(file).entries.items():
            if name in found:
                both = f"{found[name].file.name} and {file.name}"
                raise ArgumentError(f"{name!r} is in both {both} in {str(folder)!r}: remove one")
            shape, offset = tuple(entry["shape"]), entry["data_offsets"][0]
            found[name] = Stored(file, entry["dtype"], shape, offset)
    return found


class Header(NamedTuple):
    """The beginning of a safetensors file: notes, an entry for each tensor, and all of it raw."""

    notes: Mapping[str, str]
    entries: Mapping[str, Any]
    content: bytes


def read_header(file: Path) -> Header:
    """The header of a safetensors file; the tensors are not read."""
    with file.open("rb") as opened:
        length = opened.read(8)
        content = opened.read(int.from_bytes(length, "little"))
    entries = json.loads(content)
    return Header(entries.pop("__metadata__", {}), entries, length + content)


def read(folder: str | Path) -> dict[str, torch.Tensor]:
    """All tensors of a saved model by name, in memory."""
    return {name: _load(stored, name) for name, stored in tensors_in(folder).items()}


def check_stored(first: Mapping[str, Stored], other: Mapping[str, Stored]) -> None:
    """Raise ValueError where two saved models differ in names, formats or shapes."""
    check_names(first, other)
    for name, mine in first.items():
        kinds = [f"{stored.shape} of {stored.kind}" for stored in (mine, other[name])]
        if kinds[0] != kinds[1]:
            raise ArgumentError(f"{name!r} is {kinds[0]} in one model and {kinds[1]} in another")


def check_same_make(first: Path, other: Path) -> None:
    """Raise ValueError where two folders would read the same tensors in different ways."""
    facts = {
        "config.json": _architecture,
        "ftlearn_task.json": lambda file: {key: _json(file).get(key) for key in NOTED},
        "tokenizer.json": lambda file: {"vocabulary": _json(file)["model"].get("vocab")},
        **{file.name: _notes for file in first.glob("*.safetensors")},
    }
    for name, facts_of in facts.items():
        if (first / name).is_file() and (other / name).is_file():
            mine, theirs = facts_of(first / name), facts_of(other / name)
            differing = [key for key in mine | theirs if mine.get(key) != theirs.get(key)]
            if differing:
                raise ArgumentError(
                    f"{name} in {str(first)!r} and {str(other)!r} differ in {differing[0]!r}: "
                    "only models of one make, with the same labels in one order, can be merged"
                )


def _architecture(config: Path) -> dict[str, Any]:
    """The part of a configuration that decides how tensors are read, without defaults."""
    return {
        key: value
        for key, value in _json(config).items()
        if key not in IDLE and "dropout" not in key and not key.endswith("pdrop")
    }


def _notes(file: Path) -> dict[str, str]:
    """How a head pools, where a file says so; who wrote the file does not matter."""
    return {key: value for key, value in read_header(file).notes.items() if key != "format"}


def _shards(index: Path) -> set[str]:
    return set(_json(index).get("weight_map", {}).values())


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _write_file(
    target: Path, like: Path, stored: Sequence[Mapping[str, Stored]], rule: Rule
) -> None:
    """Write the merged tensors of one file of the first model behind that file's header."""
    header = read_header(like)
    with target.open("wb") as sink:
        sink.write(header.content)
        for name in sorted(header.entries, key=lambda name: stored[0][name].offset):
            tensors = [_load(model[name], name) for model in stored]
            merged = rule(name, tensors)
            if (merged.shape, merged.dtype) != (tensors[0].shape, tensors[0].dtype):
                raise ArgumentError(f"the rule made {name!r} a tensor of another shape or format")
            sink.write(memoryview(merged.detach().cpu().reshape(-1).view(torch.uint8).numpy()))


def _load(stored: Stored, name: str) -> torch.Tensor:
    # Opened anew each time: closing the file gives back the memory its pages were mapped to.
    with safe_open(stored.file, framework="pt") as file:
        return file.get_tensor(name)
