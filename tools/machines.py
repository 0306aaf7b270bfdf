"""Runs the unit tests and every lesson as on several kinds of machine, and writes a table.

    python -m tools.machines                                # all regimes, tests and lessons
    python -m tools.machines --regimes "small bf16" 04 10   # two lessons in two regimes
    python -m tools.machines unit                           # the unit tests alone

The regimes are those of `tools/regimes.py`. Each lesson runs to its end in a fresh kernel, on a
copy, and every cell that fails is listed; the files in `notebooks/` stay as they are. The table
goes to the standard output and, with the results as JSON, to `build/machines.md` and
`build/machines.json`, after each result anew. The exit status is 1 where something is not green:
a cell or a test that fails, or a lesson above its limit of seconds.
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
    """Results of one regime as they come: first the unit tests, then the lessons."""
    if not regime.possible:
        names = [UNIT] * unit + [path.stem for path in paths]
        yield from (Outcome(name, regime.name, possible=False) for name in names)
        return
    if unit:
        yield trials.run_tests(regime)
    with ThreadPoolExecutor(regime.at_once) as workers:
        running = [workers.submit(trials.run_lesson, path, regime) for path in paths]
        yield from (done.result() for done in as_completed(running))


# The table


def table(found: Sequence[Outcome], chosen: Sequence[Regime]) -> str:
    """Machine, one row for each lesson with result, seconds and memory by regime, and failures."""
    names = sorted({each.what for each in found}, key=lambda name: (name != UNIT, name))
    cells = {(each.what, each.regime): each for each in found}
    head = ["lesson", *(h for regime in chosen for h in (regime.name, "seconds", "MB"))]
    rows = [
        [name, *(text for regime in chosen for text in row(cells.get((name, regime.name))))]
        for name in names
    ]
    rule = ["---", *["---", "---:", "---:"] * len(chosen)]
    lines = [f"| {' | '.join(line)} |" for line in (head, rule, *rows)]
    return "\n".join([*heading(chosen), "", *lines, "", *listed(found), ""])


def heading(chosen: Sequence[Regime]) -> list[str]:
    """What ran where, and the limits."""
    here, libraries = machine(), versions()
    lines = [
        f"{here['processor']}, {notebooks.cpu_cores()} cores, {here['system']}, "
        f"Python {libraries['python']}, torch {libraries['torch']}.",
        "",
    ]
    for regime in chosen:
        beside = "" if regime.at_once == 1 else f", {regime.at_once} lessons at a time"
        lines.append(
            f"- **{regime.name}**: {regime.what}{beside}; at most {regime.seconds} s a lesson."
            if regime.possible
            else f"- **{regime.name}**: not possible on this processor."
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


def listed(found: Sequence[Outcome]) -> list[str]:
    """Every failure, one line each, or the sentence that there is none."""
    lines = [f"- {each.what}, {each.regime}: {text}" for each in found for text in each.failures]
    lines += [
        f"- {each.what}, {each.regime}: took {each.seconds:.0f} s, at most {each.limit} are allowed"
        for each in found
        if each.slow
    ]
    return ["Not green:", "", *lines] if lines else ["Nothing failed."]


def write(found: Sequence[Outcome], chosen: Sequence[Regime]) -> None:
    """Stores the table and the results as they are now."""
    BUILD.mkdir(exist_ok=True)
    results = [asdict(each) | {"green": each.green} for each in found]
    text = json.dumps({"machine": machine(), "versions": versions(), "results": results}, indent=1)
    (BUILD / "machines.json").write_text(text + "\n", encoding="utf-8")
    (BUILD / "machines.md").write_text(table(found, chosen), encoding="utf-8")


def words(text: str) -> list[str]:
    """Names between spaces or commas, as the Makefile's variables hold them.

    >>> words("small, bf16"), words("")
    (['small', 'bf16'], [])
    """
    return [word for word in re.split(r"[\s,]+", text) if word]


def main(arguments: list[str] | None = None) -> int:
    """Runs what is asked for and prints the table; 1 where something is not green."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"lessons by number, or '{UNIT}'; all if none")
    parser.add_argument("--regimes", default="", help="plain, small, bf16; all if none")
    options = parser.parse_args(arguments)
    names = words(" ".join(options.names))
    try:
        chosen = regimes.choose(words(options.regimes))
        lessons = [name for name in names if name != UNIT]
        paths = notebooks.find(lessons) if lessons or not names else []
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    found: list[Outcome] = []
    unit = not names or UNIT in names
    for outcome in chain.from_iterable(outcomes(regime, paths, unit) for regime in chosen):
        found.append(outcome)
        write(found, chosen)
        print(f"{outcome.regime}: {outcome.what}: {', '.join(row(outcome))}", file=sys.stderr)
    print(table(found, chosen))
    return int(not all(outcome.green for outcome in found))


if __name__ == "__main__":
    sys.exit(main())
