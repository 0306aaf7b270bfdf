"""Translations of what a learner reads: texts, patterns with fields, HTML and Markdown."""

from ftlearn.language.catalogue import Catalogue
from ftlearn.language.files import LANGUAGES, chosen, load, paths
from ftlearn.language.texts import html, markdown, output

__all__ = ["LANGUAGES", "Catalogue", "chosen", "html", "load", "markdown", "output", "paths"]
