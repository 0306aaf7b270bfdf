"""A fresh draw of a bundled task: texts that stand in none of the course's data sets.

There are two pools. Reviews: 72, of 36 further products, one favourable and one not of each.
Articles in Chinese: 90, one per topic from each of 30 places, such as a ferry or a theatre. A draw
takes two thirds of the products or places by a seed, which the hashes of data and weights decide
unless a teacher names one: whoever changes the model to suit a draw gets another draw. The pools
are no secret, since they come with the package. A score on one shows that a model has learned more
than its own test rows; it cannot show that nobody trained on the pool. Near-duplicates of it in the
submitted data are counted.
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
from ftlearn.compatibility.scripts import separates_words
from ftlearn.data.bundled import TOPICS
from ftlearn.evaluation import baselines


@dataclass(frozen=True)
class Pool:
    """Texts that draws are taken from, in groups that have one text of each label."""

    name: str
    """The bundled data set whose task it is."""
    file: str
    labels: tuple[str, ...]
    group: str
    """The column whose rows are drawn together."""
    drawn: int
    """Groups of one draw."""
    spaced: bool
    """Whether spaces separate the words of its texts."""

    def rows(self) -> list[dict[str, str]]:
        """All texts, with id, text, label and group."""
        file = resources.files(__package__) / self.file
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


REVIEWS = Pool("reviews", "fresh.jsonl", ("negative", "positive"), "product", drawn=24, spaced=True)
ARTICLES = Pool("topics_zh", "fresh_topics_zh.jsonl", TOPICS, "place", drawn=20, spaced=False)
POOLS = (REVIEWS, ARTICLES)


@dataclass(frozen=True)
class Fresh:
    """A model's score on a fresh draw, and how it differs from its score on the test rows."""

    pool: str
    """The bundled data set whose pool it was drawn from."""
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


def pool_of(submission: Submission) -> Pool:
    """The pool with the labels and the script of the submitted data; CapstoneError without one."""
    labels = sorted(submission.task.labels)
    fitting = [pool for pool in POOLS if sorted(pool.labels) == labels]
    if fitting:
        spaced = separates_words(submission.texts("train"))
        fitting = [pool for pool in fitting if pool.spaced == spaced]
    if not fitting:
        raise CapstoneError(
            f"no fresh texts have the labels {', '.join(submission.task.labels)} and the script of "
            "this data: there is no draw for it"
        )
    return fitting[0]


def draw(seed: int, pool: Pool = REVIEWS, *, text: str = "text", label: str = "label") -> Dataset:
    """Two thirds of a pool in whole groups, with equally many texts per label.

    Another seed draws other groups.

    >>> rows = draw(0)
    >>> len(rows), sum(rows["label"])
    (48, 24)
    """
    rows = pool.rows()
    groups = sorted({row[pool.group] for row in rows})
    drawn = set(np.random.default_rng(seed).choice(groups, pool.drawn, replace=False))
    rows = [row for row in rows if row[pool.group] in drawn]
    features = Features({text: Value("string"), label: ClassLabel(names=list(pool.labels))})
    columns = {text: [row["text"] for row in rows], label: [row["label"] for row in rows]}
    return Dataset.from_dict(columns, features=features)


def seed_of(submission: Submission) -> int:
    """The seed that the hashes of the submitted data and weights decide."""
    content = json.dumps(measures.once(submission, "hashes"), sort_keys=True)
    return int(hashlib.sha256(content.encode()).hexdigest()[:8], 16)


def scored(submission: Submission, seed: int | None = None) -> Fresh:
    """Score the served model on a fresh draw; CapstoneError where no pool fits its data."""
    task, pool = submission.task, pool_of(submission)
    seed = seed_of(submission) if seed is None else seed
    rows = draw(seed, pool, text=task.text, label=task.target)
    report = submission.report_on(submission.served, rows)
    counts = baselines.tfidf(submission.parts["train"], rows, task)
    test, here = measures.once(submission, "accuracy"), measures.share(report.correct)
    drop, seen = difference(test, here), _seen(submission, pool)
    return Fresh(pool.name, seed, here, measures.accuracy_of(counts), drop, seen)


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


def _seen(submission: Submission, pool: Pool) -> int:
    """How many texts of a pool the submitted data hold."""
    parts = {
        "pool": Dataset.from_dict({"text": [row["text"] for row in pool.rows()]}),
        "submitted": Dataset.from_dict(
            {"text": [text for part in submission.parts for text in submission.texts(part)]}
        ),
    }
    leaks = data.leaks(parts)
    return len({row for leak in leaks for part, row in leak.rows if part == "pool"})
