"""The house holds its shape: rooms import only rooms below, and stay small enough to read."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.notebooks import ROOT

PACKAGE = ROOT / "ftlearn"
MODULES = sorted(PACKAGE.rglob("*.py"))
FLOORS = [
    {
        "augmentation",
        "arithmetic",
        "batching",
        "blocks",
        "checkpoints",
        "compatibility",
        "data",
        "disk",
        "errors",
        "files",
        "interpolation",
        "known",
        "last_layer",
        "lean",
        "locking",
        "losses",
        "metrics",
        "narrowing",
        "numbers",
        "prediction_file",
        "parallel",
    }
    | {"pooling", "progress", "runtime", "showing", "tables"},
    {"architecture", "autotune", "config", "light", "packed"}
    | {"models", "optimisation", "resources", "tasks"},
    {"baselines", "doctor", "evaluation", "heads", "history", "saved", "training"},
    {"experiments", "figures", "paths", "search", "serving", "streaming"} | {"views"},
    {"bench", "exercises", "pages", "runs", "widgets"},
    {"__main__", "cli"},
]
IMPORTS = (ast.Import, ast.ImportFrom)
UNIX_ONLY = {"fcntl", "grp", "pwd", "pty", "resource", "termios", "tty"}
MODULE_LINES, SHEET_LINES, FUNCTION_LINES, PARAMETERS = 300, 400, 40, 8


def floor(room: str) -> int:
    """The floor a room is on; KeyError for a room that the plan does not know."""
    for number, rooms in enumerate(FLOORS):
        if room in rooms:
            return number
    raise KeyError(f"room {room!r} has no floor; add it to FLOORS in tests/test_rooms.py")


def room(path: Path) -> str:
    """The room a module belongs to: its folder in the package, or its own name."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def rooms_imported(tree: ast.AST) -> set[str]:
    """Rooms of ftlearn that a module imports, at its top or inside a function.

    An import under `if TYPE_CHECKING:` only names a type and is never carried out.

    >>> sorted(rooms_imported(ast.parse("from ftlearn import losses; import ftlearn.tasks.base")))
    ['losses', 'tasks']
    """
    names = set()
    for node in carried_out(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "ftlearn":
            names |= {f"ftlearn.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module)
    return {name.split(".")[1] for name in names if name.startswith("ftlearn.")}


def carried_out(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one, without those under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        test = getattr(child, "test", None)
        if not (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"):
            yield child
            yield from carried_out(child)


def packages_imported(tree: ast.AST) -> set[str]:
    """Top-level packages that a module imports."""
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    return {name.split(".")[0] for name in names}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """All functions and methods."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def parameters(function: ast.FunctionDef) -> int:
    """How many parameters a caller sees: without self and cls."""
    given = function.args
    names = [a.arg for a in given.posonlyargs + given.args + given.kwonlyargs]
    starred = (given.vararg is not None) + (given.kwarg is not None)
    return len([name for name in names if name not in ("self", "cls")]) + starred


def too_high(path: Path, tree: ast.AST) -> list[str]:
    """Rooms that a module imports although they are above its own floor."""
    own = room(path)
    return [name for name in rooms_imported(tree) if name != own and floor(name) > floor(own)]


def too_big(tree: ast.AST) -> list[str]:
    """Functions with too many lines or parameters."""
    found = []
    for function in functions(tree):
        lines = function.end_lineno - function.lineno + 1
        if lines > FUNCTION_LINES:
            found.append(f"{function.name} has {lines} lines; at most {FUNCTION_LINES}")
        if parameters(function) > PARAMETERS:
            found.append(f"{function.name} has {parameters(function)} parameters")
    return found


def undocumented(tree: ast.Module) -> list[str]:
    """The module and its public functions, classes and methods that say nothing of themselves.

    A method of a class with a base may carry on what the base says of it.
    """
    silent = [] if ast.get_docstring(tree) else ["the module"]
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and not n.bases]
    for owner in [tree, *classes]:
        for node in owner.body:
            kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
            if isinstance(node, kinds) and not node.name.startswith("_"):
                silent += [] if ast.get_docstring(node) else [node.name]
    return silent


def cycles(edges: dict[str, set[str]]) -> list[str]:
    """Rooms from which one comes back to the same room by following imports.

    >>> cycles({"a": {"b"}, "b": {"a"}, "c": {"a"}})
    ['a', 'b']
    """

    def reachable(start: str) -> set[str]:
        seen, waiting = set(), list(edges.get(start, ()))
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += edges.get(name, ())
        return seen

    return [name for name in sorted(edges) if name in reachable(name)]


each_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE))
)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@each_module
def test_module_imports_no_higher_room(path: Path):
    if path != PACKAGE / "__init__.py":
        assert too_high(path, parsed(path)) == []


def test_rooms_import_each_other_in_no_circle():
    edges: dict[str, set[str]] = {}
    for path in MODULES:
        edges.setdefault(room(path), set()).update(rooms_imported(parsed(path)) - {room(path)})
    assert cycles(edges) == []


@each_module
def test_only_widgets_import_ipywidgets(path: Path):
    assert room(path) == "widgets" or "ipywidgets" not in packages_imported(parsed(path))


@each_module
def test_modules_load_on_windows(path: Path):
    top = ast.Module([each for each in parsed(path).body if isinstance(each, IMPORTS)], [])
    assert packages_imported(top).isdisjoint(UNIX_ONLY)


@each_module
def test_module_is_short(path: Path):
    # Sheets of exercises are mostly the words that learners read.
    most = SHEET_LINES if path.name.startswith(("sheet_", "quiz_")) else MODULE_LINES
    assert len(path.read_text(encoding="utf-8").splitlines()) <= most


@each_module
def test_functions_are_small(path: Path):
    assert too_big(parsed(path)) == []


@each_module
def test_public_things_have_docstrings(path: Path):
    assert undocumented(parsed(path)) == []


def test_rules_bite():
    high = ast.parse("from ftlearn.training import steps")
    assert too_high(PACKAGE / "losses.py", high) == ["training"]
    assert too_high(PACKAGE / "figures.py", high) == []
    assert too_big(ast.parse("def f(a, b, c, d, e, *, g, h, i, j): ...")) == ["f has 9 parameters"]
    assert too_big(ast.parse("def f():\n" + "    1\n" * 40)) == ["f has 41 lines; at most 40"]
    assert undocumented(ast.parse("def f(): ...\ndef _g(): ...")) == ["the module", "f"]


def test_import_loads_nothing_but_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); import ftlearn; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - sys.stdlib_module_names == {"ftlearn"}


def test_our_errors_have_one_base():
    # Two never leave the package; a check of an exercise raises the third, for its own reader.
    inside = {"FtlearnError", "StoppedError", "_SpareError", "NotYetError"}
    for path in MODULES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
                bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
                assert bases[0] == "FtlearnError" or node.name in inside, f"{path}: {node.name}"
