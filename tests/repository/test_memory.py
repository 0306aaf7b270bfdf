"""Peak memory of whole runs, each in a fresh process with the real model or the real window.

What a process holds once its libraries are imported depends on the build of torch (the CUDA build
takes more, without a GPU as well); the limits are for what a run takes beyond that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from waiting import HANG

from ftlearn.fast.autotune import measuring

MB = 1_000_000

TUNE = """
import json, os, sys
from ftlearn import data, models, runtime, tasks
from ftlearn.training import TrainConfig, fit

imported = runtime.memory_used()
precision, max_length = sys.argv[1], int(sys.argv[2])
os.environ["FTLEARN_COMPUTE"] = precision
train = data.load("topics")["train"].select(range(4 * 16))
task = tasks.classification(train, max_length=max_length)
model, tokenizer = models.load("minilm", task, device="cpu")
history = fit(model, train, task, tokenizer, TrainConfig(epochs=1))
result = {
    "updates": len(history.steps),
    "arithmetic": str(history.arithmetic),
    "grown": runtime.memory_peak() - imported,
}
print(json.dumps(result))
"""

PREDICT = """
import io, json, sys
from pathlib import Path
from ftlearn import models, runtime, tasks
from ftlearn.evaluation import streaming
from ftlearn.runtime import progress

class Screen(io.StringIO):
    def isatty(self):
        return True

class Bar(progress.tqdm):
    def close(self):
        if not self.disable:
            ends.append([self.n, self.total])
        super().close()

ends, results, progress.tqdm = [], [], Bar
task = tasks.Classification(labels=("cold", "mild", "warm"), max_length=16)
model, tokenizer = models.load(sys.argv[1], task, seed=0, device="cpu")
screen, sys.stderr = sys.stderr, Screen()
for source in map(Path, sys.argv[2:]):
    counts = streaming.predict_file(model, task, tokenizer, source, source.with_suffix(".jsonl"))
    results.append({"rows": counts.rows, "bar": ends.pop(), "peak": runtime.memory_peak()})
sys.stderr = screen
print(json.dumps(results))
"""


def fresh(script: str, *arguments: object) -> Any:
    """What a script prints as JSON, run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def bf16_is_hopeless() -> bool:
    """Whether this processor has no instructions for bf16, so that its products take an age."""
    shape = measuring.Shape(384, 1536, 12)
    narrow, wide = (measuring._product_seconds(shape, f) for f in (torch.bfloat16, torch.float32))
    return narrow > 20 * wide


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_minilm_is_fine_tuned_in_less_than_700_megabytes_beside_its_libraries(precision: str):
    if precision == "bf16" and bf16_is_hopeless():
        pytest.skip("this processor has no instructions for bf16")
    result = fresh(TUNE, precision, 64)
    assert result["updates"] == 4
    assert result["arithmetic"].startswith(precision)
    assert 250 * MB < result["grown"] < 700 * MB


def short_texts(path: Path, rows: int) -> Path:
    """A file with so many short texts, all different."""
    words = ["ball", "code", "heart", "run", "chip", "pulse", "team", "server", "sleep"]
    with path.open("w") as file:
        for row in range(rows):
            file.write(f"{words[row % 9]} {words[row % 7]} {words[row % 5]} number {row}\n")
    return path


def test_three_times_the_texts_are_predicted_in_the_same_memory(tiny_bert: Path, tmp_path: Path):
    """The peak of the second file is that of the first, and each bar ends at its file's end."""
    few, many = (
        short_texts(tmp_path / "few.txt", 20_000),
        short_texts(tmp_path / "many.txt", 60_000),
    )
    first, second = fresh(PREDICT, tiny_bert, few, many)
    assert (first["rows"], second["rows"]) == (20_000, 60_000)
    assert first["bar"] == [few.stat().st_size] * 2
    assert second["bar"] == [many.stat().st_size] * 2
    assert second["peak"] - first["peak"] < 10 * MB
    with many.with_suffix(".jsonl").open() as file:
        assert sum(1 for _ in file) == 60_000
