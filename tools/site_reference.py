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
from tools.site_docstrings import escape, to_rst

_PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
LONGEST_VALUE = 200
"""Characters of a constant's value that are shown."""
_FUNCTION = re.compile(r"<function ([\w.]+)>")
_ALIAS = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
"""How Sphinx writes an alias of `autodoc_type_aliases` within a union."""
_FIELD = re.compile(r"Alias for field number \d+$")


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
        lines += ["", *heading(name, "-"), *automodule(name, shown_elsewhere(name, members))]
    return "\n".join(lines) + "\n"


def shown_elsewhere(name: str, members: list[str]) -> list[str]:
    """What a module does not list: packages above it do, or modules of the page it has it from."""
    above = [package for package in members if name.startswith(f"{package}.")]
    beside = [module for module in members if not f"{module}.".startswith(f"{name}.")]
    exports = {export for package in above for export in exported(package, name)}
    return sorted(exports | {taken for module in beside for taken in exported(name, module)})


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


def skip_member(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Sphinx' hook `autodoc-skip-member`: a function as a field's default is no method."""
    is_default = what == "class" and inspect.isfunction(obj) and "." not in obj.__qualname__
    return True if is_default else None


def mend_signature(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: Any
) -> tuple[str, Any] | None:
    """Sphinx' hook `autodoc-process-signature`: defaults as Python, without which no line breaks.

    >>> mend_signature(None, "class", "", None, None, "(a: dict = <factory>, b=<function f>)", None)
    ('(a: dict = ..., b=f)', None)
    """
    if not signature:
        return None
    signature = _ALIAS.sub(r"\1", signature.replace("<factory>", "..."))
    return _FUNCTION.sub(r"\1", signature), returned


def mend_value(app: Any, domain: str, kind: str, content: Any) -> None:
    """Sphinx' hook `object-description-transform`: of constants, it sorts dicts and hides nothing.

    A dict is shown in its order; a value that is long, or has an address in memory, is not shown.
    """
    signature = content.parent[0]
    shown = [node for node in signature.children if node.astext().startswith(" = ")]
    if domain != "py" or kind not in ("attribute", "data") or not shown:
        return
    value = documented(signature["module"], signature["fullname"])
    text = repr(value) if isinstance(value, dict) else shown[0].astext().removeprefix(" = ")
    if len(text) > LONGEST_VALUE or "<function" in text:
        signature.remove(shown[0])
    else:
        shown[0].children[-1] = type(shown[0].children[-1])(text)


def documented(module: str, name: str) -> Any:
    """An object by its module and its name within it; nothing if there is none."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def source_address(domain: str, info: dict[str, str]) -> str | None:
    """Where an object's source is on GitHub; nothing for constants, which have no lines."""
    if domain != "py" or info["module"] not in sys.modules:
        return None
    try:
        found = inspect.unwrap(documented(info["module"], info["fullname"]))
        path, (lines, start) = Path(inspect.getfile(found)), inspect.getsourcelines(found)
    except (TypeError, OSError):
        return None
    if not path.is_relative_to(notebooks.ROOT):
        return None
    settings = notebooks.settings()
    address = f"https://github.com/{settings['repository']}/blob/{settings['branch']}"
    end = start + len(lines) - 1
    return f"{address}/{path.relative_to(notebooks.ROOT).as_posix()}#L{start}-L{end}"
