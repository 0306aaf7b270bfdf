"""A slide, and what it has room for: few words, and one figure, table, formula or piece of code."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.lesson_points import Point, weight
from tools.slide_text import HEAVY, goes_on, leads

WORDS = 60
"""Words on a slide at most."""
FIGURE_WORDS = 52
"""Words beside a figure at most."""
COMMENT_WORDS = 80
"""Words on a slide at most, with a sentence about what it shows: the figure gets smaller."""
LIST_WORDS = 104
"""Words of a list at most: its items are compared, so they stay together."""
QUIZ_WORDS = 100
"""Words of a question with its choices at most."""
PARAGRAPH_WORDS = 3
"""Words that would have room where a paragraph, an item or a figure ends."""
TALL_LINES = 5
"""Lines of code, or rows of a table, that leave room for few words if there are more."""


@dataclass
class Slide:
    """A heading, what is shown below it, and the notes for the speaker, in Markdown."""

    title: str
    shown: list[Point] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    words: int = WORDS

    @property
    def heavy(self) -> int:
        """The number of figures, tables, formulas and pieces of code."""
        return sum(point.kind in HEAVY for point in self.shown)

    @property
    def weight(self) -> float:
        """The words to read below the heading, with the room between paragraphs."""
        return sum(weight(point.text) + PARAGRAPH_WORDS for point in self.shown)

    def has_room(self, *points: Point) -> bool:
        """Whether points of one kind fit: one heavy part, and few words."""
        crowded = points[0].kind in HEAVY and self.heavy
        needed = sum(weight(point.text) + PARAGRAPH_WORDS for point in points) - PARAGRAPH_WORDS
        return not crowded and self.weight + needed <= self.limit(points[0])

    def limit(self, point: Point) -> int:
        """How many words a slide may have with a point."""
        is_comment = point.kind == "text" and self.shown and self.shown[-1].kind in HEAVY
        is_led = point.kind in HEAVY and len(self.shown) == 1
        if is_comment or is_led:
            return COMMENT_WORDS
        if point.kind == "item" and not self.heavy:
            return LIST_WORDS
        return FIGURE_WORDS if any(map(is_tall, [*self.shown, point])) else self.words

    def give_up(self, point: Point) -> list[Point]:
        """Take away what has to stand above a point that begins a new slide."""
        taken = self.output_of(point) if point.kind == "text" else self.lead_to(point)
        self.shown = self.shown[: len(self.shown) - len(taken)]
        return taken

    def output_of(self, comment: Point) -> list[Point]:
        """What a sentence is about, with the sentence above it, if the slide keeps another one.

        A formula in whose sentence it goes on is enough.
        """
        *before, last = self.shown
        if last.kind not in HEAVY:
            return []
        about = [*before[-1:], last]
        moved = Slide(self.title, about)
        if len(before) > 1 and before[-1].kind == "text" and moved.has_room(comment):
            return about
        return [last] if before and goes_on(comment.text, last) else []

    def lead_to(self, point: Point) -> list[Point]:
        """The last sentence, if it leads to a list, a figure or the like.

        It does also if another sentence stands between it and a figure above, unless it goes on in
        mid-sentence.
        """
        *before, last = self.shown
        if not before or last.kind != "text" or last.text[:1].islower():
            return []
        follows = self.heavy and before[-1].kind not in HEAVY and point.kind in HEAVY
        return [last] if follows or leads(last.text, point.kind) else []


def is_tall(point: Point) -> bool:
    """Whether a point is a figure, or a table or code of many lines."""
    if point.kind == "output":
        data = point.cell.outputs[0].get("data", {})
        return "image/png" in data or data.get("text/html", "").count("<tr>") > TALL_LINES
    text = point.cell.source if point.kind == "code" else point.text
    return point.kind in HEAVY and len(text.splitlines()) > TALL_LINES
