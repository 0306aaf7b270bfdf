"""``ftlearn doctor``."""

from __future__ import annotations

import typer

from ftlearn.cli.output import Data, say, translated


def doctor() -> None:
    """Say in plain words what this machine has and can train, and how to get what is missing.

    Looks at Python, the libraries, the processor, memory and which models fit in it, disk, and
    the model that needs no network. Exit code 1 says that something must be fixed first.

    Example: `ftlearn doctor`
    """
    from ftlearn.doctor import examine

    findings = examine()
    for finding in findings:
        parts = (translated(part) if isinstance(part, str) else part for part in finding)
        say(Data(finding._make(parts).line(translated(finding.mark))))
    if not all(finding.fine for finding in findings):
        raise typer.Exit(1)
