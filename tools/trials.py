"""One lesson, or the unit tests, in one regime: failures, seconds and memory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from nbformat import NotebookNode

from tools import execute, notebooks, regimes
from tools.memory import PeakMemory
from tools.regimes import Regime

UNIT = "unit"
BUILD = notebooks.ROOT / "build"
MAX_CHARACTERS = 200  # of a failure message


@dataclass(frozen=True)
class Outcome:
    """The result of one lesson, or of the unit tests, in one regime."""

    what: str
    regime: str
    seconds: float = 0.0
    memory_mb: float = 0.0
    limit: int | None = None
    failures: list[str] = field(default_factory=list)
    possible: bool = True

    @property
    def slow(self) -> bool:
        """Whether it took longer than the limit."""
        return self.limit is not None and self.seconds > self.limit

    @property
    def green(self) -> bool:
        """Whether it had no failures and met its limit; true also for what cannot run here."""
        return not (self.failures or self.slow)


def run_lesson(path: Path, regime: Regime) -> Outcome:
    """Executes all cells of a copy of one lesson in one regime."""
    kernel_errors = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy = Path(shutil.copy(path, folder))
        notebook = notebooks.read(copy)
        execute.clear(notebook)
        memory_mb = 0.0
        start = time.perf_counter()
        try:
            _, memory_mb = execute.run(notebook, copy, True, environment(regime))
        except execute.LessonError as error:
            kernel_errors = [one_line(str(error).removeprefix(f"{path.name}, "))]
        seconds = time.perf_counter() - start
    failures = failed_cells(notebook) + kernel_errors
    return Outcome(path.stem, regime.name, seconds, memory_mb, regime.seconds, failures)


def failed_cells(notebook: NotebookNode) -> list[str]:
    """One line per error in the outputs of an executed notebook."""
    return [
        one_line(f"cell {cell.id}: {output.ename}: {reason(output)}")
        for cell in notebooks.executed_cells(notebook)
        for output in cell.outputs
        if output.output_type == "error"
    ]


def reason(output: NotebookNode) -> str:
    """The message of an error or, if it has none, as most assertions, the line that raised it."""
    message = execute.without_colors(output.evalue)
    lines = execute.without_colors("\n".join(output.traceback)).splitlines()
    arrows = [line.partition("> ")[2] for line in lines if re.match(r"-+> \d", line)]
    return message or (f"line {arrows[0]}" if arrows else "")


def run_tests(regime: Regime, arguments: Sequence[str] = ("-m", "not browser")) -> Outcome:
    """Runs pytest in one regime; its output goes to a log in `build/`."""
    BUILD.mkdir(exist_ok=True)
    log = BUILD / f"unit-{regime.name}.log"
    results = BUILD / f"unit-{regime.name}.xml"
    results.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", f"--junitxml={results}", *arguments]
    start = time.perf_counter()
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command,
            cwd=notebooks.ROOT,
            env={**os.environ, **environment(regime)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        with PeakMemory(process.pid) as memory:
            status = process.wait()
    seconds = time.perf_counter() - start
    failures = failed_tests(results) if results.exists() else []
    if status and not failures:
        failures = [f"pytest ended with status {status}; see {BUILD.name}/{log.name}"]
    return Outcome(UNIT, regime.name, seconds, memory.mb, failures=failures)


def failed_tests(results: Path) -> list[str]:
    """One line per failure in pytest's results in JUnit's XML format."""
    cases = ElementTree.parse(results).getroot().iter("testcase")  # noqa: S314 - pytest's own file
    return [
        one_line(f"{case.get('classname')}::{case.get('name')}: {problem.get('message')}")
        for case in cases
        for problem in [*case.iter("failure"), *case.iter("error")]
    ]


def environment(regime: Regime) -> dict[str, str]:
    """The environment variables of a regime: no network, no record of the learner's progress."""
    return regimes.OFFLINE | regime.environment


def one_line(text: str) -> str:
    """The beginning of a message, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_CHARACTERS else line[: MAX_CHARACTERS - 1] + "…"
