"""Questions of lesson 09: what lies between nodes, which weight the data have, what is exact."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 09."""
    return [_more_nodes(), _pace(), _between(), _exact()]


def _more_nodes() -> Question:
    return single(
        "Eleven evenly spaced nodes on the bell are joined by one polynomial. We take ten more "
        "nodes, evenly spaced again, and join all 21. What happens between the nodes?",
        Choice(
            "The error shrinks, since more is known.",
            why="more nodes help only if the family of curves stays calm between them; this one "
            "does not (see the table)",
        ),
        Choice(
            "The error near the ends grows.",
            right=True,
            why="that is Runge's phenomenon: exact at all nodes, and worse and worse between them",
        ),
        Choice(
            "There is no error, since the curve passes through every point.",
            why="it does, but the question is about the places in between",
        ),
        Choice(
            "That depends on rounding.",
            why="the swings exist in exact arithmetic, too; they belong to the polynomial",
        ),
    )


def _pace() -> Question:
    return order(
        "Gradient descent starts at $\\theta_P$ with rate 0.1. Put the directions in the order in "
        "which they reach half of the way to $\\theta^*$, first to last.",
        items=("eigenvalue 2", "eigenvalue 0.3", "eigenvalue 0.01", "eigenvalue 0"),
        why="each step takes the share $\\eta h$ of what is left; with eigenvalue 0 nothing ever "
        "moves, and the head stays pretrained",
    )


def _between() -> Question:
    return number(
        "A prior says 0 and is worth $\\mu = 8$ labels. Now 24 labels have the mean 1. What is "
        "the estimate?",
        truth=0.75,
        tolerance=0.005,
        why="$w = 24 / (24 + 8) = 0.75$, so the estimate is three quarters of the way to the mean",
        mistakes=(
            (0.25, "that is the weight of the prior: the data have the rest"),
            (1 / 3, "that is $\\mu / n$; the weight of the data is $n / (n + \\mu)$"),
            (0.5, "half would mean that prior and data are worth the same, $n = \\mu$"),
            (1, "that forgets the prior, which still counts like 8 labels"),
            (3, "that is $n / \\mu$: a weight lies between 0 and 1"),
        ),
    )


def _exact() -> Question:
    return multiple(
        "Which of these are exact, and not merely pictures? (several)",
        Choice(
            "The loss with a smoothed label is a weighted mean of two losses, for any network.",
            right=True,
            why="cross-entropy is linear in its target, whatever made the prediction",
        ),
        Choice(
            "Fine-tuning all layers leads to weights between $\\theta_P$ and the optimum.",
            why="the loss of a deep network is not convex and has no single optimum; the formula "
            "was derived for squared error and a linear model",
        ),
        Choice(
            "With squared error, a linear head and a small enough rate, stopped descent is a "
            "weighted mean of $\\theta_P$ and $\\theta^*$ in every eigenvector.",
            right=True,
            why="the weights are $1 - (1 - \\eta h_i)^t$, between 0 and 1 while $\\eta h_i \\le 1$",
        ),
        Choice(
            "A model that fits every training label exactly does badly on new articles.",
            why="not by itself: among many exact fits the smallest can be calm, as beyond the "
            "peak of double descent",
        ),
        Choice(
            "Test articles lie in the convex hull of the training articles.",
            why="in 16 directions of our vectors none of 60 did",
        ),
    )
