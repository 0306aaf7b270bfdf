"""A teacher's note in front of a lesson: what it costs, a plan for 90 minutes, its numbers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from nbformat import NotebookNode

from ftlearn.course.exercises import Exercise, ExerciseSheet
from tools import notebooks, rules

MINUTES, ARRIVING, CLOSING, EXERCISES = 90, 5, 5, 30
"""A lesson, the question at its start, the summary at its end, and at most so many exercises."""
WORDS_A_MINUTE, MINUTES_A_CELL, MINUTES_A_QUESTION = 180, 0.75, 1.5
WITHOUT_TIME = ("Exercises", "Summary", "Where it comes from")


def note(notebook: NotebookNode, sheet: ExerciseSheet) -> str:
    """The note as Markdown."""
    parts = ["## For the teacher", cost(notebook, sheet), timetable(notebook, sheet)]
    numbers = expected(notebook)
    if numbers:
        parts.append("The numbers to expect, as measured when the lesson was last executed:")
        parts.append(f"```\n{numbers}\n```")
    return "\n\n".join(parts)


def cost(notebook: NotebookNode, sheet: ExerciseSheet) -> str:
    """What the lesson costs machine and people, in two sentences."""
    measured = notebook.metadata.get("ftlearn", {})
    machine = "The running time was not measured."
    if "seconds" in measured:
        machine = (
            f"All cells together run in {measured['seconds']:.0f} s with "
            f"{measured['memory_mb']:.0f} MB of memory on {measured['machine']}."
        )
    minutes = sum(exercise.minutes for exercise in sheet.exercises)
    return (
        f"{machine} The {len(sheet.exercises)} exercises take about {minutes} minutes, "
        f"{len(sheet.questions)} short questions are asked on the way."
    )


def timetable(notebook: NotebookNode, sheet: ExerciseSheet) -> str:
    """A plan for 90 minutes as a table: sections by their length, exercises as they fit in."""
    here, later = chosen(sheet)
    working = sum(exercise.minutes for _, exercise in here)
    weights = dict(sections(notebook))
    left = MINUTES - ARRIVING - CLOSING - working
    blocks = [("the question, and what everybody expects", float(ARRIVING))]
    total = sum(weights.values()) or 1.0
    blocks += [(name, left * weight / total) for name, weight in weights.items()]
    blocks += [(f"exercises {', '.join(name for name, _ in here)}", float(working))]
    blocks += [("the summary: which claims surprised you?", float(CLOSING))]
    ends = list(itertools.accumulate(minutes for _, minutes in blocks))
    rows = [
        f"| {round(end - minutes)} to {round(end)} | {name} |"
        for (name, minutes), end in zip(blocks, ends, strict=True)
    ]
    table = "\n".join(["| minutes | what |", "|---|---|", *rows])
    if not later:
        return f"A plan for {MINUTES} minutes:\n\n{table}"
    home = ", ".join(name for name, _ in later)
    return f"A plan for {MINUTES} minutes:\n\n{table}\n\nTo take home: {home}."


def chosen(sheet: ExerciseSheet) -> tuple[list, list]:
    """Exercises that fit into the lesson, the easier ones first, and those to take home."""
    named: list[tuple[str, Exercise]] = [
        (f"q{at}", exercise) for at, exercise in enumerate(sheet.exercises, start=1)
    ]
    here, minutes = [], 0
    for name, exercise in sorted(named, key=lambda pair: pair[1].difficulty):
        if minutes + exercise.minutes <= EXERCISES:
            here.append(name)
            minutes += exercise.minutes
    return (
        [pair for pair in named if pair[0] in here],
        [pair for pair in named if pair[0] not in here],
    )


def sections(notebook: NotebookNode) -> Iterator[tuple[str, float]]:
    """The lesson's sections with the minutes that reading, running and answering take."""
    name, minutes = "", 0.0
    for cell in notebook.cells:
        heading = section_name(cell)
        if heading:
            if name and name not in WITHOUT_TIME:
                yield name, minutes
            name, minutes = heading, 0.0
        minutes += cell_minutes(cell)
    if name and name not in WITHOUT_TIME:
        yield name, minutes


def section_name(cell: NotebookNode) -> str:
    """The last heading of the second level in a cell; nothing where there is none."""
    found = re.findall(r"^## +(.+?) *$", cell.source, re.MULTILINE)
    return found[-1] if cell.cell_type == "markdown" and found else ""


def cell_minutes(cell: NotebookNode) -> float:
    """How long a cell keeps a reader."""
    if cell.cell_type == "markdown":
        return rules.words(cell) / WORDS_A_MINUTE
    return MINUTES_A_QUESTION if notebooks.has_tag(cell, "quiz") else MINUTES_A_CELL


def expected(notebook: NotebookNode) -> str:
    """The last table of the summary, as plain text; nothing where it has no output."""
    inside, text = False, ""
    for cell in notebook.cells:
        if section_name(cell):
            inside = section_name(cell) == "Summary"
        for output in cell.get("outputs", []) if inside else []:
            text = output.get("data", {}).get("text/plain", text)
    return text
