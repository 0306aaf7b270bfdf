"""The pages of the command line: what `ftlearn COMMAND --help` says, in a language of the site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import typer.main

from ftlearn import language
from ftlearn.cli import app
from ftlearn.language.files import COMMANDS
from tools.site_docstrings import escape, to_rst
from tools.site_reference import heading

PROGRAM = "ftlearn"
UNDERLINES = "=-~"
"""Of a command, of what it holds, of the options of a command within a command."""
VALUES = {int: "NUMBER", float: "NUMBER", str: "TEXT", Path: "FILE"}
"""What stands for the value of an option, by its type."""
_CODE = re.compile(r"(`[^`]+`)")
_NAME = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


@dataclass(frozen=True)
class Writer:
    """Writes commands as reStructuredText with the site's ``words`` of a language."""

    language: str
    words: dict[str, Any]

    @cached_property
    def catalogue(self) -> language.Catalogue:
        """The translations of what the command line says."""
        return language.load(self.language, COMMANDS)

    def said(self, text: str) -> str:
        """A text of the command line in the language, with names of options as code."""
        english = self.language == "en"
        return named_as_code(text if english else language.output(text, self.catalogue))

    def page(self, command: Any, name: str, depth: int = 0) -> Iterator[str]:
        """The lines of a command, or of a group with its commands."""
        members = getattr(command, "commands", {})
        yield from heading(name, UNDERLINES[depth])
        yield from [to_rst(self.said(command.help or "")), ""]
        if not members:
            yield from [".. code-block:: text", "", f"   {usage(command, name)}", ""]
            yield from self.parameters(command, name, depth + 1)
        for member, part in members.items():
            yield from self.page(part, f"{name} {member}", depth + 1)

    def parameters(self, command: Any, name: str, depth: int) -> Iterator[str]:
        """The arguments of a command, and its options in their groups."""
        yield from [f".. program:: {name}", ""]
        for title, members in self.groups(command).items():
            yield from heading(title, UNDERLINES[depth])
            for parameter in members:
                yield from [f".. option:: {signature(parameter)}", ""]
                yield from [f"   {line}" for line in self.explained(parameter).split("\n")]
                yield ""

    def groups(self, command: Any) -> dict[str, list[Any]]:
        """The parameters below the titles of their groups, in the order of the help."""
        found: dict[str, list[Any]] = {}
        for parameter in command.params:
            title = self.words["options"]
            if is_argument(parameter):
                title = self.words["arguments"]
            elif parameter.rich_help_panel:
                panel = parameter.rich_help_panel
                title = self.words["groups"].get(panel) or self.said(panel)
            found.setdefault(title, []).append(parameter)
        return found

    def explained(self, parameter: Any) -> str:
        """The help of a parameter, whether it is required, and its default."""
        text = to_rst(self.said(parameter.help or ""))
        if parameter.required:
            return text + self.words["required"]
        if says_something(parameter.default):
            return text + self.words["default"].format(f"``{parameter.default}``")
        return text

    def row(self, name: str, command: Any) -> str:
        """A command in the list of all: its name and the first paragraph of its help."""
        first = self.said(command.help or "").partition("\n\n")[0]
        return f"   * - :doc:`{name} <{name}>`\n     - {escape(' '.join(first.split()))}"


def write(folder: Path, chosen: str, words: dict[str, Any]) -> None:
    """One page per command of ftlearn, and the page that lists them."""
    folder.mkdir(parents=True)
    writer, commands = Writer(chosen, words), typer.main.get_command(app).commands
    for name, command in commands.items():
        lines = writer.page(command, f"{PROGRAM} {name}")
        (folder / f"{name}.rst").write_text("\n".join(lines), encoding="utf-8")
    lines = [*heading(words["commands"], "="), words["commands_intro"], ""]
    lines += [".. list-table::", "   :class: modules", ""]
    lines += [writer.row(name, command) for name, command in commands.items()]
    lines += ["", words["commands_outro"], ""]
    lines += [".. toctree::", "   :hidden:", "", *(f"   {name}" for name in commands), ""]
    (folder / "index.rst").write_text("\n".join(lines), encoding="utf-8")


def named_as_code(text: str) -> str:
    """Markdown in which names of options are code; else two hyphens would become a dash.

    >>> named_as_code("with --lora 8, as in `fit --lora 8`")
    'with `--lora` 8, as in `fit --lora 8`'
    """
    parts = _CODE.split(text)
    for at in range(0, len(parts), 2):  # the odd ones are code
        parts[at] = _NAME.sub(r"`\g<0>`", parts[at])
    return "".join(parts)


def usage(command: Any, name: str) -> str:
    """How to call a command; options are named only if there are any."""
    options = [] if all(map(is_argument, command.params)) else ["[OPTIONS]"]
    arguments = [place(part) for part in command.params if is_argument(part)]
    return " ".join([name, *options, *arguments])


def place(argument: Any) -> str:
    """What stands for an argument in a call, in brackets if it may be left out."""
    name = signature(argument)
    return name if argument.required or name.startswith("[") else f"[{name}]"


def is_argument(parameter: Any) -> bool:
    """Whether a parameter has no name on the command line, only a place."""
    return parameter.param_type_name == "argument"


def signature(parameter: Any) -> str:
    """The name of a parameter, and what stands for its value."""
    if is_argument(parameter):
        return parameter.metavar or parameter.name.upper()
    names = ", ".join(parameter.opts)
    return names if parameter.is_flag else f"{names} {parameter.metavar or value(parameter)}"


def value(parameter: Any) -> str:
    """What stands for the value of an option that names nothing itself."""
    kind = parameter.type_descriptor.annotation
    kind, *_ = get_args(kind) or (kind,)  # of an option that is given several times: that of one
    return VALUES.get(kind, kind.__name__.upper())


def says_something(default: Any) -> bool:
    """Whether a default is worth a word: a number is, 0 included, but not nothing, and not "not".

    >>> says_something(0), says_something(False), says_something([])
    (True, False, False)
    """
    return default is not False and default not in (None, "", [], ())
