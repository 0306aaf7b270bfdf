"""Tables among stored outputs: which columns hold words, so that styles can align and wrap them."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

LONG = 30
"""A column whose texts are wider than so many letters wraps; a Chinese sign is two letters."""
_STYLE = re.compile(r"<style scoped>.*?</style>\n?", re.DOTALL)
_TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
ROW = re.compile(r"<tr.*?</tr>", re.DOTALL)
_CELL = re.compile(r"<(t[hd])\b([^>]*)>(.*?)</\1>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_SPAN = re.compile(r'\b(row|col)span="(\d+)"')
_SAID_TO_BE_WORDS = '<div align="left">'
"""How the package's explorers write a text: they know the type of their columns."""

_UNIT = (
    r"%|‰|[kMGT]?i?B|[kMGT]|ms|s|min|h|k?Wh?|k?g|nats?|bits?|px|tokens/s|°C|"
    r"秒|分钟|小时|天|年|奈特|奈|比特|词元|[个条次词倍元万亿]"
)
_FIGURE = re.compile(
    rf"(?<![\w.])(?:\d[\d,.]*|\.\d+)(?:[eE][-+−]?\d+)?(?:[\])]*\s?(?:{_UNIT}))?(?!\w)"
)
_NOTHING = re.compile(r"(?i:[-+−±]?(?:inf|nan|<NA>|NaT|None))|[-–—…]*")
_BETWEEN = re.compile(
    r"(?:\s|[-+−–—~≈<>≤≥=±×*/:;,·()（），、\[\]{}%$€]|→|\b(?:to|in)\b|到|至|(?i:\b(?:inf|nan)\b))*"
)


@dataclass
class Cell:
    """A cell and its place: the column in which it begins."""

    column: int
    spans: bool
    content: str

    @property
    def text(self) -> str:
        """What a reader sees."""
        return shown(self.content)


def shown(content: str) -> str:
    """The text of a piece of HTML."""
    return html.unescape(_TAG.sub("", content)).strip()


def without_style(output: str) -> str:
    """The HTML of an output without the style that pandas writes into each table."""
    return _STYLE.sub("", output)


def aligned(output: str) -> str:
    """Tables whose columns of words, heads included, have the class `words`.

    Long texts have the class `long`, too.

    >>> aligned("<table><tr><td>the</td><td>-inf</td></tr></table>")
    '<table><tr><td class="words">the</td><td>-inf</td></tr></table>'
    """
    return _TABLE.sub(lambda found: aligned_table(found[0]), output)


def aligned_table(table: str) -> str:
    """One table whose columns of words have a class."""
    head, end, body = table.partition("</thead>")
    if not end:
        head, body = "", table
    contents: dict[int, list[Cell]] = {}
    for cell in placed(body):
        if not cell.spans:
            contents.setdefault(cell.column, []).append(cell)
    kinds = {column: kind(cells) for column, cells in contents.items()}
    return marked(head, kinds) + end + marked(body, kinds)


def placed(rows: str) -> Iterator[Cell]:
    """The cells of rows in their order, each with its column: those that span rows push others."""
    taken: dict[int, int] = {}
    for row in ROW.findall(rows):
        column = 0
        free = {place: left - 1 for place, left in taken.items() if left > 0}
        for _, attributes, content in _CELL.findall(row):
            while taken.get(column, 0) > 0:
                column += 1
            spans = {name: int(count) for name, count in _SPAN.findall(attributes)}
            yield Cell(column, spans.get("col", 1) > 1, content)
            for place in range(column, column + spans.get("col", 1)):
                free[place] = spans.get("row", 1) - 1
            column += spans.get("col", 1)
        taken = free


def kind(cells: list[Cell]) -> str:
    """The classes of a column: none for numbers, which stand on the right."""
    said = any(_SAID_TO_BE_WORDS in cell.content for cell in cells)
    if not said and all(is_number(cell.text) for cell in cells):
        return ""
    return "words long" if any(width(cell.text) > LONG for cell in cells) else "words"


def marked(rows: str, kinds: dict[int, str]) -> str:
    """Rows whose cells have the classes of their columns; a head over several columns has none."""
    cells = placed(rows)

    def opened(found: re.Match[str]) -> str:
        cell = next(cells)
        classes = "" if cell.spans else kinds.get(cell.column, "")
        added = f' class="{classes}"' if classes else ""
        return f"<{found[1]}{found[2]}{added}>{found[3]}</{found[1]}>"

    return ROW.sub(lambda row: _CELL.sub(opened, row[0]), rows)


def is_number(text: str) -> bool:
    """Whether a cell is read as a number: an interval, a share or a missing value is one, too.

    >>> [text for text in ("1e-3", "0.1 [-0.2, 0.4]", "5 %", "inf", "404", "NA", "8f23") if
    ...  is_number(text)]
    ['1e-3', '0.1 [-0.2, 0.4]', '5 %', 'inf', '404']
    """
    rest, figures = _FIGURE.subn(" ", text)
    return bool((_BETWEEN if figures else _NOTHING).fullmatch(rest.strip()))


def width(text: str) -> int:
    """The width of a text in letters; a Chinese sign is as wide as two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
