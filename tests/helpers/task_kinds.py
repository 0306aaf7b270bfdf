"""One small task of every kind that predicts."""

from __future__ import annotations

from ftlearn import tasks

LEVELS = ("low", "middle", "high")
KINDS = {
    "classes": tasks.Classification(labels=("a", "b", "c"), max_length=32),
    "pairs": tasks.Classification(labels=("no", "yes"), text=("first", "second"), max_length=48),
    "regression": tasks.Regression(max_length=32, center=250.0, scale=40.0),
    "ordinal": tasks.Ordinal(labels=LEVELS, max_length=32),
    "ranking": tasks.ranking(max_length=32),
    "spans": tasks.question_answering(max_length=48, stride=8),
    "joint": tasks.Joint(
        tasks=(
            tasks.Classification(labels=("a", "b", "c"), target="topic", max_length=32),
            tasks.Regression(target="stars", center=3.0, scale=1.5, max_length=32),
            tasks.Ordinal(labels=LEVELS, target="level", max_length=32),
        ),
        names=("topic", "stars", "level"),
        weights=(1.0, 1.0, 1.0),
        max_length=32,
    ),
}
