"""The points of a lesson as slides: one idea each, and the rest as notes for the speaker."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from ftlearn.course.exercises import Exercise, ExerciseSheet, Question
from ftlearn.course.exercises.question import LETTERS
from ftlearn.language import Catalogue
from tools import classroom, lesson_points, notebooks, slide_outputs, teacher_notes
from tools.exercise_cells import item_names
from tools.lesson_points import Point, joined, lead, sentences, weight

WORDS = 60
"""Words on a slide at most."""
FIGURE_WORDS = 52
"""Words beside a figure at most."""
COMMENT_WORDS = 72
"""Words on a slide at most, with a sentence about what it shows: the figure gets smaller."""
PARAGRAPH_WORDS = 3
"""Words that would have room where a paragraph, an item or a figure ends."""
EXERCISE_WORDS = 44
"""Words of an exercise with code or a formula at most."""
QUIZ_WORDS = 100
"""Words of a question with its choices at most: they are compared, so they stay together."""
LEAD_WORDS = 40
"""Words of the sentence that stands for a paragraph at most."""
CODE_LINES = 12
BROKEN_LINES = 17
"""Lines of code in which a bug is to be found: an exercise without them cannot be done."""
TALL_LINES = 5
"""Lines of code, or rows of a table, that leave room for few words if there are more."""
HEAVY = ("formula", "table", "output", "code", "fence")
"""Kinds of which a slide holds one."""
COLONS = (":", "：")
SOURCES = ("Where it comes from", "出处")


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

    def has_room(self, point: Point) -> bool:
        """Whether a point fits: one heavy part, and few words."""
        crowded = point.kind in HEAVY and self.heavy
        pictured = any(is_tall(part) for part in [*self.shown, point])
        words = FIGURE_WORDS if pictured else self.words
        if point.kind == "text" and self.shown and self.shown[-1].kind in HEAVY:
            words = COMMENT_WORDS
        return not crowded and self.weight + weight(point.text) <= words


class Deck:
    """The slides of a lesson, filled point by point."""

    def __init__(self, notebook: NotebookNode, sheet: ExerciseSheet, words: Catalogue) -> None:
        self.sheet, self.words = sheet, words
        number, question = notebooks.title(notebook)
        self.slides = [Slide(f"# {number} · {question}")]
        self.slides[0].notes.append(teacher_notes.note(notebook, sheet, words))
        self.section = ""
        for point in lesson_points.points(notebook):
            self.add(point)
        self.slides = [slide for slide in self.slides if slide.shown or slide.notes]
        for slide in self.slides:
            close_last_sentence(slide)

    def add(self, point: Point) -> None:
        """Put a point on the last slide or on a new one, or into the notes."""
        if point.kind == "heading":
            self.add_heading(point.text)
        elif point.cell is not None and point.kind in ("quiz", "exercise"):
            self.add_item(point)
        elif self.section in SOURCES:
            self.slides[-1].notes.append(point.text)
        elif point.kind == "text":
            self.add_text(point.text)
        elif point.kind == "table" and self.section in teacher_notes.SUMMARY:
            self.add_claims(point.text)
        else:
            for part in shown(point):
                self.show(part)
                if part.kind == "item" and part.text != point.text:
                    self.slides[-1].notes.append(point.text)

    def add_heading(self, heading: str) -> None:
        """Begin a slide, unless the heading is the lesson's title."""
        if heading.startswith("# "):
            return
        name = heading.lstrip("# ")
        if heading.startswith("## "):
            self.section = name
        if self.section not in SOURCES:
            self.slides.append(Slide(f"## {name}"))

    def add_text(self, text: str) -> None:
        """Show what stands for a paragraph; the speaker gets all of it.

        That is one sentence, and another one that leads to what follows by a colon.
        """
        comment, leading = parted(text)
        for sentence in (lead(comment, LEAD_WORDS), leading):
            if sentence:
                self.show(Point("text", sentence))
        self.slides[-1].notes.append(text)

    def add_claims(self, table: str) -> None:
        """Show the claims of the summary; what was measured goes to the notes."""
        for claim in claims(table):
            self.show(Point("item", f"- {claim}"))
        self.slides[-1].notes.append(table)

    def show(self, point: Point) -> None:
        """Show a point; where it has no room, on a new slide of the same heading."""
        last = self.slides[-1]
        if last.has_room(point):
            last.shown.append(point)
            return
        moved = [] if point.kind not in HEAVY else trailing_texts(last)
        self.slides.append(Slide(last.title, [*moved, point]))

    def add_item(self, point: Point) -> None:
        """A question or an exercise on a slide of its own."""
        before = self.slides[-1].title
        for name in item_names(point.cell):
            item = getattr(self.sheet, name)
            about = question_slide if isinstance(item, Question) else exercise_slide
            self.slides += [about(name, item, point, self.words), Slide(before)]


def is_tall(point: Point) -> bool:
    """Whether a point is a figure, or a table or code of many lines."""
    if point.kind == "output":
        data = point.cell.outputs[0].get("data", {})
        return "image/png" in data or data.get("text/html", "").count("<tr>") > TALL_LINES
    text = point.cell.source if point.kind == "code" else point.text
    return point.kind in HEAVY and len(text.splitlines()) > TALL_LINES


def trailing_texts(slide: Slide) -> list[Point]:
    """Take from a slide the sentence below its figure, if that leads to what follows.

    It does with a colon, or if another sentence stands between or above them, unless it goes on in
    mid-sentence.
    """
    places = [number for number, point in enumerate(slide.shown) if point.kind in HEAVY]
    below = slide.shown[places[-1] + 1 :] if places else []
    if not below or below[-1].text[:1].islower():
        return []
    leads = below[-1].text.endswith(COLONS) or len(below) > 1 or places[-1] > 0
    return [slide.shown.pop()] if leads else []


def parted(text: str) -> tuple[str, str]:
    """A paragraph, and its last sentence apart if that leads to what follows by a colon.

    >>> parted("It falls. Now both:"), parted("Now both:")
    (('It falls.', 'Now both:'), ('Now both:', ''))
    """
    *before, last = sentences(text)
    if before and last.endswith(COLONS) and weight(last) <= LEAD_WORDS:
        return reduce(joined, before), last
    return text, ""


def close_last_sentence(slide: Slide) -> None:
    """End a slide's last sentence with a full stop where a colon leads to nothing."""
    if slide.shown and slide.shown[-1].kind == "text":
        text = re.sub(r":$", ".", slide.shown[-1].text)
        slide.shown[-1] = Point("text", re.sub(r"：$", "。", text))


def claims(table: str) -> list[str]:
    """The first column of a Markdown table.

    >>> claims("| claim | measured |\\n|---|---|\\n| $a \\|b$ holds | 0.5 |")
    ['$a \\\\|b$ holds']
    """
    rows = (row.strip().strip("|") for row in table.split("\n")[2:])
    return [re.split(r"(?<!\\)\|", row)[0].strip() for row in rows]


def exercise_slide(name: str, exercise: Exercise, point: Point, words: Catalogue) -> Slide:
    """An exercise with its broken code; solution and mistakes are notes."""
    slide = Slide(f"## {exercise_title(name, exercise, words)}", notes=[point.text])
    code = exercise.broken.strip()
    shows_code = 0 < len(code.splitlines()) <= BROKEN_LINES
    is_heavy = shows_code or any(part.kind in HEAVY for part in lesson_points.blocks(point.text))
    for part in lesson_points.shortened(point.text, EXERCISE_WORDS if is_heavy else WORDS):
        if part.kind not in HEAVY or not slide.heavy:
            text = part.text if slide.shown else capitalised(part.text)
            slide.shown.append(Point(part.kind, text))
    if shows_code and not slide.heavy:
        slide.shown.append(Point("fence", f"```python\n{code}\n```"))
    worked = exercise.translate(exercise.worked).strip()
    slide.notes += [classroom.about_exercise(name, exercise, words), f"```python\n{worked}\n```"]
    return slide


def capitalised(text: str) -> str:
    """A sentence that followed a number, with a capital letter.

    >>> capitalised("find the bug."), capitalised("`answer` is")
    ('Find the bug.', '`answer` is')
    """
    return text[:1].upper() + text[1:]


def exercise_title(name: str, exercise: Exercise, words: Catalogue) -> str:
    """The name of an exercise in its lesson, its difficulty and minutes, such as q1 ★☆☆ 4 min."""
    stars = "★" * exercise.difficulty + "☆" * (3 - exercise.difficulty)
    return f"{name} {stars} {exercise.minutes} {words.translate('min')}"


def question_slide(name: str, question: Question, point: Point, words: Catalogue) -> Slide:
    """A question with its choices; the answer and the reasons are notes."""
    title = words.translate("Question")
    slide = Slide(f"## {title} {name.removeprefix('quiz')}", words=QUIZ_WORDS)
    slide.shown.append(Point("text", question.translate(question.text)))
    for letter, choice in zip(LETTERS, question.choices, strict=False):
        slide.shown.append(Point("item", f"- **{letter}** · {question.translate(choice.text)}"))
    slide.notes.append(classroom.about_question(name, question, words))
    return slide


def shown(point: Point) -> Iterator[Point]:
    """What a slide shows of a formula, list, table, code or output."""
    if point.kind == "item":
        mark, _, text = point.text.partition(" ")
        yield Point("item", f"{mark} {lead(text, WORDS)}")
    elif point.kind == "table":
        yield Point("table", slide_outputs.trimmed_markdown(point.text))
    elif point.kind == "output":
        yield from slide_outputs.outputs(point.cell)
    elif point.kind == "code":
        if len(point.cell.source.splitlines()) <= CODE_LINES:
            yield point
    else:
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
    return new_markdown_cell(text, metadata={"slideshow": {"slide_type": slide_type}})
