"""Faults that are planted into a copy of a submission, one for each check of the rubric.

Each changes what one check looks at and keeps everything else consistent, as an honest learner with
that one fault would have handed it in: claims and documents are measured again where data changed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ftlearn.capstone import measures
from ftlearn.capstone.comparing import TOLERANCE
from ftlearn.capstone.grading import errors, measure
from ftlearn.capstone.submission import (
    CARD,
    WEIGHTS,
    CapstoneError,
    Memory,
    Submission,
    read_object,
    update,
)
from ftlearn.errors import UnknownNameError
from ftlearn.runtime.files import sha256, write_json, write_text


@dataclass(frozen=True)
class _Copy:
    """A copy of a submission that is about to get a fault."""

    folder: Path
    memory: Memory

    @cached_property
    def submission(self) -> Submission:
        """The submission as it was before the fault."""
        return Submission(self.folder, self.memory)

    @property
    def claims(self) -> dict[str, Any]:
        """Its claims, to be changed."""
        return json.loads(json.dumps(self.submission.setting("claims", dict)))

    def claim(self, **claims: Any) -> None:
        """Make other claims."""
        update(self.folder, claims=self.claims | claims)

    def table(self, part: str) -> pd.DataFrame:
        """A data file as it is."""
        return pd.read_csv(self.submission.files[part], dtype=str, keep_default_na=False)

    def write_table(self, part: str, table: pd.DataFrame) -> None:
        """Replace a data file, as if the runs had been trained on it."""
        path = self.submission.files[part]
        write_text(path, table.to_csv(index=False, lineterminator="\n"))
        for folder in self.submission.runs.values():
            record = read_object(folder / "run.json")
            record["data"][part] = sha256(path)
            write_json(folder / "run.json", record)
        measure(self.folder, memory=self.memory)

    def other_runs(self) -> list[str]:
        """The runs that are neither served nor the previous model."""
        used = {self.submission.served, self.submission.setting("service", dict).get("previous")}
        return [run for run in self.submission.runs if run not in used]


def plant(folder: str | Path, fault: str, out: str | Path, *, memory: Memory | None = None) -> Path:
    """Copy a submission that passes into ``out`` and plant a fault, named after its check.

    Files that stay the same are linked, not copied, where the disk allows. Raises UnknownNameError
    for a fault that there is none of, and CapstoneError where the submission has no place for it.
    """
    if fault not in FAULTS:
        raise UnknownNameError(f"no fault {fault!r}; there are: {', '.join(FAULTS)}")
    shutil.copytree(folder, out, copy_function=_link)
    FAULTS[fault](_Copy(Path(out), {} if memory is None else memory))
    return Path(out)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)


def _files(copy: _Copy) -> None:
    """A training row was changed after training."""
    path = copy.submission.files["train"]
    text = path.read_text(encoding="utf-8")
    write_text(path, text + "\n")


def _rows(copy: _Copy) -> None:
    """Seven rows disappeared without a reason."""
    rows = copy.submission.setting("rows", dict)
    update(copy.folder, rows={**rows, "read": rows["read"] + 7})
    measure(copy.folder, memory=copy.memory)


def _copies(copy: _Copy) -> None:
    """A test text, but for its last character, is in the training rows."""
    train, test = copy.table("train"), copy.table("test")
    text, label = copy.submission.task.text, copy.submission.task.target
    row = int((train[label] == test[label][0]).to_numpy().argmax())
    train.loc[row, text] = test[text][0] + "!"
    copy.write_table("train", train)


def _sources(copy: _Copy) -> None:
    """One source has rows in training and in test."""
    column = copy.submission.settings.get("source")
    if not column:
        raise CapstoneError("this submission names no source column")
    train, test = copy.table("train"), copy.table("test")
    train.loc[0, column] = test[column][0]
    copy.write_table("train", train)


def _licence(copy: _Copy) -> None:
    """A text holds an e-mail address."""
    train = copy.table("train")
    train.loc[0, copy.submission.task.text] += " Write to ada@example.org."
    copy.write_table("train", train)


def _seeds(copy: _Copy) -> None:
    """Two seeds only."""
    for run in copy.other_runs():
        shutil.rmtree(copy.submission.runs[run])
    measure(copy.folder, memory=copy.memory)


def _served(copy: _Copy) -> None:
    """The run that is worst on valid is served."""
    runs = copy.submission.runs
    losses = {run: copy.submission.report(run, "valid").scores["log_loss"] for run in runs}
    worst = max(losses, key=losses.__getitem__)
    service = {**copy.submission.setting("service", dict), "previous": copy.submission.served}
    update(copy.folder, served=worst, service=service)
    wrong = errors(Submission(copy.folder, copy.memory))
    update(copy.folder, notes={str(row): "read again and again" for row in wrong.index})
    measure(copy.folder, memory=copy.memory)


def _threshold(copy: _Copy) -> None:
    """The threshold is the one that the test rows choose."""
    test = copy.submission.report(copy.submission.served, "test")
    confidences, claim = measures.confidence(test), copy.claims["threshold"]
    for target in (claim["target"], 0.5, 0.7, 0.8, 0.95, 1.0):
        value = measures.smallest_threshold(confidences, test.correct, target)
        if abs(value - claim["value"]) > 2 * TOLERANCE:
            copy.claim(threshold=claim | {"value": value})
            return
    raise CapstoneError("valid and test choose the same threshold: there is no fault to plant")


def _accuracy(copy: _Copy) -> None:
    """The accuracy is four points too high."""
    claim = copy.claims["accuracy"]
    copy.claim(accuracy=claim | {"value": claim["value"] + 0.04})


def _baselines(copy: _Copy) -> None:
    """Only the weakest baseline is reported."""
    name, gain = next(iter(copy.claims["baselines"].items()))
    copy.claim(baselines={name: gain})


def _calibration(copy: _Copy) -> None:
    """The calibration error stands without its null."""
    copy.claim(calibration={"error": copy.claims["calibration"]["error"]})


def _slices(copy: _Copy) -> None:
    """The slices have no number of rows and no interval."""
    claim = copy.claims["slices"]
    bare = {
        name: {value: {"value": part["value"]} for value, part in group.items()}
        for name, group in claim.items()
    }
    copy.claim(slices=bare)


def _errors(copy: _Copy) -> None:
    """A note is written on a row that the model has right."""
    report = copy.submission.report(copy.submission.served, "valid")
    notes = copy.submission.setting("notes", dict)
    right = str(np.flatnonzero(report.correct)[0])
    update(copy.folder, notes=notes | {right: "clearly a mistake"})


def _parity(copy: _Copy) -> None:
    """The weights of two runs were exchanged."""
    second = copy.submission.setting("service", dict)["previous"]
    runs = [*copy.other_runs(), second]
    losses = {run: copy.submission.report(run, "test").scores["log_loss"] for run in runs}
    first = max(losses, key=lambda run: abs(losses[run] - losses[second]))
    if abs(losses[first] - losses[second]) < 4 * TOLERANCE:
        raise CapstoneError("no two runs score differently: exchanging them shows nothing")
    folders = [copy.submission.model_folder(run) for run in (first, second)]
    aside = copy.folder / "aside"
    (folders[0] / WEIGHTS).rename(aside)
    (folders[1] / WEIGHTS).rename(folders[0] / WEIGHTS)
    aside.rename(folders[1] / WEIGHTS)
    measure(copy.folder, memory=copy.memory)


def _padding(copy: _Copy) -> None:
    """The tokenizer was saved as language models want it, with padding on the left."""
    path = copy.submission.model_folder(copy.submission.served) / "tokenizer_config.json"
    write_json(path, {**read_object(path), "padding_side": "left"})


def _load(copy: _Copy) -> None:
    """The service lets one text wait."""
    service = copy.submission.setting("service", dict)
    update(copy.folder, service=service | {"max_queue": 1, "max_texts": 1, "max_wait_ms": 50})


def _rollback(copy: _Copy) -> None:
    """The folder of the previous model is named wrongly."""
    update(copy.folder, service=copy.submission.setting("service", dict) | {"previous": "old"})


def _drift(copy: _Copy) -> None:
    """No reference for later traffic was stored."""
    claims = copy.claims
    del claims["drift"]
    update(copy.folder, claims=claims)


def _documents(copy: _Copy) -> None:
    """A number in the card was changed by hand."""
    path = copy.folder / CARD
    value = copy.claims["accuracy"]["value"]
    text = path.read_text(encoding="utf-8")
    write_text(path, text.replace(f"accuracy {value:.3f}", f"accuracy {min(1, value + 0.05):.3f}"))


def _purpose(copy: _Copy) -> None:
    """The limitations fit any model."""
    words = copy.submission.setting("words", dict)
    general = "The model may make mistakes on texts that differ from its training data."
    update(copy.folder, words=words | {"limitations": general})
    measure(copy.folder, memory=copy.memory)


FAULTS: dict[str, Callable[[_Copy], None]] = {
    function.__name__.removeprefix("_"): function
    for function in (
        *(_files, _rows, _copies, _sources, _licence, _seeds, _served, _threshold, _accuracy),
        *(_baselines, _calibration, _slices, _errors, _parity, _padding, _load, _rollback),
        *(_drift, _documents, _purpose),
    )
}
"""What plants each fault, by the name of the check that should find it."""
