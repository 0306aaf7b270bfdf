"""Shards on the workers of a Ray cluster, or of this machine, through Ray Data.

A row of the data set is a shard, not a row of text: each worker reads, predicts and writes whole
shards by the same code as one machine, so answers and order cannot depend on how Ray cuts blocks,
and what passes through Ray's memory is names and counts. A shard that is predicted twice, since its
worker died, is written once: under its final name it appears complete, or not at all.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ftlearn.engines.predicting import Outcome, ShardPredictor
from ftlearn.engines.shards import Shard
from ftlearn.errors import ArgumentError, FtlearnError

CORES_PER_WORKER = 4
"""By default a machine without GPUs has a worker per so many cores."""
RETRIES = 3
"""How many times a shard is tried again after its worker died; -1, Ray's default, never ends."""
OBJECT_STORE = 100_000_000
"""Bytes of Ray's shared memory; by default it would take 30% of the machine's."""
STARTS = 3
"""How often Ray is begun: it gives its helper processes 15 seconds, not more, to import things."""
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray's variable that, when 0, has it listen on the loopback interface alone."""
PASSED_ON = ("FTLEARN_COMPUTE", "HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM", "PYTHONPATH")
"""Environment variables that workers on other machines get as they are here."""


class RayError(FtlearnError, RuntimeError):
    """Ray is missing, or a worker died again and again."""


def outcomes(
    predictor: ShardPredictor,
    shards: Sequence[Shard],
    workers: int | None,
    on_rows: Callable[[int], None],
) -> Iterator[Outcome]:
    """The outcome of each shard as soon as a worker reports it."""
    with _connected(workers) as ray:
        workers, cores, gpus = _resources(ray.cluster_resources(), workers, predictor.job.device)
        rows = [{"source": str(shard.source), "target": str(shard.target)} for shard in shards]
        data = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            _Worker,
            fn_constructor_args=(predictor,),
            compute=ray.data.ActorPoolStrategy(
                size=min(workers, len(rows)), max_tasks_in_flight_per_actor=1
            ),
            num_cpus=cores,
            num_gpus=gpus,
            max_restarts=-1,
            max_task_retries=RETRIES,
        )
        try:
            for row in data.iter_rows():
                outcome = Outcome(**json.loads(row["outcome"]))
                on_rows(outcome.rows)
                yield outcome
        except ray.exceptions.RayError as error:
            raise RayError(
                f"the workers of Ray failed ({_first_line(error)}): was the memory too small for "
                f"{workers} models? Use fewer `workers`. What is done is kept: the same command "
                "predicts only what is missing"
            ) from error


class _Worker:
    """What Ray keeps in each worker process: the predictor, whose model is loaded once."""

    def __init__(self, predictor: ShardPredictor) -> None:
        import torch

        # Ray sets OMP_NUM_THREADS to the cores of the worker; torch may have been told otherwise.
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        self.predictor = predictor

    def __call__(self, row: dict[str, str]) -> dict[str, str]:
        shard = Shard(Path(row["source"]), Path(row["target"]))
        return {"outcome": json.dumps(asdict(self.predictor.predict(shard)))}


@contextmanager
def _connected(workers: int | None) -> Iterator[Any]:
    """Ray with its data module: the cluster of RAY_ADDRESS, or processes of this machine alone."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it reports to its makers
    if not os.environ.get("RAY_ADDRESS"):
        os.environ.setdefault(LOOPBACK, "0")  # Ray reads it when it is imported
    try:
        import ray
        import ray.data
    except ImportError:
        raise RayError(
            'engine="ray" needs Ray: pip install "ftlearn[ray]", or leave the engine out'
        ) from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # ours counts rows
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    begun = not ray.is_initialized()
    if begun:
        _begin(ray, workers)
    try:
        yield ray
    finally:
        if begun:
            ray.shutdown()


def _begin(ray: Any, workers: int | None) -> None:
    """Begin Ray, or join its cluster; on a busy machine its helpers may need a second try."""
    variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    for attempt in range(1, STARTS + 1):
        try:
            ray.init(
                **_options(workers),
                runtime_env={"env_vars": variables},
                logging_level=logging.ERROR,
                log_to_driver=False,
            )
            return
        except Exception as error:  # Ray raises just this where they take too long
            ray.shutdown()
            if attempt == STARTS:
                raise RayError(
                    f"Ray did not start ({_first_line(error)}): its logs are in /tmp/ray/"
                    "session_latest/logs; without engine='ray' one process predicts the shards"
                ) from error


def _options(workers: int | None) -> dict[str, Any]:
    """How Ray is begun on this machine alone; nothing where RAY_ADDRESS names a cluster."""
    if os.environ.get("RAY_ADDRESS"):
        return {}
    return {
        "address": "local",  # never the cluster of another user of this machine
        "num_cpus": max(workers or 1, os.cpu_count() or 1),
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE,
    }


def _resources(
    cluster: dict[str, float], workers: int | None, device: str | None
) -> tuple[int, int, int]:
    """How many workers, and how many cores and GPUs each of them has.

    >>> _resources({"CPU": 16.0}, None, None), _resources({"CPU": 16.0, "GPU": 2.0}, None, None)
    ((4, 4, 0), (2, 8, 1))
    """
    cores = int(cluster.get("CPU", 1))
    gpus = 0 if device == "cpu" else int(cluster.get("GPU", 0))
    count = workers or gpus or max(1, cores // CORES_PER_WORKER)
    if gpus and count > gpus:
        raise ArgumentError(
            f"workers is {count}, and there are {gpus} GPUs, one per worker: give at most {gpus}, "
            "or device='cpu'"
        )
    if count > cores:
        raise ArgumentError(f"workers is {count}, and Ray has {cores} cores: give at most {cores}")
    return count, cores // count, int(gpus > 0)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
