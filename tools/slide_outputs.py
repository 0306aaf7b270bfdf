"""Stored outputs of a lesson as slides show them: an image, a small table, or a few lines."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from tools import execute, output_tables
from tools.lesson_points import Point

TABLE_ROWS = 7
TABLE_COLUMNS = 7
TABLE_CHARACTERS = 420
"""Characters of a table at most: one with long texts has fewer rows."""
CELL_CHARACTERS = 48
_CELL = re.compile(r"\s*<t[hd][^>]*>.*?</t[hd]>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>|\s+")
_CONTENT = re.compile(rf"(?<=>)[^<>]{{{CELL_CHARACTERS + 1},}}(?=</t[hd]>)")


def trimmed_markdown(table: str) -> str:
    """A Markdown table with few rows."""
    rows = table.split("\n")
    return "\n".join([*rows[: TABLE_ROWS + 2], *(["| … |"] if len(rows) > TABLE_ROWS + 2 else [])])


def outputs(cell: NotebookNode) -> Iterator[Point]:
    """What a slide shows of the outputs of a cell: an image before a table before text."""
    contents = [slide_output(output, cell) for output in cell.outputs]
    contents = sorted(filter(None, contents), key=richness, reverse=True)
    for content in contents[:1]:
        if isinstance(content, str):
            yield Point("table" if content.startswith("|") else "fence", content)
        else:
            copied = new_code_cell("", outputs=[content], metadata=without_input(cell))
            yield Point("output", cell=copied)


def richness(content: NotebookNode | str) -> int:
    """How much an output shows at a glance."""
    if isinstance(content, str):
        return int(content.startswith("|"))
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
    if "image/png" in data:
        metadata = {"image/png": {"alt": cell.metadata.get("alt", "")}}
        return new_output("display_data", {"image/png": data["image/png"]}, metadata=metadata)
    if "<table" in data.get("text/html", ""):
        return new_output("display_data", {"text/html": trimmed_html(data["text/html"])})
    html = data.get("text/html", "")
    text = data.get("text/plain", "")
    is_control = html.startswith("<em>") or text == execute.PLACEHOLDER
    return None if is_control or html else as_table(text) or fenced(text)


def trimmed_html(html: str) -> str:
    """A table of pandas with few rows, few columns and short cells."""
    head, _, body = output_tables.without_style(html).partition("</thead>")
    heads = [trimmed_row(row) for row in output_tables.ROW.findall(head)]
    rows = output_tables.ROW.findall(body)[: TABLE_ROWS + 1 - len(heads)]
    kept = [trimmed_row(row) for row in rows]
    while len(kept) > 1 and sum(len(_TAG.sub("", row)) for row in kept) > TABLE_CHARACTERS:
        kept.pop()
    table = f"<table><thead>{''.join(heads)}</thead><tbody>{''.join(kept)}</tbody></table>"
    return output_tables.aligned(table)


def trimmed_row(row: str) -> str:
    """A row of a table with few and short cells."""
    cells = "".join(_CELL.findall(row)[: TABLE_COLUMNS + 1])
    return f"<tr>{_CONTENT.sub(lambda match: shorten(match[0]), cells)}</tr>"


def shorten(text: str) -> str:
    """A text of few characters, with an ellipsis if it was cut."""
    return text if len(text) <= CELL_CHARACTERS else f"{text[: CELL_CHARACTERS - 1].rstrip()}…"


def as_table(text: str) -> str:
    """A small dictionary as a Markdown table; empty for anything else.

    >>> as_table("{'loss': 0.5}")
    '| | |\\n|---|---|\\n| loss | 0.5 |'
    """
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return ""
    if not isinstance(value, dict) or not 0 < len(value) <= TABLE_ROWS:
        return ""
    rows = [f"| {cell_text(name)} | {cell_text(entry)} |" for name, entry in value.items()]
    return "\n".join(["| | |", "|---|---|", *rows])


def cell_text(value: object) -> str:
    """A value as the text of a cell of a Markdown table."""
    return re.sub(r"([|*_$<`\\])", r"\\\1", shorten(re.sub(r"\s+", " ", str(value))))


def fenced(text: str) -> str:
    """Output as a fence of few lines."""
    lines = text.strip("\n").split("\n")
    cut = [textwrap.shorten(line, 200) if len(line) > 200 else line for line in lines[:TABLE_ROWS]]
    return "\n".join(["```", *cut, *(["…"] if len(lines) > TABLE_ROWS else []), "```"])
