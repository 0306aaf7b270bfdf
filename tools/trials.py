"""One lesson, or the unit tests, in one regime: what failed, the seconds and the memory."""

from __future__ import annotations

import os
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
LINE = 200  # characters of a failure that are shown


@dataclass(frozen=True)
class Outcome:
    """What came of one lesson, or of the unit tests, in one regime."""

    what: str
    regime: str
    seconds: float = 0.0
    memory_mb: float = 0.0
    limit: int | None = None
    failures: list[str] = field(default_factory=list)
    possible: bool = True

    @property
    def slow(self) -> bool:
        """Whether it took longer than its limit."""
        return self.limit is not None and self.seconds > self.limit

    @property
    def green(self) -> bool:
        """Whether nothing speaks against it; what cannot run here does not."""
        return not (self.failures or self.slow)


def run_lesson(path: Path, regime: Regime) -> Outcome:
    """Executes a copy of one lesson in one regime, all its cells."""
    ended = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy = Path(shutil.copy(path, folder))
        notebook = notebooks.read(copy)
        execute.clear(notebook)
        start, memory_mb = time.perf_counter(), 0.0
        try:
            _, memory_mb = execute.run(notebook, copy, True, environment(regime))
        except execute.LessonError as error:
            ended = [one_line(str(error).removeprefix(f"{path.name}, "))]
        seconds = time.perf_counter() - start
    failures = failed_cells(notebook) + ended
    return Outcome(path.stem, regime.name, seconds, memory_mb, regime.seconds, failures)


def failed_cells(notebook: NotebookNode) -> list[str]:
    """One line for each error in the outputs of an executed notebook."""
    return [
        one_line(f"cell {cell.id}: {output.ename}: {execute.plain(output.evalue)}")
        for cell in notebooks.executed_cells(notebook)
        for output in cell.outputs
        if output.output_type == "error"
    ]


def run_tests(regime: Regime, arguments: Sequence[str] = ("-m", "not browser")) -> Outcome:
    """Runs pytest in one regime; what it prints goes to a log in `build/`."""
    BUILD.mkdir(exist_ok=True)
    log, results = BUILD / f"unit-{regime.name}.log", BUILD / f"unit-{regime.name}.xml"
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
    """One line for each failure in pytest's results as XML of JUnit."""
    cases = ElementTree.parse(results).getroot().iter("testcase")  # noqa: S314 - pytest's own file
    return [
        one_line(f"{case.get('classname')}::{case.get('name')}: {problem.get('message')}")
        for case in cases
        for problem in [*case.iter("failure"), *case.iter("error")]
    ]


def environment(regime: Regime) -> dict[str, str]:
    """The variables that a process gets in a regime: no network, no progress of the learner."""
    return regimes.OFFLINE | regime.environment


def one_line(text: str) -> str:
    """The beginning of a message, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= LINE else line[: LINE - 1] + "…"
