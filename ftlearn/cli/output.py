"""The one place where a command speaks to its terminal, or to the log that stands for one."""

from __future__ import annotations

import typer

from ftlearn.showing import plain


def say(text: object, *, err: bool = False) -> None:
    """Print a line; nothing that comes from the data can move the cursor or turn the text round.

    >>> say("\\x1b[2Jgone")
    [U+001B][2Jgone
    """
    typer.echo(plain(str(text)), err=err)
