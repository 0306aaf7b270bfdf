"""Quiz of lesson 05: the first step of Adam, the order of an update, seeds, validation."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 05."""
    return [_first_step(), _update(), _seeds(), _validation()]


def _first_step() -> Question:
    return number(
        "Adam runs at a rate of 0.0003. In the very first update the gradient of a weight is 50. "
        "By how much does the weight move?",
        truth=3e-4,
        tolerance=3e-6,
        why="in its first update Adam moves every weight by the rate, whatever the gradient's size",
        mistakes=(
            (0.015, "rate times gradient is the step of SGD; Adam divides by the gradient's size"),
            (50.0, "the gradient says only in which direction"),
            (6e-6, "Adam divides the gradient by its size, not the rate by the gradient"),
        ),
    )


def _update() -> Question:
    return order(
        "Put one update in order, from the texts to the new weights.",
        items=(
            "compute the logits of a batch",
            "compute the loss from logits and targets",
            "let `backward` fill `.grad`",
            "clip the gradient",
            "let `step` move the weights",
        ),
        why="clipping needs the finished gradient, and must come before the step that uses it",
    )


def _seeds() -> Question:
    return single(
        "Setting A reaches an accuracy of 0.78 and setting B of 0.77, one seed each. Two seeds of "
        "A differ by 0.03. What has been shown?",
        Choice(
            "A is better, by one point",
            why="another seed would have moved either number by more than that",
        ),
        Choice(
            "the two are equally good",
            why="not seen is not the same as not there: more seeds may still show a difference",
        ),
        Choice(
            "nothing yet about A and B: two seeds differ by more than A and B do",
            right=True,
            why="run several seeds of both, and compare their means with their spread",
        ),
        Choice(
            "A is better, because a fixed seed makes the comparison exact",
            why="a seed makes a run repeatable, not representative",
        ),
    )


def _validation() -> Question:
    return multiple(
        "From the third epoch on, the training loss falls to almost nothing, the validation loss "
        "rises, and the validation accuracy hardly moves. What is going on?",
        Choice(
            "the model becomes more confident in its wrong answers",
            right=True,
            why="the loss punishes misplaced confidence; accuracy does not see it",
        ),
        Choice(
            "the model answers more and more validation articles wrongly",
            why="then the accuracy would fall, and it hardly moves",
        ),
        Choice(
            "the weights of an earlier epoch give better probabilities",
            right=True,
            why="that is why `fit` keeps the weights of the best epoch",
        ),
        Choice(
            "a few more epochs will bring the validation loss down again",
            why="nothing pulls it down: the training loss is nearly 0 and leaves little to learn",
        ),
    )
