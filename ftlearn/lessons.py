"""The lessons that come with the package, and copies of them in a learner's own folder.

A wheel holds them in ``ftlearn/notebooks``; in a checkout they are in ``notebooks``, beside the
package.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from ftlearn.errors import ArgumentError, ExistsError, FtlearnError, UnknownNameError
from ftlearn.language import LANGUAGES, chosen
from ftlearn.runtime.files import write_json, write_text
from ftlearn.runtime.locking import locked

PLACES = (
    Path(__file__).resolve().with_name("notebooks"),
    Path(__file__).resolve().parents[1] / "notebooks",
)
"""Where the lessons are: in a wheel, and in a checkout."""
RECORD = ".ftlearn-lessons.json"
"""What was copied into a folder: the hashes of each lesson and of its copy."""
_LINK = re.compile(r"(```.*?```|`[^`\n]*`)|(?<=\]\()([^)\s:#][^)\s:]*)(?=\))", re.DOTALL)
"""Code, or where a relative link leads."""


class LessonsError(FtlearnError, RuntimeError):
    """This installation has no lessons, or a folder's record of its copies cannot be read."""


@dataclass
class Copies:
    """What ``copy`` did in a folder, by file names.

    ``new`` were written, ``updated`` replaced by those of this version, ``present`` there already.
    ``kept`` differ from this version's, but the learner has changed them.
    """

    folder: Path
    new: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def available(language: str = "en") -> dict[str, Path]:
    """The lessons of a language: file names with their paths, in order.

    Raises ArgumentError for a language that does not exist, LessonsError where none are installed.

    >>> next(iter(available()))
    '00_start_here.ipynb'
    """
    if language not in ("en", *LANGUAGES):
        raise ArgumentError(f"language is {language!r}: there are en, {', '.join(LANGUAGES)}")
    for place in PLACES:
        folder = place if language == "en" else place / language
        paths = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
        if paths:
            return {path.name: path for path in paths}
    raise LessonsError(
        f"this installation of ftlearn has no lessons in {language!r}: install it from PyPI, or "
        "from a checkout of its repository"
    )


def questions(language: str = "en") -> Iterator[tuple[str, str]]:
    """The number and the question of each lesson.

    >>> next(questions())
    ('00', 'Can I fine-tune a language model on this machine, now?')
    """
    for path in available(language).values():
        title = "".join(json.loads(path.read_bytes())["cells"][0]["source"]).partition("\n")[0]
        number, _, question = title.removeprefix("# ").partition(" · ")
        yield number, question


def copy(folder: str | Path, names: Sequence[str] = (), *, language: str | None = None) -> Copies:
    """Copy all lessons, or the named ones, into a folder; nothing that was changed is replaced.

    A lesson is named by its number or its file. Chinese lessons go into ``folder/zh``, by whose
    name they run in Chinese (``language.chosen``). A copy that is as it was written is replaced by
    this version's lesson; one that was changed, by the learner or by being run, is kept. Relative
    links to files that are not copied lead to the web.

    Raises ArgumentError, UnknownNameError for a lesson that does not exist, ExistsError where a
    name is taken by something else, and BusyError while another process copies.
    """
    folder = Path(folder)
    language = language or chosen(folder=folder.absolute())
    lessons = _named(available(language), names)
    copies = Copies(_folder_for(folder, language))
    render = partial(rendered, folder=copies.folder, language=language, copied=set(lessons))
    with locked(copies.folder):
        record = _read_record(copies.folder)
        try:
            for name, source in lessons.items():
                text = render(source)
                entry = {"lesson": _hash(source.read_bytes()), "copy": _hash(text.encode())}
                path = copies.folder / name
                names = _list_for(copies, path, entry, record.get(name, {}))
                names.append(name)
                if names is copies.new or names is copies.updated:
                    write_text(path, text)
                if _hash(path.read_bytes()) == entry["copy"]:
                    record[name] = entry
        finally:
            write_json(copies.folder / RECORD, record)
    return copies


def _named(lessons: dict[str, Path], names: Sequence[str]) -> dict[str, Path]:
    """The lessons with these numbers or file names; all of them if there is no name."""
    for name in names:
        if not any(_is_named(lesson, name) for lesson in lessons):
            numbers = ", ".join(lesson[:2] for lesson in lessons)
            raise UnknownNameError(f"there is no lesson {name!r}; there are {numbers}")
    return {
        lesson: path
        for lesson, path in lessons.items()
        if not names or any(_is_named(lesson, name) for name in names)
    }


def _is_named(lesson: str, name: str) -> bool:
    """Whether a lesson's file is meant by a name: its number, or the name with or without .ipynb.

    >>> [_is_named("03_data.ipynb", name) for name in ("3", "03", "03_data", "04", "0")]
    [True, True, True, False, False]
    """
    return name.zfill(2) == lesson[:2] or name.removesuffix(".ipynb") == Path(lesson).stem


def _folder_for(folder: Path, language: str) -> Path:
    """The folder that lessons of a language are written into."""
    name = folder.absolute().name
    if language == "en" and name in LANGUAGES:
        raise ArgumentError(
            f"lessons in a folder called {name} run in the language {name}: choose another name "
            "for lessons in English"
        )
    target = folder if language in ("en", name) else folder / language
    for path in (folder, target):
        if os.path.lexists(path) and not path.is_dir():
            raise ExistsError(f"{path} is a file: choose the name of a folder")
    return target


def _list_for(
    copies: Copies, path: Path, entry: dict[str, str], recorded: dict[str, str]
) -> list[str]:
    """The list of ``copies`` that a lesson belongs to, by what is at its path."""
    if path.is_dir():
        raise ExistsError(f"{path} is a folder: rename it, or choose another place")
    if not os.path.lexists(path):
        return copies.new
    there = _hash(path.read_bytes())
    if there == entry["copy"]:
        return copies.present
    if there == recorded.get("copy"):
        return copies.updated
    return copies.present if entry["lesson"] == recorded.get("lesson") else copies.kept


def rendered(path: Path, folder: Path, language: str, copied: set[str]) -> str:
    """A lesson as it is written into a folder: links that would lead nowhere lead to the web."""
    notebook = json.loads(path.read_bytes())
    base = "notebooks" if language == "en" else f"notebooks/{language}"

    def link(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        place = folder / match[2]
        if place.suffix == ".ipynb" and (match[2] in copied or place.exists()):
            return match[2]
        return f"{repository()}/blob/HEAD/{posixpath.normpath(posixpath.join(base, match[2]))}"

    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = _LINK.sub(link, "".join(cell["source"])).splitlines(keepends=True)
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def repository() -> str:
    """The web address of the repository, from the metadata of the installed package."""
    for entry in metadata.metadata("ftlearn").get_all("Project-URL", []):
        label, _, address = entry.partition(", ")
        if label == "Repository":
            return address
    raise LessonsError(
        "the metadata of the installed ftlearn names no repository: install it again, in a "
        "checkout with `pip install -e .`"
    )


def _read_record(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / RECORD
    if not path.exists():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {name: {**entry} for name, entry in record.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise LessonsError(
            f"{path}, which records what was copied, cannot be read: delete it, and every lesson "
            "that is there is kept as it is"
        ) from error


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()
