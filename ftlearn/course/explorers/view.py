"""A sentence that says what is to be seen, and the tables and figures that show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame, Series
from pandas.api.types import is_float_dtype

from ftlearn import figures, markup
from ftlearn.markup import AsHtml, Markup, tag

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
        return markup.join(sentence, *(drawn(each, alt=self.says) for each in self.shows))

    def __repr__(self) -> str:
        tables = [
            each.to_string(max_colwidth=60) for each in self.shows if isinstance(each, DataFrame)
        ]
        return "\n\n".join([self.says, *tables])


def drawn(shown: Shown, *, alt: str) -> Markup:
    """A table with its texts on the left, or a figure as a picture with its description."""
    if isinstance(shown, DataFrame):
        return table(shown)
    return markup.image(figures.png(shown), alt)


def table(frame: DataFrame) -> Markup:
    """A small table whose names are headers for a screen reader, and whose texts begin on the left.

    >>> table(DataFrame({"a": [1.5]}, index=["b"]))[:57]
    '<table><thead><tr><th></th><th scope="col">a</th></tr></t'
    """
    columns = [_cells(column) for _, column in frame.items()]
    names = [
        tag("th", _left(name) if cells and isinstance(cells[0], Markup) else name, scope="col")
        for name, cells in zip(frame.columns, columns, strict=True)
    ]
    head = tag("tr", tag("th", frame.index.name or ""), *names)
    rows = [
        tag("tr", tag("th", name, scope="row"), *(tag("td", cell) for cell in cells))
        for name, *cells in zip(frame.index, *columns, strict=True)
    ]
    return tag("table", tag("thead", head), tag("tbody", *rows))


def _cells(column: Series) -> list[Any]:
    """What to write for each value: texts on the left, numbers with equally many decimals."""
    if is_float_dtype(column):
        places = max((len(f"{value:g}".partition(".")[2]) for value in column), default=0)
        return [f"{value:.{places}f}" for value in column]
    return [_left(value) if isinstance(value, str) else value for value in column]


def _left(text: str) -> Markup:
    """A text that begins on the left, where the style sheets of notebooks set cells to the right.

    >>> _left("a")
    '<div align="left">a</div>'
    """
    return tag("div", text, align="left")
