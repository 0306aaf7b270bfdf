"""From bytes to lines of text: UTF-8, UTF-16 by its mark, or an encoding that the caller names.

Bytes are decoded as they come, so that a file of any size takes the memory of one chunk.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from .errors import DataError

MARKS = {  # the marks of UTF-32 begin like those of UTF-16, so they are looked for first
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
LONGEST_MARK = 4
CHUNK = 2**20


class Bytes(io.BufferedIOBase):
    """A binary stream, read once from front to back, that knows how far it was read."""

    def __init__(self, stream: BinaryIO, place: str) -> None:
        self.place = place
        self._stream = stream
        self._chunk, self._at = b"", 0
        self._bytes_before, self._lines_before = 0, 0

    @property
    def done(self) -> int:
        """Bytes handed on so far."""
        return self._bytes_before + self._at

    def readable(self) -> bool:
        """Always true: a `TextIOWrapper` asks."""
        return True

    def read1(self, size: int = -1) -> bytes:
        """Up to `size` bytes, or nothing at the end."""
        start, chunk = self._at, self.chunk()
        start = min(start, self._at)  # a new chunk begins at 0
        self._at = len(chunk) if size < 0 else min(start + size, len(chunk))
        return chunk[start : self._at]

    def chunk(self) -> bytes:
        """The bytes around the place that was reached; the next ones where they are used up."""
        if self._at == len(self._chunk):
            self._bytes_before += len(self._chunk)
            self._lines_before += self._chunk.count(b"\n")
            self._chunk, self._at = self._next(), 0
        return self._chunk

    def _next(self) -> bytes:
        """The next bytes that there are: of the first ones enough to hold a mark."""
        data = more = self._stream.read1(CHUNK)
        while more and not self._bytes_before and len(data) < LONGEST_MARK:
            more = self._stream.read1(CHUNK)
            data += more
        return data

    def describe(self, error: UnicodeDecodeError, name: str) -> str:
        """What is wrong with a byte, where it stands, and what to try."""
        offset = self.done - len(error.object) + error.start
        within = max(0, offset - self._bytes_before)
        line = self._lines_before + self._chunk.count(b"\n", 0, within) + 1
        byte = error.object[error.start]
        where = f"{self.place}: byte 0x{byte:02x} at offset {offset} (line {line}) is not {name}"
        around = self._chunk or error.object
        if name == "utf-8" and _mostly_utf8(around):
            return f"{where}, but the rest is; mend that byte and read again."
        if name.startswith(("utf-16", "utf-32")):
            return f"{where} ({error.reason}); the file is damaged or cut off, write it anew."
        return f"{where}; {to_try(suggest(around, name))}."


def lines_of(
    stream: BinaryIO | Bytes,
    place: str,
    encoding: str | None = None,
    newline: str | None = None,
) -> tuple[Iterator[str], str]:
    r"""The lines of a binary stream with their ends, and the encoding that is used.

    A line ends at \n, or at \r where the first line does and `newline` is None: a \r inside a file
    with other line ends belongs to a text. A byte order mark is left out. Raises `DataError` for
    an unknown encoding, for UTF-16 without its mark, and, when it comes to them, for bytes that do
    not decode: with the byte, its offset, its line, and the encoding to try.

    >>> lines, name = lines_of(io.BytesIO("caf\u00e9\r\nau lait".encode("utf-16")), "here")
    >>> list(lines) == ["caf\u00e9\r\n", "au lait"], name
    (True, 'utf-16')
    """
    source = stream if isinstance(stream, Bytes) else Bytes(stream, place)
    name = encoding or _guess(source)
    try:
        "".encode(name)
    except (LookupError, ValueError):
        raise DataError(f"{name!r} is not a known encoding; try 'utf-8' or 'cp1252'.") from None
    end = newline or _first_end(source, name)
    return _decoded(io.TextIOWrapper(source, name, newline=end), source, name), name


def _guess(source: Bytes) -> str:
    start = source.chunk()[:LONGEST_MARK]
    for mark, name in MARKS.items():
        if start.startswith(mark):
            return name
    if len(start) == LONGEST_MARK and b"\0\0" in (start[::2], start[1::2]):
        hint = to_try(suggest(start, "utf-8"))
        raise DataError(f"{source.place} holds NUL bytes, as UTF-16 without its mark does; {hint}.")
    return "utf-8"


def _first_end(source: Bytes, name: str) -> str:
    try:
        start = codecs.getincrementaldecoder(name)("ignore").decode(source.chunk())
    except UnicodeError:  # the first line will say why
        return "\n"
    found = re.search(r"\r(?=[^\r\n])|\n", start)
    return found[0] if found else "\n"


def _decoded(text: io.TextIOWrapper, source: Bytes, name: str) -> Iterator[str]:
    try:
        first = next(text, "").removeprefix("\ufeff")
        if first:
            yield first
        yield from text
    except UnicodeDecodeError as error:
        raise DataError(source.describe(error, name)) from None
    except UnicodeError as error:
        raise DataError(f"{source.place} is not {name} ({error}); name another encoding.") from None


def to_try(encoding: str) -> str:
    """The remedy, as a caller in Python and one at the command line write it.

    >>> to_try("cp1252")
    "try encoding='cp1252' (--encoding cp1252)"
    """
    return f"try encoding={encoding!r} (--encoding {encoding})"


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
            codecs.getincrementaldecoder(name)().decode(
                data
            )  # the chunk may end inside a character
        except UnicodeDecodeError:
            continue
        if name != tried:
            return name
    return "latin-1"
