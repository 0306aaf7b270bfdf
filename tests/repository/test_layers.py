"""The layout holds: packages import from lower layers only, and modules stay short."""

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
LAYERS = [
    {"errors", "losses", "markup", "metrics"},
    {"data", "figures", "language", "runtime"},
    {"compatibility", "multitask", "optim", "preferences"},
    {"config", "tasks"},
    {"models"},
    {"fast"},
    {"evaluation", "generation"},
    {"formats", "interpolation", "training"},
    {
        "benchmark",
        "doctor",
        "engines",
        "experiments",
        "lessons",
        "load",
        "search",
        "serving",
        "workflows",
    },
    {"capstone"},
    {"cli", "course"},
    {"__main__"},
]
"""From the lowest to the highest: a package imports from lower layers only."""
IMPORTS = (ast.Import, ast.ImportFrom)
UNIX_ONLY = {"fcntl", "grp", "pwd", "pty", "resource", "termios", "tty"}
MODULE_LINES, SHEET_LINES, FUNCTION_LINES, PARAMETERS = 300, 400, 40, 8


def layer(package: str) -> int:
    """The number of the layer that a package or top-level module is in."""
    for number, names in enumerate(LAYERS):
        if package in names:
            return number
    raise KeyError(
        f"{package!r} is in no layer; add it to LAYERS in tests/repository/test_layers.py"
    )


def package(path: Path) -> str:
    """The package that a module belongs to: its folder in ftlearn, or its own name."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def packages_of_ftlearn(tree: ast.AST) -> set[str]:
    """Packages of ftlearn that a module imports, at its top or inside a function.

    An import under `if TYPE_CHECKING:` only names a type and is never carried out.

    >>> imports = ast.parse("from ftlearn import losses; import ftlearn.tasks.base")
    >>> sorted(packages_of_ftlearn(imports))
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


def dotted(path: Path) -> str:
    """A module's full name.

    >>> dotted(PACKAGE / "tasks" / "base.py"), dotted(PACKAGE / "tasks" / "__init__.py")
    ('ftlearn.tasks.base', 'ftlearn.tasks')
    """
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def modules_imported(tree: ast.Module, known: set[str]) -> set[str]:
    """Modules of ftlearn that are imported as a module is loaded, at its top."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names & known


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


def upward_imports(path: Path, tree: ast.AST) -> list[str]:
    """Packages that a module imports although they are not in a lower layer than its own."""
    own = package(path)
    imported = packages_of_ftlearn(tree) - {own}
    return [name for name in sorted(imported) if layer(name) >= layer(own)]


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
    """Modules from which one comes back to the same module by following imports.

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
def test_module_imports_from_lower_layers_only(path: Path):
    if path != PACKAGE / "__init__.py":
        assert upward_imports(path, parsed(path)) == []


def test_every_package_is_in_one_layer():
    names = [package(path) for path in MODULES if path != PACKAGE / "__init__.py"]
    assert sorted(name for names in LAYERS for name in names) == sorted(set(names))


def test_modules_import_each_other_in_no_circle():
    known = {dotted(path): path for path in MODULES}
    edges = {name: modules_imported(parsed(path), set(known)) for name, path in known.items()}
    # A package is loaded before its modules: importing one of them from inside is no circle.
    packages = {name for name in known if any(other.startswith(f"{name}.") for other in known)}
    assert cycles({name: found - packages for name, found in edges.items()}) == []


@each_module
def test_only_widgets_import_ipywidgets(path: Path):
    inside = path.is_relative_to(PACKAGE / "course" / "widgets")
    assert inside or "ipywidgets" not in packages_imported(parsed(path))


@each_module
def test_modules_load_on_windows(path: Path):
    top = ast.Module([each for each in parsed(path).body if isinstance(each, IMPORTS)], [])
    assert packages_imported(top).isdisjoint(UNIX_ONLY)


@each_module
def test_module_is_short(path: Path):
    # Sheets of exercises are mostly the words that learners read.
    most = SHEET_LINES if path.name.startswith(("sheet_", "museum_", "quiz_")) else MODULE_LINES
    assert len(path.read_text(encoding="utf-8").splitlines()) <= most


@each_module
def test_functions_are_small(path: Path):
    assert too_big(parsed(path)) == []


@each_module
def test_public_things_have_docstrings(path: Path):
    assert undocumented(parsed(path)) == []


def test_rules_bite():
    high = ast.parse("from ftlearn.training import steps")
    assert upward_imports(PACKAGE / "losses.py", high) == ["training"]
    assert upward_imports(PACKAGE / "search" / "space.py", high) == []
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
    inside = {"FtlearnError", "StoppedError", "_SurplusError", "NotYetError"}
    for path in MODULES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
                bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
                assert bases[0] == "FtlearnError" or node.name in inside, f"{path}: {node.name}"
