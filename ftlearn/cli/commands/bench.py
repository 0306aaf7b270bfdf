"""``ftlearn bench``: measure ftlearn beside the usual tools on this machine."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_type_hints

import typer

from ftlearn.benchmark.settings import Outputs, Settings, Source
from ftlearn.markup import plain
from ftlearn.runtime.files import check_writable

GROUPS = (Source, Settings, Outputs)


def takes_fields_of(*groups: type) -> Callable[[Callable], Callable]:
    """Give a command with ``**options`` one option for each field of the dataclasses.

    Their names, types, defaults and help are written once, where the values live.
    """

    def decorate(command: Callable) -> Callable:
        hints = {name: hint for group in groups for name, hint in _hints(group).items()}
        defaults = {each.name: each.default for group in groups for each in fields(group)}
        command.__signature__ = inspect.Signature(
            [
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default).replace(
                    annotation=hints[name]
                )
                for name, default in defaults.items()
            ]
        )
        command.__annotations__ = hints
        return command

    return decorate


def _hints(group: type) -> dict[str, Any]:
    return get_type_hints(group, include_extras=True)


@takes_fields_of(*GROUPS)
def bench(**options: Any) -> None:
    """Measure training, prediction, time to accuracy and few labels beside the usual tools.

    Everything runs in this one process and in turn, on the same texts, model and batch size. At
    full size it takes about an hour on two CPU cores, most of it SetFit; leave the machine alone
    meanwhile. Exit code 1 says that a contender failed; the results of the others are kept.

    `ftlearn bench --only train,predict --output bench.json --figure bench.png`

    `ftlearn bench --train mine.csv --test held_out.csv --text message --label topic`
    """
    source, settings, outputs = (
        group(**{each.name: options[each.name] for each in fields(group)}) for group in GROUPS
    )
    raise typer.Exit(run(source, settings, outputs))


def run(source: Source, settings: Settings, outputs: Outputs) -> int:
    """Measure, print and write; returns the exit code: 0 done, 1 a failure, 2 bad input."""
    from ftlearn.benchmark import measure, report, workload

    for file in filter(None, (outputs.output, outputs.figure)):
        check_writable(file, overwrite=outputs.overwrite)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            plan = measure.planned(settings, tell=_tell)
            given = workload.open_work(source, settings, Path(scratch))
        except (OSError, ValueError) as error:
            _tell(f"ftlearn bench: {error}")
            return 2
        done = []
        for part in plan:
            _tell(f"measuring {part} ...")
            done.append(measure.measured(part, given, settings, _tell))
            typer.echo(plain(report.text(done[-1])))
            if outputs.output:  # after each part, so that a long run cut short keeps what it has
                report.write_json(done, _as_told(source, settings, plan), outputs.output)
    if outputs.figure:
        report.write_figure(done, outputs.figure)
    return 1 if any(part.failures for part in done) else 0


def _tell(line: str) -> None:
    typer.echo(plain(line), err=True)


def _as_told(source: Source, settings: Settings, plan: tuple[str, ...]) -> dict[str, Any]:
    options = {**asdict(source), **asdict(settings), "parts": list(plan)}
    files = {name: str(value) for name, value in options.items() if isinstance(value, Path)}
    return options | files
