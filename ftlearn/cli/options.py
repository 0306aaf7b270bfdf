"""Command-line options in groups: one dataclass per group, one field per option.

A command takes its groups, ``def fit(files: FileOptions, run: RunOptions)``, and ``grouped`` shows
typer one flat list of options, so that no command has twenty parameters.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from ftlearn.errors import ArgumentError

TAB_NAMES = ("tab", r"\t")
"""How to type a tab: the key moves the cursor, and few know the syntax of their shell."""

DATA, MODEL, TRAINING, RUN = "Your data", "The model", "Training", "The run"


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the fields of its groups as parameters, in place of the groups."""
    groups = get_type_hints(command)
    groups.pop("return", None)

    @functools.wraps(command)
    def flat(**values: Any) -> None:
        filled = {}
        for name, group in groups.items():
            names = {field.name for field in fields(group)}
            filled[name] = group(**{key: values[key] for key in names & values.keys()})
        command(**filled)

    parameters = [parameter for group in groups.values() for parameter in _parameters(group)]
    flat.__signature__ = inspect.Signature(parameters)
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del flat.__wrapped__  # else typer would look through to the groups
    return flat


def _parameters(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(field),
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]


def _default(field: Field) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is MISSING else field.default


def option(
    explanation: str,
    panel: str,
    metavar: str | None = None,
    *,
    flag: str | None = None,
    least: int | None = None,
) -> Any:
    """A typer option with its help, in a panel; a ``flag`` has no opposite ``--no-flag``."""
    names = (flag,) if flag else ()
    return typer.Option(*names, help=explanation, rich_help_panel=panel, metavar=metavar, min=least)


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How text files are read."""

    encoding: Annotated[
        str | None,
        option(
            "The encoding of the files: utf-8, cp1252, gb18030 and so on. By default utf-8, or "
            "utf-16 where a file starts with its byte order mark.",
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
            "What quotation marks mean in .csv and .tsv files: csv (they enclose fields, which may "
            "then hold delimiters and line ends), none (they are characters, and each line is a "
            "row), or auto: csv for .csv, and for .tsv what the file looks like (none from "
            "standard input).",
            DATA,
            "auto|csv|none",
        ),
    ] = "auto"

    def __post_init__(self) -> None:
        if self.delimiter and self.delimiter.casefold() in TAB_NAMES:
            object.__setattr__(self, "delimiter", "\t")


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """Where the model runs."""

    device: Annotated[
        str | None, option("cpu, cuda or mps. By default the best one here.", RUN, "NAME")
    ] = None


@dataclass(frozen=True, kw_only=True)
class SavedModelOptions:
    """A fitted model."""

    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="What `ftlearn fit` wrote (its --out), or a classifier or "
            "regression model of one label per text that transformers saved.",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class TextColumnOptions:
    """Where the texts stand in a file for a fitted model."""

    text: Annotated[
        list[str] | None,
        option("The text column, if it is not called as in training.", DATA, "COLUMN"),
    ] = None
    text_pair: Annotated[
        str | None,
        option("The column with the second text of a pair, beside --text.", DATA, "COLUMN"),
    ] = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The text columns that were named."""
        return text_columns(self.text or (), self.text_pair)


def text_columns(text: Sequence[str], text_pair: str | None) -> tuple[str, ...]:
    """The text columns of ``--text``, once or twice, and ``--text-pair``; none by default.

    >>> text_columns(["question"], "answer"), text_columns(["question", "answer"], None)
    (('question', 'answer'), ('question', 'answer'))
    """
    if text_pair is None:
        return tuple(text)
    if len(text) != 1:
        raise ArgumentError(
            f"text_pair is {text_pair!r}, the second text of a pair, and `text` names {len(text)} "
            "columns: name the first one"
        )
    return (text[0], text_pair)


def secret(file: Path | None) -> str | None:
    """The secret in a token file, without the line end; None without a file."""
    return None if file is None else file.read_text(encoding="utf-8").strip()
