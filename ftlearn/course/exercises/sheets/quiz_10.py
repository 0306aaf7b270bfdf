"""Quiz of lesson 10: choosing a point on the line, mixtures, barriers, scales."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 10."""
    return [_recipe(), _beyond(), _strangers(), _scale()]


def _recipe() -> Question:
    return order(
        "Put the work in order that leads from a pretrained model to an honest point on the line.",
        items=(
            "give the pretrained model a head with which it can do the task",
            "fine-tune a copy of it",
            "measure the points between the two on valid",
            "choose the α with the lowest loss",
            "measure that one point on test",
        ),
        why="without a meaningful start the line starts nowhere, and test comes last, once",
    )


def _beyond() -> Question:
    return single(
        "A fine-tuning stays where the network is linear in its weights. For some article the "
        "difference of two logits is 0.4 in the pretrained model and 2.4 in the fine-tuned one. "
        "What is it at $\\alpha = 1.5$?",
        Choice("3.6", why="that is 1.5 times the fine-tuned one: the pretrained part is left out"),
        Choice(
            "3.4",
            right=True,
            why="$0.4 + 1.5 \\cdot (2.4 - 0.4)$: further in the same direction, and more certain",
        ),
        Choice("2.4", why="nothing stops at α = 1: the line goes on, and confidence with it"),
        Choice("1.4", why="that is the midpoint, α = 0.5; at 1.5 we are *beyond* the end"),
    )


def _strangers() -> Question:
    return multiple(
        "Two networks were trained from different random starts, to the same accuracy. What can "
        "be true of the network halfway between their weights?",
        Choice(
            "its accuracy is lower than that of both ends",
            right=True,
            why="units that do different things were averaged",
        ),
        Choice(
            "its loss is lower than that of both ends",
            right=True,
            why="smaller logits are less certain, and overconfident ends pay for their certainty",
        ),
        Choice(
            "its logits are the mean of the logits of the ends, exactly",
            why="only where the network is linear in its weights all the way, which this is not",
        ),
        Choice(
            "it is at least as good as the worse end, in every case",
            why="nothing promises that for weights: it holds for averages of probabilities",
        ),
    )


def _scale() -> Question:
    return number(
        "A LoRA adapter was trained with scale 2. Which scale gives the point "
        "$\\alpha = 0.25$ of the line from the pretrained to the fine-tuned model?",
        truth=0.5,
        tolerance=0.001,
        why="$s = \\alpha s_0 = 0.25 \\cdot 2$: scale 0 is the pretrained model, scale 2 the end",
        mistakes=(
            (0.25, "that is α: the end of the line is at scale 2, not at 1"),
            (8, "α multiplies the scale, it does not divide it"),
            (1.5, "that is α = 0.75: counted from the fine-tuned end"),
            (2.25, "the scale is multiplied by α, nothing is added"),
        ),
    )
