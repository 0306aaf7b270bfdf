"""Parquet shards to predict, and a small model that predicts them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from ftlearn import models, tasks
from ftlearn.evaluation.streaming import predict_file

WORDS = ["ball", "code", "heart", "run", "chip", "pulse", "team", "server", "sleep"]
TASK = tasks.Classification(labels=("kalt", "warm", "heiß"), max_length=16)
SIZES = (40, 0, 25, 31)
"""Rows per shard: one has none."""


def saved_model(checkpoint: Path, folder: Path, task: Any = TASK, seed: int = 0) -> Path:
    """The folder of a small model, saved as ``ftlearn fit`` saves it."""
    model, tokenizer = models.load(checkpoint, task, seed=seed, device="cpu")
    models.save(model, tokenizer, task, folder)
    return folder


def table(first: int, rows: int) -> pyarrow.Table:
    """Rows with a text, a number, a list and a category; every eleventh text is empty."""
    numbers = range(first, first + rows)
    words = [[WORDS[(3 * row + at) % 9] for at in range(1 + 5 * row % 12)] for row in numbers]
    texts = [
        "" if row % 11 == 5 else " ".join(text) for row, text in zip(numbers, words, strict=True)
    ]
    pairs = [[row, -row] for row in numbers]
    kinds = [f"k{row % 3}" for row in numbers]
    return pyarrow.table(
        {
            "row": pyarrow.array(numbers, pyarrow.int32()),
            "text": pyarrow.array(texts, pyarrow.string()),
            "parts": pyarrow.array(pairs, pyarrow.list_(pyarrow.int64())),
            "kind": pyarrow.array(kinds, pyarrow.string()).dictionary_encode(),
        }
    )


def write_shards(folder: Path, sizes: tuple[int, ...] = SIZES) -> list[Path]:
    """Shards of those sizes, numbered from 0."""
    folder.mkdir(parents=True)
    paths = []
    for number, rows in enumerate(sizes):
        paths.append(folder / f"part-{number}.parquet")
        pyarrow.parquet.write_table(table(sum(sizes[:number]), rows), paths[-1])
    return paths


def expected(model: Path, shard: Path, folder: Path) -> list[dict[str, Any]]:
    """What ``ftlearn predict`` on one file answers, line by line."""
    loaded, tokenizer, task = models.load_finetuned(model, "cpu")
    target = folder / f"{shard.stem}.jsonl"
    predict_file(loaded, task, tokenizer, shard, target, overwrite=True)
    return [json.loads(line) for line in target.read_text("utf-8").splitlines()]


def answers(shard: Path) -> list[dict[str, Any]]:
    """The answers of an output shard, as lines of ``ftlearn predict`` have them."""
    rows = pyarrow.parquet.read_table(shard).to_pylist()
    return [
        row["prediction"] if row["error"] is None else {"line": line, "error": row["error"]}
        for line, row in enumerate(rows, start=1)
    ]
