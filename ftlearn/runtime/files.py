"""Files and folders: written whole or not at all, and never over what somebody else wrote.

One rule holds for everything that this package writes: a name that is taken is an error, unless
the caller asks to overwrite it, or what is there is known to be written by this package.
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
from ftlearn.runtime.locking import LOCK_NAME, locked

Carry = Callable[[Path, Path], list[Path]]
"""From an old folder and its replacement to the paths in the old one that are to be kept."""


class NoFolderError(FtlearnError, FileNotFoundError):
    """The folder of a file does not exist, or the user may not write into it."""


def sha256(path: Path) -> str:
    """The SHA-256 hash of a file, in hexadecimal; it is not read into memory as a whole.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "empty"
    >>> path.touch()
    >>> sha256(path)[:8]
    'e3b0c442'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_writable(path: str | Path, *, overwrite: bool = False) -> None:
    """Raise an error where a file cannot be written, before the work whose result it will hold.

    ExistsError for a name that is taken, unless ``overwrite``, and for a folder; NoFolderError
    where its folder is missing or not writable. Pipes and devices, such as /dev/stdout, are always
    writable: they hold nothing that could be lost.
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
    """Whether a path is a pipe or a device, which is written to but never replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


def write_text(path: str | Path, text: str) -> None:
    """Write a text file; an existing one is replaced once the new one is complete.

    The caller has made sure that it may be replaced: see ``check_writable``.
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
    """The path at which a file or folder is written until it is complete."""
    return path.with_name(f".{path.name}.writing")


def unused(path: Path) -> Path:
    """The path, or the first of name-2, name-3 and so on that does not exist.

    >>> unused(Path("no such file.csv"))
    PosixPath('no such file.csv')
    """
    number, candidate = 1, path
    while os.path.lexists(candidate):
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def check_new_folder(folder: str | Path) -> None:
    """Raise ExistsError where a new folder's name is taken; an empty folder may be there."""
    folder = Path(folder)
    if os.path.lexists(folder) and not folder.is_dir():
        raise ExistsError(f"{folder} is a file: choose the name of a folder")
    if folder.is_dir() and any(path.name != LOCK_NAME for path in folder.iterdir()):
        raise ExistsError(f"{folder} exists already: choose a new folder")


@contextmanager
def written_folder(folder: str | Path, carry: Carry | None = None) -> Iterator[Path]:
    """A context with a temporary folder that becomes ``folder`` if nothing fails.

    Without ``carry`` the folder must be new. With it an older one is replaced, except for the
    paths that ``carry(old, fresh)`` names. Raises ExistsError, and BusyError while another process
    writes the same folder.
    """
    folder = Path(folder).resolve()  # a link stays a link, and its target is replaced
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
    """Replace the old folder by the new one, with what is carried over."""
    for path in filter(Path.is_file, fresh.rglob("*")):
        flush(path)
    if carry is None:
        check_new_folder(folder)
    elif folder.is_dir():
        for path in carry(folder, fresh):
            _link(path, fresh / path.name)
    old = _replaced(folder)
    if folder.is_dir():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _replaced(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")


def _restore(folder: Path) -> None:
    """Rename back an old folder that a process had renamed when it was killed."""
    old = _replaced(folder)
    if old.is_dir() and not folder.exists():
        old.rename(folder)
    elif old.is_dir():
        shutil.rmtree(old, ignore_errors=True)  # what was to be kept is in the new one


def _link(source: Path, target: Path) -> None:
    """Copy a file or folder, by hard links where the disk has them."""
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True, copy_function=_link_file)
    else:
        _link_file(source, target)


def _link_file(source: str | Path, target: str | Path, **_: bool) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):  # another disk, or one without links
        shutil.copy2(source, target, follow_symlinks=False)


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
