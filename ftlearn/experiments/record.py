"""The record of one run, its settings and results, stored as a JSON file."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ftlearn.config import TrainConfig
from ftlearn.errors import ExistsError
from ftlearn.runtime.files import write_json, write_text
from ftlearn.training.history import History, Step

TRAINING, FINISHED, STOPPED, FAILED = "training", "finished", "stopped", "failed"
INTERRUPTED = "interrupted"
"""The kernel ended while the run was training."""

FINGERPRINT = re.compile("[0-9a-f]{64}")
NAME = re.compile(r"\w[\w .-]{0,38}\w|\w")


@dataclass(frozen=True)
class Stage:
    """The settings that hold after ``start`` updates."""

    start: int
    config: TrainConfig


@dataclass
class Record:
    """A run: its settings by stage, its steps and evaluations, and how it ended.

    A run that was never branched has one stage, from update 0. ``rows`` is the number of
    training rows, ``every`` the number of updates from one evaluation to the next.
    """

    name: str
    checkpoint: str
    rows: int
    every: int
    total: int
    stages: list[Stage]
    parent: str = ""
    status: str = TRAINING
    error: str = ""
    steps: list[Step] = field(default_factory=list)
    evaluations: list[dict[str, float]] = field(default_factory=list)
    evaluating: float = 0.0
    """Seconds spent in evaluations."""
    doing: str = field(default="", compare=False)
    """What the run is doing now, while it trains."""

    @property
    def config(self) -> TrainConfig:
        """The settings of the last stage."""
        return self.stages[-1].config

    @property
    def start(self) -> int:
        """The update after which this run left its parent; 0 without one."""
        return self.stages[-1].start

    def history(self, monitor: str) -> History:
        """The history that ``fit`` would have returned for this run."""
        stopped = "" if self.status == FINISHED else self.error or self.status
        return History(self.config, monitor, self.steps, self.evaluations, stopped)

    def best(self, monitor: str) -> dict[str, float] | None:
        """The evaluation with the lowest monitor, or None without evaluations."""
        return self.history(monitor).best

    def seconds_left(self) -> float | None:
        """The estimated remaining time of the run, from its last 20 updates; None before two."""
        recent = self.steps[-21:]
        if len(recent) < 2:
            return None
        seconds_per_update = (recent[-1].seconds - recent[0].seconds) / (len(recent) - 1)
        done = recent[-1].number
        evaluations = sum(
            number % self.every == 0 or number == self.total
            for number in range(done + 1, self.total + 1)
        )
        seconds_per_evaluation = self.evaluating / max(1, len(self.evaluations))
        return seconds_per_update * (self.total - done) + seconds_per_evaluation * evaluations

    def stages_until(self, number: int) -> list[Stage]:
        """The stages of the run up to an update."""
        return [stage for stage in self.stages if stage.start < number]


def check_name(name: str) -> str:
    """The name of a run, which is also that of its folder; ValueError if it is not allowed.

    >>> check_name("rate 1e-3")
    'rate 1e-3'
    """
    if not NAME.fullmatch(name):
        raise ValueError(
            f"a run cannot be named {name!r}: use 1 to 40 letters, digits, spaces, dots, hyphens "
            "and underscores, with a letter or digit at both ends"
        )
    return name


def write(record: Record, file: Path) -> None:
    """Write a record; an existing file is replaced only once the new one is complete."""
    content = {name: value for name, value in asdict(record).items() if name != "doing"}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, content, indent=1, non_finite=str)  # `_numbers` reads their text back


def read(file: Path) -> Record:
    """Read what ``write`` wrote; raise ValueError for anything else."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        content["stages"] = [
            Stage(stage["start"], TrainConfig(**_numbers(stage["config"])))
            for stage in content["stages"]
        ]
        content["steps"] = [Step(**_numbers(step)) for step in content["steps"]]
        content["evaluations"] = [_numbers(scores) for scores in content["evaluations"]]
        record = Record(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        kind = type(error).__name__
        raise ValueError(f"{file.name} of {file.parent.name!r} holds no run ({kind})") from error
    if record.status == TRAINING:
        record.status = INTERRUPTED
    return record


def read_all(folder: Path, fingerprint: str) -> dict[str, Record]:
    """The runs of earlier workbenches, oldest first; the data's fingerprint goes into a new folder.

    Raises ValueError when the folder holds runs on other data; a file that holds no run is
    passed over with a warning.
    """
    data_file = folder / "data.txt"
    files = list(folder.glob("*/run.json"))
    if not files:
        _write_fingerprint(data_file, fingerprint)
    if not data_file.is_file() or data_file.read_text(encoding="utf-8") != fingerprint:
        raise ValueError(
            f"the folder {str(folder)!r} holds runs on other data or another task, which cannot "
            "be compared with these: choose another folder"
        )
    runs = {}
    for file in sorted(files, key=lambda file: file.stat().st_mtime_ns):
        try:
            run = read(file)
        except ValueError as error:
            warnings.warn(f"a run is passed over: {error}", stacklevel=3)
        else:
            runs[run.name] = run
    return runs


def _write_fingerprint(file: Path, fingerprint: str) -> None:
    """Write the fingerprint of the data, if the file is new or holds another fingerprint."""
    if file.exists() and not FINGERPRINT.fullmatch(file.read_text("utf-8", errors="replace")):
        raise ExistsError(
            f"{file} is not of a workbench, which would replace it: choose another folder"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, fingerprint)


def _numbers(values: dict[str, Any]) -> dict[str, Any]:
    """Values in which inf and nan, which JSON holds as text, are numbers again."""
    non_finite = {"inf", "-inf", "nan"}
    return {key: float(value) if value in non_finite else value for key, value in values.items()}
