"""Quiz of lesson 01: what a classifier knows, the worth of a prior, fresh heads, and sizes."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 01."""
    return [_classifier(), _worth(), _fresh_head(), _sizes()]


def _classifier() -> Question:
    return multiple(
        "You have a classifier, so you know $p(y \\mid x)$ for every text $x$. What can you tell "
        "from it alone?",
        Choice(
            "which topic of a given text is the likeliest",
            right=True,
            why="that is the largest $p(y \\mid x)$",
        ),
        Choice(
            "how likely the text itself is",
            why="that is $p(x)$; texts can become more or less frequent and $p(y \\mid x)$ stays",
        ),
        Choice(
            "which word fills a gap in the text",
            why="that is $p(x_{\\text{mask}} \\mid x_{\\text{rest}})$, what a masked model answers",
        ),
        Choice(
            "how much likelier one topic of the text is than another",
            right=True,
            why="the ratio of two $p(y \\mid x)$ of the same text is known",
        ),
    )


def _worth() -> Question:
    return number(
        "Measurements have the noise $\\sigma = 3$, and the prior says $\\theta_P$, give or take "
        "$\\tau = 1$. How many measurements is the prior worth?",
        truth=9,
        tolerance=0.01,
        why="$n_0 = \\sigma^2/\\tau^2 = 9$; at nine measurements prior and data weigh the same",
        mistakes=(
            (3, "$\\sigma$ and $\\tau$ are spreads: square both first"),
            (1 / 9, "the ratio is upside down: a *noisier* measurement makes the prior worth more"),
            (1 / 3, "the ratio is upside down, and both are squared"),
        ),
    )


def _fresh_head() -> Question:
    return single(
        "With 12 labels the probe is right on about 0.60 of the articles; zero-shot, with no "
        "labels, on about 0.75. Both read the same vectors. Why is the probe behind?",
        Choice(
            "its training has damaged the pretrained weights",
            why="a probe leaves the body frozen: not one pretrained weight moves",
        ),
        Choice(
            "its fresh head must learn from 12 articles what the descriptions already said",
            right=True,
            why="it starts from nothing; with more labels it catches up",
        ),
        Choice(
            "zero-shot has seen the labels of the test articles",
            why="zero-shot sees no label of any article, only three sentences about the topics",
        ),
        Choice(
            "labels do harm when they are few",
            why="they do not harm the vectors: the probe's own curve rises from the first label on",
        ),
    )


def _sizes() -> Question:
    return order(
        "How many numbers does each of them have? From the fewest to the most.",
        items=(
            "the logits of one article",
            "the vector of one article",
            "the new head, weights and biases",
            "the whole model",
        ),
        why="3 < 384 < 384 × 3 + 3 = 1,155 < 22.7 million: a new head is tiny beside the model",
    )
