"""A fresh draw of the bundled task: reviews that stand in none of the course's data sets.

The pool has 72 reviews of 36 further products, one favourable and one not of each. A draw takes 24
products by a seed, which the hashes of data and weights decide unless a teacher names one: whoever
changes the model to suit a draw gets another draw. The pool is no secret, since it comes with the
package. A score on it shows that a model has learned more than its own test rows; it cannot show
that nobody trained on the pool. Near-duplicates of it in the submitted data are counted.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, Features, Value

from ftlearn import data
from ftlearn.capstone import measures
from ftlearn.capstone.submission import CapstoneError, Submission
from ftlearn.evaluation import baselines

LABELS = ("negative", "positive")
PRODUCTS = 24
"""Products of one draw, with two reviews each."""


@dataclass(frozen=True)
class Fresh:
    """A model's score on a fresh draw, and how it differs from its score on the test rows."""

    seed: int
    accuracy: dict[str, float]
    baseline: float
    """The accuracy of word counts, trained on the submitted training rows."""
    drop: dict[str, float]
    """Test accuracy minus fresh accuracy with its 95 % interval."""
    seen: int
    """Texts of the pool that stand in the submitted data, word by word or nearly so."""

    def summary(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        score, drop = self.accuracy, self.drop
        return (
            f"fresh draw {self.seed}: accuracy {score['value']:.3f} [{score['low']:.3f}, "
            f"{score['high']:.3f}] on {score['rows']} texts, {drop['value']:+.3f} "
            f"[{drop['low']:+.3f}, {drop['high']:+.3f}] less than on test; word counts "
            f"{self.baseline:.3f}; {self.seen} texts seen before"
        )


def pool() -> list[dict[str, str]]:
    """All texts that a draw is taken from, with id, text, label and product."""
    file = resources.files(__package__) / "fresh.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def draw(seed: int, *, text: str = "text", label: str = "label") -> Dataset:
    """The reviews of 24 products, one of each label; another seed draws other products.

    >>> rows = draw(0)
    >>> len(rows), sum(rows["label"])
    (48, 24)
    """
    rows = pool()
    products = sorted({row["product"] for row in rows})
    drawn = set(np.random.default_rng(seed).choice(products, PRODUCTS, replace=False))
    rows = [row for row in rows if row["product"] in drawn]
    features = Features({text: Value("string"), label: ClassLabel(names=list(LABELS))})
    columns = {text: [row["text"] for row in rows], label: [row["label"] for row in rows]}
    return Dataset.from_dict(columns, features=features)


def seed_of(submission: Submission) -> int:
    """The seed that the hashes of the submitted data and weights decide."""
    content = json.dumps(measures.once(submission, "hashes"), sort_keys=True)
    return int(hashlib.sha256(content.encode()).hexdigest()[:8], 16)


def scored(submission: Submission, seed: int | None = None) -> Fresh:
    """Score the served model on a fresh draw; CapstoneError where its labels are others."""
    task = submission.task
    if sorted(task.labels) != sorted(LABELS):
        raise CapstoneError(
            f"a fresh draw has the labels {' and '.join(LABELS)}, and this model has "
            f"{', '.join(task.labels)}: there is none for it"
        )
    seed = seed_of(submission) if seed is None else seed
    rows = draw(seed, text=task.text, label=task.target)
    report = submission.report_on(submission.served, rows)
    counts = baselines.tfidf(submission.parts["train"], rows, task)
    test, here = measures.once(submission, "accuracy"), measures.share(report.correct)
    return Fresh(
        seed, here, measures.accuracy_of(counts), difference(test, here), _seen(submission)
    )


def difference(first: dict[str, float], second: dict[str, float]) -> dict[str, float]:
    """The difference of two independent shares with its 95 % interval, from their Wilson intervals.

    Newcombe 1998, "Interval estimation for the difference between independent proportions", method
    10.

    >>> one = {"value": 0.9, "low": 0.8, "high": 0.95}
    >>> {name: round(value, 3) for name, value in difference(one, one).items()}
    {'value': 0.0, 'low': -0.112, 'high': 0.112}
    """
    value = first["value"] - second["value"]
    below = np.hypot(first["value"] - first["low"], second["high"] - second["value"])
    above = np.hypot(first["high"] - first["value"], second["value"] - second["low"])
    return {"value": value, "low": float(value - below), "high": float(value + above)}


def _seen(submission: Submission) -> int:
    """How many texts of the pool the submitted data hold."""
    parts = {
        "pool": Dataset.from_dict({"text": [row["text"] for row in pool()]}),
        "submitted": Dataset.from_dict(
            {"text": [text for part in submission.parts for text in submission.texts(part)]}
        ),
    }
    leaks = data.leaks(parts)
    return len({row for leak in leaks for part, row in leak.rows if part == "pool"})
