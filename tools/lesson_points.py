"""What a stored lesson says and shows, point by point, as slides and handouts need it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import groupby

from nbformat import NotebookNode

from tools import notebooks, translation_sources

CHINESE_WORD = 1.6
"""Chinese characters that take the place of one word."""
SHORT_SENTENCE = 8
"""Words of a sentence that does not stand for its paragraph alone."""
_FENCED = re.compile(r"```.*?```|\$\$.*?\$\$", re.DOTALL)
_ENGLISH_END = r"(?:(?<=[.!?])|(?<=[.!?][)”\"*])|(?<=[.!?]\*\*))(?<!al\.)(?<!e\.g\.)(?<!i\.e\.)"
_CHINESE_END = r"(?:(?<=[。！？])|(?<=[。！？][）”])|(?<=[。！？]\*\*))(?![）”])"
_BREAK = re.compile(rf"{_ENGLISH_END}\s+(?=[^a-z\s])|{_CHINESE_END}")
_ITEM = re.compile(r"(?:[-*]|\d+\.) ")
_HEADING = re.compile(r"#{1,6} +")
BOLD = re.compile(r"\*\*[^*]+\*\*")
_MINUTES = r"[★☆]+[,，]?\s*\d+\s*(?:min\b|minutes|分钟)"
_NUMBER = re.compile(rf"\*\*q?\d+\*\*\s*[(（]?(?:{_MINUTES})?[)）]?[.,，。：:]?\s*")
_NUMBERED_HEADING = re.compile(rf"### \d.*{_MINUTES}")
ENDS = ("heading", "output", "exercise", "quiz", "code")
"""Kinds of points that do not belong to an exercise's text."""
_SKIPPED_TAGS = ("colab", "parameters", "guards", "solution", "teacher")


@dataclass(frozen=True)
class Point:
    """A part of a lesson.

    ``kind`` is heading, text, item, formula, table, fence, code, output, quiz or exercise;
    ``text`` is its Markdown, and ``cell`` the code cell of the last four kinds.
    """

    kind: str
    text: str = ""
    cell: NotebookNode | None = None


def points(notebook: NotebookNode) -> list[Point]:
    """The points of a lesson, without what only a kernel needs."""
    found: list[Point] = []
    for point in of_cells(notebook):
        if point.kind == "exercise":
            point = Point("exercise", pop_exercise(found), point.cell)
        found.append(point)
    return found


def pop_exercise(before: list[Point]) -> str:
    """Take the text of an exercise from the end of the points before its cell.

    It begins with the exercise's number, as in **q1** or in a heading; without one with the last
    paragraph.
    """
    start = len(before)
    while start and before[start - 1].kind not in ENDS:
        start -= 1
        if _NUMBER.match(before[start].text):
            break
    else:
        is_heading = start and _NUMBERED_HEADING.match(before[start - 1].text)
        first, start = start, start - 1 if is_heading else max(start, len(before) - 1)
        while start > first and before[start].kind in ("fence", "formula"):
            start -= 1
    taken = before[start:]
    del before[start:]
    texts = [point.text for point in taken if point.kind != "heading"]
    return _NUMBER.sub("", "\n\n".join(texts))


def of_cells(notebook: NotebookNode) -> Iterator[Point]:
    """The points of all cells, one after the other."""
    for cell in notebook.cells:
        if any(notebooks.has_tag(cell, tag) for tag in _SKIPPED_TAGS):
            continue
        if cell.cell_type == "markdown":
            yield from blocks(translation_sources.without_generated(cell.source))
        else:
            yield from of_code(cell)


def of_code(cell: NotebookNode) -> Iterator[Point]:
    """The points of a code cell: code of the package that it shows, then what it puts out."""
    for tag in ("quiz", "exercise"):
        if notebooks.has_tag(cell, tag):
            yield Point(tag, cell=cell)
            return
    if any(tag.startswith("same-as:") for tag in cell.metadata.get("tags", [])):
        yield Point("code", cell=cell)
    yield Point("output", cell=cell)


def blocks(source: str) -> Iterator[Point]:
    r"""The points of a Markdown cell: one per paragraph, item, formula, table and fence.

    >>> [point.kind for point in blocks("## A\n\nSay $x$:\n\n$$x$$\n\n- one\n- two")]
    ['heading', 'text', 'formula', 'item', 'item']
    """
    start = 0
    for match in _FENCED.finditer(source):
        yield from paragraphs(source[start : match.start()])
        yield Point("formula" if match[0].startswith("$$") else "fence", match[0])
        start = match.end()
    yield from paragraphs(source[start:])


def paragraphs(source: str) -> Iterator[Point]:
    """The points of Markdown without fences and displayed formulas."""
    for block in re.split(r"\n\s*\n|\n(?=#)", source):
        text = block.strip()
        if not re.search(r"\w", text):  # the full stop after a formula
            continue
        if _HEADING.match(text):
            heading, _, rest = text.partition("\n")
            yield Point("heading", heading)
            yield from paragraphs(rest)
        elif text.startswith("|"):
            yield Point("table", text)
        elif _ITEM.match(text):
            yield from (Point("item", item) for item in items(text))
        else:
            yield Point("text", re.sub(r"\s*\n\s*", " ", text))


def items(text: str) -> list[str]:
    """The items of a list in Markdown."""
    parts = re.split(r"\n(?=(?:[-*]|\d+\.) )", text)
    return [re.sub(r"\s*\n\s*", " ", part) for part in parts]


def weight(text: str) -> float:
    """How many words a text has to read; a formula in a line counts as one, a table not at all.

    >>> weight("The loss is $-\\\\log p$.")
    4.0
    >>> weight("损失是多少") < 4
    True
    """
    text = re.sub(r"^\|.*$", "", _FENCED.sub("", text), flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", re.sub(r"\$[^$]+\$|`[^`]+`", " x ", text))
    chinese = len(re.findall(r"[\u4e00-\u9fff]", text))
    return chinese / CHINESE_WORD + len(re.findall(r"[^\W_\u4e00-\u9fff][^\s\u4e00-\u9fff]*", text))


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; none ends within a formula, code, bold type or parentheses.

    >>> sentences("Guess $f(x). A$ first. (It is low. Very.) Then run it.")
    ['Guess $f(x). A$ first.', '(It is low. Very.)', 'Then run it.']
    """
    found, start = [], 0
    for match in _BREAK.finditer(text):
        if is_balanced(text[start : match.start()]):
            found.append(text[start : match.start()].strip())
            start = match.end()
    return [sentence for sentence in [*found, text[start:].strip()] if sentence]


def shortened(text: str, words: float) -> list[Point]:
    """The points of a text as far as a number of words goes, cut at a sentence.

    The last sentence is kept, since it says what is to be done; so are formulas and code.

    >>> [point.text for point in shortened("One two. Three four five. Six seven.\\n\\n$$x$$", 5)]
    ['One two. Six seven.', '$$x$$']
    """
    pieces = [
        (point, part)
        for point in blocks(text)
        for part in (sentences(point.text) if point.kind == "text" else [point.text])
    ]
    spoken = [number for number, (_, part) in enumerate(pieces) if weight(part)]
    last = spoken[-1] if spoken else 0
    left = words - weight(pieces[last][1]) if pieces else words
    is_cut = False
    kept: list[tuple[Point, str]] = []
    for number, (point, part) in enumerate(pieces):
        needed = 0 if number == last else weight(part)
        is_cut = is_cut or needed > left
        if not needed or not is_cut:
            kept.append((point, part))
            left -= needed
    return [
        Point(point.kind, reduce(joined, (part for _, part in parts), ""))
        for point, parts in groupby(kept, key=lambda piece: piece[0])
    ]


def is_balanced(text: str) -> bool:
    """Whether formulas, code, bold type and parentheses end in the text."""
    pairs = (("(", ")"), ("（", "）"), ("“", "”"))
    outside = re.sub(r"\$[^$]*\$|`[^`]*`", "", text)
    closed = all(outside.count(opening) <= outside.count(closing) for opening, closing in pairs)
    italic = outside.replace("**", "").count("*")
    return closed and not italic % 2 and not any(text.count(mark) % 2 for mark in ("$", "`", "**"))


def joined(before: str, after: str) -> str:
    """Two sentences one after the other; Chinese ones need no space.

    >>> joined("One.", "Two."), joined("一。", "二。")
    ('One. Two.', '一。二。')
    """
    space = "" if not before or before.endswith(("。", "！", "？")) else " "
    return f"{before}{space}{after}"


def lead(text: str, words: float) -> str:
    """The sentence that stands for a paragraph: one in bold type, or the first.

    A short one takes the next with it; one in parentheses is left out. Empty if it has more than
    ``words`` words.

    >>> lead("Both agree. The head is still guessing. Look again.", 30)
    'Both agree. The head is still guessing.'
    >>> lead("It is so. **A second article makes all of the answers worse.** Why?", 30)
    '**A second article makes all of the answers worse.**'
    """
    parts = sentences(text)
    while len(parts) > 1 and parts[0].startswith(("(", "（")):
        parts.pop(0)
    bold = [number for number, part in enumerate(parts) if has_claim(part)]
    start = bold[0] if bold else 0
    chosen = parts[start] if parts else ""
    following = parts[start + 1 : start + 2]
    if following and weight(chosen) < SHORT_SENTENCE:
        longer = joined(chosen, following[0])
        chosen = longer if weight(longer) <= words else chosen
    return chosen if weight(chosen) <= words else ""


def has_claim(sentence: str) -> bool:
    """Whether a sentence has more than a term in bold type."""
    return any(weight(bold) >= SHORT_SENTENCE / 2 for bold in BOLD.findall(sentence))
