"""Quiz of lesson 15: a median, a score that grows, another share of classes, a negated pair."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, single


def quiz() -> list[Question]:
    """The questions of lesson 15."""
    return [_median(), _score(), _shift(), _pair()]


def _median() -> Question:
    return number(
        "A model gives one to five stars the probabilities 0.35, 0.05, 0.20, 0.10 and 0.30. Which "
        "number of stars has the least expected absolute error?",
        truth=3,
        tolerance=1e-6,
        why="the sums from below are 0.35, 0.40 and 0.60: the first one of at least one half "
        "belongs to 3, the median",
        mistakes=(
            (1, "that is the mode: best for accuracy, and four stars off where the truth is 5"),
            (2.95, "that is the mean: best for the squared error"),
            (2, "the sum up to 2 stars is 0.40, not yet one half"),
            (5, "at 5 nearly everything lies below, so a step down helps"),
        ),
    )


def _score() -> Question:
    return single(
        "An ordinal model has one score $f(x)$ and four thresholds. A second text has a score that "
        "is larger by 1. What differs between the two texts by exactly 1?",
        Choice(
            "the log-odds of $P(y > k)$, for each of the four $k$",
            right=True,
            why="$f + b_k$ is these log-odds: all four move together, and that is the model's "
            "whole assumption",
        ),
        Choice(
            "the expected number of stars",
            why="the score has no unit of stars: near 5 stars even a large step changes little",
        ),
        Choice(
            "the log-odds of five stars only",
            why="the thresholds share one score, so none of them moves alone",
        ),
        Choice(
            "the thresholds",
            why="they belong to the model and are the same for every text",
        ),
    )


def _shift() -> Question:
    return multiple(
        "The log-odds of *unhappy* get the same constant added for every letter. What can change?",
        Choice(
            "the recall of the unhappy letters at the threshold one half",
            right=True,
            why="letters that lay just below the threshold now lie above it",
        ),
        Choice(
            "the AUC",
            why="it looks at the order of the letters, and a constant keeps the order",
        ),
        Choice(
            "the log loss",
            right=True,
            why="every probability moves; whether for the better depends on the shares in use",
        ),
        Choice(
            "which of two letters seems more unhappy",
            why="both get the same constant, so the larger one stays the larger one",
        ),
    )


def _pair() -> Question:
    return single(
        "A linear model on the counts of single words scores *the film was dull* and *the film was "
        "not dull*; the second score is lower by 0.4. What does it say of *the film was moving* "
        "and *the film was not moving*?",
        Choice(
            "the second score is higher by 0.4",
            why="then *not* would have two weights; a linear model has one per word",
        ),
        Choice(
            "the second score is lower by 0.4, too",
            right=True,
            why="*not* adds its one weight to every sentence, so of the two pairs one is always in "
            "the wrong order",
        ),
        Choice(
            "nothing without training on the word *moving*",
            why="the weight of *moving* is in both scores and cancels in their difference",
        ),
        Choice(
            "they are equal, since *not* carries no opinion",
            why="its weight is −0.4, as the first pair shows",
        ),
    )
