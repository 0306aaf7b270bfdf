"""Docstrings as reStructuredText: they are written to be read in the source, by people.

Understood are code spans, lists, drawings, examples, and what the names of a list mean, written as
columns (``name  meaning``) or as NumPy's documentation does (``name : meaning``).
"""

from __future__ import annotations

import inspect
import re
import textwrap

_SPAN = re.compile(r"(``.+?``|`[^`]+`)", re.DOTALL)
_DRAWING = re.compile(r"[─│▶▲▼└├]")
_END = re.compile(r"[\s'\")\]}>/:.,;!?-]|$")
"""What may follow a code span in reStructuredText."""
_LIST = re.compile(r"- ")
_ENUMERATION = re.compile(r"(?=\(?\w{1,3}[.)] |[:+] )")
_HEADING = re.compile(r"\w+\n-{4,}\n")
"""Of parameters; their names need none on a page, where it would be a heading of the page."""
_NAMES = r"\w+(?:, \w+)*"
_MEANING = re.compile(rf"({_NAMES})(?: : |  +)(\S.*)")
_CLOSE = re.compile(rf"({_NAMES}) (\S.*)")
"""A name that is as long as the column of names, so that only one space is left."""


def to_rst(text: str) -> str:
    """A docstring as reStructuredText: code spans, lists, drawings and examples; the rest is plain.

    >>> print(to_rst("Mean of `x*`:\\n\\n    a ──▶ b"))
    Mean of ``x*``:
    <BLANKLINE>
    ::
    <BLANKLINE>
        a ──▶ b
    """
    paragraphs = [part for part in re.split(r"\n\s*\n", text.strip("\n")) if part.strip()]
    return "\n\n".join(paragraph(part) for part in paragraphs)


def paragraph(text: str) -> str:
    """One paragraph of a docstring as reStructuredText."""
    if text.lstrip().startswith(">>>"):
        return inspect.cleandoc(text)
    if _LIST.match(text):
        return escape(text)
    found = meanings(text)
    if found:
        return "\n".join(definition(names, meaning) for names, meaning in found)
    lines = text.split("\n")
    start = next((at for at, line in enumerate(lines) if is_literal(line)), len(lines))
    prose = plain("\n".join(lines[:start]))
    if start == len(lines):
        return prose
    drawn = textwrap.dedent("\n".join(lines[start:]))
    literal = "::\n\n" + textwrap.indent(drawn, "    ")
    return f"{prose}\n\n{literal}" if prose else literal


def meanings(text: str) -> list[tuple[str, str]]:
    """What names mean, if a paragraph lists nothing else: two at least, or those below a heading.

    >>> meanings("rows    how many\\nvalid, test  two files,\\n        or one")
    [('rows', 'how many'), ('valid, test', 'two files, or one')]
    """
    lines = textwrap.dedent(_HEADING.sub("", text, count=1)).split("\n")
    first = _MEANING.match(lines[0])
    if not first or "  " in first[2]:  # a table of three columns stays as it is drawn
        return []
    found: list[tuple[str, str]] = []
    for line in lines:
        named = _MEANING.match(line) or _CLOSE.match(line)
        if line.startswith("  ") and found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        elif named and (named.re is _MEANING or named.start(2) == first.start(2)):
            found.append((named[1], named[2]))
        else:
            return []
    return found if len(found) > 1 or _HEADING.match(text) else []


def definition(names: str, meaning: str) -> str:
    """A member of a definition list.

    >>> print(definition("valid, test", "two files"))
    ``valid``, ``test``
        two files
    """
    return ", ".join(f"``{name}``" for name in names.split(", ")) + f"\n    {plain(meaning)}"


def plain(text: str) -> str:
    """Prose whose first word does not begin a list, as the initial of a name would."""
    return (
        _ENUMERATION.sub(r"\\", escape(text), count=1) if _ENUMERATION.match(text) else escape(text)
    )


def is_literal(line: str) -> bool:
    """Whether a line is a drawing or an indented example."""
    return line.startswith("  ") or _DRAWING.search(line) is not None


def escape(text: str) -> str:
    r"""Prose in which only code spans have a meaning.

    >>> escape("`a`s and x_ * 2")
    '``a``\\ s and x\\_ \\* 2'
    """
    parts = _SPAN.split(text)
    for at, part in enumerate(parts):
        if at % 2:
            before = "" if not parts[at - 1] or parts[at - 1][-1].isspace() else "\\ "
            after = "" if _END.match(parts[at + 1]) else "\\ "
            parts[at] = f"{before}``{' '.join(part.strip('`').split())}``{after}"
        else:
            parts[at] = re.sub(r"([\\*|`]|_(?!\w))", r"\\\1", part)
    return "".join(parts)
