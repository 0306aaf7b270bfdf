"""The reference of the package: which modules have pages, and docstrings as Sphinx reads them.

Documented is what a package exports, and every module that a lesson, a guide or the README imports.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ftlearn
from tools import notebooks, translation_sources

_PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
_SPAN = re.compile(r"(``.+?``|`[^`]+`)", re.DOTALL)
_DRAWING = re.compile(r"[─│▶▲▼└├]")
_FIELD = re.compile(r"Alias for field number \d+$")
_END = re.compile(r"[\s'\")\]}>/:.,;!?-]|$")
"""What may follow a code span in reStructuredText."""
_LIST = re.compile(r"- ")
_ENUMERATION = re.compile(r"(?=\(?\w{1,3}[.)] |[:+] )")


def write(folder: Path, words: dict[str, Any], code: Iterable[str]) -> None:
    """One page per module or package at the top of ftlearn, and the page that lists them.

    ``code`` is that of the lessons.
    """
    folder.mkdir(parents=True)
    pages = modules([*code, *code_of_guides()])
    for name, members in pages.items():
        (folder / f"{name.partition('.')[2]}.rst").write_text(page(members), encoding="utf-8")
    names = [name.partition(".")[2] for name in pages]
    rows = [f"   * - :doc:`{name} <{name}>`\n     - {summary(f'ftlearn.{name}')}" for name in names]
    lines = [*heading(words["reference"], "="), words["reference_intro"], ""]
    lines += [".. list-table::", "   :class: modules", "", *rows, ""]
    lines += [".. toctree::", "   :hidden:", "", *(f"   {name}" for name in names), ""]
    (folder / "index.rst").write_text("\n".join(lines), encoding="utf-8")


def modules(code: Iterable[str]) -> dict[str, list[str]]:
    """The documented modules below each name at the top of the package, in order."""
    exported = [f"ftlearn.{name}" for name in ftlearn.__all__ if module_path(f"ftlearn.{name}")]
    used = {name for block in code for name in imports(translation_sources.without_magics(block))}
    every = sorted({*exported, *used} - {"ftlearn"})
    tops = sorted({".".join(name.split(".")[:2]) for name in every})
    return {top: sorted({top, *(n for n in every if n.startswith(f"{top}."))}) for top in tops}


def code_of_guides() -> Iterator[str]:
    """The Python code in the guides and in the README."""
    for path in [notebooks.ROOT / "README.md", *(notebooks.ROOT / "docs").glob("*.md")]:
        yield from _PYTHON.findall(path.read_text(encoding="utf-8"))


def imports(code: str) -> Iterator[str]:
    """The modules of ftlearn that code imports.

    >>> sorted(imports("from ftlearn.data import batching, load"))
    ['ftlearn.data', 'ftlearn.data.batching']
    """
    for node in ast.walk(ast.parse(code)):
        names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
        if isinstance(node, ast.ImportFrom) and node.module:
            below = (f"{node.module}.{name}" for name in names if not is_export(node.module, name))
            names = [node.module, *below]
        elif not isinstance(node, ast.Import):
            continue
        ours = (name for name in names if name.partition(".")[0] == "ftlearn")
        yield from (name for name in ours if module_path(name))


def module_path(name: str) -> Path | None:
    """The file of a module, or nothing if there is no such module."""
    base = Path(ftlearn.__file__).parent.joinpath(*name.split(".")[1:])
    candidates = [base / "__init__.py", base.with_suffix(".py")]
    return next((path for path in candidates if path.is_file()), None)


def is_export(package: str, name: str) -> bool:
    """Whether a package exports an object under a name that one of its modules may have, too."""
    path = module_path(package)
    if path is None or path.name != "__init__.py" or package == "ftlearn":
        return False
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return any(
        alias.name == name and node.module != package for node in nodes for alias in node.names
    )


def page(members: list[str]) -> str:
    """The page of a package and of modules in it, as reStructuredText."""
    first, *rest = members
    lines = [*heading(first, "="), *automodule(first, [])]
    for name in rest:
        lines += ["", *heading(name, "-"), *automodule(name, exported(first, name))]
    return "\n".join(lines) + "\n"


def heading(text: str, line: str) -> list[str]:
    """A heading with its underline; Chinese characters are two columns wide."""
    return [text, line * 2 * len(text), ""]


def automodule(name: str, excluded: list[str]) -> list[str]:
    """The directive that documents a module, without names that are documented elsewhere."""
    lines = [f".. automodule:: {name}", "   :members:"]
    parent, _, last = name.rpartition(".")
    if is_export(parent, last):  # an object of the package has the name of this module
        lines.append("   :no-index:")
    return lines + ([f"   :exclude-members: {', '.join(excluded)}"] if excluded else [])


def exported(package: str, module: str) -> list[str]:
    """The names of a module that the package above it exports as its own."""
    tree = ast.parse(module_path(package).read_text(encoding="utf-8"))
    lines = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return sorted(alias.name for line in lines if line.module == module for alias in line.names)


def summary(name: str) -> str:
    """The first sentence of a module's docstring, as reStructuredText."""
    tree = ast.parse(module_path(name).read_text(encoding="utf-8"))
    text = (ast.get_docstring(tree) or "").partition("\n\n")[0]
    return escape(" ".join(text.split()))


def rewrite_docstring(
    app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Sphinx' hook `autodoc-process-docstring`: changes the lines in place."""
    if lines[:1] and _FIELD.match(lines[0]):
        lines.clear()
    lines[:] = to_rst("\n".join(lines)).split("\n")


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
    lines = text.split("\n")
    if lines[0].lstrip().startswith(">>>"):
        return inspect.cleandoc(text)
    if _LIST.match(lines[0]):
        return escape(text)
    start = next((at for at, line in enumerate(lines) if is_literal(line)), len(lines))
    prose = escape("\n".join(lines[:start]))
    if start == len(lines):
        return _ENUMERATION.sub(r"\\", prose, count=1) if _ENUMERATION.match(prose) else prose
    literal = "::\n\n" + "\n".join(f"    {line}" for line in lines[start:])
    return f"{prose}\n\n{literal}" if prose else literal.replace("        ", "    ")


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


def source_address(domain: str, info: dict[str, str]) -> str | None:
    """Where an object's source is on GitHub; nothing for constants, which have no lines."""
    if domain != "py" or info["module"] not in sys.modules:
        return None
    found: Any = sys.modules[info["module"]]
    for name in info["fullname"].split("."):
        found = getattr(found, name, None)
    try:
        found = inspect.unwrap(found)
        path, (lines, start) = Path(inspect.getfile(found)), inspect.getsourcelines(found)
    except (TypeError, OSError):
        return None
    if not path.is_relative_to(notebooks.ROOT):
        return None
    settings = notebooks.settings()
    address = f"https://github.com/{settings['repository']}/blob/{settings['branch']}"
    end = start + len(lines) - 1
    return f"{address}/{path.relative_to(notebooks.ROOT).as_posix()}#L{start}-L{end}"
