"""Tables as slides show them: few rows and columns, short cells, and a mark for what is cut."""

from __future__ import annotations

import html
import re

from tools import output_tables

TABLE_ROWS = 10
TABLE_COLUMNS = 8
TABLE_CHARACTERS = 700
"""Characters of a table at most: one with long texts has fewer rows."""
CELL_CHARACTERS = 48
ROW_CHARACTERS = 220
"""Characters of a row of few cells: the cells of a table of two columns may be longer."""
CUT = "…"
_CELL = re.compile(r"\s*<t[hd][^>]*>.*?</t[hd]>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>|\s+")
_CONTENT = re.compile(r"(?<=>)[^<>]+(?=</t[hd]>)")
_DIGITS = re.compile(r"(?<![\w.])[-−]?\d+\.\d{6,}(?:e[-+]?\d+)?(?![\w.])")


def trimmed_markdown(table: str) -> str:
    """A Markdown table with few rows, the first of them as head and rule."""
    head, rule, *rows = table.split("\n")
    columns = len(re.findall(r"(?<!\\)\|", head.strip())) - 1
    return "\n".join([head, rule, *few(rows, f"|{f' {CUT} |' * columns}")])


def few(rows: list[str], mark: str) -> list[str]:
    """The first rows, and a mark if there are more.

    >>> few(["a"] * 11, "…") == ["a"] * 9 + ["…"]
    True
    """
    return rows if len(rows) <= TABLE_ROWS else [*rows[: TABLE_ROWS - 1], mark]


def trimmed_html(table: str) -> str:
    """A table of pandas with few rows, few columns and short cells; "…" for what is cut.

    All columns stay below a head of two levels, whose cells span several.
    """
    head, _, body = output_tables.without_style(table).partition("</thead>")
    heads, rows = with_index_name(output_tables.ROW.findall(head)), output_tables.ROW.findall(body)
    columns = len(_CELL.findall("".join(rows[:1])))
    shown = columns if "colspan" in head else TABLE_COLUMNS + 1
    limit = max(CELL_CHARACTERS, ROW_CHARACTERS // max(columns, 1))
    heads, every = ([trimmed_row(row, limit, shown) for row in part] for part in (heads, rows))
    mark = f"<tr>{f'<td>{CUT}</td>' * len(_CELL.findall(''.join(every[:1])))}</tr>"
    kept = few(every, mark)
    while len(kept) > 2 and sum(len(_TAG.sub("", row)) for row in kept) > TABLE_CHARACTERS:
        kept = [*kept[:-2], mark]
    joined = f"<table><thead>{''.join(heads)}</thead><tbody>{''.join(kept)}</tbody></table>"
    return output_tables.aligned(joined)


def with_index_name(heads: list[str]) -> list[str]:
    """The rows of a head; the index's name, which pandas gives a row of its own, in the first.

    >>> with_index_name(["<tr><th></th><th>loss</th></tr>", "<tr><th>rank</th><th></th></tr>"])
    ['<tr><th>rank</th><th>loss</th></tr>']
    """
    cells = [_CELL.findall(row) for row in heads]
    if len(cells) != 2 or len(cells[0]) != len(cells[1]):
        return heads
    texts = [[output_tables.shown(cell) for cell in row] for row in cells]
    if any(upper and lower for upper, lower in zip(*texts, strict=True)) or any(texts[1][-1:]):
        return heads
    pairs = zip(*cells, texts[1], strict=True)
    return [f"<tr>{''.join(lower if named else upper for upper, lower, named in pairs)}</tr>"]


def trimmed_row(row: str, limit: int, columns: int) -> str:
    """A row of a table with few and short cells, the last one among them."""
    cells = _CELL.findall(row)
    if len(cells) > columns:
        kind = "td" if "<td" in row else "th"
        cells = [*cells[: columns - 2], f"<{kind}>{CUT}</{kind}>", cells[-1]]
    return f"<tr>{_CONTENT.sub(lambda found: short_content(found[0], limit), ''.join(cells))}</tr>"


def short_content(content: str, limit: int) -> str:
    """The content of a cell in HTML, with few characters and few digits."""
    return html.escape(shorten(rounded(html.unescape(content)), limit), quote=False)


def shorten(text: str, limit: int = CELL_CHARACTERS) -> str:
    """A text of few characters; one that was cut ends after a word, with an ellipsis.

    >>> shorten("One two three.", 9), shorten("One.", 9)
    ('One two…', 'One.')
    """
    if len(text) <= limit:
        return text
    cut = text[:limit].rpartition(" ")[0] if " " in text[limit // 2 : limit] else text[: limit - 1]
    return f"{cut.rstrip(' .,;:')}{CUT}"


def rounded(text: str) -> str:
    """A text in which numbers with many digits have four that count.

    >>> rounded("0.123456789 of 12.5, 4.440892098500626e-16")
    '0.1235 of 12.5, 4.441e-16'
    """
    return _DIGITS.sub(lambda found: f"{float(found[0].replace('−', '-')):.4g}", text)


def of_entries(entries: dict) -> str:
    r"""A dictionary as a Markdown table.

    >>> of_entries({"loss": 0.5, "cut": ["a_b", "c"]})
    '| | |\n|---|---|\n| loss | 0.5 |\n| cut | a\\_b, c |'
    """
    rows = [f"| {cell_text(name)} | {cell_text(entry)} |" for name, entry in entries.items()]
    return "\n".join(["| | |", "|---|---|", *rows])


def cell_text(value: object) -> str:
    """A value as the text of a cell of a Markdown table."""
    text = shorten(rounded(re.sub(r"\s+", " ", said(value))), ROW_CHARACTERS // 2)
    return re.sub(r"([|*_$<`\\])", r"\\\1", text)


def said(value: object) -> str:
    """A value without the marks of Python: texts and pairs in a row.

    >>> said({"train": 123, "test": 206}), said(["run", "##s"]), said([0.5, 1])
    ('train 123, test 206', 'run, ##s', '[0.5, 1]')
    """
    if isinstance(value, dict):
        return ", ".join(f"{name} {said(entry)}" for name, entry in value.items())
    if isinstance(value, list | tuple) and value and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return str(value)
