"""The Chinese edition: catalogues from the lessons, and lessons from the catalogues.

    python -m tools.translations update        # write what is new or changed into the catalogues
    python -m tools.translations update 02 ftlearn
    python -m tools.translations status        # how much of each catalogue is translated
    python -m tools.translations check 02      # what the rules of translation complain about
    python -m tools.translations build 02      # write and execute notebooks/zh/02_loss.ipynb
    python -m tools.translations refresh 02    # write it again, with the outputs it has

A catalogue holds the English of a lesson and its translation, text by text; gettext's editors, such
as Poedit, open it. If the English has changed, `update` keeps the old translation and marks it
fuzzy, until somebody has looked at it. Code is never translated: the cells are the same, byte for
byte, and their outputs are executed in Chinese. Where only prose was changed, `refresh` suffices.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Iterable
from pathlib import Path

import polib
from nbformat import NotebookNode

from ftlearn import language
from ftlearn.language.files import COMMANDS, FOLDER, PACKAGE, PATTERN
from tools import (
    badges,
    execute,
    notebooks,
    translation_editions,
    translation_rules,
    translation_sources,
)
from tools.translation_editions import LABELS, labels_sha256, one_folder_down
from tools.translation_sources import Source

LANGUAGE = "zh"
CATALOGUES = FOLDER / language.LANGUAGES[LANGUAGE]
TRANSLATED = notebooks.FOLDER / LANGUAGE
PACKAGES = {
    PACKAGE: translation_sources.of_package,
    COMMANDS: translation_sources.of_commands,
}
"""The catalogues beside the lessons, each with what is to be translated in it."""
HEADER = {
    "Language": "zh_CN",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Transfer-Encoding": "8bit",
}


def catalogue_path(name: str) -> Path:
    """The catalogue of a lesson by the stem of its notebook, or one of the package's."""
    return CATALOGUES / f"{name}.po"


def names(chosen: Iterable[str]) -> list[str]:
    """Names of catalogues: those of the package, and stems of lessons; all if none is chosen."""
    chosen = list(chosen)
    lessons = [name for name in chosen if name not in PACKAGES]
    stems = [path.stem for path in notebooks.find(lessons)] if lessons or not chosen else []
    return [name for name in PACKAGES if name in chosen or not chosen] + stems


def lesson(name: str) -> NotebookNode:
    """The English notebook of a catalogue's name."""
    return notebooks.read(notebooks.FOLDER / f"{name}.ipynb")


def sources(name: str) -> list[Source]:
    """What is to be translated in a catalogue."""
    if name in PACKAGES:
        return PACKAGES[name]()
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
    old = read_catalogue(name) if path.exists() else polib.POFile()
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


def build(name: str) -> Path:
    """Writes the Chinese lesson and executes it. Raises ValueError for a missing translation.

    What it costs was measured on the English lesson, whose code is the same.
    """
    path, english, catalogue = TRANSLATED / f"{name}.ipynb", lesson(name), read_catalogue(name)
    path.parent.mkdir(exist_ok=True)
    notebooks.write(translated(english, catalogue, name), path)
    notebook = execute.execute(path, chosen=LANGUAGE)
    notebook.metadata["ftlearn"] = english.metadata["ftlearn"] | {LABELS: labels_sha256(catalogue)}
    badges.update(notebook, path.name, LANGUAGE)
    notebooks.write(notebook, path)
    return path


def refresh(name: str) -> Path:
    """Writes the prose of a Chinese lesson again, around the outputs of its last execution.

    Raises ValueError if the code or the labels of its outputs have changed since then.
    """
    path, catalogue = TRANSLATED / f"{name}.ipynb", read_catalogue(name)
    stored, notebook = notebooks.read(path), translated(lesson(name), catalogue, name)
    measured = stored.metadata["ftlearn"]
    current = (notebooks.source_sha256(notebook), labels_sha256(catalogue))
    if current != (measured["source_sha256"], measured.get(LABELS)):
        raise ValueError(
            f"{name}: the code or the labels have changed since it was executed; run "
            f"`python -m tools.translations build {name[:2]}`"
        )
    cells = {cell.id: cell for cell in stored.cells}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = cells[cell.id].outputs
            cell.execution_count = cells[cell.id].execution_count
            execute.add_alternative_texts(cell)
    notebook.metadata = stored.metadata
    badges.update(notebook, path.name, LANGUAGE)
    notebooks.write(notebook, path)
    return path


def read_catalogue(name: str) -> polib.POFile:
    """The catalogue of a lesson or of the package."""
    return polib.pofile(str(catalogue_path(name)))


def status(name: str) -> str:
    """One line: how many texts of a catalogue are translated, fuzzy or missing."""
    path = catalogue_path(name)
    if not path.exists():
        return f"{name}: no catalogue yet"
    entries = read_catalogue(name)
    done, fuzzy = len(entries.translated_entries()), len(entries.fuzzy_entries())
    return f"{name}: {done} of {len(entries)} translated, {fuzzy} fuzzy"


def check(name: str) -> list[str]:
    """What the rules complain about in a catalogue, and in the lesson that was built from it."""
    catalogue, path = read_catalogue(name), TRANSLATED / f"{name}.ipynb"
    found = translation_rules.complaints(catalogue, sources(name))
    if path.exists():
        words = language.load("zh", name[:2])
        found += translation_editions.complaints(
            lesson(name), notebooks.read(path), catalogue, words
        )
    return found


WRITERS = {"build": build, "refresh": refresh}


def main() -> int:
    """Carries out one of the commands for the named lessons, or for all."""
    parser = argparse.ArgumentParser(prog="python -m tools.translations")
    parser.add_argument("command", choices=["update", "status", "check", *WRITERS])
    parser.add_argument("names", nargs="*", help="lessons by number or name, ftlearn or commands")
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
        elif name not in PACKAGES:
            print(WRITERS[chosen.command](name).relative_to(notebooks.ROOT))
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
