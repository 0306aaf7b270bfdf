"""Typical wrong answers in a table for the teacher: their code, and the message of the check."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import Any

from ftlearn.course.exercises import Exercise
from ftlearn.language import Catalogue

MAX_CHARACTERS = 88


def code(answer: Any) -> str:
    """A wrong answer as code for a Markdown table: a value, or the source of a function.

    >>> code([1, 2])
    '`[1, 2]`'
    >>> code(len)
    '`len`'
    """
    text = function_source(answer) if callable(answer) else repr(answer)
    text = re.sub(r"\s+", " ", text).replace("`", "'").replace("|", "\\|")
    return f"`{textwrap.shorten(text, MAX_CHARACTERS, placeholder=' ...')}`"


def function_source(answer: Any) -> str:
    """The source of a lambda, or the last line of a function definition."""
    try:
        source = textwrap.dedent(inspect.getsource(answer))
    except (OSError, TypeError):
        return getattr(answer, "__name__", "a function")
    if answer.__name__ == "<lambda>":
        return first_lambda(source, answer.__code__.co_varnames[: answer.__code__.co_argcount])
    return f"{answer.__name__.lstrip('_')}: ... {source.strip().splitlines()[-1].strip()}"


def first_lambda(source: str, arguments: tuple[str, ...]) -> str:
    """The lambda with these arguments in lines that may be incomplete statements.

    >>> first_lambda("(lambda a, b: a, 'no'),", ("a", "b"))
    'lambda a, b: a'
    """
    for candidate in (source, source.strip().rstrip(","), f"_({source}\n)", f"_({source.strip()}"):
        try:
            tree = ast.parse(candidate)
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Lambda) and argument_names(node.args) == arguments:
                return ast.unparse(node)
    return "a function"


def argument_names(arguments: ast.arguments) -> tuple[str, ...]:
    """The names of the positional arguments of a function."""
    return tuple(argument.arg for argument in arguments.args)


def message(exercise: Exercise, answer: Any, words: Catalogue) -> str:
    """The check's message for a wrong answer, in one line for a Markdown table."""
    outcome = exercise.check(answer)
    text = re.sub(r"\s+", " ", outcome.message).replace("|", "\\|")
    return words.translate(f"*{outcome.status}*: {text}")
