"""Building blocks of pages: numbers, texts, tables and pictures, all escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from ftlearn import figures, markup, runtime
from ftlearn.markup import Markup, escape, join, tag
from ftlearn.metrics import Interval

LONG_TEXT = 280
LONG_NAME = 48
"""Characters up to which a text, or a name, is shown at once; the rest unfolds."""


def number(value: float | None) -> str:
    """A measured value for people: whole numbers in full, others to three digits.

    >>> number(12345), number(0.9), number(-61234.5), number(2.5e-5), number(None)
    ('12,345', '0.900', '−61,234', '2.5e-05', 'not defined')
    """
    if value is None or value != value:
        return "not defined"
    size = abs(value)
    if isinstance(value, int):
        shown = f"{size:,}"
    elif size < 1:
        shown = f"{size:.3g}" if 0 < size < 0.0005 else f"{size:.3f}"
    else:
        shown = f"{size:#.3g}".rstrip(".") if size < 999.5 else f"{size:,.0f}"
    return f"−{shown}" if value < 0 else shown


def percent(share: float, digits: int = 1) -> str:
    """A share of 1 as per cent, its sign on the same line.

    >>> percent(0.8166)
    '81.7\\xa0%'
    """
    return f"{100 * share:.{digits}f}\u00a0%"


def interval(measured: Any) -> Interval | None:
    """A measured value from a report: a number or {value, low, high}. None for anything else.

    >>> interval({"value": 0.5, "low": 0.4, "high": 0.6})
    Interval(value=0.5, low=0.4, high=0.6)
    """
    if isinstance(measured, Mapping):
        value = measured.get("value")
        low, high = measured.get("low"), measured.get("high")
    else:
        value = low = high = measured
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Interval(value, value if low is None else low, value if high is None else high)


def scored(measured: Any) -> str:
    """A measured value with its interval.

    >>> scored({"value": 0.5, "low": 0.4, "high": 0.6}), scored(3.0), scored({"value": None})
    ('0.500 [0.400, 0.600]', '3.00', 'not defined')
    """
    score = interval(measured)
    if score is None:
        return "not defined"
    if not score.low < score.high:
        return number(score.value)
    return f"{number(score.value)} [{number(score.low)}, {number(score.high)}]"


def text(value: object, limit: int = LONG_NAME) -> Markup:
    """A text from the data, isolated from the writing direction around it, and never translated.

    One longer than ``limit`` characters is cut short and unfolds to its full length.

    >>> text("a<b")
    '<bdi translate="no">a&lt;b</bdi>'
    """
    full = str(value)
    if len(full) <= limit:
        return tag("bdi", full, translate="no")
    short = tag("summary", tag("bdi", full[:limit].rstrip() + " …", translate="no"))
    return tag("details", short, tag("bdi", full, class_="full", translate="no"))


def words(value: object, limit: int = LONG_NAME) -> Markup:
    """Words of our own; what comes as Markup, such as ``text``, stays as it is.

    >>> words("metric"), words(text("a<b"))
    ('<bdi>metric</bdi>', '<bdi translate="no">a&lt;b</bdi>')
    """
    if isinstance(value, Markup):
        return value
    full = str(value)
    return tag("bdi", full) if len(full) <= limit else text(full, limit)


def table(
    caption: str,
    head: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    kind: str | None = None,
) -> Markup:
    """A table that scrolls by itself on a narrow screen; the first cell is the head of its row.

    Heads are our own words; names and texts from the data come as ``text``.
    """
    top = tag("thead", tag("tr", *(tag("th", words(name), scope="col") for name in head)))
    body = tag("tbody", *(tag("tr", _row_head(first), *map(cell, rest)) for first, *rest in rows))
    element = tag("table", tag("caption", caption), top, body, class_=kind)
    return tag("div", element, class_="scroll", role="region", aria_label=caption, tabindex=0)


def _row_head(value: object) -> Markup:
    return tag("th", words(value), scope="row")


def cell(value: object) -> Markup:
    """A cell: Markup is one already, numbers are aligned to the right, other values are text."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, int | float | Interval) and not isinstance(value, bool):
        shown = scored(value._asdict()) if isinstance(value, Interval) else number(value)
        return tag("td", shown, class_="number")
    return tag("td", text(value, LONG_TEXT), class_="text")


def facts(caption: str, values: Mapping[str, Any], *, exact: bool = False) -> Markup:
    """Named values of any kind and depth as a table; nothing is left out.

    ``exact`` shows numbers with all their digits, as settings need them.
    """
    rows = [
        (name.replace("_", " "), cell(_plain(name, value, exact))) for name, value in _flat(values)
    ]
    return table(caption, ("what", "value"), rows, kind="facts")


def _flat(values: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{above}: {key}" if above else str(key)
        if isinstance(value, Mapping) and value and interval(value) is None:
            yield from _flat(value, name)
        else:
            yield name.replace("_bytes", ""), _sized(name, value)


def _sized(name: str, value: Any) -> Any:
    is_size = "_bytes" in name and isinstance(value, int | float)
    return runtime.format_bytes(value) if is_size else value


def _plain(name: str, value: Any, exact: bool) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        return str(value) if exact or name == "seed" else number(value)
    if isinstance(value, Mapping):
        parts = [f"{key}: {_plain(key, part, exact)}" for key, part in value.items()]
        return scored(value) if interval(value) else "; ".join(parts) or "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_plain(name, part, exact) for part in value) or "none"
    return str(value)


def picture(ax: Axes, alt: str, caption: str, *, kind: str) -> Markup:
    """A figure inside the page, with its description in words; the figure is closed."""
    image = markup.image(figures.png(ax, dpi=160), alt)
    return tag("figure", image, tag("figcaption", caption), class_=kind)


def section(title: str, *content: object) -> Markup:
    """A part of the page under its heading; empty where there is no content."""
    inside = join(*content)
    return tag("section", tag("h2", title), inside) if inside else escape("")


def paragraph(*content: object, kind: str | None = None) -> Markup:
    """A paragraph; ``kind`` names its look: headline or note."""
    return tag("p", *content, class_=kind)
