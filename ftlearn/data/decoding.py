"""From bytes to lines of text: UTF-8, UTF-16 with a byte order mark, or an encoding by name.

Bytes are decoded as they arrive, so that a file of any size takes the memory of one chunk. A byte
that does not decode spoils its own line only; where many lines are spoilt, the encoding is wrong.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from ftlearn.data.encodings import guess, suggest, to_try, unit
from ftlearn.data.errors import DataError

LONGEST_MARK = 4
CHUNK = 2**20
SPOILT = re.compile("[\ud800-\udfff]")
"""What stands in a decoded line for bytes that do not decode: halves of surrogate pairs."""
HALF = "\ud800"
SPOILT_SHARE = 0.05
"""More spoilt lines than this share, and more than good lines beyond ASCII, are an error."""
CHECK_EVERY = 1000
SAMPLE = 50


class Bytes:
    """A binary stream, read once from start to end, that counts the bytes read."""

    def __init__(self, stream: BinaryIO, place: str) -> None:
        self.place = place
        self.done = 0
        self._stream = stream
        self._first: bytes | None = None

    @property
    def first(self) -> bytes:
        """The first bytes, enough to hold a byte order mark; iteration yields them, too."""
        if self._first is None:
            chunk = self._stream.read1(CHUNK)
            self._first = chunk
            while chunk and len(self._first) < LONGEST_MARK:
                chunk = self._stream.read1(CHUNK)
                self._first += chunk
        return self._first

    def __iter__(self) -> Iterator[bytes]:
        chunk = self.first
        while chunk:
            self.done += len(chunk)
            yield chunk
            chunk = self._stream.read1(CHUNK)


class Lines:
    r"""The lines of a binary stream with their ends, in order, and how many of them are spoilt.

    A line ends at \n, or at \r where the first line does and `newline` is None: a \r inside a file
    with other line ends belongs to a text. A byte order mark is left out. A line with bytes that do
    not decode holds halves of surrogate pairs in their place; `fault` says why.

    Raises `DataError` for an unknown encoding, for UTF-16 without its byte order mark, and, while
    or after the lines are read, where more than one line in twenty is spoilt and fewer good lines
    go beyond ASCII: then the encoding is wrong, and the error names the one to try.

    >>> import io
    >>> lines = Lines(Bytes(io.BytesIO("caf\u00e9\r\nau lait".encode("utf-16")), "here"))
    >>> lines.encoding, list(lines) == ["caf\u00e9\r\n", "au lait"]
    ('utf-16', True)
    """

    def __init__(
        self, source: Bytes, encoding: str | None = None, newline: str | None = None
    ) -> None:
        self.place = source.place
        self.encoding = encoding or guess(source.first, source.place)
        self.count = self.spoilt = self.beyond_ascii = 0
        self._source = source
        self._sample: list[tuple[int, str]] = []
        try:
            self._unit = unit(self.encoding)
            self._decoder = codecs.getincrementaldecoder(self.encoding)(self._errors)
            "".encode(self.encoding)
        except (LookupError, ValueError):
            raise DataError(
                f"{encoding!r} is not a known encoding; try 'utf-8' or 'cp1252'."
            ) from None
        self._end = newline or _first_end(source, self.encoding)

    @property
    def _errors(self) -> str:
        """The error handler that puts half a surrogate pair in place of undecodable bytes."""
        return "surrogateescape" if self._unit == 1 else "surrogatepass"

    def __iter__(self) -> Iterator[str]:
        for line in self._decoded():
            self.count += 1
            if not line.isascii():
                self._count(line)
            yield line
            if self.count % CHECK_EVERY == 0:
                self._check()
        self._check()

    def fault(self, text: str) -> str | None:
        """Why a text of one or more lines cannot be read; None where all of it was decoded."""
        spoilt = None if text.isascii() else SPOILT.search(text)
        if spoilt is None:
            return None
        if self._unit == 1:
            return f"byte 0x{ord(spoilt[0]) & 0xFF:02x} is not {self.encoding}"
        return f"half a character is not {self.encoding}"

    def note(self) -> str | None:
        """What to try where lines are spoilt and no other line confirms the encoding."""
        if not self.spoilt or self.beyond_ascii or self._unit > 1:
            return None
        lines = "1 line holds bytes" if self.spoilt == 1 else f"{self.spoilt} lines hold bytes"
        return (
            f"{lines} that are not {self.encoding}, and no other goes beyond ASCII; "
            f"where they are letters, {self.remedy()}"
        )

    def _decoded(self) -> Iterator[str]:
        """The lines with their ends, each as soon as it is complete."""
        pending = ""  # the beginning of a line whose end has not arrived
        at_start = True
        for text in self._texts():
            if at_start and text:
                text = text.removeprefix("\ufeff")
                at_start = False
            *complete, rest = text.split(self._end)
            if not complete:
                pending += rest
                continue
            yield pending + complete[0] + self._end
            for line in complete[1:]:
                yield line + self._end
            pending = rest
        if pending:
            yield pending

    def _texts(self) -> Iterator[str]:
        """The chunks of the stream, decoded."""
        try:
            for chunk in self._source:
                yield self._decoder.decode(chunk)
            yield self._flush()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.place} is not {self.encoding} ({error.reason}); the file is damaged, or "
                "its encoding is another: write it again, or name another encoding."
            ) from None
        except UnicodeError as error:
            raise DataError(
                f"{self.place} is not {self.encoding} ({error}); name another encoding."
            ) from None

    def _flush(self) -> str:
        """What the decoder still holds; in UTF-16 and UTF-32 a file may end inside a character."""
        try:
            return self._decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            if self._unit == 1:
                raise
            return HALF

    def _count(self, line: str) -> None:
        """Count a line beyond ASCII as spoilt or good, and keep the first spoilt ones."""
        if SPOILT.search(line):
            self.spoilt += 1
            if len(self._sample) < SAMPLE:
                self._sample.append((self.count, line))
        else:
            self.beyond_ascii += 1

    def _check(self) -> None:
        """Raise `DataError` where so many lines are spoilt that the encoding must be wrong."""
        limit = max(1, self.beyond_ascii, SPOILT_SHARE * self.count)
        if self.spoilt > limit:
            number, line = self._sample[0]
            raise DataError(
                f"{self.place}: {self.spoilt} of {self.count} lines hold what is not "
                f"{self.encoding}, the first is line {number} ({self.fault(line)}); "
                f"{self.remedy()}."
            )

    def remedy(self) -> str:
        """What to try, judging by the spoilt lines so far."""
        if self._unit > 1:
            return "the file is damaged, write it again"
        spoilt = "".join(line for _, line in self._sample)
        return to_try(suggest(spoilt.encode(self.encoding, self._errors), self.encoding))


def _first_end(source: Bytes, name: str) -> str:
    """The line end of the first line."""
    try:
        start = codecs.getincrementaldecoder(name)("ignore").decode(source.first)
    except UnicodeError:  # reported when the first line is read
        return "\n"
    end = re.search(r"\r(?=[^\r\n])|\n", start)
    return end[0] if end else "\n"
