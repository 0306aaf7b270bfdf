"""Files and folders: written whole or not at all, and never over what somebody else wrote.

The one rule for all that this package writes: a name that is taken is refused, unless the caller
asks to have it replaced, or what stands there is known to be this package's own.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ftlearn.errors import ExistsError, FtlearnError
from ftlearn.runtime.locking import NAME, locked

Carry = Callable[[Path, Path], list[Path]]
"""From an old folder and the new one beside it to what of the old one is to be kept."""


class NoFolderError(FtlearnError, FileNotFoundError):
    """The folder that a file is to be written into does not exist, or is closed to the user."""


def sha256(path: Path) -> str:
    """The fingerprint of a file's bytes, read piece by piece.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "empty"
    >>> path.touch()
    >>> sha256(path)[:8]
    'e3b0c442'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_writable(path: str | Path, *, overwrite: bool = False) -> None:
    """Raise an error where a file cannot be written, before work is done whose result it holds.

    ExistsError for a name that is taken, unless ``overwrite``, and for a folder; NoFolderError
    where its folder is missing or closed. Pipes and devices, such as /dev/stdout, hold nothing
    that could be lost.
    """
    path = Path(path)
    if path.is_dir():
        raise ExistsError(f"{path} is a folder: name a file to write")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise NoFolderError(
            f"there is no folder {path.parent} to write {path.name} into: make it, or choose "
            "another place"
        )
    if not os.access(folder, os.W_OK) and not is_device(path):
        raise NoFolderError(
            f"you may not write into {folder}: choose another place for {path.name}"
        )
    if os.path.lexists(path) and not is_device(path) and not overwrite:
        raise ExistsError(
            f"{path} exists already and is not overwritten: choose another name, or allow it with "
            "overwrite=True"
        )


def is_device(path: Path) -> bool:
    """Whether a path is a pipe or a device: written to, and never replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


def write_text(path: str | Path, text: str) -> None:
    """Write a text file; one of that name is replaced, once the new one is whole.

    The caller knows that it may be: see ``check_writable``.
    """
    path = Path(path)
    if is_device(path):
        path.write_text(text, encoding="utf-8", newline="\n")
        return
    fresh = unfinished(path)
    try:
        with fresh.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def write_json(
    path: str | Path,
    content: Mapping[str, Any],
    *,
    indent: int = 2,
    non_finite: Callable[[float], Any] = lambda number: None,
) -> None:
    """Write strict JSON by ``write_text``; see ``strict_json`` for ``non_finite``."""
    values = strict_json(content, non_finite)
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, indent=indent)
    write_text(path, text + "\n")


def strict_json(value: Any, non_finite: Callable[[float], Any] = lambda number: None) -> Any:
    """The value as strict JSON can hold it, which has neither nan nor inf.

    They become what ``non_finite`` makes of them: null, or text with ``non_finite=str``.

    >>> strict_json({"r2": float("nan"), "rows": (1, 2)})
    {'r2': None, 'rows': [1, 2]}
    >>> strict_json([float("inf")], non_finite=str)
    ['inf']
    """
    if isinstance(value, Mapping):
        return {str(key): strict_json(item, non_finite) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict_json(item, non_finite) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return non_finite(value)
    return value


def unfinished(path: Path) -> Path:
    """Where a file or folder is written until it is whole."""
    return path.with_name(f".{path.name}.writing")


def unused(path: Path) -> Path:
    """The path, or the first of name-2, name-3 and so on that nobody has taken.

    >>> unused(Path("no such file.csv"))
    PosixPath('no such file.csv')
    """
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def check_new_folder(folder: str | Path) -> None:
    """Raise ExistsError where a folder is to be made and its name is taken; an empty one is not."""
    folder = Path(folder)
    if os.path.lexists(folder) and not folder.is_dir():
        raise ExistsError(f"{folder} is a file: choose the name of a folder")
    if folder.is_dir() and any(place.name != NAME for place in folder.iterdir()):
        raise ExistsError(f"{folder} exists already: choose a new folder")


@contextmanager
def written_folder(folder: str | Path, carry: Carry | None = None) -> Iterator[Path]:
    """A temporary folder that takes the place of ``folder`` when nothing has failed.

    Without ``carry`` the folder must be new. With it an older one is replaced, and ``carry(old,
    fresh)`` names what of it stays. Raises ExistsError, and BusyError while another process writes
    the same folder.
    """
    folder = Path(folder).resolve()  # a link stays one, and what it leads to is replaced
    if carry is None:
        check_new_folder(folder)
    with locked(folder.parent, f".{folder.name}.lock"):
        fresh = unfinished(folder)
        _restore(folder)
        shutil.rmtree(fresh, ignore_errors=True)  # what a killed process left behind
        fresh.mkdir()
        try:
            yield fresh
            _swap(folder, fresh, carry)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            _restore(folder)
            raise


def _swap(folder: Path, fresh: Path, carry: Carry | None) -> None:
    """Put the new folder in the place of the old one, with what is carried over."""
    for path in filter(Path.is_file, fresh.rglob("*")):
        flush(path)
    if carry is None:
        check_new_folder(folder)
    elif folder.is_dir():
        for place in carry(folder, fresh):
            _link(place, fresh / place.name)
    old = _replaced(folder)
    if folder.is_dir():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _replaced(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")


def _restore(folder: Path) -> None:
    """Put an old folder back that a process had moved away when it died."""
    old = _replaced(folder)
    if old.is_dir() and not folder.exists():
        old.rename(folder)
    elif old.is_dir():
        shutil.rmtree(old, ignore_errors=True)  # all that was to be kept is in the new one


def _link(place: Path, target: Path) -> None:
    """Have a file or folder in a second place; no byte is copied where the disk allows it."""
    if place.is_dir() and not place.is_symlink():
        shutil.copytree(place, target, symlinks=True, copy_function=_link_file)
    else:
        _link_file(place, target)


def _link_file(place: str | Path, target: str | Path, **more: bool) -> None:
    try:
        os.link(place, target, follow_symlinks=False)
    except (OSError, NotImplementedError):  # another disk, or one without links
        shutil.copy2(place, target, follow_symlinks=False)


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders; it writes their names on its own
    # Windows flushes only what is open for writing, other systems open folders only for reading.
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
