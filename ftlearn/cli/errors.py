"""How a command ends: done 0, unexpected 1, bad input 2, interrupted 130; one line says why."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ftlearn.cli.output import is_main_process, translated
from ftlearn.cli.remedies import Option, in_options
from ftlearn.errors import FtlearnError
from ftlearn.markup import plain

DONE, UNEXPECTED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
DISK_FULL = "the disk is full: make room, or write to another place, and run the command again"


def explain(error: BaseException) -> tuple[str, int]:
    """One line on an error, and the exit code.

    Bad input is what this package raises on purpose (``FtlearnError``), what the operating system
    says of files, and memory that is too small. Anything else is a fault of ours or of a library.

    >>> explain(FileNotFoundError(2, "No such file or directory", "notes.csv"))
    ('error: No such file or directory (notes.csv)', 2)
    >>> explain(ValueError("math domain error"))
    ('unexpected ValueError: math domain error (--debug shows where)', 1)
    """
    if isinstance(error, KeyboardInterrupt):
        return "stopped", INTERRUPTED
    if isinstance(error, FtlearnError):
        return f"error: {error}", BAD_INPUT
    if isinstance(error, MemoryError):
        return f"error: {str(error) or 'there is not enough memory'}", BAD_INPUT
    from ftlearn.runtime.disk import is_full

    if is_full(error):
        return f"error: {DISK_FULL} ({error})", BAD_INPUT
    if isinstance(error, OSError):
        file = f" ({error.filename})" if error.filename else ""
        return f"error: {error.strerror or error}{file}", BAD_INPUT
    return f"unexpected {type(error).__name__}: {error} (--debug shows where)", UNEXPECTED


@contextmanager
def short_notes(options: Mapping[str, Option]) -> Iterator[None]:
    """A context in which warnings for the user are short lines on standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = _ShowOnce(options)
        yield


class _ShowOnce:
    """Shows each message once, above the progress bar if there is one; of several ranks, one."""

    def __init__(self, options: Mapping[str, Option]) -> None:
        self.options = options
        self.shown: set[str] = set()

    def __call__(self, message: Warning | str, *place: Any, **more: Any) -> None:
        from tqdm import tqdm

        if is_main_process() and str(message) not in self.shown:
            self.shown.add(str(message))
            text = in_options(translated(str(message)), self.options)
            tqdm.write(plain(translated(f"note: {text}")), file=sys.stderr)
