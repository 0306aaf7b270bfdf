"""Commands that live beside what they run; their modules are imported when they are called."""

from __future__ import annotations

import importlib
import importlib.util
from typing import NamedTuple

import typer


class Elsewhere(NamedTuple):
    """A command: where its function is, and what the list of commands says of it."""

    module: str
    function: str
    summary: str


COMMANDS = {
    "bench": Elsewhere(
        "ftlearn.cli.commands.bench",
        "bench",
        "Measure training and prediction against other tools.",
    ),
}


def register(app: typer.Typer) -> None:
    """Add the commands to the program; each takes its options from its own function."""
    for name, where in COMMANDS.items():
        if importlib.util.find_spec(where.module.rpartition(".")[0]):
            app.command(
                name=name,
                help=where.summary,
                add_help_option=False,
                context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
            )(_calling(name))


def program(name: str) -> typer.Typer:
    """One of these commands as a program of its own."""
    where = COMMANDS[name]
    function = getattr(importlib.import_module(where.module), where.function)
    real = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
    )
    real.command(name=name)(function)
    return real


def _calling(name: str):
    def call(context: typer.Context) -> None:
        program(name)(args=context.args, prog_name=f"ftlearn {name}")

    return call
