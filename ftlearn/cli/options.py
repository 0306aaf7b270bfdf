"""Command-line options in groups: a dataclass a group, a field an option.

A command takes its groups, ``def fit(files: FilesGiven, run: RunGiven)``, and ``grouped`` shows
typer one flat list of options, so that no command has twenty parameters.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

TAB_NAMES = ("tab", r"\t")
"""How one types a tab where the key moves the cursor, and few know the shell's own way."""

DATA, MODEL, TRAINING, RUN = "Your data", "The model", "Training", "The run"


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the fields of its groups as parameters, in place of the groups."""
    groups = get_type_hints(command)
    groups.pop("return", None)
    owners = {field.name: name for name, kind in groups.items() for field in fields(kind)}

    @functools.wraps(command)
    def flat(**values: Any) -> None:
        given: dict[str, dict[str, Any]] = {name: {} for name in groups}
        for name, value in values.items():
            given[owners[name]][name] = value
        command(**{name: kind(**given[name]) for name, kind in groups.items()})

    parameters = [each for kind in groups.values() for each in _parameters(kind)]
    flat.__signature__ = inspect.Signature(parameters)
    flat.__annotations__ = {each.name: each.annotation for each in parameters}
    del flat.__wrapped__  # else typer would look through to the groups
    return flat


def _parameters(kind: type) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(field),
            annotation=hints[field.name],
        )
        for field in fields(kind)
    ]


def _default(field: Field) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is MISSING else field.default


def option(
    explained: str,
    panel: str,
    metavar: str | None = None,
    *,
    flag: str | None = None,
    least: int | None = None,
) -> Any:
    """A typer option with its help, in a panel; a ``flag`` has no opposite ``--no-flag``."""
    names = (flag,) if flag else ()
    return typer.Option(*names, help=explained, rich_help_panel=panel, metavar=metavar, min=least)


@dataclass(frozen=True, kw_only=True)
class ReadingGiven:
    """How text files are read."""

    encoding: Annotated[
        str | None,
        option(
            "How letters are written in the files: utf-8, cp1252, gb18030 and so on. By default "
            "utf-8, or utf-16 where a file starts with its mark.",
            DATA,
            "NAME",
        ),
    ] = None
    delimiter: Annotated[
        str | None,
        option(
            "The character between columns, or the word tab. By default the comma for .csv, the "
            "tab for .tsv.",
            DATA,
            "CHARACTER",
        ),
    ] = None
    quoting: Annotated[
        str,
        option(
            "What quotes are in .csv and .tsv files: csv (marks around fields, which may then hold "
            "delimiters and line ends), none (characters, and each line is a row), or auto: csv "
            "for .csv, and for .tsv what the file looks like (none from standard input).",
            DATA,
            "auto|csv|none",
        ),
    ] = "auto"

    def __post_init__(self) -> None:
        if self.delimiter and self.delimiter.casefold() in TAB_NAMES:
            object.__setattr__(self, "delimiter", "\t")


@dataclass(frozen=True, kw_only=True)
class DeviceGiven:
    """Where the model runs."""

    device: Annotated[
        str | None, option("cpu, cuda or mps. By default the best one here.", RUN, "NAME")
    ] = None


@dataclass(frozen=True, kw_only=True)
class SavedGiven:
    """A fitted model."""

    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="What `ftlearn fit` wrote (its --out), or any classifier saved by transformers.",
        ),
    ]
