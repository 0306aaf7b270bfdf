"""The file of predictions: checked first, written completely or not at all."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ftlearn.data import DataError
from ftlearn.data.streams import STANDARD_INPUT
from ftlearn.errors import ExistsError
from ftlearn.runtime.files import check_writable, is_device
from ftlearn.runtime.locking import locked

STANDARD_OUTPUT = "-"
OTHER_FORMATS = {".csv", ".tsv", ".parquet", ".xls", ".xlsx", ".ods", ".gz", ".bz2", ".xz", ".zip"}
"""Suffixes of formats other than JSON lines."""


def check_target(source: str | Path, target: str | Path, *, overwrite: bool = False) -> None:
    """Raise an error where results cannot be written, before a model is loaded for them.

    DataError where they would replace the rows that they are predicted from, or where the suffix
    is that of another format; ExistsError where the target exists and is not to be overwritten, or
    where an earlier run that broke off has left its results.
    """
    if target == STANDARD_OUTPUT:
        return
    _check_apart(source, target)
    suffix = Path(target).suffix.lower()
    if suffix in OTHER_FORMATS:
        raise DataError(
            f"{target} would hold JSON lines, whatever its suffix {suffix!r} says: name it "
            f"{Path(target).with_suffix('.jsonl').name}"
        )
    check_writable(target, overwrite=overwrite)
    part = _part(target)
    if part.is_file() and part.stat().st_size and not overwrite:
        raise ExistsError(
            f"{part} holds the results of an earlier run that broke off: rename it to keep them, "
            "or have it replaced with overwrite=True"
        )


def _check_apart(source: str | Path, target: str | Path) -> None:
    """Raise DataError where the results would replace the rows that they are predicted from."""
    if source == STANDARD_INPUT or not Path(source).exists():
        return
    for path in (Path(target), _part(target)):
        if path.exists() and path.samefile(source):
            raise DataError(
                f"{source} is read, and writing {path} would replace it; name another output."
            )


def _part(target: str | Path) -> Path:
    """The file that holds the results until they are complete."""
    return Path(f"{target}.part")


@contextmanager
def written(target: str | Path, overwrite: bool) -> Iterator[TextIO]:
    """A file to write the target into, under another name until it is complete."""
    path = Path(target)
    if target == STANDARD_OUTPUT:
        yield sys.stdout
    elif is_device(path):
        with path.open("w", encoding="utf-8", newline="\n") as file:
            yield file
    else:
        with locked(path.parent, f".{path.name}.lock"):
            check_target(STANDARD_INPUT, path, overwrite=overwrite)  # another run may have ended
            yield from _written_under_another_name(path, overwrite)


def _written_under_another_name(target: Path, overwrite: bool) -> Iterator[TextIO]:
    """The file of the partial results, which is renamed when it is complete."""
    part = _part(target)
    try:
        file = part.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise DataError(f"{part} cannot be written: {error.strerror}; name another.") from None
    try:
        with file:
            yield file
        check_writable(target, overwrite=overwrite)
    except BaseException:
        _keep_partial_results(part, target)
        raise
    os.replace(part, target)


def _keep_partial_results(part: Path, target: Path) -> None:
    if part.stat().st_size == 0:
        part.unlink()
        return
    warnings.warn(
        f"the run broke off: the results so far are in {part}, and {target} was not written",
        stacklevel=2,
    )
