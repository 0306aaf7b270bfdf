"""The folder that is handed in, and what can be recomputed from it.

FOLDER/  raw.csv  capstone.json  MODEL_CARD.md  DATA_SHEET.md
         data/  train.csv  valid.csv  test.csv
         runs/  0/  1/  2/ ...  each written by ``ftlearn fit``
"""

from __future__ import annotations

import gc
import hashlib
import json
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict

from ftlearn import models
from ftlearn.errors import FtlearnError
from ftlearn.evaluation import Report, outputs
from ftlearn.models import folders, saving
from ftlearn.runtime.files import sha256, write_json
from ftlearn.tasks import Classification
from ftlearn.workflows import Files
from ftlearn.workflows.splits import read_parts

PARTS = ("train", "valid", "test")
CLAIMS, CARD, SHEET = "capstone.json", "MODEL_CARD.md", "DATA_SHEET.md"
WEIGHTS = "model.safetensors"
Memory = dict[tuple[str, ...], np.ndarray]
"""Outputs of models that were computed before, by the hashes of model and rows."""


class CapstoneError(FtlearnError, ValueError):
    """A submission that cannot be read or does not hold what it must; the message says what."""


@dataclass(frozen=True)
class Submission:
    """A submitted folder; everything is read from its files when it is first asked for.

    ``memory`` saves forward passes where the same models are graded again.
    """

    folder: Path
    memory: Memory = field(default_factory=dict, repr=False)
    measured: dict[str, Any] = field(default_factory=dict, repr=False)
    """What was read or measured already, by name."""

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What ``capstone.json`` holds."""
        path = self.folder / CLAIMS
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CapstoneError(
                f"there is no {CLAIMS} in {self.folder}: begin with `ftlearn capstone new`"
            ) from None
        except ValueError as error:
            raise CapstoneError(f"{path} is no JSON: {error}") from error
        if not isinstance(settings, dict):
            raise CapstoneError(f"{path} holds a {type(settings).__name__}: it must be an object")
        return settings

    def setting(self, name: str, kind: type | tuple[type, ...]) -> Any:
        """One entry of ``capstone.json``; CapstoneError where it is missing or of another kind."""
        return _entry(self.settings, name, kind, CLAIMS)

    def claim(self, name: str) -> Any:
        """One of the measured claims in ``capstone.json``."""
        return _entry(self.setting("claims", dict), name, object, f"claims in {CLAIMS}")

    @cached_property
    def files(self) -> dict[str, Path]:
        """The data file of each part."""
        found = {}
        for part in PARTS:
            paths = sorted((self.folder / "data").glob(f"{part}.*"))
            if len(paths) != 1:
                raise CapstoneError(
                    f"data/ holds {len(paths)} files named {part}: it needs one, such as {part}.csv"
                )
            found[part] = paths[0]
        return found

    @cached_property
    def runs(self) -> dict[str, Path]:
        """The folder of each finished run, by its name."""
        folders = sorted((self.folder / "runs").glob("*/report.json"))
        if not folders:
            raise CapstoneError(f"{self.folder / 'runs'} holds no finished run of `ftlearn fit`")
        return {path.parent.name: path.parent for path in folders}

    def run_settings(self, run: str) -> dict[str, Any]:
        """What a run was asked for: the ``configuration`` of its run.json, and its ``data``."""
        return read_object(self.runs[run] / "run.json")

    @cached_property
    def parts(self) -> DatasetDict:
        """The rows by part, read as the first run read them, with all other columns."""
        asked = self.run_settings(next(iter(self.runs)))["configuration"]
        self._check_task()
        reading = {name: asked[name] for name in ("delimiter", "encoding", "quoting")}
        columns = {"text": tuple(asked["text"]), "label": asked["label"]}
        files = Files(**self.files, **columns, task="classification", **reading)
        return read_parts(files, seed=0).data

    def texts(self, part: str) -> list[str]:
        """The texts of a part."""
        return self.parts[part][self.task.text][:]

    def report(self, run: str, part: str) -> Report:
        """The outputs of a run's saved model on a part, computed in fp32."""
        name = f"report {run} {part}"
        if name not in self.measured:
            self.measured[name] = self.report_on(run, self.parts[part])
        return self.measured[name]

    def report_on(self, run: str, dataset: Dataset) -> Report:
        """The outputs of a run's saved model on any rows with the columns of the data."""
        task = self.task
        key = (*self.model_hashes(run), _digest(dataset, task))
        if key not in self.memory:
            model, tokenizer, task = models.load_finetuned(self.runs[run])
            encoded = task.encode(dataset, tokenizer)
            self.memory[key] = outputs(model, encoded, task, tokenizer, precision="fp32")
            loaded = weakref.ref(model)
            del model
            free(loaded)
        return Report(task, dataset, self.memory[key], np.asarray(task.targets(dataset)))

    @cached_property
    def task(self) -> Classification:
        """What the models do, as saved beside the first of them."""
        return folders.read_task(self.model_folder(next(iter(self.runs))))[0]

    def _check_task(self) -> None:
        if not isinstance(self.task, Classification) or len(self.task.text_columns) > 1:
            raise CapstoneError(
                f"the models do {type(self.task).__name__} of {', '.join(self.task.text_columns)}: "
                "only the classification of single texts is graded"
            )

    def model_hashes(self, run: str) -> tuple[str, ...]:
        """The hash of each file of a run's model."""
        return tuple(map(self.hash_of, sorted(self.model_folder(run).iterdir())))

    def model_folder(self, run: str) -> Path:
        """Where a run's model is, whose files are checked once."""
        name = f"model {run}"
        if name not in self.measured:
            self.measured[name] = saving.locate(self.runs[run])
        return self.measured[name]

    def hash_of(self, path: Path) -> str:
        """The SHA-256 of a file, computed once."""
        name = f"sha256 {path}"
        if name not in self.measured:
            self.measured[name] = sha256(path)
        return self.measured[name]

    @property
    def served(self) -> str:
        """The run whose model is served: the named one, or the one that is best on valid."""
        name = self.settings.get("served") or best_on_valid(self)
        if name not in self.runs:
            raise CapstoneError(f"served is {name!r}, and the runs are {', '.join(self.runs)}")
        return name


def free(model: weakref.ref) -> None:
    """Free a model that nothing refers to any more, but that may hold itself in a circle.

    It would stay in memory beside the next one. To collect garbage takes half a second, so it is
    done only where the model is still there.
    """
    if model() is not None:
        gc.collect()


def _digest(dataset: Dataset, task: Any) -> str:
    """A hash of the columns that a task reads."""
    columns = [dataset[name][:] for name in (*task.text_columns, task.target)]
    return hashlib.sha256(json.dumps(columns).encode()).hexdigest()


def best_on_valid(submission: Submission) -> str:
    """The run with the lowest log loss on the validation rows."""
    losses = {run: submission.report(run, "valid").scores["log_loss"] for run in submission.runs}
    return min(losses, key=losses.__getitem__)


def update(folder: str | Path, **settings: Any) -> None:
    """Write entries into ``capstone.json``; the others stay as they are."""
    submission = Submission(Path(folder))
    write_json(submission.folder / CLAIMS, {**submission.settings, **settings})


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; CapstoneError where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CapstoneError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise CapstoneError(f"{path} holds no object")
    return content


def _entry(values: Mapping[str, Any], name: str, kind: type | tuple[type, ...], place: str) -> Any:
    if name not in values:
        raise CapstoneError(f"there is no {name!r} in {place}")
    if not isinstance(values[name], kind):
        raise CapstoneError(f"{name!r} in {place} is {values[name]!r}: it has the wrong type")
    return values[name]
