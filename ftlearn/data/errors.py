"""`DataError`, the one error of `ftlearn.data`, and helpers for its messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from ftlearn.errors import FtlearnError


class DataError(FtlearnError, ValueError):
    """Data that cannot be used as it is; the message names the offending value and the remedy."""


def close_match(value: str, known: Iterable[str]) -> str:
    """A question that suggests the known name nearest to `value`, or "" where none is near.

    >>> close_match("txet", ["text", "label"])
    " Did you mean 'text'?"
    """
    folded = {name.strip().casefold(): name for name in known}
    matches = get_close_matches(value.strip().casefold(), folded, n=1)
    return f" Did you mean {folded[matches[0]]!r}?" if matches else ""


def need_columns(wanted: Iterable[str], columns: Iterable[str], place: str) -> None:
    """Raise a `DataError` for the first of the `wanted` columns that `columns` lacks."""
    columns = list(columns)
    for name in wanted:
        if name not in columns:
            raise DataError(
                f"{place} has no column {name!r}; its columns are {columns}."
                + close_match(name, columns)
            )
