"""`DataError`, the one error of `ftlearn.data`, and helpers for its messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from ftlearn.errors import FtlearnError

KEYS = 6
"""Keys of a JSON object that a message names."""


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


def need_columns(
    wanted: Iterable[str], columns: Iterable[str], place: str, chosen_by: str = ""
) -> None:
    """Raise a `DataError` for the first of the `wanted` columns that `columns` lacks.

    It names the nearest column, and where none is near, the arguments they are ``chosen_by``.
    """
    columns = list(columns)
    for name in wanted:
        if name not in columns:
            hint = close_match(name, columns)
            if chosen_by and not hint:
                raise DataError(
                    f"{place} has no column {name!r}; its columns are {columns}. Name those to "
                    f"read with {chosen_by}."
                )
            raise DataError(f"{place} has no column {name!r}; its columns are {columns}.{hint}")


def missing_key(name: str, keys: Iterable[str]) -> str:
    """What a JSON object lacks: the name nearest to it among its keys, or else what they are.

    >>> missing_key("messages", {"instruction": "Count.", "output": "1, 2"})
    "there is no 'messages'; its keys are 'instruction', 'output'"
    """
    keys = list(keys)
    hint = close_match(name, keys)
    if hint or not keys:
        return f"there is no {name!r}{hint}"
    more = f" and {len(keys) - KEYS} more" if len(keys) > KEYS else ""
    return f"there is no {name!r}; its keys are {', '.join(map(repr, keys[:KEYS]))}{more}"
