"""From bytes to text: UTF-8, UTF-16 by its mark, or an encoding that the caller names."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from .errors import DataError

MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode(path: Path, encoding: str | None = None) -> tuple[str, str]:
    """The text of a file without its byte order mark, and the encoding that was used.

    Raises `DataError` for an empty file, an unknown encoding, and bytes that do not decode: with
    the byte, its offset, its line, and the encoding to try.
    """
    data = path.read_bytes()
    name = encoding or ("utf-16" if data.startswith(MARKS) else "utf-8")
    try:
        text = data.decode(name).removeprefix("\ufeff")
    except LookupError:
        raise DataError(f"{name!r} is not a known encoding; try 'utf-8' or 'cp1252'.") from None
    except UnicodeDecodeError as error:
        offset = len(data) - len(error.object) + error.start
        raise DataError(_describe(path, data, offset, name)) from None
    if not text.strip():
        raise DataError(f"{path} is empty; it needs a header or keys, and rows.")
    return text, name


def _describe(path: Path, data: bytes, offset: int, name: str) -> str:
    line = data.count(b"\n", 0, offset) + 1
    where = f"{path}: byte 0x{data[offset]:02x} at offset {offset} (line {line}) is not {name}"
    if name == "utf-8" and _mostly_utf8(data):
        return f"{where}, but the rest is; mend that byte and read again."
    return f"{where}; try encoding={suggest(data, name)!r}."


def _mostly_utf8(data: bytes) -> bool:
    good = sum(ord(char) > 127 for char in data.decode("utf-8", errors="ignore"))
    return good > data.decode("utf-8", errors="replace").count("\ufffd")


def suggest(data: bytes, tried: str) -> str:
    """The encoding to try next.

    Accented Western letters stand alone between ASCII letters, Chinese characters come in runs.

    >>> suggest("caf\u00e9 au lait".encode("cp1252"), "utf-8")
    'cp1252'
    >>> suggest("\u9884\u8bad\u7ec3\u6a21\u578b".encode("gb18030"), "utf-8")
    'gb18030'
    """
    if b"\0" in data:
        return "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    runs = re.findall(rb"[\x80-\xff]+", data)
    western = 2 * sum(len(run) == 1 for run in runs) >= len(runs)
    for name in ("cp1252", "gb18030") if western else ("gb18030", "cp1252"):
        try:
            data.decode(name)
        except UnicodeDecodeError:
            continue
        if name != tried:
            return name
    return "latin-1"
