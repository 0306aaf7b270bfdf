"""A sentence that says what is to be seen, and the tables and figures that show it."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from ftlearn import figures, showing
from ftlearn.showing import AsHtml, Markup, tag

Shown = DataFrame | Axes | Figure


@dataclass(frozen=True)
class View(AsHtml):
    """One sentence and what goes with it; a notebook shows both, a screen reader reads the first.

    >>> View("two rows", (DataFrame({"a": [1, 2]}),)).as_html()[:40]
    '<p role="status" aria-live="polite">two '
    """

    says: str
    shows: tuple[Shown, ...] = ()

    def as_html(self) -> Markup:
        """The sentence as a status that screen readers say, then tables and figures."""
        sentence = tag("p", self.says, role="status", aria_live="polite")
        return showing.join(sentence, *(drawn(each, alt=self.says) for each in self.shows))

    def __repr__(self) -> str:
        tables = [each.to_string() for each in self.shows if isinstance(each, DataFrame)]
        return "\n\n".join([self.says, *tables])


def drawn(shown: Shown, *, alt: str) -> Markup:
    """A table as pandas shows it, or a figure as a picture with its description."""
    if isinstance(shown, DataFrame):
        return showing.frame(shown)
    return showing.image(figures.png(shown), alt)
