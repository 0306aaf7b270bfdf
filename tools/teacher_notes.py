"""A note for the teacher before a lesson: time and memory, a plan for 90 minutes, results."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from nbformat import NotebookNode

from ftlearn.course.exercises import Exercise, ExerciseSheet
from ftlearn.language import Catalogue
from tools import notebooks, rules

MINUTES = 90
OPENING = 5
"""Minutes for the question at the start."""
CLOSING = 5
"""Minutes for the summary at the end."""
EXERCISES = 30
"""Minutes for exercises at most; the others are to take home."""
WORDS_PER_MINUTE = 180
MINUTES_PER_CELL = 0.75
MINUTES_PER_QUESTION = 1.5
CHARACTERS_PER_MINUTE = 300
"""How many Chinese characters a reader takes in."""
SUMMARY = ("Summary", "小结")
UNTIMED_SECTIONS = ("Exercises", "Where it comes from", "练习", "出处", *SUMMARY)
ENGLISH = Catalogue({})


def note(notebook: NotebookNode, sheet: ExerciseSheet, words: Catalogue = ENGLISH) -> str:
    """The note as Markdown, in the language of `words`."""
    heading = f"## {words.translate('For the teacher')}"
    parts = [heading, *cost(notebook, sheet, words), timetable(notebook, sheet, words)]
    numbers = expected(notebook)
    if numbers:
        text = "The numbers to expect, as measured when the lesson was last executed:"
        parts += [words.translate(text), f"```\n{numbers}\n```"]
    return "\n\n".join(parts)


def cost(notebook: NotebookNode, sheet: ExerciseSheet, words: Catalogue) -> Iterator[str]:
    """Running time and memory, the exercises' working time, and the number of questions."""
    measured = notebook.metadata.get("ftlearn", {})
    machine = "The running time was not measured."
    if "seconds" in measured:
        machine = (
            f"All cells together run in {measured['seconds']:.0f} s with "
            f"{measured['memory_mb']:.0f} MB of memory on {measured['machine']}."
        )
    yield words.translate(machine)
    minutes = sum(exercise.minutes for exercise in sheet.exercises)
    number = len(sheet.exercises)
    yield words.translate(f"The {number} exercises take about {minutes} minutes.")
    yield words.translate(f"{len(sheet.questions)} short questions are asked on the way.")


def timetable(notebook: NotebookNode, sheet: ExerciseSheet, words: Catalogue = ENGLISH) -> str:
    """A plan for 90 minutes as a table: sections by length, and the exercises that fit."""
    in_class, at_home = split_exercises(sheet)
    working = sum(exercise.minutes for _, exercise in in_class)
    weights = dict(sections(notebook))
    left = MINUTES - OPENING - CLOSING - working
    total = sum(weights.values()) or 1.0
    names = ", ".join(name for name, _ in in_class)
    blocks = [
        (words.translate("the question, and what everybody expects"), float(OPENING)),
        *((name, left * weight / total) for name, weight in weights.items()),
        (words.translate(f"exercises {names}"), float(working)),
        (words.translate("the summary: which claims surprised you?"), float(CLOSING)),
    ]
    head = f"| {words.translate('minutes')} | {words.translate('what')} |"
    table = "\n".join([head, "|---|---|", *rows(blocks)])
    parts = [words.translate(f"A plan for {MINUTES} minutes:"), table]
    if at_home:
        home = ", ".join(name for name, _ in at_home)
        parts.append(words.translate(f"To take home: {home}."))
    return "\n\n".join(parts)


def rows(blocks: list[tuple[str, float]]) -> Iterator[str]:
    """The rows of the plan: from which minute to which, and what.

    >>> list(rows([("the question", 5.0), ("a section", 20.0)]))
    ['| 0–5 | the question |', '| 5–25 | a section |']
    """
    ends = itertools.accumulate(minutes for _, minutes in blocks)
    for (name, minutes), end in zip(blocks, ends, strict=True):
        yield f"| {round(end - minutes)}–{round(end)} | {name} |"


def split_exercises(sheet: ExerciseSheet) -> tuple[list, list]:
    """The exercises that fit into the lesson, easier ones first, and those to take home."""
    pairs: list[tuple[str, Exercise]] = [
        (f"q{number}", exercise) for number, exercise in enumerate(sheet.exercises, start=1)
    ]
    fitting, minutes = [], 0
    for name, exercise in sorted(pairs, key=lambda pair: pair[1].difficulty):
        if minutes + exercise.minutes <= EXERCISES:
            fitting.append(name)
            minutes += exercise.minutes
    in_class = [pair for pair in pairs if pair[0] in fitting]
    at_home = [pair for pair in pairs if pair[0] not in fitting]
    return in_class, at_home


def sections(notebook: NotebookNode) -> Iterator[tuple[str, float]]:
    """The lesson's sections, each with the minutes for reading, running and answering."""
    name, minutes = "", 0.0
    for cell in notebook.cells:
        heading = section_name(cell)
        if heading:
            if name and name not in UNTIMED_SECTIONS:
                yield name, minutes
            name, minutes = heading, 0.0
        minutes += cell_minutes(cell)
    if name and name not in UNTIMED_SECTIONS:
        yield name, minutes


def section_name(cell: NotebookNode) -> str:
    """The last second-level heading in a cell; an empty text if there is none."""
    headings = re.findall(r"^## +(.+?) *$", cell.source, re.MULTILINE)
    return headings[-1] if cell.cell_type == "markdown" and headings else ""


def cell_minutes(cell: NotebookNode) -> float:
    """The minutes that a reader spends on a cell."""
    if cell.cell_type == "markdown":
        characters = len(re.findall(r"[\u4e00-\u9fff]", cell.source))
        return rules.words(cell) / WORDS_PER_MINUTE + characters / CHARACTERS_PER_MINUTE
    return MINUTES_PER_QUESTION if notebooks.has_tag(cell, "quiz") else MINUTES_PER_CELL


def expected(notebook: NotebookNode) -> str:
    """The last table of the summary as plain text; empty if the summary has no output."""
    inside, text = False, ""
    for cell in notebook.cells:
        if section_name(cell):
            inside = section_name(cell) in SUMMARY
        for output in cell.get("outputs", []) if inside else []:
            text = output.get("data", {}).get("text/plain", text)
    return text
