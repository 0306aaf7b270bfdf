"""Repairs of one text or one label at a time; text repairs name what they changed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from typing import NamedTuple

import ftfy

from ftlearn.data.errors import DataError, close_match

INLINE = "a abbr b big cite code del em font i ins kbd mark q s small span strong sub sup tt u wbr"
BLOCK = (
    "article aside blockquote body br caption center dd div dl dt figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 head header hr html img li link main meta nav ol p pre section table tbody "
    "td tfoot th thead title tr ul"
)
BLOCKS = frozenset(BLOCK.split())
HIDDEN = r"(?:script|style)\b[^<>]*>(?=.*?</(?:script|style)\s*>)|/(?:script|style)\s*>"
TAG = (
    rf"(?:/?(?:{'|'.join((INLINE + ' ' + BLOCK).split())})(?:\s[^<>]*)?/?>|{HIDDEN}|!--(?=.*?-->))"
)
NOT_A_TAG = re.compile(rf"<(?!{TAG})", re.IGNORECASE | re.DOTALL)
NOT_AN_ENTITY = re.compile(r"&(?!#?\w{1,31};)")
MOJIBAKE_ONLY = ftfy.TextFixerConfig(
    unescape_html=False,
    uncurl_quotes=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
)


class Repair(NamedTuple):
    """A repaired text, and the names of the repairs that changed it."""

    text: str
    changes: tuple[str, ...]


def repair_text(text: str) -> Repair:
    """Remove HTML, undo mojibake (ftfy), fold whitespace; clean text is returned unchanged.

    Only known HTML tags, and entities with their semicolon, count as HTML, so that "a <b and b> c",
    "I <3 it" and "Q&A" are kept.

    >>> repair_text("<p>The caf\\u00c3\\u00a9 &amp; the   bar</p>")
    Repair(text='The café & the bar', changes=('html', 'mojibake', 'whitespace'))
    >>> repair_text("if x <y then y > x, R&D")
    Repair(text='if x <y then y > x, R&D', changes=())
    """
    steps = {"html": strip_html, "mojibake": _fix_mojibake, "whitespace": _fold}
    changes = []
    for name, step in steps.items():
        repaired = step(text)
        if repaired != text:
            changes.append(name)
        text = repaired
    return Repair(text, tuple(changes))


def strip_html(text: str) -> str:
    """The text that a browser would show: no tags, no comments, no scripts, entities resolved.

    >>> strip_html("one<br>two &lt;b&gt; <b>th</b>ree<!-- four -->")
    'one\\ntwo <b> three'
    """
    if "<" not in text and "&" not in text:
        return text
    parser = _VisibleText()
    parser.feed(NOT_A_TAG.sub("&lt;", NOT_AN_ENTITY.sub("&amp;", text)))
    parser.close()
    return "".join(parser.pieces)


class _VisibleText(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.hidden = False

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.hidden = tag in ("script", "style")
        if tag in BLOCKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.hidden = False
        if tag in BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.pieces.append(data)


def _fix_mojibake(text: str) -> str:
    return ftfy.fix_text(text, MOJIBAKE_ONLY)


def _fold(text: str) -> str:
    return " ".join(text.split())


def normalise_label(
    value: str | None, names: Sequence[str], *, aliases: Mapping[str, str] | None = None
) -> str | None:
    """The canonical name of a label as typed by a person, or None for an empty or unknown one.

    Case, outer space and punctuation are ignored; `aliases` lists other spellings.
    Raises `DataError` for an alias of a name that is not in `names`.

    >>> topics = ["technology", "health", "sports"]
    >>> aliases = {"tech": "technology", "sport": "sports"}
    >>> [normalise_label(v, topics, aliases=aliases) for v in (" Tech", "SPORTS.", "cooking", None)]
    ['technology', 'sports', None, None]
    """
    known = {_label_key(name): name for name in names}
    for alias, name in (aliases or {}).items():
        if name not in names:
            raise DataError(
                f"the alias {alias!r} stands for {name!r}, which is not one of {list(names)}."
                + close_match(name, names)
            )
        known.setdefault(_label_key(alias), name)
    return known.get(_label_key(value or ""))


def _label_key(value: str) -> str:
    return re.sub(r"[\W_]+", " ", value.casefold()).strip()
