"""A handout per lesson: two pages of paper, one to read and one to write on.

    python -m tools.handout              # all lessons, into build/handout
    python -m tools.handout 02           # one: build/handout/02_loss.html
    python -m tools.handout --language zh 02     # in Chinese, into build/handout/zh

Print the page in a browser, or as a PDF:
`chromium --headless --no-pdf-header-footer --print-to-pdf=02.pdf build/handout/02_loss.html`.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from ftlearn.course import exercises
from ftlearn.course.exercises import Exercise, ExerciseSheet
from ftlearn.language import Catalogue
from tools import (
    lesson_points,
    notebooks,
    page_export,
    slide_deck,
    slide_items,
    slide_outputs,
    slide_words,
    teacher_notes,
    translation_rules,
)
from tools.exercise_cells import item_names
from tools.lesson_points import Point, lead, weight

FOLDER = notebooks.ROOT / "build" / "handout"
FORMULAS = 4
FORMULA_CHARACTERS = 220
EXERCISE_WORDS = 60
CLAIM_WORDS = 40
SUMMARY_WORDS = 140
"""Words of the tables of the summary that are printed whole."""
CODE_LINES = 9
TERMS = 16


def handout(notebook: NotebookNode, sheet: ExerciseSheet, language: str) -> list[NotebookNode]:
    """The cells of a lesson's handout: a page to read, and a page to write on."""
    words = slide_words.load(language)
    points = lesson_points.points(notebook)
    first = [
        *opening(points, words),
        *formulas(points, words),
        *figure(points),
        *summary(points, words),
        *glossary(notebook, language, words),
    ]
    second = list(questions(points, sheet, words))
    for page in (first, second):
        page[0].metadata["page"] = "start"
        page[-1].metadata["page"] = "end"
    return [*first, *second]


def opening(points: list[Point], words: Catalogue) -> Iterator[NotebookNode]:
    """The question of the lesson, and what one can do at its end."""
    title, aim = points[0], next(point for point in points if point.kind == "text")
    yield part("title", title.text)
    yield part("aim", lead(aim.text, 2 * EXERCISE_WORDS))


def formulas(points: list[Point], words: Catalogue) -> Iterator[NotebookNode]:
    """The first displayed formulas of different sections, each below its section's heading."""
    found: dict[str, str] = {}
    heading = ""
    for point in points:
        if point.kind == "heading":
            heading = point.text.lstrip("# ")
        elif point.kind == "formula" and len(point.text) <= FORMULA_CHARACTERS:
            found.setdefault(heading, point.text)
    if found:
        yield part("heading", f"## {words.translate('Formulas')}")
    for heading, formula in list(found.items())[:FORMULAS]:
        yield part("formula", f"{heading}\n\n{formula}")


def figure(points: list[Point]) -> Iterator[NotebookNode]:
    """The first figure of a lesson, with the sentence that reads it."""
    for place, point in enumerate(points):
        shown = list(slide_outputs.outputs(point.cell)) if point.kind == "output" else []
        if shown and shown[0].cell and "image/png" in shown[0].cell.outputs[0].data:
            cell = shown[0].cell
            yield new_code_cell(
                "", outputs=cell.outputs, metadata={**cell.metadata, "part": "figure"}
            )
            after = points[place + 1] if place + 1 < len(points) else Point("")
            if after.kind == "text":
                yield part("figure", lead(after.text, EXERCISE_WORDS))
            return


def summary(points: list[Point], words: Catalogue) -> Iterator[NotebookNode]:
    """The claims of the summary, and the sentences to remember."""
    yield part("heading", f"## {words.translate('Summary')}")
    inside = False
    tables, listed, sentences, prose = [], [], [], []
    for point in points:
        if point.kind == "heading":
            inside = point.text.lstrip("# ") in teacher_notes.SUMMARY
        elif inside and point.kind == "table":
            tables.append(point.text)
        elif inside and point.kind == "item":
            (sentences if point.text[0].isdigit() else listed).append(point.text)
        elif inside and point.kind == "text":
            prose.append(lead(point.text, CLAIM_WORDS))
    yield from claims_cells(tables)
    if not tables and not listed:
        listed = [f"- {sentence}" for sentence in prose if sentence[-1:] not in ":："]
    lists = {"listed": listed, "remember": sentences}
    yield from (part(name, "\n".join(items)) for name, items in lists.items() if items)


def claims_cells(tables: list[str]) -> Iterator[NotebookNode]:
    """Short tables of claims and what was measured; of long ones the claims alone."""
    if not tables:
        return
    if weight("\n".join(tables).replace("|", " ")) <= SUMMARY_WORDS:
        yield from (part("claims", table) for table in tables)
    else:
        claims = [claim for table in tables for claim in slide_deck.claims(table)]
        yield part("claims", "\n".join(f"- {claim}" for claim in claims))


def glossary(notebook: NotebookNode, language: str, words: Catalogue) -> Iterator[NotebookNode]:
    """The terms of the course that a lesson uses most, in both languages."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown").lower()
    with translation_rules.GLOSSARY.open(encoding="utf-8") as lines:
        pairs = [
            (english, chinese.split("|")[0]) for english, chinese in list(csv.reader(lines))[1:]
        ]
    ours = 0 if language == "en" else 1
    pairs = {chinese: (english, chinese) for english, chinese in reversed(pairs)}.values()
    differ = [pair for pair in pairs if pair[0].lower() != pair[1].lower()]
    counted = {pair: text.count(pair[ours].lower()) for pair in differ}
    chosen = sorted(filter(counted.get, counted), key=counted.get, reverse=True)[:TERMS]
    entries = (f"**{pair[ours]}** {pair[1 - ours]}" for pair in sorted(chosen))
    yield part("heading", f"## {words.translate('Words')}")
    yield part("words", " · ".join(entries))


def questions(
    points: list[Point], sheet: ExerciseSheet, words: Catalogue
) -> Iterator[NotebookNode]:
    """The exercises, each with lines to write on; those that mend code show it."""
    name, date = words.translate("Name"), words.translate("Date")
    yield part("heading", f"## {words.translate('Exercises')}")
    yield part("name", f"{name} {'_' * 40} {date} {'_' * 16}".replace("_", "\\_"))
    for point in points:
        if point.kind == "exercise":
            (asked,) = item_names(point.cell)
            yield part("exercise", question(asked, getattr(sheet, asked), point, words))
            yield part("lines", "")


def question(name: str, exercise: Exercise, point: Point, words: Catalogue) -> str:
    """The text of an exercise as far as there is room, with code that is to be mended."""
    title = slide_items.exercise_title(name, exercise, words).removeprefix(name)
    texts = [short.text for short in lesson_points.shortened(point.text, EXERCISE_WORDS)]
    code = exercise.broken.strip()
    fence = [f"```python\n{code}\n```"] if 0 < len(code.splitlines()) <= CODE_LINES else []
    stop = ". " if title[-1].isascii() else "。"
    first = f"**{name}**{title}{stop}{texts[0]}"
    return "\n\n".join([first, *texts[1:], *fence])


def part(name: str, text: str) -> NotebookNode:
    """A Markdown cell of a part of the handout."""
    return new_markdown_cell(text, metadata={"part": name})


def build(path: Path, language: str = "en", folder: Path = FOLDER) -> Path:
    """Write the handout of a lesson; where it lies."""
    target = folder / ("" if language == "en" else language) / f"{path.stem}.html"
    notebook = notebooks.read(path)
    number, question = notebooks.title(notebook)
    sheet = exercises.load(number, record=False, language=language)
    cells = handout(notebook, sheet, language)
    page_export.export(cells, "handout", question, target, language)
    return target


def main(arguments: list[str] | None = None) -> int:
    """Build the handouts of the named lessons."""
    return page_export.build_named(build, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
