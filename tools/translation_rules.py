"""The rules that keep a translation true to its English: each is a function from an entry.

Numbers, authors, formulas, code, links and headings are the same in both; the terms are those of
the glossary; no line stays English; punctuation is Chinese, and emphasis is rendered beside it. A
complaint names the cell or the text.
"""

from __future__ import annotations

import calendar
import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache

import polib
from markdown_it import MarkdownIt

from ftlearn.language.catalogue import fields
from ftlearn.language.files import FOLDER, PATTERN, SOURCES
from tools import translation_numbers
from tools.translation_sources import Source

GLOSSARY = FOLDER / "zh_CN" / "glossary.csv"
ENGLISH_WORDS = 5
"""So many English words in a row, outside code, formulas, names in quotes and links, are a line
that was left in English."""

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)
_CODE = re.compile(r"``[^\n]+?``|`[^`\n]+`")
_LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
_NAME = re.compile(r"[A-Z][\w’'-]+")
_CITATION = re.compile(
    r"((?:[A-Z][\w’'-]+(?:, | and | & )?)+)(?: et al\.)?(?:,? \"[^\"\n]*\")?,? \(?((?:19|20)\d\d)\b"
)
_TEXT = re.compile(r"\\(?:text|mathrm|textrm|mbox)\{[^{}]*\}")
_HEADING = re.compile(r"^(#{1,6}) ", re.MULTILINE)
_QUOTED = re.compile(r'"[^"\n]*"|“[^”\n]*”|《[^》\n]*》|\*[^*\n]+\*|「[^」]*」|‘[^’\n]*’')
_TITLE = re.compile(r'"[^"\n]*"')
CHINESE = re.compile(r"[\u4e00-\u9fff]")
_HALF_WIDTH = re.compile(r"[\u4e00-\u9fff][,;:?!](?=[\s\u4e00-\u9fff]|$)")
_ENGLISH = re.compile(r"[A-Za-z][A-Za-z'’-]*(?: [A-Za-z][A-Za-z'’-]*)+")


def complaints(catalogue: polib.POFile, sources: Iterable[Source]) -> list[str]:
    """What is missing, out of date or broken in a catalogue."""
    current = {(source.context, source.text): source for source in sources}
    entries = {(entry.msgctxt, entry.msgid): entry for entry in catalogue}
    found = [
        f"{context}: {text[:60]!r} is not in the catalogue; run tools.translations update"
        for context, text in current
        if (context, text) not in entries
    ]
    found += [
        f"{context}: {text[:60]!r} is in the catalogue only; run tools.translations update"
        for context, text in entries
        if (context, text) not in current
    ]
    found += [
        f"{context}: {text[:60]!r} is wrongly marked, or not, as a text with fields; "
        "run tools.translations update"
        for (context, text), source in current.items()
        if (context, text) in entries
        and source.pattern != (PATTERN in entries[context, text].flags)
    ]
    for entry in catalogue:
        found += [f"{entry.msgctxt}: {complaint}" for complaint in of_entry(entry)]
    return found


def of_entry(entry: polib.POEntry) -> list[str]:
    """The complaints about one text."""
    if not entry.msgstr.strip():
        return [f"no translation of {entry.msgid[:60]!r}"]
    if entry.fuzzy:
        return [f"the English has changed since it was translated: {entry.msgid[:60]!r}"]
    if PATTERN in entry.flags and Counter(fields(entry.msgid)) != Counter(fields(entry.msgstr)):
        return [f"fields {fields(entry.msgid)} became {fields(entry.msgstr)}"]
    rules = RULES if entry.msgctxt not in SOURCES else SHORT_RULES
    return [complaint for rule in rules for complaint in rule(entry.msgid, entry.msgstr)]


def formulas(english: str, chinese: str) -> list[str]:
    """The same formulas, but for words in them."""
    return _same("formulas", _formulas(english), _formulas(chinese))


def code(english: str, chinese: str) -> list[str]:
    """The same code, inline and in blocks."""
    english, chinese = _without(_FORMULA, english), _without(_FORMULA, chinese)
    blocks = _same("blocks of code", _FENCE.findall(english), _FENCE.findall(chinese))
    inline = [_CODE.findall(_without(_FENCE, text)) for text in (english, chinese)]
    return blocks + _same("code", *inline)


def links(english: str, chinese: str) -> list[str]:
    """The same targets of links."""
    return _same("links", _LINK.findall(english), _LINK.findall(chinese))


def headings(english: str, chinese: str) -> list[str]:
    """Headings of the same levels."""
    levels = [_HEADING.findall(_without(_FENCE, text)) for text in (english, chinese)]
    return _same("headings", *levels)


def numbers(english: str, chinese: str) -> list[str]:
    """The same numbers; 22.7 million may be 2270 万, and small ones digits in Chinese only."""
    return translation_numbers.differences(_words(english), _words(chinese))


def citations(english: str, chinese: str) -> list[str]:
    """The same authors: the names before a year, with the title between them or without."""
    found = []
    for match in _CITATION.finditer(_words(english)):
        for name in _NAME.findall(match[1]):
            if name not in calendar.month_name and name not in chinese:
                found.append(f"the author {name} of {match[0]!r} is missing")
    return found


def terms(english: str, chinese: str) -> list[str]:
    """The glossary's translation of each of its terms."""
    words, chinese = _without(_TITLE, _words(english)).lower(), chinese.lower()
    found = []
    for term, translations in glossary().items():
        if re.search(rf"\b{re.escape(term)}(?:s|es)?\b", words):
            words = re.sub(rf"\b{re.escape(term)}(?:s|es)?\b", " ", words)
            if not any(translation.lower() in chinese for translation in translations):
                found.append(f"{term!r} should be {' or '.join(translations)}")
    return found


def language(english: str, chinese: str) -> list[str]:
    """No line is left in English."""
    found = []
    for line in _words(chinese).split("\n"):
        line = _without(_QUOTED, line)
        runs = [run for run in _ENGLISH.findall(line) if len(run.split()) >= ENGLISH_WORDS]
        if runs:
            found.append(f"English was left: {runs[0][:60]!r}")
    if len(re.findall("[A-Za-z]{2,}", _words(english))) >= ENGLISH_WORDS:
        found += [] if CHINESE.search(chinese) else ["no word of it is Chinese"]
    return found


def punctuation(english: str, chinese: str) -> list[str]:
    """Full-width punctuation after Chinese characters."""
    match = _HALF_WIDTH.search(_words(chinese))
    return [f"half-width punctuation in {match[0]!r}"] if match else []


def emphasis(english: str, chinese: str) -> list[str]:
    """Asterisks that emphasize are rendered: none is shown that the English does not show.

    By CommonMark, the second asterisks of ``**注：**这里`` close nothing, since they stand between
    punctuation and a letter. ``**注**：这里`` is rendered.
    """
    shown, wanted = _with_asterisks(chinese), _with_asterisks(english)
    if "".join(shown).count("*") <= "".join(wanted).count("*"):
        return []
    return [f"asterisks are shown, not rendered, in {shown[0][:60]!r}: move the punctuation out"]


Rule = Callable[[str, str], list[str]]
RULES: tuple[Rule, ...] = (
    formulas,
    code,
    links,
    headings,
    numbers,
    citations,
    terms,
    language,
    punctuation,
    emphasis,
)
"""For cells and descriptions of images."""
SHORT_RULES: tuple[Rule, ...] = (formulas, numbers, emphasis)
"""For labels and messages, which may be names and stay as they are."""


@cache
def glossary() -> dict[str, tuple[str, ...]]:
    """English terms and their allowed translations, the longest term first."""
    with GLOSSARY.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows.sort(key=lambda row: -len(row["English"]))
    return {row["English"].lower(): tuple(row["中文"].split("|")) for row in rows}


def _words(text: str) -> str:
    """A text without code, formulas and targets of links."""
    for pattern in (_FENCE, _FORMULA, _CODE, _LINK):
        text = _without(pattern, text)
    return text


def _with_asterisks(text: str) -> list[str]:
    """The pieces of a rendered text that show asterisks, without code and formulas.

    Of these, what Markdown sees is punctuation: a backtick, and the dollar sign.
    """
    for pattern, sign in ((_FENCE, " "), (_CODE, "`c`"), (_FORMULA, "$")):
        text = pattern.sub(sign, text)
    parts = [part for token in MarkdownIt().parse(text) for part in token.children or ()]
    return [part.content for part in parts if part.type == "text" and "*" in part.content]


def _without(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(" ", text)


def _formulas(text: str) -> list[str]:
    text = _without(_CODE, _without(_FENCE, text))
    return [re.sub(r"\s+", " ", _TEXT.sub("", formula)) for formula in _FORMULA.findall(text)]


def _same(what: str, english: list[str], chinese: list[str]) -> list[str]:
    missing, more = Counter(english) - Counter(chinese), Counter(chinese) - Counter(english)
    return [f"{what}: {part[:60]!r} is missing" for part in missing] + [
        f"{what}: {part[:60]!r} is not in the English" for part in more
    ]
