"""Stored outputs of a lesson as slides show them: an image, a small table, or a few lines."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from tools import execute, output_tables
from tools.lesson_points import Point, shortened

TABLE_ROWS = 8
TABLE_COLUMNS = 8
TABLE_CHARACTERS = 560
"""Characters of a table at most: one with long texts has fewer rows."""
CELL_CHARACTERS = 48
PAIR_CHARACTERS = 110
"""Characters of a cell in a table of no more than two columns."""
MARKDOWN_WORDS = 45
SAID = ("text", "item")
LINES = 9
CUT = "…"
_CELL = re.compile(r"\s*<t[hd][^>]*>.*?</t[hd]>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>|\s+")
_CONTENT = re.compile(r"(?<=>)[^<>]+(?=</t[hd]>)")
_DIGITS = re.compile(r"(?<![\w.])[-−]?\d+\.\d{6,}(?:e[-+]?\d+)?(?![\w.])")


def trimmed_markdown(table: str) -> str:
    """A Markdown table with few rows, the first of them as head and rule."""
    head, rule, *rows = table.split("\n")
    columns = len(re.findall(r"(?<!\\)\|", head.strip())) - 1
    cut = [f"|{f' {CUT} |' * columns}"] if len(rows) > TABLE_ROWS else []
    return "\n".join([head, rule, *rows[:TABLE_ROWS], *cut])


def rounded(text: str) -> str:
    """A text in which numbers with many digits have four that count.

    >>> rounded("0.123456789 of 12.5, 4.440892098500626e-16")
    '0.1235 of 12.5, 4.441e-16'
    """
    return _DIGITS.sub(lambda found: f"{float(found[0].replace('−', '-')):.4g}", text)


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
    if "image/png" in data:
        metadata = {"image/png": {"alt": cell.metadata.get("alt", "")}}
        return new_output("display_data", {"image/png": data["image/png"]}, metadata=metadata)
    if "<table" in data.get("text/html", ""):
        return new_output("display_data", {"text/html": trimmed_html(data["text/html"])})
    if "text/markdown" in data:
        return as_written(data["text/markdown"])
    html = data.get("text/html", "")
    text = data.get("text/plain", "")
    is_control = html.startswith("<em>") or text == execute.PLACEHOLDER
    return None if is_control or html else as_table(text) or fenced(unquoted(text))


def trimmed_html(html: str) -> str:
    """A table of pandas with few rows, few columns and short cells; "…" for what is cut."""
    head, _, body = output_tables.without_style(html).partition("</thead>")
    heads, rows = output_tables.ROW.findall(head), output_tables.ROW.findall(body)
    limit = PAIR_CHARACTERS if len(_CELL.findall("".join(rows[:1]))) <= 2 else CELL_CHARACTERS
    heads, every = ([trimmed_row(row, limit) for row in part] for part in (heads, rows))
    kept = every[: TABLE_ROWS + 1 - len(heads)]
    while len(kept) > 1 and sum(len(_TAG.sub("", row)) for row in kept) > TABLE_CHARACTERS:
        kept.pop()
    if len(kept) < len(every):
        kept.append(f"<tr>{f'<td>{CUT}</td>' * len(_CELL.findall(every[0]))}</tr>")
    table = f"<table><thead>{''.join(heads)}</thead><tbody>{''.join(kept)}</tbody></table>"
    return output_tables.aligned(table)


def trimmed_row(row: str, limit: int) -> str:
    """A row of a table with few and short cells, the last one among them."""
    cells = _CELL.findall(row)
    if len(cells) > TABLE_COLUMNS + 1 and "colspan" not in row:
        kind = "th" if "<td" not in row else "td"
        cells = [*cells[: TABLE_COLUMNS - 1], f"<{kind}>{CUT}</{kind}>", cells[-1]]
    return (
        f"<tr>{_CONTENT.sub(lambda found: shorten(rounded(found[0]), limit), ''.join(cells))}</tr>"
    )


def shorten(text: str, limit: int = CELL_CHARACTERS) -> str:
    """A text of few characters; one that was cut ends after a word, with an ellipsis.

    >>> shorten("One two three.", 9), shorten("One.", 9)
    ('One two…', 'One.')
    """
    if len(text) <= limit:
        return text
    cut = text[:limit].rpartition(" ")[0] if " " in text[limit // 2 : limit] else text[: limit - 1]
    return f"{cut.rstrip(' .,;:')}{CUT}"


def as_written(text: str) -> str:
    """The beginning of Markdown that a cell shows."""
    if text.startswith("|"):
        return trimmed_markdown(text)
    said = (point for point in shortened(text, MARKDOWN_WORDS) if point.kind in SAID)
    return "\n\n".join(point.text for point in said)


def unquoted(text: str) -> str:
    """What a string says, without the marks around it.

    >>> unquoted("'It is so.'"), unquoted("[1]")
    ('It is so.', '[1]')
    """
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, str) else text


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
    text = shorten(rounded(re.sub(r"\s+", " ", str(value))), PAIR_CHARACTERS)
    return re.sub(r"([|*_$<`\\])", r"\\\1", text)


def fenced(text: str) -> str:
    """Output as a fence of few lines."""
    lines = rounded(text).strip("\n").split("\n")
    kept = [textwrap.shorten(line, 200) if len(line) > 200 else line for line in lines[:LINES]]
    return "\n".join(["```", *kept, *([CUT] if len(lines) > LINES else []), "```"])
