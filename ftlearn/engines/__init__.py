"""Prediction of many Parquet shards, on one machine or on the workers of a Ray cluster.

Each input shard becomes one output shard: the same rows in the same order, with all their columns
and two more. ``shards`` pairs them, ``job`` records what an output folder was begun with,
``shard_file`` reads and writes one shard, ``predicting`` predicts them one after the other, and
``ray_data`` distributes them over workers.
"""

from ftlearn.engines.job import Job
from ftlearn.engines.predicting import Totals, predict_shards
from ftlearn.engines.shard_file import ERROR, PREDICTION
from ftlearn.engines.shards import Shard, find_shards, is_sharded

__all__ = [
    "ERROR",
    "PREDICTION",
    "Job",
    "Shard",
    "Totals",
    "find_shards",
    "is_sharded",
    "predict_shards",
]
