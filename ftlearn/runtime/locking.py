"""One process at a time: a lock on a folder or file, released when its holder ends or dies.

The operating system holds the lock, so no kill and no power cut leaves one behind; the file that
carries it says who is at work.
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

NAME = ".ftlearn.lock"
"""The lock of a whole folder, inside it."""

HOLDER_START, HOLDER_BYTES = 1, 400
"""Where the file says who holds it: behind the byte that Windows locks, and in a fixed length."""

NAMES = ("ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOLCK")
UNSUPPORTED = {getattr(errno, name, errno.ENOSYS) for name in NAMES}
"""How a file system says that it knows no locks."""


@contextmanager
def locked(folder: str | Path, name: str = NAME, *, wait: float = 0.0) -> Iterator[None]:
    """A context in which no other process, and no other thread, holds the lock of this folder.

    The folder is made where it is missing, and taken away again where it ends empty. ``wait`` is
    for how many seconds to wait for another holder. Raises BusyError, naming the holder. Where the
    file system knows no locks, as some network drives, a warning says so and nothing is held.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "run"
    >>> with locked(folder):
    ...     folder.is_dir()
    True
    >>> folder.exists()
    False
    """
    file = Path(folder).absolute() / name
    made: list[Path] = []
    lock = FileLock(file, fallback_to_soft=False)
    try:
        _acquire(lock, file, wait, made)
        try:
            yield
        finally:
            _release(lock, file)
    finally:
        for empty in made:
            with suppress(OSError):  # it is not empty
                empty.rmdir()


def _acquire(lock: FileLock, file: Path, wait: float, made: list[Path]) -> None:
    """Take the lock, and note in ``made`` the folders that are new, the innermost first."""
    made[:0] = _make(file.parent)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise BusyError(_busy(file)) from None
    except (FileNotFoundError, FileExistsError):
        # The holder before us took the empty folder away right now, or another made it again.
        _acquire(lock, file, wait, made)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        warnings.warn(
            f"the disk of {file.parent} knows no locks: see to it that no other process writes "
            "there meanwhile",
            stacklevel=5,
        )
    else:
        with suppress(OSError):  # a full disk has no room for the name, and locks all the same
            _name_holder(file)


def _make(folder: Path) -> list[Path]:
    """Make a folder; those that were missing, the innermost first."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        if folder.exists():  # as a file
            raise
        return _make(folder)  # it was there, and its last holder took it away
    return missing


def _release(lock: FileLock, file: Path) -> None:
    # Removed while it is still held: a process that waits for it sees that the file is gone, and
    # opens a new one. Windows removes no open file; there the library does, when it lets go.
    if lock.is_locked:
        with suppress(PermissionError):
            file.unlink(missing_ok=True)
    lock.release()


def _name_holder(file: Path) -> None:
    """Write who holds a lock into its file."""
    since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    holder = {"pid": os.getpid(), "host": platform.node()[:200], "since": since}
    content = json.dumps(holder).encode().ljust(HOLDER_BYTES)
    with file.open("r+b", buffering=0) as opened:
        opened.seek(HOLDER_START)
        opened.write(content)


def _busy(file: Path) -> str:
    written = file.with_name(file.name.removeprefix(".")).with_suffix("")
    place = file.parent if file.name == NAME else written
    try:
        with file.open("rb", buffering=0) as opened:
            opened.seek(HOLDER_START)
            holder = json.loads(opened.read(HOLDER_BYTES))
        who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "another process"
    return (
        f"{place} is in use by {who}: wait until it has ended (its lock goes with it), or choose "
        "another place"
    )
