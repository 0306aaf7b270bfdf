"""Which encoding a file has, and which one to try next."""

from __future__ import annotations

import codecs
import re

from ftlearn.data.errors import DataError

MARKS = {  # the marks of UTF-32 begin like those of UTF-16, so they come first
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
EXAMINED = 2**16
"""Bytes that are examined for UTF-16 without its mark."""


def unit(encoding: str) -> int:
    """The fewest bytes per character: 2 in UTF-16, 4 in UTF-32, 1 in others."""
    name = codecs.lookup(encoding).name
    return {"utf-16": 2, "utf-32": 4}.get(name[:6], 1)


def guess(start: bytes, place: str) -> str:
    """The encoding of a file by its first bytes; raises `DataError` for UTF-16 without its mark.

    >>> guess("text".encode("utf-16"), "notes.csv"), guess(b"text", "notes.csv")
    ('utf-16', 'utf-8')
    """
    for mark, name in MARKS.items():
        if start.startswith(mark):
            return name
    unmarked = utf16_without_mark(start)
    if unmarked:
        raise DataError(
            f"{place} holds NUL bytes, as UTF-16 without its mark does; {to_try(unmarked)}."
        )
    return "utf-8"


def utf16_without_mark(data: bytes) -> str | None:
    """UTF-16 recognised by its bytes, or None.

    The upper bytes of ASCII characters are NUL, at all even or all odd places. Those of other
    alphabets are below 0x20. Chinese characters make a text that is not UTF-8.

    >>> utf16_without_mark("text".encode("utf-16-be")), utf16_without_mark(b"text")
    ('utf-16-be', None)
    """
    data = data[:EXAMINED]
    even = data[::2].count(0)
    odd = data[1::2].count(0)
    if max(even, odd) < 2 or max(even, odd) < 3 * min(even, odd):
        return None
    name = "utf-16-be" if even > odd else "utf-16-le"
    upper = data[::2] if even > odd else data[1::2]
    above = len(upper.translate(None, delete=bytes(range(0x20))))
    chinese = 50 * (even + odd) >= len(data) and not _decodes(data, "utf-8")
    return name if chinese or 2 * above <= len(upper) else None


def _decodes(data: bytes, name: str) -> bool:
    try:
        codecs.getincrementaldecoder(name)().decode(data)  # the data may end inside a character
    except UnicodeDecodeError:
        return False
    return True


def to_try(encoding: str) -> str:
    """The remedy, as written in Python and on the command line.

    >>> to_try("cp1252")
    "try encoding='cp1252' (--encoding cp1252)"
    """
    return f"try encoding={encoding!r} (--encoding {encoding})"


def suggest(data: bytes, tried: str) -> str:
    """The encoding to try next.

    Accented Western letters are single bytes between ASCII letters, Chinese characters are runs.

    >>> suggest("caf\u00e9 au lait".encode("cp1252"), "utf-8")
    'cp1252'
    >>> suggest("\u9884\u8bad\u7ec3\u6a21\u578b".encode("gb18030"), "utf-8")
    'gb18030'
    """
    runs = re.findall(rb"[\x80-\xff]+", data)
    western = 2 * sum(len(run) == 1 for run in runs) >= len(runs)
    for name in ("cp1252", "gb18030") if western else ("gb18030", "cp1252"):
        if name != tried and _decodes(data, name):
            return name
    return "latin-1"
