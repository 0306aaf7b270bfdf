"""``ftlearn load``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ftlearn.cli.options import DATA, RUN, grouped, option, secret
from ftlearn.cli.output import say
from ftlearn.errors import ArgumentError

if TYPE_CHECKING:
    from ftlearn.load import LoadRun

HEAD = ("per second", "answered", "p50 ms", "p95 ms", "p99 ms", "in flight", "other answers")
SATURATED = 0.95
"""A service that answers less than this share of what is sent is saturated."""


@dataclass(frozen=True, kw_only=True)
class TargetOptions:
    """Which service, and who may ask it."""

    url: Annotated[
        str, typer.Argument(metavar="URL", help="The service, such as `http://127.0.0.1:8000`.")
    ]
    token_file: Annotated[
        Path | None, option("The file with the service's token.", RUN, "FILE")
    ] = None
    allow_host: Annotated[
        str | None,
        option("The host of the URL once more, if it is not this machine.", RUN, "NAME"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """What is sent, and when."""

    rate: Annotated[
        str, option("Requests per second; several, as in 5,10,20, one after the other.", DATA)
    ] = "5,10,20,40"
    seconds: Annotated[float, option("Seconds for each rate.", DATA, "NUMBER")] = 10.0
    texts: Annotated[
        Path | None,
        option(
            "The texts: one per line, or in .jsonl any JSON value that the service takes as a "
            "text. By default the bundled articles.",
            DATA,
            "FILE",
        ),
    ] = None
    seed: Annotated[
        int | None,
        option(
            "Let requests arrive at random (Poisson) with this seed instead of evenly.",
            DATA,
            "NUMBER",
        ),
    ] = None

    def rates(self) -> list[float]:
        """The rates; raises ValueError unless all are numbers above 0."""
        try:
            rates = [float(part) for part in self.rate.split(",")]
        except ValueError:
            rates = []
        if not rates or not all(rate > 0 for rate in rates):
            raise ArgumentError(f"rate is {self.rate!r}: give numbers above 0, such as 5,10,20")
        return rates

    def contents(self) -> list[Any]:
        """The texts to send; raises ValueError where there are none."""
        if self.texts is None:
            from ftlearn import data

            return list(data.load("topics")["test"]["text"])
        lines = self.texts.read_text(encoding="utf-8").splitlines()
        lines = [line for line in lines if line.strip()]
        if self.texts.suffix == ".jsonl":
            lines = [json.loads(line) for line in lines]
        if not lines:
            raise ArgumentError(f"{self.texts} has no text: write one per line")
        return lines


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """Where the figures go."""

    output: Annotated[
        Path | None,
        option("Also write all figures, with 95 % intervals, into this .csv file.", RUN, "FILE"),
    ] = None
    overwrite: Annotated[
        bool, option("Replace the --output file where it exists.", RUN, flag="--overwrite")
    ] = False


@grouped
def load(target: TargetOptions, requests: RequestOptions, result: TableOptions) -> None:
    """Measure a service at constant rates: latency from when each request was due.

    A request is sent when it is due, whether or not those before it were answered, by a process of
    its own. Above the rate that the service can answer, the queue grows as long as the run lasts.

    Example: `ftlearn load http://127.0.0.1:8000 --rate 5,10,20,40 --seconds 10`
    """
    from ftlearn.load import constant_rate, table
    from ftlearn.load.clients import check_host
    from ftlearn.runtime.files import check_writable, write_text

    check_host(target.url, target.allow_host)
    rates = requests.rates()
    if result.output:
        check_writable(result.output, overwrite=result.overwrite)
    texts = requests.contents()
    runs = []
    say("  ".join(f"{name:>13}" for name in HEAD))
    for rate in rates:
        run = constant_rate(
            target.url,
            texts,
            rate,
            requests.seconds,
            seed=requests.seed,
            token=secret(target.token_file),
            allow_host=target.allow_host,
        )
        runs.append(run)
        for line in _lines(run):
            say(line)
    if result.output:
        write_text(result.output, table(runs).to_csv(index=False))


def _lines(run: LoadRun) -> Iterator[str]:
    """The figures of a run, and what must be known to read them."""
    row = run.row()
    others = {name: count for name, count in run.statuses.items() if name != "200"}
    cells = [
        f"{run.rate:g}",
        f"{row['answered per second']:.1f}",
        *(f"{row[f'p{percent} ms']:.0f}" for percent in (50, 95, 99)),
        f"{row['in flight']:.1f}",
        ", ".join(f"{count} x {name}" for name, count in others.items()) or "none",
    ]
    yield "  ".join(f"{cell:>13}" for cell in cells)
    if run.answered_per_second < SATURATED * (run.rate or 0):
        yield "  note: fewer are answered than sent: the service is saturated, or refuses"
    if run.lateness > max(0.01, 0.1 * run.percentile(50).value):
        yield (
            f"  note: the client itself was {1000 * run.lateness:.0f} ms late: it needs a core of "
            "its own"
        )
