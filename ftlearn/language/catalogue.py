"""A catalogue: English texts with their translations, some of them patterns with fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from ftlearn.errors import FtlearnError

_FIELD = re.compile(r"\{(\w+)\}|(\{\{)|(\}\})")
_SENTENCES = re.compile(r"(?<=[.!?]) (?=[A-Z])")
_MEASURED = re.compile(r"(.* .*) ([+−-]?\d[\d.,]*(?:\u00a0?%)?)")
"""A name of several words with its value."""
CLAUSES, ITEMS = "; ", ", "
"""What stands between clauses, and between items of a list; a catalogue may translate it."""
AS_IS = "_as_is"
"""The end of the name of a field that holds data, which no catalogue may translate."""
LETTERS_OF_A_PATTERN = 3
"""A pattern with fewer letters outside its fields would match nearly any text."""


class LanguageError(FtlearnError, ValueError):
    """A language that does not exist, or a pattern that cannot be used."""


class Catalogue:
    """English texts and their translations.

    ``texts`` are translated as they are. ``patterns`` hold fields, as the f-strings do that make
    such texts: a field stands for any characters or none, and its value is translated in turn,
    unless the name of the field ends in ``_as_is``. Of several sentences, or a list, each part is
    looked up, if there is a translation for every one. A text that is in neither stays English.

    >>> catalogue = Catalogue({"loss": "损失"}, {"{name} per update": "每次更新的{name}"})
    >>> catalogue.translate("loss per update"), catalogue.translate("accuracy")
    ('每次更新的损失', 'accuracy')
    """

    def __init__(self, texts: Mapping[str, str], patterns: Mapping[str, str] | None = None) -> None:
        self._texts = dict(texts)
        # The pattern with the most letters is the most particular one.
        pairs = sorted((patterns or {}).items(), key=lambda pair: (-letters(pair[0]), pair[0]))
        self._patterns = [(expression(source), target) for source, target in pairs]
        self._cached: Callable[[str], str] = lru_cache(maxsize=4096)(self._translate)

    def __len__(self) -> int:
        return len(self._texts) + len(self._patterns)

    def __contains__(self, text: str) -> bool:
        return text in self._texts or any(match.fullmatch(text) for match, _ in self._patterns)

    def translate(self, text: str) -> str:
        """The translation of a text, or the text itself if there is none."""
        if not re.search("[A-Za-z]", text):
            return text
        return self._cached(text)

    def _translate(self, text: str) -> str:
        if text in self._texts:
            return self._texts[text]
        # Of two that match, one stands inside the other: the outer one has the longer field.
        pairs = [(pattern.fullmatch(text), target) for pattern, target in self._patterns]
        matches = sorted(
            ((match, target) for match, target in pairs if match),
            key=lambda pair: -max(map(len, pair[0].groups())),
        )
        found = [fill(target, self._values(match)) for match, target in matches]
        # The first of those that leave least in English.
        candidates = [*self._clauses(text), *found, *self._items(text)]
        return min(candidates, key=latin_letters, default=text)

    def _values(self, match: re.Match[str]) -> dict[str, str]:
        """What fills the fields of a translation."""
        return {
            name: value if name.endswith(AS_IS) else self.translate(value)
            for name, value in match.groupdict().items()
        }

    def _clauses(self, text: str) -> Iterator[str]:
        """Translations sentence by sentence, and clause by clause."""
        sentences = self._each(_SENTENCES.split(text))
        if sentences:  # no space follows a Chinese sentence, whose full stop is wide
            spaced = (f"{part} " if part[-1].isascii() else part for part in sentences)
            yield "".join(spaced).rstrip()
        clauses = self._each(text.split(CLAUSES))
        if clauses:
            yield self._texts.get(CLAUSES, CLAUSES).join(clauses)

    def _items(self, text: str) -> Iterator[str]:
        """Translations of a name with its value, and item by item."""
        name, colon, value = text.partition(": ")
        label = self._texts.get(f"{name}:")
        if colon and label and "\n" not in text:  # `print("name:", value)` has the name alone
            yield f"{label}{' ' * label[-1].isascii()}{self.translate(value)}"
        measured = _MEASURED.fullmatch(text)
        if measured:
            name = self.translate(measured[1])
            if name != measured[1]:
                space = " " if name[-1].isalnum() else ""
                yield f"{name}{space}{measured[2]}"
        parts = text.split(ITEMS)
        # Single words may be names in the data.
        items = self._each(parts) if all(" " in part for part in parts) else []
        if items:
            yield self._texts.get(ITEMS, ITEMS).join(items)

    def _each(self, parts: list[str]) -> list[str]:
        """The translation of each of two or more parts; none where one has no translation."""
        if len(parts) < 2:  # the text itself: it would be looked up without end
            return []
        translated = [self.translate(part) for part in parts]
        pairs = zip(parts, translated, strict=True)
        return translated if all(a != b for a, b in pairs) else []


def expression(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern. Raises LanguageError if it would match nearly any text.

    >>> expression("step {n} of {total}").fullmatch("step 3 of 10").groupdict()
    {'n': '3', 'total': '10'}
    """
    if letters(pattern) < LETTERS_OF_A_PATTERN:
        raise LanguageError(
            f"the pattern {pattern!r} has {letters(pattern)} letters beside its fields and would "
            f"match nearly any text: translate whole texts instead"
        )
    parts, end, names = [], 0, set()
    for field in _FIELD.finditer(pattern):
        parts.append(re.escape(pattern[end : field.start()]))
        name, end = field[1], field.end()
        if name is None:
            parts.append(re.escape(field[0][0]))
        else:
            parts.append(f"(?P={name})" if name in names else f"(?P<{name}>.*?)")
            names.add(name)
    # A pattern of one line must not swallow a result of several, each with its own translation.
    lines = re.DOTALL if "\n" in pattern else re.NOFLAG
    return re.compile("".join([*parts, re.escape(pattern[end:])]), lines)


def fill(pattern: str, fields: Mapping[str, str]) -> str:
    """The pattern with its fields replaced, and doubled braces as single ones.

    >>> fill("第{n}步 {{x}}", {"n": "3"})
    '第3步 {x}'
    """
    return _FIELD.sub(lambda field: fields[field[1]] if field[1] else field[0][0], pattern)


def fields(pattern: str) -> list[str]:
    """The names of the fields of a pattern, in order.

    >>> fields("{a} of {b} {{x}}")
    ['a', 'b']
    """
    return [field[1] for field in _FIELD.finditer(pattern) if field[1]]


def latin_letters(text: str) -> int:
    """The number of letters from a to z.

    >>> latin_letters("KL 散度")
    2
    """
    return len(re.findall("[A-Za-z]", text))


def letters(pattern: str) -> int:
    """The number of letters of a pattern outside its fields.

    >>> letters("{a} of {b}")
    2
    """
    return sum(map(str.isalpha, _FIELD.sub("", pattern)))
