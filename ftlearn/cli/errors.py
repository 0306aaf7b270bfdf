"""How a command ends: done 0, unexpected 1, bad input 2, interrupted 130; one line says why."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from opcode import opmap
from pathlib import Path
from types import TracebackType
from typing import Any

from ftlearn.cli.remedies import Option, in_options
from ftlearn.errors import FtlearnError
from ftlearn.markup import plain

DONE, UNEXPECTED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
NO_ROOM = "the disk is full: make room, or write to another place, and run the command again"
PACKAGE = Path(__file__).resolve().parents[1]
OURS = (ValueError, KeyError, TypeError, MemoryError, RuntimeError)
"""Kinds of errors that this package raises itself; they count only where it raised them."""
RAISE = opmap["RAISE_VARARGS"]
"""What a ``raise`` is compiled to, however many lines it has; ``None + 1`` fails without one."""


def explain(error: BaseException) -> tuple[str, int]:
    """One line on an error, and the exit code.

    >>> explain(FileNotFoundError(2, "No such file or directory", "notes.csv"))
    ('error: No such file or directory (notes.csv)', 2)
    """
    if isinstance(error, KeyboardInterrupt):
        return "stopped", INTERRUPTED
    if isinstance(error, FtlearnError):
        return f"error: {error}", BAD_INPUT
    from ftlearn.runtime.disk import is_full

    if is_full(error):
        return f"error: {NO_ROOM} ({error})", BAD_INPUT
    if isinstance(error, OSError):
        named = f" ({error.filename})" if error.filename else ""
        return f"error: {error.strerror or error}{named}", BAD_INPUT
    if isinstance(error, OURS) and raised_here(error.__traceback__):
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        return f"error: {text}", BAD_INPUT
    return f"unexpected {type(error).__name__}: {error} (--debug shows where)", UNEXPECTED


def raised_here(trace: TracebackType | None) -> bool:
    """Whether a ``raise`` of this package made an error, not a library and not a slip of ours."""
    if trace is None:
        return False
    while trace.tb_next:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    on_purpose = code.co_code[trace.tb_lasti] == RAISE
    return on_purpose and PACKAGE in Path(code.co_filename).resolve().parents


@contextmanager
def notes(options: Mapping[str, Option]) -> Iterator[None]:
    """A context in which warnings for the user are short lines on standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = _Notes(options)
        yield


class _Notes:
    """Shows each message once, above the progress bar if there is one."""

    def __init__(self, options: Mapping[str, Option]) -> None:
        self.options, self.shown = options, set[str]()

    def __call__(self, message: Warning | str, *place: Any, **more: Any) -> None:
        from tqdm import tqdm

        if str(message) not in self.shown:
            self.shown.add(str(message))
            text = plain(in_options(str(message), self.options))
            tqdm.write(f"note: {text}", file=sys.stderr)
