"""What an explorer returns: a sentence, and the tables, figures and tokens that support it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame, Series
from pandas.api.types import is_float_dtype

from ftlearn import figures, markup
from ftlearn.markup import AsHtml, Markup, tag
from ftlearn.tasks.token_view import TokenView

Element = DataFrame | Axes | Figure | TokenView


@dataclass(frozen=True)
class View(AsHtml):
    """One sentence with tables, figures and tokens; a screen reader reads the sentence aloud.

    >>> View("two rows", (DataFrame({"a": [1, 2]}),)).as_html()[:40]
    '<p role="status" aria-live="polite">two '
    """

    sentence: str
    elements: tuple[Element, ...] = ()

    def as_html(self) -> Markup:
        """The sentence as a status for screen readers, then the elements."""
        status = tag("p", self.sentence, role="status", aria_live="polite")
        elements = [element_html(element, alt=self.sentence) for element in self.elements]
        return markup.join(status, *elements)

    def __repr__(self) -> str:
        texts = [
            element.tokens_text()
            if isinstance(element, TokenView)
            else element.to_string(max_colwidth=60)
            for element in self.elements
            if isinstance(element, DataFrame | TokenView)
        ]
        return "\n\n".join([self.sentence, *texts])


def element_html(element: Element, *, alt: str) -> Markup:
    """A table, tokens, or a figure as an image with its description."""
    if isinstance(element, DataFrame):
        return table(element)
    if isinstance(element, TokenView):
        return element.tokens_html()
    return markup.image(figures.png(element), alt)


def table(frame: DataFrame) -> Markup:
    """A small table with headers for screen readers and left-aligned texts.

    >>> table(DataFrame({"a": [1.5]}, index=["b"]))[:57]
    '<table><thead><tr><th></th><th scope="col">a</th></tr></t'
    """
    columns = [_cells(column) for _, column in frame.items()]
    names = [
        tag(
            "th",
            _left_aligned(name) if cells and isinstance(cells[0], Markup) else name,
            scope="col",
        )
        for name, cells in zip(frame.columns, columns, strict=True)
    ]
    head = tag("tr", tag("th", frame.index.name or ""), *names)
    rows = [
        tag("tr", tag("th", name, scope="row"), *(tag("td", cell) for cell in cells))
        for name, *cells in zip(frame.index, *columns, strict=True)
    ]
    return tag("table", tag("thead", head), tag("tbody", *rows))


def _cells(column: Series) -> list[Any]:
    """The content of each cell: texts left-aligned, numbers with the same number of decimals."""
    if is_float_dtype(column):
        decimals = max((len(f"{value:g}".partition(".")[2]) for value in column), default=0)
        return [f"{value:.{decimals}f}" for value in column]
    return [_left_aligned(value) if isinstance(value, str) else value for value in column]


def _left_aligned(text: str) -> Markup:
    """A left-aligned text: the style sheets of notebooks align cells to the right.

    >>> _left_aligned("a")
    '<div align="left">a</div>'
    """
    return tag("div", text, align="left")
