"""One process at a time: a lock on a folder or file, released when its holder ends or is killed.

The operating system holds the lock, so neither a kill nor a power cut leaves one behind; the lock
file says which process holds it.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ftlearn.errors import BusyError

LOCK_NAME = ".ftlearn.lock"
"""The lock of a whole folder, inside it."""

HOLDER_START, HOLDER_BYTES = 1, 400
"""Where in the file its holder is written: after the byte that Windows locks, in a fixed length."""

UNSUPPORTED = {
    getattr(errno, name, errno.ENOSYS) for name in ("ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOLCK")
}
"""Errors of a file system that has no locks."""


@contextmanager
def locked(folder: str | Path, name: str = LOCK_NAME, *, wait: float = 0.0) -> Iterator[None]:
    """A context in which no other process, and no other thread, holds the lock of this folder.

    The folder is made where it is missing, and removed again if it is empty at the end. ``wait``
    is how many seconds to wait for another holder. Raises BusyError, naming the holder. On a file
    system without locks, such as some network drives, a warning says so and nothing is locked.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "run"
    >>> with locked(folder):
    ...     folder.is_dir()
    True
    >>> folder.exists()
    False
    """
    file = Path(folder).absolute() / name
    created: list[Path] = []
    lock = FileLock(file, fallback_to_soft=False)
    try:
        _acquire(lock, file, wait, created)
        try:
            yield
        finally:
            _release(lock, file)
    finally:
        for empty in created:
            with suppress(OSError):  # it is not empty
                empty.rmdir()


def _acquire(lock: FileLock, file: Path, wait: float, created: list[Path]) -> None:
    """Take the lock, and note in ``created`` the folders that are new, the innermost first."""
    created[:0] = _make(file.parent)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise BusyError(_busy(file)) from None
    except (FileNotFoundError, FileExistsError):
        # The previous holder has just removed the empty folder, or another has made it again.
        _acquire(lock, file, wait, created)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        warnings.warn(
            f"the disk of {file.parent} has no locks: make sure that no other process writes "
            "there meanwhile",
            stacklevel=5,
        )
    else:
        with suppress(OSError):  # a full disk has no room for the name, and locks all the same
            _name_holder(file)


def _make(folder: Path) -> list[Path]:
    """Make a folder with its parents; returns those that were missing, the innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        if folder.exists():  # as a file
            raise
        return _make(folder)  # its last holder has just removed it
    return missing


def _release(lock: FileLock, file: Path) -> None:
    # Removed while it is still held: a process that waits for it notices, and opens a new file.
    # Windows cannot remove an open file; there the library does it on release.
    if lock.is_locked:
        with suppress(PermissionError):
            file.unlink(missing_ok=True)
    lock.release()


def _name_holder(file: Path) -> None:
    """Write into a lock file which process holds it."""
    since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    holder = {"pid": os.getpid(), "host": platform.node()[:200], "since": since}
    content = json.dumps(holder).encode().ljust(HOLDER_BYTES)
    with file.open("r+b", buffering=0) as stream:
        stream.seek(HOLDER_START)
        stream.write(content)


def _busy(file: Path) -> str:
    """The message that a folder or file is in use, and by which process."""
    if file.name == LOCK_NAME:
        locked_path = file.parent
    else:
        locked_path = file.with_name(file.name.removeprefix(".")).with_suffix("")
    try:
        with file.open("rb", buffering=0) as stream:
            stream.seek(HOLDER_START)
            holder = json.loads(stream.read(HOLDER_BYTES))
        process = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        process = "another process"
    return (
        f"{locked_path} is in use by {process}: wait until it has ended (its lock goes with it), "
        "or choose another place"
    )
