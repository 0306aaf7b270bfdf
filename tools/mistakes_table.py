"""Typical wrong answers as a teacher can read them: their code, and what the check says."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import Any

from ftlearn.course.exercises import Exercise

CHARACTERS = 88


def code(answer: Any) -> str:
    """A wrong answer as code for a table in Markdown: a value, or a function's own words.

    >>> code([1, 2])
    '`[1, 2]`'
    >>> code(len)
    '`len`'
    """
    text = function(answer) if callable(answer) else repr(answer)
    text = re.sub(r"\s+", " ", text).replace("`", "'").replace("|", "\\|")
    return f"`{textwrap.shorten(text, CHARACTERS, placeholder=' ...')}`"


def function(answer: Any) -> str:
    """A function's own words: the lambda itself, or the last line of a definition."""
    try:
        source = textwrap.dedent(inspect.getsource(answer))
    except (OSError, TypeError):
        return getattr(answer, "__name__", "a function")
    if answer.__name__ == "<lambda>":
        return first_lambda(source, answer.__code__.co_varnames[: answer.__code__.co_argcount])
    return f"{answer.__name__.lstrip('_')}: ... {source.strip().splitlines()[-1].strip()}"


def first_lambda(source: str, arguments: tuple[str, ...]) -> str:
    """The lambda with these arguments in some lines that need not be whole statements.

    >>> first_lambda("(lambda a, b: a, 'no'),", ("a", "b"))
    'lambda a, b: a'
    """
    for candidate in (source, source.strip().rstrip(","), f"_({source}\n)", f"_({source.strip()}"):
        try:
            tree = ast.parse(candidate)
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Lambda) and names(node.args) == arguments:
                return ast.unparse(node)
    return "a function"


def names(arguments: ast.arguments) -> tuple[str, ...]:
    """The positional arguments of a function."""
    return tuple(each.arg for each in arguments.args)


def message(exercise: Exercise, answer: Any) -> str:
    """What the check says of a wrong answer, in one line for a table in Markdown."""
    outcome = exercise.check(answer)
    text = re.sub(r"\s+", " ", outcome.message).replace("|", "\\|")
    return f"*{outcome.status}*: {text}"
