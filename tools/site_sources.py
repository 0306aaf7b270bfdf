"""The sources of the website, one folder per language, for Sphinx to build.

Lessons come from notebooks/, guides from docs/, the first page from docs/site/LANGUAGE/index.md,
and the reference from the package and its command line. Every page exists in both languages under
the same name: a guide without a translation is in English, and a lesson without one points to the
English page.
"""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from tools import (
    badges,
    notebooks,
    readme_figure,
    site_commands,
    site_lessons,
    site_links,
    site_reference,
)
from tools.site_lessons import Lesson

SITE = notebooks.ROOT / "docs" / "site"
CATALOGUES = notebooks.ROOT / "docs" / "locale"
LANGUAGES = ("en", "zh")
GUIDES = ("installation", "your_data", "serving", "many_devices", "teaching", "plans")
GUIDES += ("placement", "class_server", "capstone", "results", "speed", "speed_decisions")
"""The order of the guides; those that are not named come after them."""
QUESTIONS = ("01", "02", "06", "09", "16", "22", "24")
"""Lessons whose questions the first page shows."""


def words(language: str) -> dict[str, Any]:
    """The words of the site in a language, from docs/site/words.toml."""
    return tomllib.loads((SITE / "words.toml").read_text(encoding="utf-8"))[language]


def base() -> str:
    """Where the site stands on its host: GitHub Pages serve it below the repository's name."""
    return f"/{notebooks.settings()['repository'].partition('/')[2]}/"


def assemble(language: str, target: Path) -> None:
    """Writes all sources of a language into an empty folder."""
    lessons = site_lessons.find(language)
    write_lessons(lessons, language, target)
    write_guides(target, language)
    write_first_page(lessons, language, target)
    code = [cell.source for lesson in lessons for cell in code_cells(lesson)]
    site_reference.write(target / "reference", words(language), code)
    site_commands.write(target / "commands", language, words(language))


def code_cells(lesson: Lesson) -> list[NotebookNode]:
    """The code that a lesson runs; it is the same in both languages."""
    return notebooks.executed_cells(lesson.notebook)


def copy_catalogues(target: Path) -> None:
    """Copies the translations of guides to where Sphinx may compile them."""
    shutil.copytree(CATALOGUES, target)


def write_lessons(lessons: list[Lesson], language: str, target: Path) -> None:
    """The page of each lesson, and the page that lists them."""
    folder = target / "lessons"
    folder.mkdir(parents=True)
    places = site_links.pages()
    for lesson in lessons:
        page = site_lessons.page(lesson, language, words(language), places)
        notebooks.write(page, folder / lesson.name)
    (folder / "index.md").write_text(list_of_lessons(lessons, language), encoding="utf-8")


def list_of_lessons(lessons: list[Lesson], language: str) -> str:
    """The lessons as tables, one per part of the course, as Markdown."""
    chosen = words(language)
    lines = [f"# {chosen['lessons']}", "", chosen["lessons_intro"]]
    for title, members in parts(lessons, chosen).items():
        lines += ["", f"## {title}", "", f"| {' | '.join(chosen['table'])} |", "|---|---|---|---|"]
        lines += [row(lesson, language, chosen) for lesson in members]
    return "\n".join(lines) + "\n"


def row(lesson: Lesson, language: str, chosen: dict[str, Any]) -> str:
    """A lesson's row: number, question, minutes, where it runs."""
    number, question = lesson.title
    note = "" if lesson.language == language else chosen["untranslated"]
    minutes = f"{lesson.notebook.metadata.ftlearn['seconds'] / 60:.1f}"
    binder, colab = badges.addresses(lesson.name, lesson.language)
    opened = f"[Binder]({binder})\N{NO-BREAK SPACE}[Colab]({colab})"
    return f"| {number} | [{question}]({lesson.name}){note} | {minutes} | {opened} |"


def parts(lessons: list[Lesson], chosen: dict[str, Any]) -> dict[str, list[Lesson]]:
    """The lessons of each part of the course; a part begins with the number that names it."""
    found: dict[str, list[Lesson]] = {}
    for lesson in lessons:
        first = max(number for number in chosen["parts"] if number <= lesson.name[:2])
        found.setdefault(chosen["parts"][first], []).append(lesson)
    return found


def write_guides(target: Path, language: str = LANGUAGES[0]) -> None:
    """The guides with the links of the site, and their figures."""
    (target / "guides").mkdir(parents=True)
    places = site_links.pages()
    for source, page in places.items():
        path = notebooks.ROOT / source
        if page.startswith("guides/") and path.suffix == ".md":
            text = site_links.rewrite(path.read_text(encoding="utf-8"), source, places)
            text = text.replace(summary(LANGUAGES[0]), summary(language))
            (target / page).write_text(text, encoding="utf-8")
        elif page.startswith("guides/"):
            shutil.copy(path, target / page)


def summary(language: str) -> str:
    """What one clicks to see the answers of a guide: HTML, which no catalogue translates."""
    return f"<summary>{words(language)['answers']}</summary>"


def guides() -> list[str]:
    """The names of all guides in their order."""
    names = {Path(page).stem for page in site_links.pages().values() if page.startswith("guides/")}
    names -= {path.stem for path in (notebooks.ROOT / "docs").glob("*.png")}
    later = sorted(names - set(GUIDES) - {"contributing"})
    return [name for name in GUIDES if name in names] + [*later, "contributing"]


def write_first_page(lessons: list[Lesson], language: str, target: Path) -> None:
    """The first page with its figure, and the navigation of the whole site."""
    chosen = words(language)
    text = (SITE / language / "index.md").read_text(encoding="utf-8")
    text = text.replace("{{repository}}", notebooks.settings()["repository"])
    text = text.replace("{{binder}}", badges.addresses(lessons[0].name, lessons[0].language)[0])
    text = text.replace("{{lessons}}", str(len(lessons)))
    text = text.replace("{{questions}}", questions(lessons))
    text = text.replace("{{navigation}}", navigation(lessons, chosen))
    (target / "index.md").write_text(text, encoding="utf-8")
    lesson = next(lesson for lesson in lessons if lesson.name.startswith(readme_figure.LESSON))
    figure = readme_figure.pixels(lesson.path, readme_figure.CELL)
    (target / "shrinkage.png").write_bytes(figure)


def questions(lessons: list[Lesson]) -> str:
    """Some questions of the course, with links, as a Markdown list."""
    chosen = [lesson for lesson in lessons if lesson.name[:2] in QUESTIONS]
    return "\n".join(f"- [{lesson.title[1]}](lessons/{lesson.name})" for lesson in chosen)


def navigation(lessons: list[Lesson], chosen: dict[str, Any]) -> str:
    """The table of contents that stands at the side of every page."""
    trees = [tree("", ["lessons/index"])]
    for title, members in parts(lessons, chosen).items():
        names = {lesson: chosen["short"].get(lesson.name[:2]) for lesson in members}
        entries = [entry(lesson, name) for lesson, name in names.items()]
        trees.append(tree(title, entries))
    trees.append(tree(chosen["guides"], [f"guides/{name}" for name in guides()]))
    trees.append(tree(chosen["reference_part"], ["commands/index", "reference/index"]))
    return "\n\n".join(trees)


def entry(lesson: Lesson, name: str | None) -> str:
    """A lesson in the navigation: number and short name, or its question where it has none."""
    page = f"lessons/{lesson.path.stem}"
    return f"{lesson.name[:2]} · {name} <{page}>" if name else page


def tree(caption: str, entries: list[str]) -> str:
    """A hidden toctree, as Markdown."""
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["```{toctree}", *options, "", *entries, "```"])
