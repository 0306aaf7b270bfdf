"""Stored outputs of a lesson as slides show them: an image, a small table, or a few lines."""

from __future__ import annotations

import ast
import html
import re
import textwrap
from collections.abc import Iterator

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from tools import execute, slide_tables
from tools.lesson_points import Point, blocks, weight

MARKDOWN_WORDS = 60
LINES = 10
_PICTURE = re.compile(r'<img alt="([^"]*)" src="data:image/png;base64,([^"]*)"')
"""How the package's explorers write the figure that a page without a kernel shows."""
_ARRAY = re.compile(r"(?:array|tensor)\((.*?)(?:,\s*dtype=[\w.]+)?\)", re.DOTALL)


def outputs(cell: NotebookNode) -> Iterator[Point]:
    """What a slide shows of the outputs of a cell: an image before a table before text."""
    contents = [slide_output(output, cell) for output in cell.outputs]
    contents = sorted(filter(None, contents), key=richness, reverse=True)
    for content in contents[:1]:
        if isinstance(content, str):
            yield Point("fence" if content.startswith("```") else "table", content)
        else:
            copied = new_code_cell("", outputs=[content], metadata=without_input(cell))
            yield Point("output", cell=copied)


def richness(content: NotebookNode | str) -> int:
    """How much an output shows at a glance."""
    if isinstance(content, str):
        return int(not content.startswith("```"))
    return 3 if "image/png" in content.data else 2


def without_input(cell: NotebookNode) -> dict:
    """The metadata of a cell of which only the output is shown."""
    alt = {"alt": cell.metadata["alt"]} if "alt" in cell.metadata else {}
    return {"transient": {"remove_source": True}, **alt}


def slide_output(output: NotebookNode, cell: NotebookNode) -> NotebookNode | str | None:
    """An image or a table as an output, a dictionary or text as Markdown; None for a control."""
    if output.output_type == "stream":
        return fenced(output.text)
    data = output.get("data", {})
    page, text = data.get("text/html", ""), data.get("text/plain", "")
    if "image/png" in data:
        return image(data["image/png"], cell.metadata.get("alt", ""))
    if found := _PICTURE.search(page):
        return image(found[2], cell.metadata.get("alt") or html.unescape(found[1]))
    if "<table" in page:
        return new_output("display_data", {"text/html": slide_tables.trimmed_html(page)})
    if "text/markdown" in data:
        return as_written(data["text/markdown"])
    is_control = page.startswith("<em>") or text == execute.PLACEHOLDER
    return None if is_control or page else as_read(text)


def image(content: str, alt: str) -> NotebookNode:
    """An image with its description."""
    return new_output("display_data", {"image/png": content}, metadata={"image/png": {"alt": alt}})


def as_written(text: str) -> str:
    """The beginning of Markdown that a cell shows."""
    if text.startswith("|"):
        return slide_tables.trimmed_markdown(text)
    kept, words = [], 0.0
    for point in (part for part in blocks(text) if part.kind != "heading"):
        words += weight(point.text)
        if words > MARKDOWN_WORDS or point.kind == "table":
            return "\n\n".join([*kept, slide_tables.CUT])
        kept.append(point.text)
    return "\n\n".join(kept)


def as_read(text: str) -> str:
    """What Python wrote of a value, as a reader writes it: a table, or a fence of few lines.

    >>> as_read("'It is so.'"), as_read("array([0.5, 1. ])")
    ('```\\nIt is so.\\n```', '```\\n[0.5, 1.0]\\n```')
    >>> as_read("Count(total=5, trainable=2)")
    '| | |\\n|---|---|\\n| total | 5 |\\n| trainable | 2 |'
    """
    try:
        value = value_of(text)
    except (ValueError, SyntaxError):
        return fenced(text)
    if isinstance(value, dict) and 0 < len(value) <= slide_tables.TABLE_ROWS:
        return slide_tables.of_entries(value)
    if isinstance(value, list) and value and isinstance(value[0], str | list):
        return fenced("\n".join(map(str, value)))
    return fenced(str(value) if isinstance(value, str) or _ARRAY.fullmatch(text) else text)


def value_of(text: str) -> object:
    """A value from what Python writes of it; of an object with named parts a dictionary.

    Raises ValueError or SyntaxError if that is not possible.
    """
    array = _ARRAY.fullmatch(text.strip())
    tree = ast.parse(array[1] if array else text.strip(), mode="eval").body
    if isinstance(tree, ast.Call) and tree.keywords and not tree.args:
        return {part.arg: ast.literal_eval(part.value) for part in tree.keywords}
    return ast.literal_eval(tree)


def fenced(text: str) -> str:
    """Output as a fence of few lines."""
    lines = slide_tables.rounded(text).strip("\n").split("\n")
    kept = [textwrap.shorten(line, 200) if len(line) > 200 else line for line in lines[:LINES]]
    mark = [slide_tables.CUT] if len(lines) > LINES else []
    return "\n".join(["```", *kept, *mark, "```"])
