"""Where lines of Chinese headings, and of heads of tables, may end: between words."""

from __future__ import annotations

import logging
import re

import jieba

_HEADING = re.compile(r"(<(h[1-6]|th)\b[^>]*>)(.*?)(</\2>)", re.DOTALL)
_TAG = re.compile(r"(<code\b.*?</code>|<a\b.*?</a>|<[^>]+>)", re.DOTALL)
"""What is within a heading and no word of it: code, the link to the heading, tags."""
_CHINESE = re.compile(r"[\u4e00-\u9fff]+")
ENCLITICS = frozenset("的地得了着过吗呢吧们个上下里中率熵集器")
"""Characters that belong to the word before them."""


def breakable(body: str) -> str:
    """The HTML of a page with places for breaks in its Chinese headings and heads of tables.

    Browsers know characters, not words; site.css (keep-all) lets them break nowhere else.

    >>> breakable("<h2>模型怎样回答顾客？<code>模型怎样</code></h2>")
    '<h2>模型<wbr>怎样<wbr>回答<wbr>顾客？<code>模型怎样</code></h2>'
    """
    return _HEADING.sub(lambda found: found[1] + parted(found[3]) + found[4], body)


def parted(heading: str) -> str:
    """The content of a heading with a place for a break between its words."""
    pieces = _TAG.split(heading)
    # The pattern has one group: every second piece is text.
    pieces[::2] = [_CHINESE.sub(lambda found: words(found[0]), text) for text in pieces[::2]]
    return "".join(pieces)


def words(text: str) -> str:
    """Chinese characters with a place for a break between words, though not at a single one.

    >>> words("它们的梯度又说明什么")
    '它们的<wbr>梯度<wbr>又说明<wbr>什么'
    """
    jieba.setLogLevel(logging.WARNING)  # it reports when it loads its dictionary
    parts: list[str] = []
    for word in jieba.cut(text):
        if parts and (word in ENCLITICS or (parts[-1] not in ENCLITICS and len(parts[-1]) == 1)):
            parts[-1] += word
        else:
            parts.append(word)
    return "<wbr>".join(parts)
