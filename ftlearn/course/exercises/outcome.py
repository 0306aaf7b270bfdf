"""The outcome of a check: as text, as HTML and, for quiz questions, as Markdown with formulas."""

from __future__ import annotations

import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path

from ftlearn import markup
from ftlearn.markup import AsHtml, Markup

PASSED, NOT_YET, ERROR = "passed", "not yet", "error"
NOT_ATTEMPTED = "not attempted"
SIGNS = {PASSED: "✔", NOT_YET: "✎", ERROR: "⚠", NOT_ATTEMPTED: "○"}
"""A sign for each status, always shown beside the word."""
MAX_LINES = 8
"""At most this many lines of the learner's code are shown for an error."""

_INSTALLED = tuple(
    str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib")
)
_PACKAGE = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True)
class Outcome(AsHtml):
    """The result of a check: a status, a sentence about it, and details such as a traceback.

    status is passed, not yet, error or not attempted. ``markdown`` says that the message is
    Markdown with formulas, as a quiz question is.

    >>> Outcome("passed", "well done")
    passed: well done
    """

    status: str
    message: str
    details: str = ""
    markdown: bool = False

    def __repr__(self) -> str:
        gap = "\n\n" if "\n" in self.message else " "
        return f"{self.status}:{gap}{self.message}" + (self.details and f"\n{self.details}")

    def as_html(self) -> Markup | None:
        """One line with the status as a sign and a word; None if Markdown shows it."""
        if self.markdown:
            return None
        head = markup.tag("strong", f"{SIGNS[self.status]} {self.status}")
        details = markup.tag("pre", self.details) if self.details else ""
        return markup.tag("div", head, f": {self.message}", details, role="status")

    def _repr_markdown_(self) -> str | None:
        if not self.markdown:
            return None
        gap = "\n\n" if "\n" in self.message else " "
        return f"{SIGNS[self.status]} **{self.status}**:{gap}{self.message}"


class Shown(AsHtml, str):
    """Text that a notebook shows as it is, line by line and without quotation marks.

    >>> Shown("first line\\nsecond")
    first line
    second
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def as_html(self) -> Markup | None:
        """The text line by line."""
        return markup.tag("pre", str(self))


class ShownMarkdown(Shown):
    """Markdown that a notebook renders, formulas included."""

    __slots__ = ()

    def as_html(self) -> None:
        """Nothing: Markdown shows it, and a page would prefer HTML."""
        return

    def _repr_markdown_(self) -> str:
        return str(self)


def from_error(error: BaseException) -> Outcome:
    """The outcome of an answer that raised, with the lines of the learner's own code."""
    lines = learner_lines(error)
    name = f"{type(error).__name__}: {error}".removesuffix(": ")
    if lines:
        return Outcome(ERROR, f"your answer raised {name}", "\n".join(lines))
    return Outcome(ERROR, f"the check could not use your answer: it raised {name}")


def learner_lines(error: BaseException) -> list[str]:
    """The frames of a traceback that belong neither to ftlearn nor to an installed library.

    >>> def divide(a): return a / 0
    >>> try: divide(1)
    ... except ZeroDivisionError as error: learner_lines(error)[-1].strip()
    'line 1, in divide: def divide(a): return a / 0'
    """
    frames = traceback.extract_tb(error.__traceback__)
    lines = [
        f"  line {frame.lineno}, in {frame.name}" + (frame.line and f": {frame.line}")
        for frame in frames
        if not _installed(frame.filename)
    ]
    if len(lines) <= MAX_LINES:
        return lines
    return [*lines[: MAX_LINES // 2], "  ...", *lines[-MAX_LINES // 2 :]]


def _installed(filename: str) -> bool:
    """Whether a file belongs to ftlearn, to the standard library or to an installed package."""
    if filename.startswith("<frozen"):
        return True
    path = str(Path(filename).resolve()) if Path(filename).is_absolute() else filename
    return path.startswith((_PACKAGE, *_INSTALLED))
