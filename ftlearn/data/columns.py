"""The columns that a caller wants, and the check that each row has them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ftlearn.data.errors import DataError, close_match, missing_key
from ftlearn.data.labels import KINDS, parse_number
from ftlearn.data.number_notation import notation
from ftlearn.data.quoting import LONGEST
from ftlearn.data.records import Record, Rejected, Row, storable

NOT_FINITE = {"nan", "infinity", "-infinity", "inf", "-inf"}


@dataclass(frozen=True)
class Columns:
    """The columns that a caller wants: one text or a pair, a label or none, and its kind."""

    text: tuple[str, ...]
    label: str | None
    kind: str

    @classmethod
    def of(cls, text: str | Sequence[str], label: str | None = None, kind: str = "auto") -> Columns:
        """The columns from the arguments of the public functions, checked; raises `DataError`."""
        names = (text,) if isinstance(text, str) else tuple(text)
        if not 1 <= len(names) <= 2 or len({*names, label}) < len(names) + 1:
            raise DataError(
                f"text={text!r} with label={label!r} must be one or two columns and another one."
            )
        if kind not in KINDS:
            raise DataError(f"kind={kind!r} is not one of {KINDS}.{close_match(kind, KINDS)}")
        return cls(names, label, kind)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every wanted column."""
        return self.text if self.label is None else (*self.text, self.label)

    @property
    def chosen_by(self) -> str:
        """The arguments that name the columns, as an error shows them."""
        return "`text`" if self.label is None else "`text`, `label`"

    def check(self, row: Row) -> Row:
        """The row with every cell as a string, or why it is rejected.

        >>> Columns.of("text", "label").check(Record(2, {"text": "A new chip", "label": 10}))
        Record(line=2, cells={'text': 'A new chip', 'label': '10'})
        >>> Columns.of("text").check(Record(3, {"text": ""}))
        Rejected(line=3, reason="'text' is empty")
        """
        if isinstance(row, Rejected):
            return row
        try:
            texts = {name: as_text(cell) for name, cell in row.cells.items()}
        except RecursionError:
            return Rejected(row.line, "a cell is nested too deeply")
        reason = self._reason(row.cells, texts)
        return Rejected(row.line, reason) if reason else Record(row.line, texts)

    def _reason(self, cells: dict[str, object], texts: dict[str, str | None]) -> str | None:
        """Why a row cannot be used, or None."""
        for name, text in texts.items():
            if not storable(text or ""):
                return f"{name!r} holds a NUL byte or half a surrogate pair"
        for name in self.columns:
            if name not in cells:
                return missing_key(name, cells)
            if not (texts[name] or "").strip():
                return f"{name!r} is empty"
            if len(texts[name]) > LONGEST:
                return f"{name!r} has {len(texts[name]):,} characters; cut it to {LONGEST:,}"
        for name in self.text:
            if not isinstance(cells[name], str):
                return f"{name!r} is {_shorten(cells[name])}, not a text"
        if self.label is None:
            return None
        return self._label_reason(cells[self.label], texts[self.label])

    def _label_reason(self, cell: object, text: str) -> str | None:
        """Why a cell cannot be a label, or None."""
        not_finite = not isinstance(cell, str) and text.casefold() in NOT_FINITE
        if not_finite or isinstance(cell, list | tuple | dict | bytes):
            return f"{self.label!r} is {_shorten(cell)}, not a label"
        if self.kind == "number" and parse_number(text) is None:
            written = notation(text)
            hint = f" ({written.what}): write {written.plain}" if written and written.plain else ""
            return f"{self.label!r} is {_shorten(cell)}, not a number{hint}"
        return None


def as_text(cell: object) -> str | None:
    """A cell as a string: strings and None unchanged, other values as JSON writes them.

    >>> as_text(3), as_text(True), as_text(["a"]), as_text("3.0")
    ('3', 'true', '["a"]', '3.0')
    """
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool | int | float | list | dict):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return str(cell)


def _shorten(cell: object) -> str:
    return repr(cell) if len(repr(cell)) <= 40 else repr(cell)[:37] + "..."
