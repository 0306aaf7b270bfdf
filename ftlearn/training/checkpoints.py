"""Checkpoints on disk, each written completely or not at all.

    folder/00000120-best/   model.safetensors  optimizer.safetensors  state.json  manifest.json

A checkpoint is written into a temporary folder in the same place, flushed to the disk, its
manifest of sizes and hashes last, and renamed. A reader takes the newest one that agrees with
its manifest. No pickle is written or read.
"""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ftlearn.errors import ArgumentError, FtlearnError
from ftlearn.runtime import disk
from ftlearn.runtime.files import flush, sha256
from ftlearn.runtime.locking import locked

MANIFEST = "manifest.json"
STATE = "state.json"
TEMPORARY = ".writing"
BEST = "-best"


class CheckpointError(FtlearnError, RuntimeError):
    """No checkpoint could be written, or none of the existing ones can be trusted."""


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint that agreed with its manifest."""

    folder: Path
    state: dict[str, Any]

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors written under a name, on the CPU."""
        mapped = load_file(self.folder / f"{name}.safetensors")
        return {key: tensor.clone() for key, tensor in mapped.items()}  # the file may go


class Store:
    """A folder of checkpoints: the newest ``keep``, and for each the best one up to it.

    Nothing else in the folder is touched, nor files that somebody else put into a checkpoint.
    ``seconds`` is the longest time that ``fit`` lets pass without writing one.

    >>> import tempfile
    >>> store = Store(Path(tempfile.mkdtemp()) / "run")
    >>> _ = store.write(7, {"model": {"w": torch.ones(2)}}, {"note": "a"})
    >>> newest = store.newest()
    >>> newest.folder.name, newest.state, newest.tensors("model")
    ('00000007', {'note': 'a'}, {'w': tensor([1., 1.])})
    """

    def __init__(self, folder: str | Path, *, keep: int = 2, seconds: float = 300.0) -> None:
        if keep < 1:
            raise ArgumentError(f"keep is {keep}: at least one checkpoint must be kept")
        self.folder, self.keep, self.seconds = Path(folder), keep, seconds

    def locked(self) -> AbstractContextManager[None]:
        """A context in which no other process may write here; BusyError names one that does.

        Raises CheckpointError where the folder cannot be used.
        """
        self.prepare()
        return locked(self.folder)

    def prepare(self) -> None:
        """Make the folder and try to write into it; raise CheckpointError if that fails."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            trial = self.folder / f"{TEMPORARY}-trial"
            trial.write_bytes(b"")
            trial.unlink()
        except OSError as error:
            raise CheckpointError(
                f"checkpoints cannot be written into {str(self.folder)!r} ({error.strerror}): "
                "choose a folder that you may write to"
            ) from error

    def write(
        self,
        number: int,
        tensors: Mapping[str, Mapping[str, torch.Tensor]],
        state: Mapping[str, Any],
        *,
        best: bool = False,
    ) -> Path:
        """Write checkpoint ``number``: named groups of tensors, and a state that JSON can hold.

        Raises CheckpointError, with the older checkpoints untouched, when the disk refuses.
        """
        final = self.folder / f"{number:08d}{BEST if best else ''}"
        temporary = self.folder / f"{TEMPORARY}-{number:08d}"
        try:
            self._remove_unfinished()
            temporary.mkdir(parents=True)
            for name, group in tensors.items():
                save_file(_separate(group), temporary / f"{name}.safetensors")
            (temporary / STATE).write_text(json.dumps(state), encoding="utf-8")
            _seal(temporary)
            for old in self._of(number):  # the same update, written again
                _remove(old)
            temporary.rename(final)
            flush(self.folder)
            self.tidy(number)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            size = sum(tensor.nbytes for group in tensors.values() for tensor in group.values())
            reason = disk.shortage(self.folder, size, size) or error
            raise CheckpointError(
                f"checkpoint {number} could not be written into {str(self.folder)!r}: {reason}; "
                "the older ones are still there"
            ) from error
        return final

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that agrees with its manifest; None when there is none at all.

        Damaged ones are passed over with a warning. Raises CheckpointError when all are damaged:
        a run must not silently start from the beginning.
        """
        places = self._places()
        for checkpoint in self._trusted(reversed(places)):
            return checkpoint
        if places:
            raise CheckpointError(
                f"all {len(places)} checkpoints in {str(self.folder)!r} are damaged: "
                "delete the folder to start afresh, or restore it from a copy"
            )
        return None

    def tidy(self, number: int) -> None:
        """Remove what a killed process left, and all but what ``write(number)`` would keep."""
        self._remove_unfinished()
        self._prune(number)

    def best(self) -> Checkpoint | None:
        """The newest trustworthy checkpoint that was the best when it was written, if any."""
        marked = [place for place in self._places() if place.name.endswith(BEST)]
        return next(self._trusted(reversed(marked)), None)

    def last_number(self) -> int:
        """The number of the newest checkpoint, damaged or not; 0 where there is none."""
        return max(map(_number, self._places()), default=0)

    def bytes(self) -> int:
        """The size of all checkpoints on the disk."""
        files = (file for place in self._places() for file in place.rglob("*"))
        return sum(file.stat().st_size for file in files)

    def clear(self) -> None:
        """Remove all checkpoints, and the folder if nothing else is in it."""
        if not self.folder.is_dir():
            return
        self._remove_unfinished()
        for place in self._places():
            _remove(place)
        with suppress(OSError):  # it holds what is not ours
            self.folder.rmdir()

    def __bool__(self) -> bool:
        """Whether there is any checkpoint, damaged ones included."""
        return bool(self._places())

    def _trusted(self, places: Iterator[Path]) -> Iterator[Checkpoint]:
        for place in places:
            fault = damage(place)
            if fault is None:
                state = json.loads((place / STATE).read_text(encoding="utf-8"))
                yield Checkpoint(place, state)
            else:
                warnings.warn(f"checkpoint {str(place)!r} is passed over: {fault}", stacklevel=3)

    def _places(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        pattern = re.compile(rf"\d{{8,}}({BEST})?", re.ASCII)
        places = [place for place in self.folder.iterdir() if pattern.fullmatch(place.name)]
        return sorted((place for place in places if _is_checkpoint(place)), key=_number)

    def _of(self, number: int) -> list[Path]:
        return [place for place in self._places() if _number(place) == number]

    def _prune(self, number: int) -> None:
        """Keep the newest, and for each the best up to it, in case it is the last undamaged one."""
        # Those of a higher number were damaged, or the run would not have resumed before them.
        places = [place for place in self._places() if _number(place) <= number]
        keep = set(places[-self.keep :])
        for end in range(len(places) - len(keep), len(places)):
            keep.update([place for place in places[: end + 1] if place.name.endswith(BEST)][-1:])
        for place in set(self._places()) - keep:
            _remove(place)

    def _remove_unfinished(self) -> None:
        """Remove what a killed process left behind."""
        for path in self.folder.glob(f"{TEMPORARY}-*"):
            if path.is_file():
                path.unlink()
            else:
                shutil.rmtree(path)


def _is_ours(path: Path) -> bool:
    """Whether a file in a checkpoint is one that a store writes."""
    return path.name in (MANIFEST, STATE) or path.suffix == ".safetensors"


def _is_checkpoint(place: Path) -> bool:
    """Whether a folder named by a number (or a date) is a checkpoint, or the rest of one."""
    if not place.is_dir():
        return False
    files = list(place.iterdir())
    return not files or any(map(_is_ours, files))


def _remove(place: Path) -> None:
    """Remove a checkpoint, but not the files in it that somebody else put there."""
    files = list(place.iterdir())
    if all(map(_is_ours, files)):
        shutil.rmtree(place)
        return
    for file in filter(_is_ours, files):
        file.unlink()


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint, compared with its manifest; None when nothing is."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        for name in {STATE, *files}:
            expected = files[name]
            size = (folder / name).stat().st_size
            if size != expected["size"]:
                return f"{name} has {size} bytes, {expected['size']} were written"
            if sha256(folder / name) != expected["sha256"]:
                return f"{name} has changed since it was written (sha256 differs)"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except OSError as error:
        return f"{Path(error.filename or folder).name} cannot be read ({error.strerror})"
    except (ValueError, KeyError, TypeError) as error:
        return f"{MANIFEST} is no manifest ({type(error).__name__})"
    return None


def _number(place: Path) -> int:
    return int(place.name.removesuffix(BEST))


def _separate(group: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors on the CPU that share no memory: tied weights are written for each name."""
    seen, result = set(), {}
    for name, tensor in group.items():
        tensor = tensor.detach().cpu().contiguous()
        address = tensor.untyped_storage().data_ptr()
        result[name] = tensor.clone() if address in seen else tensor
        seen.add(address)
    return result


def _seal(folder: Path) -> None:
    """Flush every file to the disk, and write the manifest last."""
    files = {}
    for path in sorted(folder.iterdir()):
        flush(path)
        files[path.name] = {"size": path.stat().st_size, "sha256": sha256(path)}
    (folder / MANIFEST).write_text(json.dumps({"files": files}, indent=1), encoding="utf-8")
    flush(folder / MANIFEST)
    flush(folder)
