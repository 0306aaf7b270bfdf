"""Where the catalogues are, and which language is asked for."""

from __future__ import annotations

import os
from pathlib import Path

from ftlearn.language.catalogue import Catalogue, LanguageError

FOLDER = Path(__file__).resolve().parents[1] / "translations"
LANGUAGES = {"zh": "zh_CN"}
"""The languages beside English, each with its folder of catalogues."""
VARIABLE = "FTLEARN_LANG"
PACKAGE = "ftlearn"
"""The name of the catalogue for the package's own words."""
COMMANDS = "commands"
"""The name of the catalogue for what the command line says, errors and notes included."""
PATTERN = "python-brace-format"
"""The flag of gettext for a text with fields."""


def chosen(setting: str | None = None, folder: Path | None = None) -> str:
    """The language that is asked for: by FTLEARN_LANG, or by the folder that a lesson lies in.

    The lessons in ``notebooks/zh`` are Chinese without a setting. ``setting`` stands for the
    variable, which is read if it is None. Raises LanguageError for a language that does not exist.

    >>> chosen("zh_CN.UTF-8"), chosen("", Path("notebooks/zh"))
    ('zh', 'zh')
    >>> chosen("", Path("notebooks"))
    'en'
    """
    value = os.environ.get(VARIABLE, "") if setting is None else setting
    if not value:
        name = (folder or Path.cwd()).name
        return name if name in LANGUAGES else "en"
    language = value.partition(".")[0].replace("-", "_").partition("_")[0].lower()
    if language not in {"en", *LANGUAGES}:
        raise LanguageError(f"{VARIABLE} is {value!r}: there are en, {', '.join(LANGUAGES)}")
    return language


def html_code(language: str) -> str:
    """The name of a language in the attribute ``lang`` of HTML.

    >>> html_code("zh"), html_code("en")
    ('zh-CN', 'en')
    """
    return LANGUAGES.get(language, language).replace("_", "-")


def paths(language: str) -> dict[str, Path]:
    """The catalogues of a language: ``ftlearn`` and the numbers of lessons, each with its file.

    >>> paths("fr")
    Traceback (most recent call last):
    ftlearn.language.catalogue.LanguageError: there is no language 'fr': there are zh
    """
    if language not in LANGUAGES:
        raise LanguageError(f"there is no language {language!r}: there are {', '.join(LANGUAGES)}")
    files = sorted((FOLDER / LANGUAGES[language]).glob("*.po"))
    return {path.stem.partition("_")[0]: path for path in files}


def load(language: str, lesson: str | None = None) -> Catalogue:
    """The package's words, and those of one lesson by its number. English has an empty catalogue.

    >>> len(load("en"))
    0
    """
    texts: dict[str, str] = {}
    patterns: dict[str, str] = {}
    files = {} if language == "en" else paths(language)
    for name in (PACKAGE, lesson):
        if name in files:
            _read(files[name], texts, patterns)
    return Catalogue(texts, patterns)


def _read(path: Path, texts: dict[str, str], patterns: dict[str, str]) -> None:
    import polib  # only where a translation is asked for

    for entry in polib.pofile(str(path)).translated_entries():
        if entry.msgctxt not in SOURCES:
            continue  # a cell of a lesson: the notebook itself holds its translation
        kind = patterns if PATTERN in entry.flags else texts
        kind[entry.msgid] = entry.msgstr


SOURCES = ("output", "exercise", "package", "message", "command")
"""The contexts of texts that the package translates while it runs."""
