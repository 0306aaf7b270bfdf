"""The command line, thin over the package's functions: ``ftlearn --help``.

Exit codes: 0 done, 1 unexpected, 2 bad input, 130 interrupted. Commands import torch and the
like only when they run, so that help comes at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
import typer.core
import typer.main

from ftlearn import language
from ftlearn.cli.commands.bench import bench
from ftlearn.cli.commands.capstone import capstone
from ftlearn.cli.commands.chat import chat
from ftlearn.cli.commands.doctor import doctor
from ftlearn.cli.commands.evaluate import evaluate
from ftlearn.cli.commands.export import export
from ftlearn.cli.commands.fetch import fetch
from ftlearn.cli.commands.fit import fit
from ftlearn.cli.commands.generate import generate
from ftlearn.cli.commands.interpolate import interpolate
from ftlearn.cli.commands.lessons import lessons
from ftlearn.cli.commands.load import load
from ftlearn.cli.commands.predict import predict
from ftlearn.cli.commands.serve import serve
from ftlearn.cli.errors import UNEXPECTED, explain, short_notes
from ftlearn.cli.output import say, translated
from ftlearn.cli.remedies import in_options, options_of

__all__ = ["app", "main"]

app = typer.Typer(
    name="ftlearn",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.callback()
def about(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the full traceback of an error.")
    ] = False,
) -> None:
    """Fine-tune a pretrained language model on your own texts, and trust the result.

    Begin with `ftlearn doctor`, then:

    `ftlearn fit notes.csv --text text --label topic --out run`
    """


Command = typer.core.TyperCommand | typer.core.TyperGroup

COMMANDS = (
    doctor,
    lessons,
    fetch,
    fit,
    evaluate,
    export,
    predict,
    serve,
    load,
    generate,
    chat,
    interpolate,
    bench,
)
for command in COMMANDS:
    app.command(name=command.__name__)(command)
app.add_typer(capstone)


def translated_help(command: Command) -> Command:
    """The same command with its help in the language that is asked for, commands of it included."""
    if language.chosen() == "en":
        return command
    command.rich_markup_mode = None  # rich cuts what has no spaces, as Chinese sentences
    command.help = translated(command.help or "")
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = translated(parameter.help)
    for part in getattr(command, "commands", {}).values():
        translated_help(part)
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments  # wherever it stands, also behind the command
    arguments = [argument for argument in arguments if argument != "--debug"]
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    options = options_of(app, command)
    try:
        language.chosen()  # an unknown one ends the command
        with short_notes(options):
            translated_help(typer.main.get_command(app))(args=arguments, prog_name="ftlearn")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else UNEXPECTED * bool(end.code)
    except BaseException as error:
        if debug:
            raise
        line, code = explain(error)
        head, colon, text = line.partition(": ")
        say(head + colon + in_options(translated(text), options), err=True)
        return code
    return 0
