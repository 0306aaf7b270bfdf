"""Notebooks as pages that need no network: nbconvert with our templates, reveal.js and MathJax."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

from nbconvert import HTMLExporter, SlidesExporter
from nbformat import NotebookNode
from nbformat.v4 import new_notebook
from traitlets.config import Config

from ftlearn import language as languages
from tools import classroom, notebooks

ASSETS = Path(__file__).parent / "page_assets"
MATHJAX = notebooks.ROOT / "docs" / "site" / "_static" / "mathjax"
EXPORTERS = {"slides": SlidesExporter, "handout": HTMLExporter}


def build_named(
    build: Callable[[Path, str], Path], description: str, arguments: list[str] | None = None
) -> int:
    """The command line of a kind of page: builds those of the named lessons in a language."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="numbers, names or paths; all lessons if none")
    parser.add_argument("--language", choices=["en", *languages.LANGUAGES], default="en")
    options = parser.parse_intermixed_args(arguments)
    for path in classroom.lessons(options.names, options.language):
        print(build(path, options.language).relative_to(notebooks.ROOT))
    return 0


def export(
    cells: list[NotebookNode], kind: str, title: str, target: Path, language: str = "en"
) -> None:
    """Write cells as a page of a kind, slides or handout, which finds its assets in its folder."""
    notebook = new_notebook(cells=cells, metadata={"title": title})
    config = Config()
    config.TemplateExporter.extra_template_basedirs = [str(ASSETS / "templates")]
    config.TemplateExporter.exclude_input_prompt = True
    config.TemplateExporter.exclude_output_prompt = True
    config.HTMLExporter.exclude_anchor_links = True
    exporter = EXPORTERS[kind](template_name=kind, config=config)
    exporter.language_code = languages.html_code(language)
    resources = {"assets": "assets", "metadata": {"name": title}}
    page, _ = exporter.from_notebook_node(notebook, resources)
    target.parent.mkdir(parents=True, exist_ok=True)
    copy_assets(kind, target.parent / "assets")
    target.write_text(page, encoding="utf-8")


def copy_assets(kind: str, folder: Path) -> None:
    """Put what the pages of a kind load into a folder beside them."""
    shutil.copytree(MATHJAX, folder / "mathjax", dirs_exist_ok=True)
    shutil.copy(ASSETS / f"{kind}.css", folder)
    if kind == "slides":
        shutil.copy(ASSETS / "slides.js", folder)
        shutil.copytree(ASSETS / "reveal", folder / "reveal", dirs_exist_ok=True)
