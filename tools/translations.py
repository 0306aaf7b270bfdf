"""The Chinese edition: catalogues from the lessons, and lessons from the catalogues.

    python -m tools.translations update        # write what is new or changed into the catalogues
    python -m tools.translations update 02 ftlearn
    python -m tools.translations status        # how much of each catalogue is translated
    python -m tools.translations check 02      # what the rules of translation complain about
    python -m tools.translations build 02      # write and execute notebooks/zh/02_loss.ipynb

A catalogue holds the English of a lesson and its translation, text by text; gettext's editors, such
as Poedit, open it. If the English has changed, `update` keeps the old translation and marks it
fuzzy, until somebody has looked at it. Code is never translated: the cells are the same, byte for
byte, and their outputs are executed in Chinese.
"""

from __future__ import annotations

import argparse
import copy
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import polib
from nbformat import NotebookNode

from ftlearn import language
from ftlearn.language.files import FOLDER, PACKAGE, PATTERN
from tools import badges, execute, notebooks, translation_rules, translation_sources
from tools.translation_sources import Source

LANGUAGE = "zh"
CATALOGUES = FOLDER / language.LANGUAGES[LANGUAGE]
TRANSLATED = notebooks.FOLDER / LANGUAGE
HEADER = {
    "Language": "zh_CN",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Transfer-Encoding": "8bit",
}


def catalogue_path(name: str) -> Path:
    """The catalogue of a lesson by the stem of its notebook, or of the package: `ftlearn`."""
    return CATALOGUES / f"{name}.po"


def names(chosen: Iterable[str]) -> list[str]:
    """Names of catalogues: `ftlearn` and stems of lessons; all if none is chosen."""
    chosen = list(chosen)
    lessons = [name for name in chosen if name != PACKAGE]
    stems = [path.stem for path in notebooks.find(lessons)] if lessons or not chosen else []
    return ([PACKAGE] if PACKAGE in chosen or not chosen else []) + stems


def lesson(name: str) -> NotebookNode:
    """The English notebook of a catalogue's name."""
    return notebooks.read(notebooks.FOLDER / f"{name}.ipynb")


def sources(name: str) -> list[Source]:
    """What is to be translated in a catalogue."""
    if name == PACKAGE:
        return translation_sources.of_package()
    return translation_sources.of_lesson(lesson(name), name[:2])


def updated(old: polib.POFile, current: Iterable[Source]) -> polib.POFile:
    """A catalogue with the current sources in their order, and what was translated before.

    The translation of a cell or a description whose English has changed is kept as fuzzy; other
    texts that are gone are dropped.
    """
    new = polib.POFile(wrapwidth=100)
    new.metadata = dict(HEADER)
    same = {(entry.msgctxt, entry.msgid): entry for entry in old}
    by_context = {entry.msgctxt: entry for entry in old}
    for source in current:
        entry = polib.POEntry(msgctxt=source.context, msgid=source.text)
        if source.pattern:
            entry.flags.append(PATTERN)
        before = same.get((source.context, source.text))
        if before:
            entry.msgstr, entry.tcomment = before.msgstr, before.tcomment
            entry.previous_msgid = before.previous_msgid
            entry.flags += ["fuzzy"] * before.fuzzy
        elif source.context not in language.files.SOURCES and source.context in by_context:
            before = by_context[source.context]
            entry.msgstr, entry.tcomment = before.msgstr, before.tcomment
            entry.previous_msgid = before.msgid
            entry.flags += ["fuzzy"] * bool(before.msgstr)
        new.append(entry)
    return new


def update(name: str) -> polib.POFile:
    """Writes the current texts of a lesson or of the package into its catalogue."""
    path = catalogue_path(name)
    old = polib.pofile(str(path)) if path.exists() else polib.POFile()
    new = updated(old, sources(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    new.save(str(path))
    return new


def translated(english: NotebookNode, catalogue: polib.POFile, name: str) -> NotebookNode:
    """The lesson with its prose translated, its code as it is, and no outputs.

    Raises ValueError for a cell without a translation.
    """
    notebook = copy.deepcopy(english)
    execute.clear(notebook)
    texts = {entry.msgctxt: entry for entry in catalogue if entry.translated()}
    for cell in notebook.cells:
        if "alt" in cell.metadata and f"alt {cell.id}" in texts:
            cell.metadata["alt"] = texts[f"alt {cell.id}"].msgstr
        if cell.cell_type != "markdown":
            continue
        entry = texts.get(cell.id)
        if entry is None or entry.msgid != translation_sources.without_generated(cell.source):
            raise ValueError(
                f"{name}: cell {cell.id} has no current translation; run "
                f"`python -m tools.translations update {name[:2]}` and translate it"
            )
        cell.source = one_folder_down(entry.msgstr)
    first = notebook.cells[0]
    first.source = f"{first.source}\n\n{badges.MEASURED}\n\n{badges.BADGES}"
    badges.update(notebook, f"{name}.ipynb", LANGUAGE)
    return notebook


def one_folder_down(text: str) -> str:
    """Links to files outside the lessons, as a notebook in a folder of theirs needs them.

    >>> one_folder_down("see [speed](../docs/speed.md)")
    'see [speed](../../docs/speed.md)'
    """
    return re.sub(r"(\]\()(\.\./)", r"\1../\2", text)


def build(name: str) -> Path:
    """Writes the Chinese lesson and executes it. Raises ValueError for a missing translation."""
    path = TRANSLATED / f"{name}.ipynb"
    notebook = translated(lesson(name), polib.pofile(str(catalogue_path(name))), name)
    path.parent.mkdir(exist_ok=True)
    notebooks.write(notebook, path)
    execute.execute(path, language=LANGUAGE)
    return path


def status(name: str) -> str:
    """One line: how many texts of a catalogue are translated, fuzzy or missing."""
    path = catalogue_path(name)
    if not path.exists():
        return f"{name}: no catalogue yet"
    entries = polib.pofile(str(path))
    done, fuzzy = len(entries.translated_entries()), len(entries.fuzzy_entries())
    return f"{name}: {done} of {len(entries)} translated, {fuzzy} fuzzy"


def check(name: str) -> list[str]:
    """What the rules complain about in a catalogue."""
    catalogue = polib.pofile(str(catalogue_path(name)))
    return translation_rules.complaints(catalogue, sources(name))


def main() -> int:
    """Carries out one of the four commands for the named lessons, or for all."""
    parser = argparse.ArgumentParser(prog="python -m tools.translations")
    parser.add_argument("command", choices=["update", "status", "check", "build"])
    parser.add_argument("names", nargs="*", help="lessons by number or name, or ftlearn")
    chosen = parser.parse_args()
    bad = 0
    for name in names(chosen.names):
        if chosen.command == "update":
            update(name)
        if chosen.command in ("update", "status"):
            print(status(name))
        elif chosen.command == "check":
            found = check(name)
            bad += len(found)
            print("\n".join(f"{name}: {line}" for line in found or ["ok"]))
        elif name != PACKAGE:
            print(build(name).relative_to(notebooks.ROOT))
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
