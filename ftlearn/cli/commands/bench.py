"""``ftlearn bench``: measure ftlearn beside the usual tools on this machine."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from ftlearn.benchmark.settings import Outputs, Settings, Source
from ftlearn.cli.errors import UNEXPECTED
from ftlearn.cli.options import grouped
from ftlearn.cli.output import say


@grouped
def bench(source: Source, settings: Settings, outputs: Outputs) -> None:
    """Measure training, prediction, time to accuracy and few labels beside the usual tools.

    Everything runs in this one process and in turn, on the same texts, model and batch size. At
    full size it takes about an hour on two CPU cores, most of it SetFit; leave the machine alone
    meanwhile. Exit code 1 says that a contender failed; the results of the others are kept.

    Example: `ftlearn bench --only train,predict --output bench.json --figure bench.png`

    Example: `ftlearn bench --train mine.csv --test held_out.csv --text message --label topic`
    """
    from ftlearn.benchmark import measure, report, workload
    from ftlearn.runtime.files import check_writable

    for file in filter(None, (outputs.output, outputs.figure)):
        check_writable(file, overwrite=outputs.overwrite)
    parts = []
    with tempfile.TemporaryDirectory() as scratch:
        names = measure.parts_to_measure(settings, log=_log)
        work = workload.open_workload(source, settings, Path(scratch))
        for name in names:
            _log(f"measuring {name} ...")
            parts.append(measure.measure_part(name, work, settings, _log))
            say(report.text(parts[-1]))
            if outputs.output:  # after each part, so that a long run cut short keeps what it has
                report.write_json(parts, _for_json(source, settings, names), outputs.output)
    if outputs.figure:
        report.write_figure(parts, outputs.figure)
    if any(part.failures for part in parts):
        raise typer.Exit(UNEXPECTED)


def _log(line: str) -> None:
    say(line, err=True)


def _for_json(source: Source, settings: Settings, names: tuple[str, ...]) -> dict[str, Any]:
    """The options of the command, as values that JSON can hold."""
    options = {**asdict(source), **asdict(settings), "parts": list(names)}
    files = {name: str(value) for name, value in options.items() if isinstance(value, Path)}
    return options | files
