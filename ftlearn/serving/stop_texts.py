"""Texts at which an answer ends, found while it grows."""

from __future__ import annotations

from collections.abc import Sequence


class StopTexts:
    """Passes a text on in pieces, up to the first of some stop texts.

    What may be the beginning of a stop text is held back until it is decided.

    >>> stops = StopTexts(["###"])
    >>> stops.add("a#"), stops.add("b##"), stops.add("#c"), stops.found
    ('a', '#b', '', True)
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.stops = stops
        self.found = False
        self._held = ""

    def add(self, piece: str) -> str:
        """What can be shown after a further piece."""
        text = self._held + piece
        places = [place for stop in self.stops if (place := text.find(stop)) >= 0]
        if places:
            self.found = True
            self._held = ""
            return text[: min(places)]
        held = max((_overlap(text, stop) for stop in self.stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def rest(self) -> str:
        """What was held back, when no piece comes any more."""
        return self._held


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of a text with which a stop text begins.

    >>> _overlap("a##", "###"), _overlap("ab", "c")
    (2, 0)
    """
    lengths = range(min(len(text), len(stop) - 1), 0, -1)
    return next((length for length in lengths if text.endswith(stop[:length])), 0)
