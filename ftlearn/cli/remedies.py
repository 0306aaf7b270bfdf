"""Remedies in the words of the command line: ``resume=True`` is ``--resume`` there.

The package speaks of arguments, as its callers in Python know them: ``name=value``, a name in
backticks, or one with an underscore. Here they become the options of the command that was called.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

import typer
import typer.main

from ftlearn.cli.output import translated

PHRASES = {
    "kind='number'": "task='regression'",
    "kind='class'": "task='classification'",
    "method='lora'": "adapter='lora'",
    "name two or more as `labels`": "name two or more, each with `label`",
    "`labels` name": "`label` names",
    "TrainConfig.micro_batches": "`micro_batches`",
    "the task's max_length": "max_length",
    "or freeze a part of the model": "or choose a smaller model with `checkpoint`",
    "models.checkpoint_activations(model)": "`activation_checkpointing`",
    "freeze the body (architecture.freeze(model, 'body')) or keep fewer layers": (
        "shorten the texts with max_length, or choose a smaller model with `checkpoint`"
    ),
}
"""What the command line does not offer, or names otherwise; the catalogue has it translated."""

CONFIG = re.compile(r"TrainConfig\(([^()]*)\)")
ASSIGNED = re.compile(
    r"(?<![\w.'\"`-])(?P<name>[a-z_]+)="
    r"(?P<value>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\([^()]*\)|\[[^\[\]]*\]|[\w/+-]+(?:\.\w+)*)"
    r"(?: \(--[^()]*\))?"
)
TICKED = re.compile(r"`(?P<name>[a-z_]+)`")
BARE = re.compile(r"(?<![\w.'\"`=-])(?P<name>[a-z]+(?:_[a-z]+)+)(?![\w='\"`(])")
SUBJECT = re.compile(r"^(?P<name>[a-z_]+)(?= (?:is|是|为) )")


class Option(NamedTuple):
    """An option as it is typed, and whether a value follows it."""

    flag: str
    takes_value: bool


def options_of(app: typer.Typer, command: str) -> dict[str, Option]:
    """The options of a command by the names of their arguments; empty for an unknown command.

    Of a command with commands of its own, such as capstone, those of all of them.
    """
    chosen = typer.main.get_command(app).commands.get(command)
    parts = getattr(chosen, "commands", {command: chosen}).values() if chosen else ()
    parameters = [parameter for part in parts for parameter in part.params]
    return {
        parameter.name: Option(parameter.opts[0], not getattr(parameter, "is_flag", False))
        for parameter in parameters
        if parameter.opts and parameter.opts[0].startswith("--")
    }


def in_options(text: str, options: Mapping[str, Option]) -> str:
    """A message with the command's options in place of Python's arguments.

    >>> known = {"resume": Option("--resume", False), "delimiter": Option("--delimiter", True)}
    >>> in_options("go on by resume=True, or try delimiter=';'", known)
    "go on by --resume, or try --delimiter ';'"
    """
    for phrase, other in PHRASES.items():
        text = text.replace(phrase, other).replace(translated(phrase), translated(other))
    text = CONFIG.sub(r"\1", text)

    def assigned(match: re.Match) -> str:
        option = options.get(match["name"])
        return match[0] if option is None else _typed(option, match["value"])

    def named(match: re.Match) -> str:
        option = options.get(match["name"])
        return match[0] if option is None else option.flag

    text = ASSIGNED.sub(assigned, text)
    for pattern in (TICKED, BARE, SUBJECT):
        text = pattern.sub(named, text)
    return text


def _typed(option: Option, written: str) -> str:
    """An option with its value as it is typed."""
    if not option.takes_value:
        return option.flag
    try:
        value: Any = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        value = written
    values = value if isinstance(value, tuple | list) else [value]
    return " ".join(f"{option.flag} {_quoted(str(value))}" for value in values)


def _quoted(value: str) -> str:
    return "tab" if value == "\t" else shlex.quote(value)
