"""Grading: twenty checks by running, and a fresh draw of the bundled task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ftlearn.capstone import checks, documents, fresh, measures, service
from ftlearn.capstone.fresh import Fresh
from ftlearn.capstone.submission import CARD, SHEET, Memory, Submission, update
from ftlearn.errors import FtlearnError, UnknownNameError
from ftlearn.runtime.files import write_text


class Check(NamedTuple):
    """One point of the rubric: its function, and what to do where it fails."""

    function: Callable[[Submission], str]
    remedy: str

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.function.__name__


RUBRIC = (
    Check(checks.files, "train again on the present files, then measure again"),
    Check(checks.rows, "count what was read and what was removed, by reason, with prepare()"),
    Check(checks.copies, "remove near-duplicates before the split, then train again"),
    Check(checks.sources, "split with group=source, so that a source is in one part"),
    Check(checks.licence, "name licence and consent, and remove addresses and numbers"),
    Check(checks.seeds, "fit the same settings with three or more seeds, then measure again"),
    Check(checks.served, "let the validation rows choose the run, and measure again"),
    Check(checks.threshold, "choose the threshold on valid; the test rows only measure it"),
    Check(checks.accuracy, "claim what the saved model scores, with its interval"),
    Check(checks.baselines, "train the baselines on the same rows and report the paired gain"),
    Check(checks.calibration, "report the error beside its null, as measured"),
    Check(checks.slices, "give every slice its number of rows and its interval"),
    Check(checks.errors, "read errors() on valid and write a note on each"),
    Check(checks.parity, "save each model with its own tokenizer beside its own report"),
    Check(service.padding, "save a tokenizer that pads on the right and returns a mask"),
    Check(service.load, "give the service room for the requests it is meant for"),
    Check(service.rollback, "keep the folder of the previous model, and name its run"),
    Check(checks.drift, "store the reference with measure()"),
    Check(documents.documents, "let measure() write both documents; type no number"),
    Check(checks.purpose, "write what the model is for, where it fails, and what that costs"),
)
"""One point each."""


class Result(NamedTuple):
    """What one check found."""

    name: str
    passed: bool
    found: str
    remedy: str


@dataclass(frozen=True)
class Grade:
    """The results of all checks, and the fresh draw where the task is the bundled one."""

    results: tuple[Result, ...]
    fresh: Fresh | None = None

    @property
    def points(self) -> int:
        """The number of checks that passed."""
        return sum(result.passed for result in self.results)

    @property
    def failed(self) -> list[str]:
        """The names of the checks that did not pass."""
        return [result.name for result in self.results if not result.passed]

    def table(self) -> pd.DataFrame:
        """One row per check: its point, what it found, and the remedy where it failed."""
        rows = [
            (result.name, int(result.passed), result.found, "" if result.passed else result.remedy)
            for result in self.results
        ]
        return pd.DataFrame(rows, columns=["check", "point", "found", "remedy"]).set_index("check")

    def __repr__(self) -> str:
        failed = f"; failed: {', '.join(self.failed)}" if self.failed else ""
        return f"Grade({self.points} of {len(self.results)} points{failed})"


def grade(
    folder: str | Path,
    *,
    only: Sequence[str] = (),
    draw: int | None = None,
    memory: Memory | None = None,
) -> Grade:
    """Grade a submitted folder by running its models; nothing in it is changed.

    ``only`` names the checks to run, by default all of them and the fresh draw. ``draw`` is the
    seed of that draw; without it the hashes of data and weights decide, which nobody chooses.
    ``memory`` saves forward passes between calls. Raises CapstoneError where there is no
    submission, and UnknownNameError for a check that there is none of.
    """
    unknown = set(only) - {check.name for check in RUBRIC}
    if unknown:
        names = ", ".join(check.name for check in RUBRIC)
        raise UnknownNameError(f"no check {sorted(unknown)[0]!r}; there are: {names}")
    submission = Submission(Path(folder), {} if memory is None else memory)
    submission.settings  # noqa: B018 - raises where there is no submission at all
    chosen = [check for check in RUBRIC if not only or check.name in only]
    results = tuple(_result(check, submission) for check in chosen)
    return Grade(results, None if only else _fresh(submission, draw))


def _result(check: Check, submission: Submission) -> Result:
    try:
        return Result(check.name, True, check.function(submission), check.remedy)
    except (FtlearnError, OSError, KeyError, TypeError) as error:
        # What was handed in may hold anything; each check tells of it, and the others go on.
        found = str(error) if isinstance(error, FtlearnError) else f"cannot be checked: {error!r}"
        return Result(check.name, False, found, check.remedy)


def _fresh(submission: Submission, draw: int | None) -> Fresh | None:
    try:
        return fresh.scored(submission, draw)
    except FtlearnError:
        return None  # the checks have told why


def measure(folder: str | Path, *, memory: Memory | None = None) -> Submission:
    """Measure every claim, write them into ``capstone.json``, and write card and sheet.

    Raises CapstoneError where a run, a data file or ``capstone.json`` is missing.
    """
    folder = Path(folder)
    submission = Submission(folder, {} if memory is None else memory)
    submission.settings  # noqa: B018 - raises where there is no submission at all
    now = measures.measured(submission)
    update(folder, claims=now)
    write_text(folder / CARD, documents.model_card(submission, now))
    write_text(folder / SHEET, documents.data_sheet(submission))
    return Submission(folder, submission.memory)


def errors(submission: Submission, count: int = 10) -> pd.DataFrame:
    """The served model's errors on the validation rows, the worst first; their index is the row."""
    report = submission.report(submission.served, "valid")
    rows = report.rows()
    return rows[~report.correct].sort_values("loss", ascending=False).head(count)
