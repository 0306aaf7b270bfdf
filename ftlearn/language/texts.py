"""Translation of composed texts: HTML, Markdown, and the text form of values."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Callable

from ftlearn.language.catalogue import Catalogue, latin_letters

_TAG = re.compile(
    r'(<style.*?</style>|<code.*?</code>|<pre.*?</pre>|<bdi [^>]*translate="no".*?</bdi>|<[^>]+>)',
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r'\b(alt|aria-label|placeholder|title)="([^"]*)"')
_QUOTED = re.compile(r"'([^'\\\n]+)'|\"([^\"\\\n]+)\"")
_VALUE = re.compile(r"[\[{(]*['\"]")
"""How the text form of a dictionary or a list begins: its names are translated one by one."""
_LEAD = re.compile(r"((?:\s*(?:[-*>] |\d+\. |#+ ))?(?:\*\*\w+\*\* (?:· |: )?)?)(.*)", re.DOTALL)
_LETTER = r"(?:\*\*[a-z]\*\*|[a-z]): "
_REASON = re.compile(rf"(?:^|(?<=; ))({_LETTER})(.*?)(?=; {_LETTER}|$)")


def html(text: str, catalogue: Catalogue) -> str:
    """HTML with its texts, labels and alternative texts translated.

    Code stays as it is, and what stands in a ``bdi`` with ``translate="no"``.

    >>> html('<p title="loss">loss</p><code>loss</code>', Catalogue({"loss": "损失"}))
    '<p title="损失">损失</p><code>loss</code>'
    """
    parts = _TAG.split(text)
    return "".join(
        _attributes(part, catalogue) if number % 2 else _node(part, catalogue)
        for number, part in enumerate(parts)
    )


def _node(text: str, catalogue: Catalogue) -> str:
    """A piece of text between two tags: as it is, or else without the white space around it."""
    for words in (text, text.strip()):
        english = entities.unescape(words)
        translation = catalogue.translate(english)
        if translation != english:
            return text.replace(words, entities.escape(translation, quote=False))
    return text


def _attributes(tag: str, catalogue: Catalogue) -> str:
    if tag.startswith("<pre"):
        start, end = tag.index(">") + 1, tag.rindex("</")
        inside = entities.unescape(tag[start:end])
        return tag[:start] + entities.escape(output(inside, catalogue)) + tag[end:]
    if tag.startswith(("<style", "<code")) or (tag.startswith("<bdi") and tag.endswith("</bdi>")):
        return tag

    def translated(match: re.Match[str]) -> str:
        value = catalogue.translate(entities.unescape(match[2]))
        return f'{match[1]}="{entities.escape(value)}"'

    return _ATTRIBUTE.sub(translated, tag)


def markdown(text: str, catalogue: Catalogue) -> str:
    """Markdown, whole if the catalogue has it, or else line by line behind bullets and letters.

    >>> catalogue = Catalogue({"the sign is wrong": "符号错了", "right": "对"})
    >>> markdown("- **a** · the sign is wrong", catalogue)
    '- **a** · 符号错了'
    >>> markdown("a: the sign is wrong; c: right", catalogue)
    'a: 符号错了; c: 对'
    """
    return _by_line(text, catalogue, _line)


def _by_line(text: str, catalogue: Catalogue, of_line: Callable[[str, Catalogue], str]) -> str:
    """The translation of a whole text, or else of each of its lines."""
    whole = catalogue.translate(text)
    if whole != text:
        return whole
    return "\n".join(of_line(line, catalogue) for line in text.split("\n"))


def _line(line: str, catalogue: Catalogue) -> str:
    translation = catalogue.translate(line)
    if translation != line:
        return translation
    reasons = _REASON.sub(lambda match: match[1] + catalogue.translate(match[2]), line)
    if reasons != line:
        return reasons
    lead = _LEAD.fullmatch(line)
    return lead[1] + catalogue.translate(lead[2]) if lead else line


def output(text: str, catalogue: Catalogue) -> str:
    """The text form of a value: whole, or else line by line, or else its quoted names.

    >>> output("{'loss': 0.5, 'm': 3}", Catalogue({"loss": "损失"}))
    "{'损失': 0.5, 'm': 3}"
    """
    return _by_line(text, catalogue, _output_line)


def lines(text: str, catalogue: Catalogue) -> str:
    """Text for a terminal: whole, or else line by line; what stands in quotes may be data.

    >>> lines("  loss\\nthe column 'loss'", Catalogue({"loss": "损失"}))
    "  损失\\nthe column 'loss'"
    """
    return _by_line(text, catalogue, _whole_line)


def _whole_line(line: str, catalogue: Catalogue) -> str:
    """A line as it is or without the white space around it, whichever leaves less English."""
    words = line.strip()
    inside = line.replace(words, catalogue.translate(words)) if words else line
    return min(catalogue.translate(line), inside, key=latin_letters)


def _output_line(line: str, catalogue: Catalogue) -> str:
    if not _VALUE.match(line.strip()):
        whole = _whole_line(line, catalogue)
        if whole != line:
            return whole
    return _QUOTED.sub(lambda match: _quoted(match, catalogue), line)


def _quoted(match: re.Match[str], catalogue: Catalogue) -> str:
    text, mark = match[1] or match[2], match[0][0]
    return f"{mark}{catalogue.translate(text)}{mark}"
