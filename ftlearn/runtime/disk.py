"""How much fits on a disk: checked before hours of work depend on it."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from ftlearn.errors import DiskFullError

FULL_CODES = {getattr(errno, name, errno.ENOSPC) for name in ("ENOSPC", "EFBIG", "EDQUOT")}
FULL_PHRASES = ("no space left", "file too large", "not enough space", "quota exceeded")
"""For safetensors and tokenizers, whose errors have no error number."""


def free_bytes(folder: str | Path) -> int:
    """Free bytes on the disk of a folder, which need not exist yet."""
    folder = Path(folder).absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(existing).free


def largest_file() -> int | None:
    """Bytes that one file may have (``ulimit -f``); None without such a limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if soft == resource.RLIM_INFINITY else soft


def shortage(folder: str | Path, total: int, largest: int, *, taken: int = 0) -> str | None:
    """Why ``total`` bytes, in files of up to ``largest``, do not fit into a folder, or None.

    ``taken`` bytes there will be freed meanwhile.

    >>> shortage(".", 10**18, 1)
    '1,000,000,000,000 MB are needed and ... MB are free: ... MB too few'
    """
    free, limit = free_bytes(folder) + taken, largest_file()
    if limit is not None and largest > limit:
        return (
            f"one file takes {megabytes(largest)}, and the limit of this session for a file is "
            f"{megabytes(limit)} (ulimit -f)"
        )
    if total > free:
        return (
            f"{megabytes(total)} are needed and {megabytes(free)} are free: "
            f"{megabytes(total - free)} too few"
        )
    return None


def megabytes(size: int) -> str:
    """A size in megabytes, rounded up.

    >>> megabytes(1_234_500_000)
    '1,235 MB'
    """
    return f"{-(-size // 1_000_000):,} MB"


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or its cause, says that a disk, a quota or a file size is exhausted.

    >>> is_full(OSError(errno.ENOSPC, "No space left on device")), is_full(ValueError("no"))
    (True, False)
    >>> is_full(Exception("File too large (os error 27)"))
    True
    """
    while error is not None:
        if isinstance(error, DiskFullError) or getattr(error, "errno", None) in FULL_CODES:
            return True
        text = str(error).casefold()
        of_rust = isinstance(error, SafetensorError) or type(error) is Exception
        if of_rust and any(phrase in text for phrase in FULL_PHRASES):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def explained(what: str, folder: str | Path, total: int, largest: int) -> Iterator[None]:
    """A context in which a full disk becomes a DiskFullError that counts the megabytes.

    In it ``total`` bytes, in files of up to ``largest``, are written into ``folder``.
    """
    try:
        yield
    except Exception as error:
        if not is_full(error):
            raise
        why = shortage(folder, total, largest) or f"the disk is full ({error})"
        raise DiskFullError(f"{what} cannot be written into {folder}: {why}") from error
