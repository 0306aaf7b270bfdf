"""Questions to the syntax tree of a module."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def name_of(node: ast.expr) -> str:
    """The last part of a name: ``c`` of ``a.b.c``; empty for what is no name."""
    return getattr(node, "attr", getattr(node, "id", ""))


def docstrings(tree: ast.AST) -> set[int]:
    """The constants that only say something about the code."""
    owners = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, owners)]
    first = [body[0].value for body in bodies if body and isinstance(body[0], ast.Expr)]
    return {id(node) for node in first if isinstance(node, ast.Constant)}


def imported(node: ast.AST) -> Iterator[str]:
    """What an import names: ``html`` and ``html.escape`` for ``from html import escape``."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
