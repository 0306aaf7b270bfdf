"""Quiz of lesson 00: one update, a loss turned into a probability, and the validation part."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 00."""
    return [_update(), _probability(), _valid()]


def _update() -> Question:
    return order(
        "What happens in one update? Put it in order, first to last.",
        items=(
            "take a batch of articles",
            "let the model answer",
            "measure in one number how wrong it is",
            "change each weight a little",
        ),
        why="batch, answer, loss, step; then comes the next batch",
    )


def _probability() -> Question:
    return number(
        "An article has a loss of 0.693. What probability did the model give to its true topic?",
        truth=0.5,
        tolerance=0.01,
        why="$e^{-0.693} = 0.5$: the loss is minus the logarithm, so the probability is $e$ to "
        "minus the loss",
        mistakes=(
            (0.693, "that is the loss itself; turn it back with $e^{-0.693}$"),
            (0.307, "a loss is not a share: do not subtract it from 1, but take $e^{-0.693}$"),
            (2.0, "the sign is lost: $e^{0.693}$ is not a probability; take $e^{-0.693}$"),
        ),
    )


def _valid() -> Question:
    return single(
        "After each epoch the model was asked about the articles in `valid`. What for?",
        Choice(
            "to learn from them as well",
            why="the model learns nothing from `valid`: no weight is changed there",
        ),
        Choice(
            "to see whether what it has learnt carries over to other articles",
            right=True,
            why="it has not studied these, so they show what it can do with new ones",
        ),
        Choice(
            "to get the score that is reported in the end",
            why="the final score is measured on `test`; `valid` guides the choices before that",
        ),
    )
