"""Which sentences of a paragraph stand on a slide, and how they end there."""

from __future__ import annotations

import itertools
import re

from tools.lesson_points import BOLD, SHORT_SENTENCE, Point, joined, lead, sentences, weight

LEAD_WORDS = 40
"""Words of a paragraph on a slide at most."""
LONG_WORDS = 80
"""Words of a sentence that is shown all the same, since it is its paragraph's first."""
HEAVY = ("formula", "table", "output", "code", "fence")
"""Kinds of which a slide holds one."""
FULL_STOPS = {":": ".", "：": "。"}
COLONS = tuple(FULL_STOPS)
ENDS = (".", "!", "。", "！", ")", "）")
_SHEET = re.compile(r"\]\((\w+)\.ipynb[^)]*\)")


def told(text: str, following: str = "") -> list[str]:
    """What a slide says of a paragraph that stands above a point of a kind.

    That is the sentence that stands for it, those with a term in bold type, and apart the last if
    that leads to what follows.

    >>> told("It falls. Why? The **norm** of each is cut. Now both:")
    ['It falls. Why? The **norm** of each is cut.', 'Now both:']
    """
    parts = sentences(text)
    standing = lead(text, LEAD_WORDS) or lead(text, LONG_WORDS)
    is_led = len(parts) > 1 and leads(parts[-1], following) and weight(parts[-1]) <= LEAD_WORDS
    leading = parts.pop() if is_led else ""
    numbers = {number for number, part in enumerate(parts) if part in standing}
    for number, part in enumerate(parts):
        if number not in numbers and BOLD.search(part):
            before = number - 1 if number and weight(part) < SHORT_SENTENCE else number
            numbers |= {before, number}
    return [*paragraphs(parts, numbers), *filter(None, [leading])]


def paragraphs(parts: list[str], numbers: set[int]) -> list[str]:
    """The numbered sentences; those that follow each other are a paragraph, if that is short."""
    found: list[str] = []
    for number in sorted(numbers):
        longer = joined(found[-1], parts[number]) if found and number - 1 in numbers else ""
        if longer and weight(longer) <= LEAD_WORDS:
            found[-1] = longer
        else:
            found.append(parts[number])
    return found


def leads(sentence: str, following: str = "") -> bool:
    """Whether a sentence leads to what follows: with a colon, or as a question or a half sentence.

    >>> leads("Now both:"), leads("Why?"), leads("Why?", "output"), leads("It is", "formula")
    (True, False, True, True)
    """
    ending = sentence.rstrip("*”\"' ")
    if following in HEAVY:
        return not ending.endswith(ENDS)
    return ending.endswith(COLONS)


def goes_on(text: str, before: Point) -> bool:
    """Whether a text goes on in the sentence of the formula before it.

    >>> goes_on("with $a = 1$.", Point("formula", "$$a$$")), goes_on("So.", Point("text", "a"))
    (True, False)
    """
    is_open = before.text.strip("$ \n").endswith((",", "，"))
    return before.kind == "formula" and (is_open or text[:1].islower())


def closed(shown: list[Point]) -> list[Point]:
    """Points in which a sentence whose colon leads to nothing ends with a full stop.

    A short one, such as "First a layer:", is left out.

    >>> [point.text for point in closed([Point("text", "Now run it:"), Point("text", "Good.")])]
    ['Good.']
    """
    found = []
    for point, following in itertools.zip_longest(shown, shown[1:]):
        idle = following is None or following.kind == "text"
        if point.kind == "text" and idle and point.text.endswith(COLONS):
            if weight(point.text) < SHORT_SENTENCE and len(shown) > 1:
                continue
            point = Point("text", point.text[:-1] + FULL_STOPS[point.text[-1]])
        found.append(point)
    return found


def capitalised(text: str) -> str:
    """A sentence that followed a number, with a capital letter.

    >>> capitalised("find the bug."), capitalised("`answer` is")
    ('Find the bug.', '`answer` is')
    """
    return text[:1].upper() + text[1:]


def linked(text: str) -> str:
    """Markdown in which a link to another lesson leads to its slides.

    >>> linked("[lesson 09](09_interpolation.ipynb#sense-1)")
    '[lesson 09](09_interpolation.html)'
    """
    return _SHEET.sub(r"](\1.html)", text)
