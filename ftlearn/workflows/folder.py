"""The folder of a run: never overwritten, and resumed only with the same settings and data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftlearn.errors import FtlearnError
from ftlearn.runtime import disk, distributed
from ftlearn.runtime.files import strict_json, unfinished, write_json
from ftlearn.runtime.locking import LOCK_NAME, locked
from ftlearn.training.checkpoints import Store

ENDED = "ended"
"""Key of the record that says that the model was written, wherever it is moved to later."""

REPORT_BYTES = 20_000_000
"""Space for report, history and tokenizer: far more than most take."""


class RunError(FtlearnError, ValueError):
    """A run that cannot start or resume as requested; the message holds the remedy."""


@dataclass(frozen=True)
class RunFolder:
    """Names and rules of the folder ``out``."""

    out: Path

    @property
    def record(self) -> Path:
        """The settings and data of the run, written before training."""
        return self.out / "run.json"

    @property
    def report(self) -> Path:
        """Scores, cost and settings, written at the end."""
        return self.out / "report.json"

    @property
    def model(self) -> Path:
        """The fitted model."""
        return self.out / "model"

    @property
    def adapter(self) -> Path:
        """The adapter alone, of a run that trained one."""
        return self.out / "adapter"

    @property
    def tasks(self) -> Path:
        """Of a run on several tasks, a folder with a model for each alone."""
        return self.out / "tasks"

    @property
    def checkpoints(self) -> Path:
        """What training resumes from; removed when the run is finished."""
        return self.out / "checkpoints"

    @property
    def finished(self) -> bool:
        """Whether the run has ended: its report and its model were written."""
        if not self.report.is_file():
            return False
        return self.model.is_dir() or bool(self.read_record().get(ENDED))

    def locked(self) -> AbstractContextManager[None]:
        """A context in which no other process works on this run; BusyError names one that does."""
        self._check_no_file()
        return locked(self.out)

    def _check_no_file(self) -> None:
        if self.out.exists() and not self.out.is_dir():
            raise RunError(f"{self.out} is a file: choose the name of a folder for `out`")

    @property
    def has_begun(self) -> bool:
        """Whether there is a checkpoint or a report: without one, nothing would be lost."""
        has_checkpoints = self.checkpoints.is_dir() and any(self.checkpoints.iterdir())
        return has_checkpoints or self.report.is_file()

    def check_free(self, *, resume: bool) -> None:
        """Raise RunError where ``out`` is not empty and holds no run to resume."""
        self._check_no_file()
        leftovers = {self.out / LOCK_NAME, unfinished(self.record)}  # of a run killed at once
        if not self.has_begun:
            leftovers |= {self.record, self.checkpoints}
        taken = self.out.is_dir() and any(path not in leftovers for path in self.out.iterdir())
        if taken and not self.record.is_file():
            raise RunError(f"{self.out} holds other files already: choose a new folder for `out`")
        if taken and not resume:
            state = "a finished run" if self.finished else "a run that is not finished"
            remedy = "" if self.finished else "continue it with resume=True, or "
            raise RunError(
                f"{self.out} holds {state}, which is never overwritten: {remedy}choose another "
                "folder for `out`"
            )

    def check_space(self, checkpoints: int, checkpoint: int, model: int) -> None:
        """Raise RunError where that many checkpoints, and a model, do not fit on the disk.

        ``checkpoint`` and ``model`` are sizes in bytes.
        """
        total = checkpoints * checkpoint + model + REPORT_BYTES
        taken = Store(self.checkpoints).bytes()
        largest = max(model, checkpoint) if checkpoints else model
        reason = disk.shortage(self.out, total, largest, taken=taken)
        if reason:
            raise RunError(
                f"the run does not fit into {self.out}, with checkpoints ({checkpoints} times "
                f"{disk.megabytes(checkpoint)}) and a model of {disk.megabytes(model)}: {reason}. "
                "Make room, or choose a folder on another disk for `out`"
            )

    def begin(self, request: Mapping[str, Any]) -> int:
        """Record settings and data; returns how often the run was resumed, this time included.

        A record without a checkpoint is replaced: its run ended before there was any result.
        Raises RunError, naming every difference, where the run was started with other settings
        or other data.
        """
        if not (self.record.is_file() and self.has_begun):
            self.out.mkdir(parents=True, exist_ok=True)
            write_json(self.record, {**request, "resumed": 0})
            return 0
        record = self.read_record()
        differences = [
            f"{name} was {before!r} and is {now!r}"
            for section, values in request.items()
            for name, before, now in _changes(record.get(section), strict_json(values), section)
        ]
        if differences:
            raise RunError(
                f"resume=True continues the run in {self.out}, but it was started differently: "
                f"{'; '.join(differences)}. Give the same settings and data, or another `out`"
            )
        if self.finished:
            Store(self.checkpoints).clear()
        resumed = record["resumed"] + (not self.finished)
        write_json(self.record, {**record, **request, "resumed": resumed})
        return resumed

    def end(self) -> None:
        """Record that everything is written, and remove what only an unfinished run needs."""
        write_json(self.record, {**self.read_record(), ENDED: True})
        Store(self.checkpoints).clear()

    def read_record(self) -> dict[str, Any]:
        """The record of the run; RunError where it cannot be read."""
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
            if isinstance(record["resumed"], int):
                return record
        except (OSError, ValueError, KeyError, TypeError):
            pass
        raise RunError(f"{self.record} cannot be read: choose another folder for `out`")


def _changes(before: Any, now: Any, name: str) -> list[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = list(dict.fromkeys([*now, *before]))
        pairs = [(key, before.get(key), now.get(key)) for key in keys]
        return [(_setting(name, key), old, new) for key, old, new in pairs if old != new]
    return [] if before == now else [(name, before, now)]


def _setting(section: str, key: str) -> str:
    return f"the {key} data (sha256)" if section == "data" else key


def locked_by_main(folder: RunFolder) -> AbstractContextManager[None]:
    """A context in which no other run works in the folder; of several ranks the main one locks."""
    return folder.locked() if distributed.is_main() else nullcontext()
