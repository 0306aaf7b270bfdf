"""Runs the unit tests and every lesson as on different kinds of machine, and writes a table.

    python -m tools.machines                                # all regimes, tests and lessons
    python -m tools.machines --regimes "small bf16" 04 10   # two lessons in two regimes
    python -m tools.machines unit                           # the unit tests alone

The regimes are those of `tools/regimes.py`. Each lesson runs to its end in a fresh kernel, on a
copy, and every cell that fails is listed; the files in `notebooks/` stay as they are. The table
goes to standard output and to `build/machines.md`, the results also to `build/machines.json`;
both files are rewritten after every result. The exit status is 1 if a cell or a test fails, or if
a lesson takes longer than its limit.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from ftlearn.runtime.versions import machine, versions
from tools import notebooks, regimes, trials
from tools.regimes import Regime
from tools.trials import BUILD, UNIT, Outcome


def outcomes(regime: Regime, paths: Sequence[Path], unit: bool) -> Iterator[Outcome]:
    """The outcomes of one regime as they arrive: first the unit tests, then the lessons."""
    if not regime.possible:
        names = [UNIT] * unit + [path.stem for path in paths]
        yield from (Outcome(name, regime.name, possible=False) for name in names)
        return
    if unit:
        yield trials.run_tests(regime)
    with ThreadPoolExecutor(regime.at_once) as workers:
        running = [workers.submit(trials.run_lesson, path, regime) for path in paths]
        for future in as_completed(running):
            yield future.result()


# The table


def table(results: Sequence[Outcome], chosen: Sequence[Regime]) -> str:
    """The machine, one row per lesson with result, seconds and memory by regime, and failures."""
    names = sorted({outcome.what for outcome in results}, key=lambda name: (name != UNIT, name))
    by_name = {(outcome.what, outcome.regime): outcome for outcome in results}
    head = ["lesson"]
    for regime in chosen:
        head += [regime.name, "seconds", "MB"]
    rows = []
    for name in names:
        cells = [name]
        for regime in chosen:
            cells += row(by_name.get((name, regime.name)))
        rows.append(cells)
    rule = ["---", *["---", "---:", "---:"] * len(chosen)]
    lines = [f"| {' | '.join(line)} |" for line in (head, rule, *rows)]
    return "\n".join([*heading(chosen), "", *lines, "", *failure_lines(results), ""])


def heading(chosen: Sequence[Regime]) -> list[str]:
    """The machine, the versions, and the limits of each regime."""
    hardware, libraries = machine(), versions()
    lines = [
        f"{hardware['processor']}, {notebooks.cpu_cores()} cores, {hardware['system']}, "
        f"Python {libraries['python']}, torch {libraries['torch']}.",
        "",
    ]
    for regime in chosen:
        if not regime.possible:
            lines.append(f"- **{regime.name}**: not possible on this processor.")
            continue
        parallel = "" if regime.at_once == 1 else f", {regime.at_once} lessons at a time"
        lines.append(
            f"- **{regime.name}**: {regime.what}{parallel}; at most {regime.seconds} s per lesson."
        )
    return lines


def row(outcome: Outcome | None) -> list[str]:
    """Result, seconds and memory of one lesson in one regime."""
    if outcome is None:
        return ["…", "", ""]
    if not outcome.possible:
        return ["not possible here", "", ""]
    count = len(outcome.failures)
    result = f"**{count} failed**" if count else "green"
    seconds = f"{outcome.seconds:.0f}"
    if outcome.slow:
        result = "**too slow**" if not count else result
        seconds = f"**{seconds}** > {outcome.limit}"
    return [result, seconds, f"{outcome.memory_mb:,.0f}" if outcome.memory_mb else "–"]


def failure_lines(results: Sequence[Outcome]) -> list[str]:
    """One line per failure, or the sentence that there is none."""
    lines = [
        f"- {outcome.what}, {outcome.regime}: {failure}"
        for outcome in results
        for failure in outcome.failures
    ]
    lines += [
        f"- {outcome.what}, {outcome.regime}: took {outcome.seconds:.0f} s, "
        f"at most {outcome.limit} are allowed"
        for outcome in results
        if outcome.slow
    ]
    return ["Not green:", "", *lines] if lines else ["Nothing failed."]


def write(results: Sequence[Outcome], chosen: Sequence[Regime]) -> None:
    """Writes the table and the results so far."""
    BUILD.mkdir(exist_ok=True)
    content = {
        "machine": machine(),
        "versions": versions(),
        "results": [asdict(outcome) | {"green": outcome.green} for outcome in results],
    }
    text = json.dumps(content, indent=1)
    (BUILD / "machines.json").write_text(text + "\n", encoding="utf-8")
    (BUILD / "machines.md").write_text(table(results, chosen), encoding="utf-8")


def split_names(text: str) -> list[str]:
    """Names separated by spaces or commas, as in the Makefile's variables.

    >>> split_names("small, bf16"), split_names("")
    (['small', 'bf16'], [])
    """
    return [name for name in re.split(r"[\s,]+", text) if name]


def main(arguments: list[str] | None = None) -> int:
    """Runs the named lessons and tests and prints the table; returns 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"lessons by number, or '{UNIT}'; all if none")
    parser.add_argument("--regimes", default="", help="plain, small, bf16; all if none")
    options = parser.parse_args(arguments)
    names = split_names(" ".join(options.names))
    try:
        chosen = regimes.choose(split_names(options.regimes))
        lessons = [name for name in names if name != UNIT]
        paths = notebooks.find(lessons) if lessons or not names else []
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    results: list[Outcome] = []
    unit = not names or UNIT in names
    for outcome in chain.from_iterable(outcomes(regime, paths, unit) for regime in chosen):
        results.append(outcome)
        write(results, chosen)
        print(f"{outcome.regime}: {outcome.what}: {', '.join(row(outcome))}", file=sys.stderr)
    print(table(results, chosen))
    return int(not all(outcome.green for outcome in results))


if __name__ == "__main__":
    sys.exit(main())
