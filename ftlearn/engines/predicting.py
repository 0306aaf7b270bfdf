"""``predict_shards``: all shards of a folder, resumable, one after the other or on workers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from ftlearn.engines import job as jobs
from ftlearn.engines import shard_file
from ftlearn.engines.job import Job
from ftlearn.engines.shards import Shard, find_shards
from ftlearn.errors import ArgumentError, FtlearnError
from ftlearn.runtime.files import sha256
from ftlearn.runtime.locking import locked
from ftlearn.runtime.progress import bar

ENGINES = ("ray",)
NOTES = 3
"""How many remarks on single shards are shown."""


OnRows = Callable[[int], None]
"""What is called with the number of rows that were predicted."""


class ShardsError(FtlearnError, RuntimeError):
    """Some shards could not be predicted; those that could are kept."""


@dataclass(frozen=True)
class Outcome:
    """What became of one shard: its counts and remarks, or the message of its failure."""

    source: str
    rows: int = 0
    rejected: int = 0
    skipped: bool = False
    failure: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Totals:
    """The counts of a whole job; ``skipped`` shards were done before."""

    shards: int
    skipped: int
    rows: int
    rejected: int


def _ignore(rows: int) -> None:
    """No progress is shown."""


class ShardPredictor:
    """Predicts shards with one model, which is loaded when the first shard needs it."""

    def __init__(self, job: Job, fingerprint: str) -> None:
        self.job = job
        self.fingerprint = fingerprint
        self._loaded: shard_file.Loaded | None = None

    def predict(self, shard: Shard, on_rows: OnRows = _ignore) -> Outcome:
        """The outcome of one shard; one that is done and whole is left as it is."""
        name = shard.source.name
        try:
            origin = {"job": self.fingerprint, "input": sha256(shard.source)}
            done = shard_file.finished(shard, origin)
            if done:
                on_rows(done.rows)
                return Outcome(name, done.rows, done.rejected, skipped=True)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
                loaded = self._load()
                written = shard_file.write(shard, loaded, self.job.text, origin, on_rows)
        except (FtlearnError, OSError) as error:
            return Outcome(name, failure=str(error))
        texts = [str(note.message) for note in caught if issubclass(note.category, UserWarning)]
        return Outcome(name, written.rows, written.rejected, notes=[*written.notes, *texts])

    def _load(self) -> shard_file.Loaded:
        if self._loaded is None:
            self._loaded = self.job.load()
        _check_columns(self.job.text, self._loaded[1])
        return self._loaded


def _check_columns(text: Sequence[str], task: Any) -> None:
    """Raise ValueError for one text column where the task reads a pair, or the reverse."""
    count = len(task.text_columns)
    if text and len(text) != count:
        raise ArgumentError(
            f"the model reads {count} text column{'s' * (count > 1)}, and {len(text)} were "
            f"named: {', '.join(text)}"
        )


def predict_shards(
    job: Job,
    source: str | Path,
    folder: str | Path,
    *,
    engine: str | None = None,
    workers: int | None = None,
    overwrite: bool = False,
) -> Totals:
    """Predict the Parquet shards of a folder, a pattern or a file into a folder.

    Each input shard becomes an output shard of the same name, with the same rows in the same order:
    all their columns, ``prediction`` with what ``predict_rows`` answers, and ``error`` in place of
    it for a row that cannot be read. The same call continues a job that broke off: shards that are
    whole are left out. ``engine="ray"`` distributes shards over ``workers`` processes, each with a
    model of its own, of this machine or of the cluster that RAY_ADDRESS names.

    Raises ExistsError where the folder belongs to another model, options or inputs, BusyError while
    another process writes it, and ShardsError at the end where shards could not be predicted.
    """
    _check_engine(engine, workers)
    shards = find_shards(source, folder)
    identity = job.identity()
    with locked(folder):
        names = [shard.target.name for shard in shards]
        jobs.begin(Path(folder), identity, names, overwrite=overwrite)
        predictor = ShardPredictor(job, jobs.fingerprint(identity))
        with bar(total=_rows(shards), unit=" rows", unit_scale=True, leave=True) as progress:
            if engine == "ray":
                from ftlearn.engines import ray_data  # an extra

                found = ray_data.outcomes(predictor, shards, workers, progress.update)
            else:
                found = one_by_one(predictor, shards, progress.update)
            totals = _totals(found, len(shards))
        jobs.finish(Path(folder), identity, **vars(totals))
    return totals


def _check_engine(engine: str | None, workers: int | None) -> None:
    if engine not in (None, *ENGINES):
        raise ArgumentError(f"engine is {engine!r}: use {', '.join(ENGINES)}, or leave it out")
    if workers is not None and (engine is None or workers < 1):
        raise ArgumentError(
            f"workers is {workers}: give 1 or more, together with engine='ray', or leave it out"
        )


def one_by_one(
    predictor: ShardPredictor, shards: Sequence[Shard], on_rows: OnRows
) -> Iterator[Outcome]:
    """The outcomes of shards that this process predicts."""
    for shard in shards:
        yield predictor.predict(shard, on_rows)


def _rows(shards: Sequence[Shard]) -> int | None:
    """How many rows all shards have; None where one is unreadable, which its outcome will say."""
    try:
        return sum(pyarrow.parquet.read_metadata(shard.source).num_rows for shard in shards)
    except (pyarrow.ArrowException, OSError):
        return None


def _warn(ended: Sequence[Outcome]) -> None:
    """Warn of the remarks on the first shards, and of how many there are on others."""
    notes = [f"{outcome.source}: {note}" for outcome in ended for note in outcome.notes]
    for note in notes[:NOTES]:
        warnings.warn(note, stacklevel=4)
    if len(notes) > NOTES:
        warnings.warn(f"{len(notes) - NOTES} more remarks on other shards", stacklevel=4)


def _totals(outcomes: Iterator[Outcome], shards: int) -> Totals:
    """The sums over all outcomes, with their remarks as warnings; raises ShardsError."""
    ended = list(outcomes)
    _warn(ended)
    failed = [outcome for outcome in ended if outcome.failure]
    if failed:
        first = min(failed, key=lambda outcome: outcome.source)
        raise ShardsError(
            f"{len(failed)} of {len(ended)} shards could not be predicted, the first {first.source}"
            f": {first.failure}. The others are kept: the same command predicts only what is "
            "missing"
        )
    if len({outcome.source for outcome in ended}) != shards or len(ended) != shards:
        raise ShardsError(
            f"{len(ended)} outcomes came of {shards} shards: run the same command again, which "
            "checks all that are there"
        )
    return Totals(
        shards=shards,
        skipped=sum(outcome.skipped for outcome in ended),
        rows=sum(outcome.rows for outcome in ended),
        rejected=sum(outcome.rejected for outcome in ended),
    )
