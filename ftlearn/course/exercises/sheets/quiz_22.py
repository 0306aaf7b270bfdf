"""Quiz of lesson 22: rewards, β on the line, a log to be read, the order of a training."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order


def quiz() -> list[Question]:
    """The questions of lesson 22."""
    return [_bradley_terry(), _on_the_line(), _log(), _training()]


def _bradley_terry() -> Question:
    return number(
        "Two answers have the rewards 2 and 1, and Bradley and Terry's raters prefer the first "
        "with the probability 0.73. A third answer has the reward −1. With which probability is "
        "the first preferred to the third?",
        truth=0.9526,
        tolerance=0.006,
        why="σ(2 − (−1)) = σ(3) = 0.95; only the difference counts",
        mistakes=(
            (0.7311, "that is σ(1), the pair in the text: the third answer lies 3 lower"),
            (0.0474, "that is the probability that the third is preferred"),
            (0.8808, "that is σ(2): the third reward is not 0"),
            (0.6667, "rewards are log-odds, not shares: take σ of their difference"),
        ),
    )


def _on_the_line() -> Question:
    return number(
        "You have the reference and a policy trained with β = 0.1, and want the one for β = 0.4. "
        "Which weight λ does the trained policy get in the geometric mean?",
        truth=0.25,
        tolerance=1e-6,
        why="λ = β₁/β = 0.1/0.4; a larger β means a shorter leash, so more of the reference",
        mistakes=(
            (4.0, "that is β/β₁: it would go far beyond the trained policy"),
            (0.75, "that is the weight of the reference"),
            (0.4, "λ is a ratio of the two β"),
            (0.5, "the square root has no place here: log π_β is linear in 1/β"),
        ),
    )


def _log() -> Question:
    return multiple(
        "After DPO the accuracy on pairs is 0.80, and the log-probability of every chosen answer "
        "has fallen by about 5 nats. What follows?",
        Choice(
            "in most pairs the rejected answer fell by more",
            right=True,
            why="accuracy counts margins above 0, and the margin is the difference of both changes",
        ),
        Choice(
            "some answers that are in no pair became more probable",
            right=True,
            why="probabilities sum to 1, so what both lose goes elsewhere",
        ),
        Choice(
            "there is a bug: DPO raises the chosen answers",
            why="the loss knows the difference alone, and both may fall",
        ),
        Choice(
            "the model's answers are better in 80 % of the cases",
            why="accuracy is about given pairs; what the model writes itself was not judged",
        ),
        Choice(
            "β was too large",
            why="a larger β asks for a smaller margin; the log does not say which β is best",
        ),
    )


def _training() -> Question:
    return order(
        "A language model is tuned by DPO with LoRA. Put the steps in order.",
        items=(
            "choose the rater or the rule whose preferences are to count",
            "compute and store the log-probabilities of both answers under the starting model",
            "update the adapter by the loss on the margins",
            "read margin and log-probability of the chosen answers on pairs of other themes",
        ),
        why="the reference is the model *before* the first update; whoever computes it later "
        "compares the policy with itself",
    )
