"""A stored lesson as a page: without what only Jupyter needs, with what only a page needs."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from tools import badges, notebooks, output_tables, site_links, translation_sources

_FORMULA = re.compile(r"^( *\$\$.+\$\$)$", re.MULTILINE)


@dataclass(frozen=True)
class Lesson:
    """A lesson in the language of a page, or in English where it is not translated."""

    path: Path
    language: str

    @property
    def name(self) -> str:
        """The name of the file, the same in both languages."""
        return self.path.name

    @property
    def source(self) -> str:
        """The path in the repository."""
        return self.path.relative_to(notebooks.ROOT).as_posix()

    @cached_property
    def notebook(self) -> NotebookNode:
        """The stored notebook; whoever changes it copies it first."""
        return notebooks.read(self.path)

    @property
    def title(self) -> tuple[str, str]:
        """Number and question."""
        return notebooks.title(self.notebook)


def find(language: str) -> list[Lesson]:
    """All lessons in their order; those that are not translated yet in English."""
    lessons = []
    for path in notebooks.find():
        translated = notebooks.FOLDER / language / path.name
        exists = language != "en" and translated.exists()
        lessons.append(Lesson(translated, language) if exists else Lesson(path, "en"))
    return lessons


def page(
    lesson: Lesson, language: str, words: dict[str, Any], places: dict[str, str]
) -> NotebookNode:
    """The page of a lesson in a language: the lesson itself, or a pointer to the English page."""
    if lesson.language != language:
        return pointer(lesson, words)
    notebook = copy.deepcopy(lesson.notebook)
    notebook.cells = [cell for cell in notebook.cells if not notebooks.has_tag(cell, "colab")]
    notebook.cells[0].source = opening(notebook, lesson, words)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = set_apart(site_links.rewrite(cell.source, lesson.source, places))
        else:
            prepare(cell)
    return notebook


def pointer(lesson: Lesson, words: dict[str, Any]) -> NotebookNode:
    """A page that leads to the English lesson, where there is no translation yet."""
    number, question = lesson.title
    address = f"../../lessons/{lesson.path.stem}.html"
    text = f"# {number} · {question}\n\n{words['missing']}"
    # As HTML, since Sphinx builds each language by itself and does not know the other one's pages.
    link = f'<p class="launch"><a href="{address}" hreflang="en">{words["read_english"]}</a></p>'
    cells = [new_markdown_cell(f"{text}\n\n{link}", id="pointer")]
    return new_notebook(cells=cells, metadata=lesson.notebook.metadata)


def opening(notebook: NotebookNode, lesson: Lesson, words: dict[str, Any]) -> str:
    """The first cell, with buttons in place of badges: their images come from other hosts."""
    text = translation_sources.without_generated(notebook.cells[0].source)
    cost = badges.measured(notebook, lesson.language)
    return f"{text}\n\n{cost} {words['stored']}\n\n{{.launch}}\n{launch(lesson, words)}"


def launch(lesson: Lesson, words: dict[str, Any]) -> str:
    """The links that run a lesson, and its file, as Markdown."""
    binder, colab = badges.addresses(lesson.name, lesson.language)
    links = {words["binder"]: binder, words["colab"]: colab}
    links[words["source"]] = f"repo:{lesson.source}"
    return " ".join(f"[{text}]({address})" for text, address in links.items())


def set_apart(text: str) -> str:
    """Markdown whose displayed formulas are blocks: MyST does not know them within a paragraph.

    >>> set_apart("It is\\n$$x$$\\nand so on")
    'It is\\n\\n$$x$$\\n\\nand so on'
    """
    return _FORMULA.sub(r"\n\1\n", text)


def prepare(cell: NotebookNode) -> None:
    """Describes a code cell's image, folds its checks, prepares tables for the styles."""
    if "alt" in cell.metadata:
        cell.metadata["mystnb"] = {"image": {"alt": cell.metadata["alt"]}}
    if notebooks.has_tag(cell, "guards"):
        cell.metadata["tags"] = [*cell.metadata["tags"], "hide-cell"]
    for output in cell.outputs:
        if "text/html" in output.get("data", {}):
            html = output_tables.without_style(output.data["text/html"])
            output.data["text/html"] = output_tables.aligned(html)
