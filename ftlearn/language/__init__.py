"""Translations of what a learner reads: texts, patterns with fields, HTML and Markdown."""

from ftlearn.language.catalogue import Catalogue
from ftlearn.language.files import LANGUAGES, chosen, html_code, load, paths
from ftlearn.language.texts import html, lines, markdown, output

__all__ = [
    "LANGUAGES",
    "Catalogue",
    "chosen",
    "html",
    "html_code",
    "lines",
    "load",
    "markdown",
    "output",
    "paths",
]
