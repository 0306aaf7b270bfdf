"""The folder of a run: never overwritten, and resumed only by the run that it belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftlearn.errors import FtlearnError
from ftlearn.runtime import disk
from ftlearn.runtime.files import strict_json, unfinished, write_json
from ftlearn.runtime.locking import NAME, locked
from ftlearn.training.checkpoints import Store

ENDED = "ended"
"""What the record says of a run whose model was written, wherever that is moved to later."""

REPORT_BYTES = 20_000_000
"""Room for report, history and tokenizer: far more than most take."""


class RunError(FtlearnError, ValueError):
    """A run that cannot begin or go on as it was asked; the message holds the remedy."""


@dataclass(frozen=True)
class RunFolder:
    """Names and rules of the folder ``out``."""

    out: Path

    @property
    def record(self) -> Path:
        """What the run was asked to do, written before training."""
        return self.out / "run.json"

    @property
    def report(self) -> Path:
        """What came of it."""
        return self.out / "report.json"

    @property
    def model(self) -> Path:
        """The fitted model."""
        return self.out / "model"

    @property
    def checkpoints(self) -> Path:
        """Where training can go on; removed when the run is finished."""
        return self.out / "checkpoints"

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end: its report and its model are written."""
        if not self.report.is_file():
            return False
        return self.model.is_dir() or bool(self.earlier().get(ENDED))

    def locked(self) -> AbstractContextManager[None]:
        """A context in which no other process may work on this run; BusyError names who does."""
        self._check_no_file()
        return locked(self.out)

    def _check_no_file(self) -> None:
        if self.out.exists() and not self.out.is_dir():
            raise RunError(f"{self.out} is a file: choose the name of a folder for `out`")

    def check_free(self, *, resume: bool) -> None:
        """Raise RunError where ``out`` is taken and not a run to be resumed."""
        self._check_no_file()
        own = {self.out / NAME, unfinished(self.record)}  # left where a run was killed as it began
        taken = self.out.is_dir() and any(place not in own for place in self.out.iterdir())
        if taken and not self.record.is_file():
            raise RunError(f"{self.out} holds other files already: choose a new folder for `out`")
        if taken and not resume:
            state = "a finished run" if self.finished else "a run that is not finished"
            remedy = "" if self.finished else "go on with it by resume=True, or "
            raise RunError(
                f"{self.out} holds {state}, which is never overwritten: {remedy}choose another "
                "folder for `out`"
            )

    def check_space(self, checkpoints: int, checkpoint: int, model: int) -> None:
        """Raise RunError where so many checkpoints, and a model, do not fit on the disk."""
        total = checkpoints * checkpoint + model + REPORT_BYTES
        taken = Store(self.checkpoints).bytes()
        largest = max(model, checkpoint * bool(checkpoints))
        why = disk.shortage(self.out, total, largest, taken=taken)
        if why:
            raise RunError(
                f"the run does not fit into {self.out}, with checkpoints ({checkpoints} times "
                f"{disk.megabytes(checkpoint)}) and a model of {disk.megabytes(model)}: {why}. "
                "Make room, or choose a folder on another disk for `out`"
            )

    def begin(self, asked: Mapping[str, Any]) -> int:
        """Note what is asked, and return how often the run was resumed until now, this time too.

        Raises RunError, naming every difference, where the folder was begun with other settings
        or other data.
        """
        if not self.record.is_file():
            self.out.mkdir(parents=True, exist_ok=True)
            write_json(self.record, {**asked, "resumed": 0})
            return 0
        before = self.earlier()
        differences = [
            f"{name} was {then!r} and is {now!r}"
            for section, what in asked.items()
            for name, then, now in _changes(before.get(section), strict_json(what), section)
        ]
        if differences:
            raise RunError(
                f"resume=True goes on with the run in {self.out}, but it was begun differently: "
                f"{'; '.join(differences)}. Give the same settings and data, or another `out`"
            )
        if self.finished:
            Store(self.checkpoints).clear()
        resumed = before["resumed"] + (not self.finished)
        write_json(self.record, {**before, **asked, "resumed": resumed})
        return resumed

    def end(self) -> None:
        """Note that all is written, and remove what only an unfinished run needs."""
        write_json(self.record, {**self.earlier(), ENDED: True})
        Store(self.checkpoints).clear()

    def earlier(self) -> dict[str, Any]:
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
        found = [(key, before.get(key), now.get(key)) for key in keys]
        return [(_named(name, key), a, b) for key, a, b in found if a != b]
    return [] if before == now else [(name, before, now)]


def _named(section: str, key: str) -> str:
    return f"the {key} data (sha256)" if section == "data" else key
