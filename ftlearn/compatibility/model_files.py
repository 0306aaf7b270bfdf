"""The files of a saved model: whether each is complete and what its name says.

Of weight files only the beginning is read, so that the check costs next to nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ftlearn.compatibility.findings import Finding

PATTERNS = ("*.safetensors", "*.json", "*.txt", "*.model")
NEEDED = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "special_tokens_map.json",
)
"""Files that must not be empty or broken; others, such as README.txt, are not checked."""
VOCABULARIES = ("tokenizer.json", "vocab*", "*.model", "*.vocab", "*.tiktoken", "tekken.json")
"""Files of which a tokenizer has at least one."""
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
POINTER = b"version https://git-lfs"
PAGES = (b"<!doctype", b"<html", b"<?xml")
AGAIN = "download or copy it again"
HEADER_BYTES = 100_000_000
"""The longest header of a safetensors file (the format's own limit)."""
SMALL = 1_000_000
"""A JSON file of fewer bytes is always read; a larger one only after its reader has failed."""


def files_of(folder: Path, *, thorough: bool = False) -> list[Finding]:
    """What is wrong with the files of a saved model, each named.

    ``thorough`` also reads large JSON files, such as the tokenizer's, and rarely needed ones.
    """
    return _check_files(folder, PATTERNS, thorough=thorough) or list(_check_shards(folder))


def weights_of(folder: Path) -> list[Finding]:
    """What is wrong with the weight files themselves."""
    return _check_files(folder, ("*.safetensors",))


def _check_files(folder: Path, patterns: Sequence[str], *, thorough: bool = False) -> list[Finding]:
    findings = []
    for path in sorted(path for pattern in patterns for path in folder.glob(pattern)):
        fault = _fault(path, thorough=thorough) if thorough or _needed(path) else None
        if fault:
            findings.append(Finding("files", f"{path.name} in {str(folder)!r} {fault}", error=True))
    return findings


def _needed(path: Path) -> bool:
    return path.name in NEEDED or path.name.endswith((".safetensors", ".index.json", ".model"))


def tokenizer_of(folder: Path) -> list[Finding]:
    """An error where a folder has none of the files that a tokenizer is read from."""
    if any(any(folder.glob(pattern)) for pattern in VOCABULARIES):
        return []
    message = (
        f"{str(folder)!r} has no tokenizer (tokenizer.json, vocab.txt, vocab.json with merges.txt, "
        "or a sentencepiece *.model): copy its files from the model it was made from, or save it "
        "into the same folder (tokenizer.save_pretrained)"
    )
    return [Finding("files", message, error=True)]


def _fault(path: Path, *, thorough: bool) -> str | None:
    """What is wrong with one file, as the end of a sentence; None where nothing is found."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(POINTER)).lower()
    if start.startswith(POINTER):
        return (
            "is a Git LFS pointer, not the file itself: run `git lfs install` and `git lfs pull` "
            "in the clone, or download the file"
        )
    if start.lstrip().startswith(PAGES):
        return f"is a web page, as a refused download leaves it: {AGAIN}"
    if size == 0 and _needed(path):
        return f"is empty: {AGAIN}"
    if path.suffix == ".safetensors":
        return cut_short(path)
    if path.suffix == ".json" and (thorough or size < SMALL):
        return _unreadable_json(path)
    return None


def _unreadable_json(path: Path) -> str | None:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # also of the encoding
        return f"is not readable JSON ({error}): {AGAIN}"
    return None


def cut_short(path: Path) -> str | None:
    """What is wrong with a safetensors file, judging by header and size; None if nothing is.

    >>> import tempfile, torch
    >>> from safetensors.torch import save_file
    >>> path = Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> save_file({"w": torch.ones(4)}, path)
    >>> cut_short(path)
    >>> _ = path.write_bytes(path.read_bytes()[:-8])
    >>> cut_short(path)
    'is cut off: it has 72 bytes, and should have 80; download or copy it again'
    """
    size = path.stat().st_size
    try:
        entries, start = _header(path)
        ends = [entry["data_offsets"][1] for entry in entries.values()]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return f"is no safetensors file, or only its beginning: {AGAIN}"
    expected = start + max(ends, default=0)
    if size < expected:
        return f"is cut off: it has {size:,} bytes, and should have {expected:,}; {AGAIN}"
    if size > expected:
        return f"has {size:,} bytes, and should have {expected:,}: it is damaged; {AGAIN}"
    return None


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The entries of a safetensors file, and the byte at which its tensors begin."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > HEADER_BYTES:
            raise ValueError(f"a header of {length} bytes")
        entries = json.loads(file.read(length))
    entries.pop("__metadata__", None)
    return entries, 8 + length


def lacking(folder: Path) -> list[str]:
    """The weight files that a folder's index names but that do not exist."""
    return [file for file in _indexed(folder) if not (folder / file).is_file()]


def _indexed(folder: Path) -> dict[str, list[str]]:
    """The weight files of a sharded model, each with the weights that it should hold."""
    if (folder / WEIGHTS).is_file() or not (folder / INDEX).is_file():
        return {}
    files: dict[str, list[str]] = {}
    try:
        content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        for weight, file in content["weight_map"].items():
            files.setdefault(str(file), []).append(weight)
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return files


def _check_shards(folder: Path) -> Iterator[Finding]:
    """What does not fit together between the weight files of a sharded model and their index."""
    name = str(folder)
    files = _indexed(folder)
    fault = None
    if files:
        fault = _index_fault(folder, files)
    elif not (folder / WEIGHTS).is_file():
        shards = sorted(folder.glob("model-*-of-*"))
        if (folder / INDEX).is_file():
            fault = f"{INDEX} in {name!r} has no list of weights (weight_map): {AGAIN}"
        elif shards:
            fault = (
                f"{name!r} has {shards[0].name}, but no {INDEX} that says what is where: {AGAIN}"
            )
    if fault:
        yield Finding("files", fault, error=True)


def _index_fault(folder: Path, files: dict[str, list[str]]) -> str | None:
    """What the index in a folder states wrongly about the files beside it; None if nothing."""
    absent = lacking(folder)
    if absent:
        return (
            f"{str(folder)!r} lacks {len(absent)} of the {len(files)} files that {INDEX} names, "
            f"such as {absent[0]}: download or copy what is missing"
        )
    for file, weights in files.items():
        misplaced = sorted(set(weights) - set(_header(folder / file)[0]))
        if misplaced:
            return (
                f"{INDEX} in {str(folder)!r} says that {misplaced[0]} is in {file}, which does not "
                "hold it: the files are not of one model; download or copy all of them again"
            )
    return None
