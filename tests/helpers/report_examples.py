"""Reports and summaries with random predictions, for the tests of report pages."""

from __future__ import annotations

from typing import Any

import numpy as np
from datasets import Dataset

from ftlearn.config import TrainConfig
from ftlearn.evaluation import Report
from ftlearn.tasks import Classification, Regression
from ftlearn.training.history import History, Step


def measured(report: Report) -> dict[str, dict[str, float]]:
    return report.table(draws=20).to_dict(orient="index")


def history(monitor: str) -> History:
    steps = [Step(n, n / 4, 1 / n, 1e-4, 1.0, 8 * n, 0.1 * n, 8) for n in range(1, 9)]
    evaluations = [{"step": 4 * n, "epoch": float(n), monitor: 0.5 / n} for n in (1, 2)]
    return History(TrainConfig(epochs=2), monitor, steps, evaluations)


def classified(labels: list[str], texts: list[str], *, rows: int = 60) -> Report:
    """A report whose rows hold the texts in turn, predicted at random, mostly correctly."""
    random = np.random.default_rng(0)
    targets = np.arange(rows) % len(labels)
    outputs = random.normal(size=(rows, len(labels)))
    outputs[np.arange(rows), targets] += 1.5
    columns = {
        "text": [texts[row % len(texts)] for row in range(rows)],
        "label": [labels[target] for target in targets],
    }
    task = Classification(labels=tuple(labels))
    return Report(task, Dataset.from_dict(columns), outputs, targets)


def regressed(texts: list[str], *, rows: int = 40) -> Report:
    random = np.random.default_rng(0)
    truths = random.normal(50, 10, size=rows)
    task = Regression(center=50.0, scale=10.0)
    dataset = Dataset.from_dict(
        {"text": [texts[row % len(texts)] for row in range(rows)], "label": truths.tolist()}
    )
    targets = (truths - 50) / 10
    return Report(task, dataset, (targets + random.normal(0, 0.3, rows))[:, None], targets)


def summary(report: Report, strange: str = "plain", **more: Any) -> dict[str, Any]:
    """What workflows.summary gives, with a strange text wherever data could put one."""
    return {
        "title": "ignored",
        "test": measured(report),
        "valid": measured(report),
        "baselines": {"word counts (TF-IDF)": measured(report), strange: {}},
        "seconds": {"training": 12.345, "total": 20.0},
        "examples_per_second": 31.25,
        "peak_memory_bytes": {"process": 1_210_000_000},
        "versions": {"python": "3.11.9", strange: strange},
        "data": {
            "files": [{"part": "train", "name": strange, "sha256": "53aa51"}],
            "rows": {"train": 200, strange: 60},
            "refused": [{"file": strange, "line": 17, "reason": strange}],
            strange: [strange],
        },
        "labels": [strange],
        "configuration": {"learning_rate": 0.000123456, strange: strange},
        "notes": [strange],
        **more,
    }
