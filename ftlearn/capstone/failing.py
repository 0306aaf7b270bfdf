"""What a check raises where its point is not earned."""

from __future__ import annotations

from ftlearn.errors import FtlearnError


class Failed(FtlearnError, ValueError):  # noqa: N818 - no error of a program: a finding
    """A point that is not earned; the message says what was found."""
