"""Code that a lesson shows in full has the same syntax tree as the code of the package."""

import ast
import importlib
import inspect
import textwrap

import pytest

from tools import notebooks

MARK = "same-as:"


def shown():
    for path in notebooks.find():
        for cell in notebooks.executed_cells(notebooks.read(path)):
            for tag in cell.metadata.get("tags", []):
                if tag.startswith(MARK):
                    name = tag.removeprefix(MARK)
                    yield pytest.param(name, cell.source, id=f"{path.stem[:2]}-{name}")


def tree(source: str, name: str) -> str:
    """The definition of a function or class without docstrings, comments and layout."""
    for node in ast.parse(textwrap.dedent(source)).body:
        if getattr(node, "name", None) == name:
            for inner in ast.walk(node):
                body = getattr(inner, "body", None)
                if isinstance(body, list) and body and is_text(body[0]):
                    del body[0]
            return ast.dump(node)
    raise AssertionError(f"the cell does not define {name}")


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@pytest.mark.parametrize(("name", "source"), shown())
def test_the_shown_code_is_the_packages(name, source):
    module, _, function = name.rpartition(".")
    package = inspect.getsource(getattr(importlib.import_module(module), function))
    assert tree(source, function) == tree(package, function)


def test_a_changed_sign_is_noticed():
    package = "def f(x):\n    '''Add one.'''\n    return x + 1  # why\n"
    assert tree("def f(x):\n    return x + 1", "f") == tree(package, "f")
    assert tree("def f(x):\n    return x - 1", "f") != tree(package, "f")


def test_lessons_show_code_in_full():
    assert len(list(shown())) >= 4
