"""What keeps a stored Chinese lesson true to the English lesson and to its catalogue.

Each rule gives the complaints: cells and code are those of the English lesson, prose is that of the
catalogue, and outputs were executed with the catalogue's labels and show them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator

import polib
from nbformat import NotebookNode

from ftlearn import language
from ftlearn.course.translated import TRANSLATORS
from ftlearn.language import Catalogue
from ftlearn.language.files import SOURCES
from tools import notebooks
from tools.translation_rules import CHINESE
from tools.translation_sources import without_generated

LABELS = "labels_sha256"
"""Where the metadata of a lesson hold the hash of the labels in its outputs."""
_SHOWN = re.compile(r"'([^'\n]+)':|<th>([^<]+)</th>")


def complaints(
    english: NotebookNode, chinese: NotebookNode, catalogue: polib.POFile, words: Catalogue
) -> list[str]:
    """What differs between a stored Chinese lesson and its sources; ``words`` are for outputs."""
    return [
        *same_cells(english, chinese),
        *current_texts(chinese, catalogue),
        *current_labels(chinese, catalogue),
        *translated_labels(chinese, catalogue),
        *translated_lines(chinese, words),
    ]


def same_cells(english: NotebookNode, chinese: NotebookNode) -> list[str]:
    """The cells of both lessons have the same ids in the same order, the same code and tags."""
    ids = [[cell.id for cell in notebook.cells] for notebook in (english, chinese)]
    if ids[0] != ids[1]:
        different = sorted(set(ids[0]) ^ set(ids[1]))
        return [f"the cells differ: {', '.join(different) or 'their order'}"]
    found = []
    for one, other in zip(english.cells, chinese.cells, strict=True):
        if one.cell_type != other.cell_type:
            found.append(f"cell {one.id} is {other.cell_type}, not {one.cell_type}")
        elif one.cell_type == "code" and one.source != other.source:
            found.append(f"cell {one.id} has other code than the English lesson")
        if one.metadata.get("tags") != other.metadata.get("tags"):
            found.append(f"cell {one.id} has other tags than the English lesson")
    return found


def current_texts(chinese: NotebookNode, catalogue: polib.POFile) -> list[str]:
    """Prose and descriptions of images are those of the catalogue."""
    texts = {entry.msgctxt: entry.msgstr for entry in catalogue}
    found = []
    for cell in chinese.cells:
        if cell.cell_type == "markdown":
            expected = one_folder_down(texts.get(cell.id, "")).strip()
            if without_generated(cell.source) != expected:
                found.append(f"cell {cell.id} has another text than the catalogue")
        if "alt" in cell.metadata and cell.metadata["alt"] != texts.get(f"alt {cell.id}"):
            found.append(f"cell {cell.id} has another description than the catalogue")
    return found


def current_labels(chinese: NotebookNode, catalogue: polib.POFile) -> list[str]:
    """The outputs were executed with the labels that the catalogue has now."""
    if chinese.metadata["ftlearn"].get(LABELS) == labels_sha256(catalogue):
        return []
    return ["the labels have changed since it was executed; run tools.translations build"]


def translated_labels(chinese: NotebookNode, catalogue: polib.POFile) -> list[str]:
    """No label that the catalogue translates stands in an output in English."""
    labels = {
        entry.msgid
        for entry in catalogue
        if entry.msgctxt == "output" and not entry.flags and entry.msgstr != entry.msgid
    }
    found = []
    for cell_id, text in notebooks.output_texts(chinese):
        shown = {key or head for key, head in _SHOWN.findall(text)}
        found += [f"cell {cell_id} shows {label!r}" for label in sorted(shown & labels)]
    return found


def translated_lines(chinese: NotebookNode, words: Catalogue) -> list[str]:
    """No line in English is shown that today's words, those of the package included, translate."""
    found = []
    for cell in notebooks.executed_cells(chinese):
        for translator, text in _shown(cell):
            lines = zip(text.split("\n"), translator(text, words).split("\n"), strict=False)
            # In a Chinese line, names in quotes are data, which the words may hold as well.
            english = [line for line, now in lines if line != now and not CHINESE.search(line)]
            found += [f"cell {cell.id} shows {line.strip()[:80]!r}" for line in english[:1]]
    return found


def _shown(cell: NotebookNode) -> Iterator[tuple[Callable[[str, Catalogue], str], str]]:
    """What a cell shows as text, each with what a kernel translates it by."""
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stdout":
            yield language.output, output.text
        for kind, value in output.get("data", {}).items():
            if kind in TRANSLATORS:
                yield TRANSLATORS[kind], value


def one_folder_down(text: str) -> str:
    """Links to files outside the lessons, as a notebook in a folder of theirs needs them.

    >>> one_folder_down("see [speed](../docs/speed.md)")
    'see [speed](../../docs/speed.md)'
    """
    return re.sub(r"(\]\()(\.\./)", r"\1../\2", text)


def labels_sha256(catalogue: polib.POFile) -> str:
    """A hash of what a catalogue translates in outputs; if it has changed, they are stale."""
    labels = [(entry.msgid, entry.msgstr) for entry in catalogue if entry.msgctxt in SOURCES]
    return hashlib.sha256(repr(labels).encode()).hexdigest()
