"""Slides of the lessons, for a teacher: reveal.js in one folder, without any network.

    python -m tools.slides               # all lessons, into build/slides
    python -m tools.slides 02            # one: build/slides/02_loss.html
    python -m tools.slides --language zh 02      # in Chinese, into build/slides/zh

Open a page in a browser; S shows the speaker's notes: the lesson's text, answers, solutions and
typical mistakes. Nothing is executed: figures and tables are the stored outputs of the lesson.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nbformat import NotebookNode

from ftlearn.course import exercises
from tools import notebooks, page_export, slide_deck, slide_words
from tools.slide_layout import Slide

FOLDER = notebooks.ROOT / "build" / "slides"


def slides(notebook: NotebookNode, language: str = "en") -> list[Slide]:
    """The slides of a stored lesson."""
    number, _ = notebooks.title(notebook)
    sheet = exercises.load(number, record=False, language=language)
    return slide_deck.of_lesson(notebook, sheet, slide_words.load(language))


def build(path: Path, language: str = "en", folder: Path = FOLDER) -> Path:
    """Write the slides of a lesson; where they lie."""
    target = folder / ("" if language == "en" else language) / f"{path.stem}.html"
    notebook = notebooks.read(path)
    _, question = notebooks.title(notebook)
    cells = list(slide_deck.cells(slides(notebook, language)))
    page_export.export(cells, "slides", question, target, language)
    return target


def main(arguments: list[str] | None = None) -> int:
    """Build the slides of the named lessons."""
    return page_export.build_named(build, __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
