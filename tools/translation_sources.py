"""What has to be translated: the cells of a lesson, and the texts that its code and sheets show."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from ftlearn.course.exercises import outcome
from ftlearn.language.catalogue import LETTERS_OF_A_PATTERN, letters
from tools import badges, notebooks

PACKAGE = notebooks.ROOT / "ftlearn"
SHEETS = PACKAGE / "course" / "exercises" / "sheets"
# What learners see of the package in every lesson.
SHARED = (
    "course/exercises/*.py",
    "course/explorers/*.py",
    "course/widgets/**/*.py",
    "figures.py",
)
UNSEEN_ARGUMENTS = {"example", "mistakes", "broken"}
"""Arguments of an exercise that no learner reads: answers, and fragments of messages."""
SHOWN_NAMES = {
    *("title", "xlabel", "ylabel", "label", "set_title", "set_xlabel", "set_ylabel", "suptitle"),
    *("annotate", "text", "legend", "describe", "columns", "index", "name", "rename", "set"),
}
KEYWORDS = {"black", "both", "center", "constrained", "expand", "list", "none", "xlabel", "ylabel"}
"""Values of matplotlib's arguments, beside positions such as "upper left"."""
NO_FIELD_NAMES = {"abs", "float", "for", "if", "in", "int", "join", "len", "list", "max", "min"}
NO_FIELD_NAMES |= {"of", "round", "self", "sorted", "str", "sum", "translate", "type"}
"""Words of code that say nothing about what fills a field."""
_POSITION = re.compile(r"(upper|lower|center)( left| right| center)")
_WORD = re.compile(r"[A-Za-z]{2,}")
_NAME = re.compile(r"[\w./-]+")


@dataclass(frozen=True)
class Source:
    """A text to translate: where it stands (gettext's context), and whether it has fields."""

    context: str
    text: str
    pattern: bool = False


def of_lesson(notebook: NotebookNode, number: str) -> list[Source]:
    """All that is to be translated of one lesson, in its order, each text once per context."""
    sources = [*cells(notebook), *alternative_texts(notebook), *shown_by_cells(notebook)]
    for kind in ("sheet", "quiz", "museum"):
        path = SHEETS / f"{kind}_{number}.py"
        if path.exists():
            sources += in_module(path, "exercise")
    return list(dict.fromkeys(sources))


def of_package() -> list[Source]:
    """The package's words that learners see in every lesson."""
    paths = [path for pattern in SHARED for path in sorted(PACKAGE.glob(pattern))]
    sources = [text for path in paths for text in in_module(path, "package")]
    return list(dict.fromkeys([*of_outcomes(), *sources]))


def of_outcomes() -> Iterator[Source]:
    """The words for the outcome of a check, in each form in which a notebook shows them."""
    for status, sign in outcome.SIGNS.items():
        yield Source("package", f"{sign} {status}")
        yield Source("package", f"{status}: {{message}}", pattern=True)
        yield Source("package", f"{sign} **{status}**: {{message}}", pattern=True)
    for word in ("right", "wrong"):
        yield Source("package", word)


def cells(notebook: NotebookNode) -> Iterator[Source]:
    """The Markdown cells, each by its id, without the lines that `tools.badges` writes."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield Source(cell.id, without_generated(cell.source))


def without_generated(source: str) -> str:
    """A cell's text without the lines of badges, of costs and of languages."""
    lines = [line for line in source.split("\n") if not line.rstrip().endswith(badges.GENERATED)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def alternative_texts(notebook: NotebookNode) -> Iterator[Source]:
    """The descriptions of images, which screen readers read."""
    for cell in notebook.cells:
        if "alt" in cell.metadata:
            yield Source(f"alt {cell.id}", cell.metadata["alt"])


def shown_by_cells(notebook: NotebookNode) -> Iterator[Source]:
    """Texts in code that a reader sees in an output or in a figure."""
    output = "\n".join(text for _, text in notebooks.output_texts(notebook))
    for cell in notebooks.executed_cells(notebook):
        draws = any("image/png" in part.get("data", {}) for part in cell.outputs)
        for text in strings(ast.parse(without_magics(cell.source))):
            words = _WORD.findall(re.sub(r"\{\w+\}", "", text.text))
            if not words or text.text in KEYWORDS or _POSITION.fullmatch(text.text):
                continue
            named = any(mark.format(text.text) in output for mark in ("'{}'", ">{}<"))
            sentence = text.pattern or not _NAME.fullmatch(text.text)
            if draws or named or (sentence and (text.shown or " " in text.text)):
                yield Source("output", text.text, text.pattern)


def without_magics(code: str) -> str:
    """Code without the lines that only IPython understands."""
    return "\n".join("" if re.match(r"\s*[%!]", line) else line for line in code.split("\n"))


def in_module(path: Path, context: str) -> Iterator[Source]:
    """Texts of a module that are sentences, or that are given to something that shows them."""
    for text in strings(ast.parse(path.read_text(encoding="utf-8"))):
        words = _WORD.findall(re.sub(r"\{\w+\}", "", text.text))
        sentence = words and " " in text.text
        if "\n" in text.text and "# " not in text.text:
            continue  # code without a comment: nothing to translate
        if sentence or (text.shown and _WORD.search(text.text)):
            yield Source(context, text.text, text.pattern)


@dataclass(frozen=True)
class Literal:
    """A string in code; ``shown`` says that it is an argument of something that shows it."""

    text: str
    pattern: bool = False
    shown: bool = False


def strings(tree: ast.AST, shown: bool = False) -> Iterator[Literal]:
    """The strings of code in their order: docstrings and unseen arguments are left out.

    >>> [s.text for s in strings(ast.parse("f(f'{n} of {len(x)} rows', title='loss')"))]
    ['{n} of {x} rows', 'loss']
    """
    if isinstance(tree, ast.JoinedStr):
        text, has_fields = joined(tree)
        if not has_fields or letters(text) >= LETTERS_OF_A_PATTERN:
            yield Literal(text, has_fields, shown)
        for value in tree.values:
            if isinstance(value, ast.FormattedValue):
                yield from strings(value.value, shown)
        return
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield Literal(tree.value, False, shown)
        return
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue  # a docstring
        if isinstance(child, ast.keyword):
            exercise = isinstance(tree, ast.Call) and name_of(tree.func) == "Exercise"
            if exercise and child.arg in UNSEEN_ARGUMENTS:
                continue
            yield from strings(child, child.arg in SHOWN_NAMES)
        else:
            call = isinstance(tree, ast.Call) and child is not tree.func
            kept = shown and isinstance(tree, ast.List | ast.Tuple | ast.Dict | ast.keyword)
            yield from strings(child, kept or (call and name_of(tree.func) in SHOWN_NAMES))


def joined(tree: ast.JoinedStr) -> tuple[str, bool]:
    """An f-string as a pattern with named fields, and whether it has any."""
    parts: list[str] = []
    used: dict[str, str] = {}
    for value in tree.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value).replace("{", "{{").replace("}", "}}"))
        else:
            parts.append(f"{{{field_name(value.value, used)}}}")
    if used:
        return "".join(parts), True
    return "".join(parts).replace("{{", "{").replace("}}", "}"), False


def field_name(tree: ast.AST, used: dict[str, str]) -> str:
    """A name for a field: the variable or function in it; another one for another expression."""
    code = ast.unparse(tree)
    identifiers = [name for name in re.findall(r"[a-z]\w*", code) if name not in NO_FIELD_NAMES]
    name = next(iter(identifiers), "value")
    number = 2
    candidate = name
    while used.get(candidate, code) != code:
        candidate, number = f"{name}{number}", number + 1
    used[candidate] = code
    return candidate


def name_of(tree: ast.AST) -> str:
    """The last part of the name of what is called."""
    return tree.attr if isinstance(tree, ast.Attribute) else getattr(tree, "id", "")
