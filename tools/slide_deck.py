"""The points of a lesson as slides: one idea each, and the rest as notes for the speaker."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from ftlearn.course.exercises import ExerciseSheet, Question
from ftlearn.language import Catalogue
from tools import lesson_points, notebooks, slide_outputs, slide_tables, slide_text, teacher_notes
from tools.exercise_cells import item_names
from tools.lesson_points import Point, lead, weight
from tools.slide_items import exercise_slide, question_slide
from tools.slide_layout import WORDS, Slide

CODE_LINES = 12
CLAIM_WORDS = 4
"""Words of a claim that can stand without its row; a table of shorter ones is shown whole."""
SOURCES = ("Where it comes from", "出处")
_DEFINITION = re.compile(r"^(?:def|class) ", re.MULTILINE)


class Deck:
    """The slides of a lesson, filled point by point."""

    def __init__(self, title: str, sheet: ExerciseSheet | None, words: Catalogue) -> None:
        self.sheet, self.words = sheet, words
        self.slides = [Slide(title)]
        self.section = ""

    def fill(self, points: list[Point]) -> None:
        """Put points on slides; the items of a list, and texts in a row, know of each other."""
        groups = [
            list(group) for _, group in itertools.groupby(points, key=lambda point: point.kind)
        ]
        for group, next_group in itertools.zip_longest(groups, groups[1:]):
            if group[0].kind == "item" and self.section not in SOURCES:
                self.add_list(group)
                continue
            following = [*group[1:], next_group[0] if next_group else Point("")]
            for point, after in zip(group, following, strict=True):
                self.add(point, after)

    def add(self, point: Point, after: Point) -> None:
        """Put a point on the last slide or on a new one, or into the notes."""
        if point.kind == "heading":
            self.add_heading(point.text)
        elif point.cell is not None and point.kind in ("quiz", "exercise"):
            self.add_item(point)
        elif self.section in SOURCES:
            self.slides[-1].notes.append(point.text)
        elif point.kind == "text":
            for sentence in slide_text.told(point.text, after.kind):
                self.show(Point("text", sentence))
            self.slides[-1].notes.append(point.text)
        elif point.kind == "table" and self.section in teacher_notes.SUMMARY:
            self.add_claims(point.text)
        else:
            for part in shown(point):
                self.show(part)

    def add_heading(self, heading: str) -> None:
        """Begin a slide, unless the heading is the lesson's title."""
        if heading.startswith("# "):
            return
        name = heading.lstrip("# ")
        if heading.startswith("## "):
            self.section = name
        if self.section not in SOURCES:
            self.slides.append(Slide(f"## {name}"))

    def add_list(self, items: list[Point]) -> None:
        """Show a list, if possible on one slide; the speaker gets what was cut of its items."""
        shortened = [Point("item", short_item(item.text)) for item in items]
        if self.slides[-1].shown and not self.slides[-1].has_room(*shortened):
            self.turn(shortened[0])
        for item, short in zip(items, shortened, strict=True):
            self.show(short)
            if short != item:
                self.slides[-1].notes.append(item.text)

    def add_claims(self, table: str) -> None:
        """Show the claims of the summary; what was measured goes to the notes."""
        claimed = claims(table)
        if sum(map(weight, claimed)) < CLAIM_WORDS * len(claimed):
            self.show(Point("table", slide_tables.trimmed_markdown(table)))
        else:
            self.add_list([Point("item", f"- {claim}") for claim in claimed])
        self.slides[-1].notes.append(table)

    def show(self, point: Point) -> None:
        """Show a point; where it has no room, on a new slide of the same heading."""
        if self.slides[-1].shown and not self.slides[-1].has_room(point):
            self.turn(point)
        self.slides[-1].shown.append(point)

    def turn(self, point: Point) -> None:
        """Begin a slide of the same heading, with what has to stand above a point."""
        last = self.slides[-1]
        self.slides.append(Slide(last.title, last.give_up(point)))

    def add_item(self, point: Point) -> None:
        """A question or an exercise on a slide of its own."""
        before = self.slides[-1].title
        for name in item_names(point.cell):
            item = getattr(self.sheet, name)
            if isinstance(item, Question):
                slide = question_slide(name, item, self.words)
            else:
                slide = exercise_slide(name, item, point, self.words)
            self.slides += [slide, Slide(before)]

    def finished(self) -> list[Slide]:
        """The slides that show something; notes of others go to the slide before."""
        found: list[Slide] = []
        for slide in self.slides:
            if not slide.shown and found and found[-1].title == slide.title:
                found[-1].notes += slide.notes
            elif slide.shown or slide.notes:
                slide.shown = slide_text.closed(slide.shown)
                found.append(slide)
        return found


def of_lesson(notebook: NotebookNode, sheet: ExerciseSheet, words: Catalogue) -> list[Slide]:
    """The slides of a lesson."""
    number, question = notebooks.title(notebook)
    deck = Deck(f"# {number} · {question}", sheet, words)
    deck.slides[0].notes.append(teacher_notes.note(notebook, sheet, words))
    deck.fill(list(with_code(lesson_points.points(notebook))))
    return deck.finished()


def with_code(points: list[Point]) -> Iterator[Point]:
    """Points in which a function that a sentence leads to is code, if it puts out nothing."""
    end = Point("heading")
    for before, point, after in zip([end, *points], points, [*points[1:], end], strict=False):
        is_led = before.kind == "text" and before.text.endswith(slide_text.COLONS)
        if is_led and point.kind == "output" and after.kind in ("text", "heading"):
            is_function = not point.cell.outputs and _DEFINITION.search(point.cell.source)
            yield Point("code", cell=point.cell) if is_function else point
        else:
            yield point


def claims(table: str) -> list[str]:
    """The first column of a Markdown table.

    >>> claims("| claim | measured |\\n|---|---|\\n| $a \\|b$ holds | 0.5 |")
    ['$a \\\\|b$ holds']
    """
    rows = (row.strip().strip("|") for row in table.split("\n")[2:])
    return [re.split(r"(?<!\\)\|", row)[0].strip() for row in rows]


def short_item(text: str) -> str:
    """What stands for an item of a list."""
    mark, _, said = text.partition(" ")
    return f"{mark} {lead(said, WORDS)}"


def shown(point: Point) -> Iterator[Point]:
    """What a slide shows of a formula, table, code or output."""
    if point.kind == "table":
        yield Point("table", slide_tables.trimmed_markdown(point.text))
    elif point.kind == "output":
        yield from slide_outputs.outputs(point.cell)
    elif point.kind != "code" or len(point.cell.source.splitlines()) <= CODE_LINES:
        yield point


def cells(slides: Iterable[Slide]) -> Iterator[NotebookNode]:
    """The cells of a notebook that nbconvert makes slides of; items in a row are one list."""
    for slide in slides:
        yield markdown(slide.title, "slide")
        for is_list, parts in itertools.groupby(slide.shown, key=lambda part: part.kind == "item"):
            if is_list:
                yield markdown("\n".join(part.text for part in parts), "-")
            else:
                yield from map(shown_cell, parts)
        if slide.notes:
            yield markdown("\n\n".join(slide.notes), "notes")


def shown_cell(point: Point) -> NotebookNode:
    """The cell of a point."""
    if point.cell is None:
        return markdown(point.text, "-")
    if point.kind == "code":
        return new_code_cell(point.cell.source, metadata={"slideshow": {"slide_type": "-"}})
    point.cell.metadata["slideshow"] = {"slide_type": "-"}
    return point.cell


def markdown(text: str, slide_type: str) -> NotebookNode:
    """A Markdown cell of a slide or of its notes."""
    source = slide_text.linked(text)
    return new_markdown_cell(source, metadata={"slideshow": {"slide_type": slide_type}})
