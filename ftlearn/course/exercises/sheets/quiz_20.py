"""Quiz of lesson 20: heads alone, best epochs, a step on another task, the geometric mean."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, single


def quiz() -> list[Question]:
    """The questions of lesson 20."""
    return [_heads(), _epochs(), _transfer(), _geometric()]


def _heads() -> Question:
    return single(
        "Two tasks have a linear layer each, on the same frozen vectors, and nothing else is "
        "trained. What does it change to train both layers on the sum of the two losses, instead "
        "of one after the other?",
        Choice(
            "nothing: no number depends on both losses",
            right=True,
            why="each loss has a gradient for its own layer only, so the sum falls apart into the "
            "two single problems; help and harm need shared weights",
        ),
        Choice(
            "the smaller task gains, since it sees more texts",
            why="its layer still sees the gradients of its own loss only",
        ),
        Choice(
            "both lose a little, since they compete for the vectors",
            why="the vectors are frozen: there is nothing to compete for",
        ),
        Choice(
            "the task with the larger loss gains",
            why="a larger loss has larger gradients, and they stay in that task's own layer",
        ),
    )


def _epochs() -> Question:
    return single(
        "A table reports a joint model with the best epoch of each task (epoch 3 for one, epoch 8 "
        "for the other) beside single models. Which model has these scores?",
        Choice(
            "none: they are the scores of two different models",
            right=True,
            why="whoever takes both checkpoints deploys two models, and one of the reasons for "
            "joint training was to deploy one",
        ),
        Choice(
            "the model of the last epoch, since it contains the earlier ones",
            why="training moves on from earlier weights; it does not keep them",
        ),
        Choice(
            "the model of the best mean validation loss",
            why="that is one epoch, and two were reported",
        ),
        Choice(
            "the average of the two checkpoints",
            why="nobody averaged them, and an average would have scores of its own (lesson 10)",
        ),
    )


def _transfer() -> Question:
    return number(
        "On the shared weights task A has the gradient (1, 2), task B the gradient (2, −2). One "
        "step of gradient descent on B with learning rate 0.1. By how much does the loss of A "
        "change, to first order? (A rise is positive.)",
        truth=0.2,
        tolerance=1e-6,
        why="−η g_A·g_B = −0.1 · (2 − 4) = 0.2: the two conflict, so a step for B raises A",
        mistakes=(
            (-0.2, "the step goes against B's gradient, and the product is negative: A rises"),
            (-2, "that is g_A·g_B, without the learning rate and the minus of the descent"),
            (2, "the learning rate is missing"),
            (-0.5, "that is the step for A itself, −0.1 · (1 + 4)"),
            (-0.8, "that is the change of B, −0.1 · (4 + 4)"),
        ),
    )


def _geometric() -> Question:
    return multiple(
        "Uncertainty weighting with every σ at its optimum. What is true of it?",
        Choice(
            "if one loss is measured in other units (say, ten times larger), the optimum stays",
            right=True,
            why="log 10L = log 10 + log L, and a constant has no gradient",
        ),
        Choice(
            "the nearer a loss comes to zero, the more that task weighs",
            right=True,
            why="its weight is 1/(2L), which has no upper limit",
        ),
        Choice(
            "a total below zero shows a mistake in the code",
            why="½ Σ log L is negative as soon as the losses are small: look at the single losses",
        ),
        Choice(
            "it gives noisy labels more weight, so that they are learned at all",
            why="noise keeps a loss high, and a high loss weighs little",
        ),
    )
