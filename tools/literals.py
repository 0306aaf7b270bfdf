"""The strings in code that a reader may see, composed ones as patterns with named fields."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from string import Formatter

from ftlearn.language.catalogue import AS_IS, LETTERS_OF_A_PATTERN, letters

UNSEEN_ARGUMENTS = {"example", "mistakes", "broken"}
"""Arguments of an exercise that no learner reads: answers, and fragments of messages."""
SHOWN_NAMES = {
    *("title", "xlabel", "ylabel", "label", "set_title", "set_xlabel", "set_ylabel", "suptitle"),
    *("annotate", "text", "legend", "describe", "columns", "index", "name", "rename", "set"),
    "Finding",
}
NO_FIELD_NAMES = {"abs", "float", "for", "if", "in", "int", "join", "len", "list", "max", "min"}
NO_FIELD_NAMES |= {"of", "round", "self", "sorted", "str", "sum", "translate", "type"}
"""Words of code that say nothing about what fills a field."""
AFFIXES = ("add_prefix", "add_suffix")


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
    found = composed(tree)
    if found:
        parts, values = found
        text, has_fields = joined(parts)
        if not has_fields or letters(text) >= LETTERS_OF_A_PATTERN:
            yield Literal(text, has_fields, shown)
        for value in values:
            yield from strings(value, shown)
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


def composed(tree: ast.AST) -> tuple[list[str | ast.AST], list[ast.AST]] | None:
    """The parts of a text that code puts together, and what of it may hold further texts.

    Known are f-strings, sums with a string, ``"...".format``, and ``add_prefix`` and
    ``add_suffix`` of pandas. None for anything else.
    """
    if isinstance(tree, ast.JoinedStr):
        parts = [value if is_data(value) else value.value for value in tree.values]
        return parts, [part for part in parts if isinstance(part, ast.AST)]
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add):
        parts = list(summands(tree))
        if any(isinstance(part, str) for part in parts):
            return parts, [part for part in parts if isinstance(part, ast.AST)]
    if isinstance(tree, ast.Attribute) and tree.attr == "format" and is_text(tree.value):
        return format_parts(tree.value.value), []
    if isinstance(tree, ast.Call) and name_of(tree.func) in AFFIXES and is_text(tree.args[0]):
        label, affix = ast.Name("label"), tree.args[0].value
        parts = [affix, label] if name_of(tree.func) == "add_prefix" else [label, affix]
        return parts, [tree.func]
    return None


def summands(tree: ast.AST) -> Iterator[str | ast.AST]:
    """The parts of a sum from left to right, strings as what they say.

    >>> [ast.unparse(p) if isinstance(p, ast.AST) else p
    ...  for p in summands(ast.parse("'last ' + name + ' of all'", mode="eval").body)]
    ['last ', 'name', ' of all']
    """
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add):
        yield from summands(tree.left)
        yield from summands(tree.right)
    elif isinstance(tree, ast.JoinedStr):
        yield from composed(tree)[0]
    else:
        yield tree.value if is_text(tree) else tree


def format_parts(text: str) -> list[str | ast.AST]:
    """The parts of a text for ``str.format``; a field without a name is called value.

    >>> [p.id if isinstance(p, ast.Name) else p for p in format_parts("loss {0:.2f} of {name}")]
    ['loss ', 'value0', ' of ', 'name']
    """
    parts: list[str | ast.AST] = []
    for number, (before, field, _, _) in enumerate(Formatter().parse(text)):
        parts += [before] * bool(before)
        if field is not None:
            parts.append(ast.Name(field if field.isidentifier() else f"value{number}"))
    return parts


def is_data(tree: ast.AST) -> bool:
    """Whether a part of an f-string is data that stays as it is: it is written with ``!s``."""
    return isinstance(tree, ast.FormattedValue) and tree.conversion == ord("s")


def is_text(tree: ast.AST) -> bool:
    """Whether a piece of code is a string as it stands."""
    return isinstance(tree, ast.Constant) and isinstance(tree.value, str)


def joined(parts: Iterable[str | ast.AST]) -> tuple[str, bool]:
    """The parts of a text as a pattern with named fields, and whether it has any."""
    text: list[str] = []
    used: dict[str, str] = {}
    for part in parts:
        if isinstance(part, str):
            text.append(part.replace("{", "{{").replace("}", "}}"))
        else:
            text.append(f"{{{field_name(part, used)}}}")
    if used:
        return "".join(text), True
    return "".join(text).replace("{{", "{").replace("}}", "}"), False


def field_name(tree: ast.AST, used: dict[str, str]) -> str:
    """A name for a field: the variable or function in it; another one for another expression."""
    end = AS_IS if is_data(tree) else ""
    code = ast.unparse(tree.value if end else tree)
    identifiers = [name for name in re.findall(r"[a-z]\w*", code) if name not in NO_FIELD_NAMES]
    name = next(iter(identifiers), "value")
    number = 2
    candidate = f"{name}{end}"
    while used.get(candidate, code) != code:
        candidate, number = f"{name}{number}{end}", number + 1
    used[candidate] = code
    return candidate


def name_of(tree: ast.AST) -> str:
    """The last part of the name of what is called."""
    return tree.attr if isinstance(tree, ast.Attribute) else getattr(tree, "id", "")
