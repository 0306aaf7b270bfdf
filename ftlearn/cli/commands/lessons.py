"""``ftlearn lessons``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ftlearn.cli.options import RUN, grouped, option
from ftlearn.cli.output import say

if TYPE_CHECKING:
    from ftlearn.lessons import Copies


@dataclass(frozen=True, kw_only=True)
class LessonOptions:
    """Which lessons, and where to."""

    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help="A folder of your own. Without it, a list."),
    ] = None
    names: Annotated[
        list[str],
        typer.Argument(metavar="[LESSON]...", help="Numbers such as 03 05. By default all."),
    ] = field(default_factory=list)
    language: Annotated[
        str | None,
        option(
            "en, or zh for Chinese, whose lessons go into FOLDER/zh. By default English, unless "
            "FTLEARN_LANG says otherwise.",
            RUN,
            "en|zh",
        ),
    ] = None


@grouped
def lessons(options: LessonOptions) -> None:
    """Copy the lessons of the course into a folder, or list them.

    A second call adds what is missing, and after an upgrade replaces the lessons that you have not
    touched. What you have changed or run is yours, and is kept.

    Example: `ftlearn lessons my-folder`, or some of them: `ftlearn lessons my-folder 03 05`
    """
    from ftlearn import language, lessons

    if options.folder is None:
        for number, question in lessons.questions(options.language or language.chosen()):
            say(f"{number}  {question}")
        say("next: ftlearn lessons FOLDER")
        return
    if options.folder.name.isdigit() and not options.names and not options.folder.exists():
        raise typer.BadParameter(
            f"{options.folder} is the number of a lesson: name the folder first, as in "
            f"`ftlearn lessons my-folder {options.folder}`"
        )
    copies = lessons.copy(options.folder, options.names, language=options.language)
    for line in copied_lines(copies):
        say(line)


def copied_lines(copies: Copies) -> Iterator[str]:
    """What was copied, what was kept, and the next step."""
    counts = {"new": copies.new, "updated": copies.updated, "already there": copies.present}
    parts = [f"{len(names)} {kind}" for kind, names in counts.items() if names]
    if parts:
        yield f"lessons in {copies.folder}: {', '.join(parts)}"
    if copies.kept:
        yield (
            f"kept, since you have changed them, though this version has others: "
            f"{', '.join(copies.kept)}; to have those too, rename yours and call again"
        )
    if find_spec("jupyterlab") is None:
        yield 'to run them: pip install "ftlearn[notebooks]"'
    first = min(copies.new + copies.updated + copies.present + copies.kept)
    yield f"next: jupyter lab {copies.folder / first}"
