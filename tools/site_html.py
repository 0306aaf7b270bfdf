"""What Sphinx and MyST-NB write that readers stumble over, put right in the pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tools import output_tables, site_headings

_SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.DOTALL)
_BLOCKS = {
    "<dl>": '<div class="parameters">',
    "</dl>": "</div>",
    "<dd>": "<div>",
    "</dd>": "</div>",
}
_HIDING_LABEL = ' aria-label="Toggle hidden content"'
_IMAGE = re.compile(r'<img [^>]*src="(?:[^"]*_images/|data:image/png)[^>]*>')
_FORMULA = re.compile(
    r'([（《「“(]*)(<span class="math [^>]*>[^<]*</span>)([，。；：！？、）》」”’.,;:!?)]*)'
)
_TABLE_CELL = re.compile(r"<td( [^>]*)?><p>(.*?)</p></td>", re.DOTALL)
_ANY_CELL = re.compile(r"<td\b.*?</td>", re.DOTALL)
_NOT_BEFORE_BRACKETS = re.compile(r" (?![\[(])")
_LONG_NAME = re.compile(r'(?<=<span class="pre">)[\w./:]{24,}(?=</span>)')
_NEXT_NAME = re.compile(r"(</code>[,，、]) ?(?=<code)")
_JOINT = re.compile(r"(?<=[^\W_])(::(?=\w)|/(?=\w)|_(?=[^\W_]))")
_OPTION = re.compile(r'<span class="pre">(?=--[^<]{1,30}<)')
_AS_IT_IS = re.compile(
    r'(<(pre|code|script|style)\b.*?</\2>|<(span|div) class="math .*?</\3>|<[^>]+>)', re.DOTALL
)
"""Code and formulas, in which a space must stay a space, and tags."""
_BOUNDS = re.compile(r"(?<=\[)([-−+]?[\d.]+,) (?=[-−+]?[\d.]+\])")
"""The space within an interval."""
_PARTED = re.compile(r"(?<=\d) (?=(?:%|‰|[kKMGT]i?B|GB/s|kg|g|kWh|Wh|W|ms|s|min|h|°C)(?![\w/]))")


def mend_page(
    app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Sphinx' hook `html-page-context`: changes the body of a page, and the 404 page's links."""
    if pagename == app.config.notfound_pagename:
        context["content_root"] = app.config.notfound_urls_prefix
    if "body" in context:
        context["body"] = mended(context["body"])
        if app.config.language.startswith("zh"):
            context["body"] = site_headings.breakable(context["body"])


def mended(body: str) -> str:
    """The HTML of a page in which lists have terms, and what is folded has its visible name.

    Sphinx writes the parameters of a long signature as a list of definitions without terms.

    >>> mended('<dt class="sig x"><dl><dd>y</dd></dl></dt>')
    '<dt class="sig x"><div class="parameters"><div>y</div></div></dt>'
    >>> mended('<summary aria-label="Toggle hidden content">Checks</summary>')
    '<summary>Checks</summary>'
    """
    body = _SIGNATURE.sub(lambda found: blocks(found[0]), body.replace(_HIDING_LABEL, ""))
    return unparted(jointed(boxed(body)))


def boxed(body: str) -> str:
    """Images in boxes, in which broad ones scroll on a phone (site.css, site.js).

    >>> boxed('<img alt="x" src="_images/x.png" />')
    '<span class="picture"><img alt="x" src="_images/x.png" /></span>'
    >>> boxed('<img src="data:image/png;base64,AA" />')
    '<span class="picture"><img src="data:image/png;base64,AA" /></span>'
    """
    return _IMAGE.sub(r'<span class="picture">\g<0></span>', body)


def jointed(body: str) -> str:
    """Long names in cells of tables, each on lines of its own and with places for breaks.

    Without such places they widen their column.

    >>> jointed('<td><span class="pre">test_a.py::test_a_long_name</span></td>').count("<wbr>")
    5
    """
    return _ANY_CELL.sub(lambda cell: with_breaks(cell[0]), body)


def with_breaks(cell: str) -> str:
    """A cell whose long names have a place for a break behind each of their joints."""
    broken, names = _LONG_NAME.subn(lambda name: _JOINT.sub(r"\1<wbr>", name[0]), cell)
    return _NEXT_NAME.sub(r"\1<br>", broken) if names else cell


def unparted(body: str) -> str:
    """What a line must not part: formulas and their marks, numbers and their units, options.

    Browsers break lines before and after a formula, even before a full stop.
    """
    body = _FORMULA.sub(with_marks, body)
    body = _TABLE_CELL.sub(number_cell, body)
    body = _OPTION.sub('<span class="pre option">', body)
    return in_text(whole, body)


def in_text(change: Callable[[str], str], body: str) -> str:
    """The HTML after a change of its texts, though not of code, formulas and tags.

    >>> in_text(str.upper, "a <b>c <code>d</code></b>")
    'A <b>C <code>d</code></b>'
    """
    pieces = _AS_IT_IS.split(body)
    # The pattern has three groups: every fourth piece is text.
    pieces[::4] = [change(text) for text in pieces[::4]]
    return "".join(pieces[place] or "" for place in range(len(pieces)) if place % 4 < 2)


def whole(text: str) -> str:
    """A text whose numbers keep their units, and whose intervals keep both bounds, on one line.

    >>> whole("0.1 [0.05, 0.2] of 3 s")
    '0.1 [0.05,\\xa00.2] of 3\\xa0s'
    """
    together = _BOUNDS.sub("\\1\N{NO-BREAK SPACE}", text)
    return _PARTED.sub("\N{NO-BREAK SPACE}", together)


def with_marks(found: re.Match[str]) -> str:
    """A formula and the marks that touch it, in a box that a line does not part."""
    marked = found[1] or found[3]
    return f'<span class="unparted">{found[0]}</span>' if marked else found[0]


def number_cell(found: re.Match[str]) -> str:
    """A cell of a guide's table; one of numbers has no break, or only before brackets."""
    text = output_tables.shown(found[2])
    if not text or "class=" in (found[1] or "") or not output_tables.is_number(text):
        return found[0]
    together = in_text(lambda text: _NOT_BEFORE_BRACKETS.sub("\N{NO-BREAK SPACE}", text), found[2])
    return f'<td class="number"{found[1] or ""}><p>{together}</p></td>'


def not_found(words: dict[str, Any], other: dict[str, Any], base: str) -> str:
    """The body of the 404 page, in both languages: a host has one such page for the whole site."""
    texts = [said["not_found_text"].format(base + said["prefix"]) for said in (words, other)]
    code = other["sphinx"].replace("_", "-")
    return f'<h1>{words["not_found"]}</h1><p>{texts[0]}</p><p lang="{code}">{texts[1]}</p>'


def blocks(signature: str) -> str:
    """The HTML of a signature with blocks in place of lists."""
    for old, new in _BLOCKS.items():
        signature = signature.replace(old, new)
    return signature
