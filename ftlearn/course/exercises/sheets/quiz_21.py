"""Quiz of lesson 21: what a distance says, a shared prior, pseudo-labels, noisy test labels."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, single


def quiz() -> list[Question]:
    """The questions of lesson 21."""
    return [_distance(), _prior(), _pseudo(), _observed()]


def _distance() -> Question:
    return single(
        "A domain classifier tells your training texts from this month's texts with an AUC of "
        "0.98. What do you know about this month's accuracy?",
        Choice(
            "nothing yet: label some of this month's texts",
            right=True,
            why="a distance says that the texts are different; whether the head loses, gains or "
            "does not care depends on labels",
        ),
        Choice(
            "it has fallen by about 48 points, since an AUC of 0.5 would be normal",
            why="an AUC of domains is no accuracy of topics, and has no such unit",
        ),
        Choice(
            "it has fallen, but one cannot say by how much",
            why="in this lesson the texts lay far apart and the accuracy rose",
        ),
        Choice(
            "it has stayed the same as long as the training error is zero",
            why="the error on the source is one of three terms of the bound, and the others are "
            "not zero",
        ),
    )


def _prior() -> Question:
    return multiple(
        "Class means of equal length are shrunk to the overall mean, which is zero, with one "
        "weight λ between 0 and 1. What can change?",
        Choice("the answers", why="all scores are multiplied alike, so the largest stays largest"),
        Choice(
            "the distance of the centres from zero",
            right=True,
            why="it is multiplied by λ",
        ),
        Choice(
            "the accuracy",
            why="it depends on the answers alone, and they stay",
        ),
        Choice(
            "the probabilities, if the scores go through a softmax",
            right=True,
            why="smaller scores make the softmax flatter",
        ),
    )


def _pseudo() -> Question:
    return single(
        "In self-training you lower the threshold τ until nearly every text is taken. The first "
        "head is right on 45 % of three balanced topics. What follows?",
        Choice(
            "more data, so a better head",
            why="more than half of these labels are wrong, and the next head is pushed to them",
        ),
        Choice(
            "each text is pushed to the head's own answer, right or wrong",
            right=True,
            why="the gradient is λ(p − e) at the answer of the head; the truth is not in it",
        ),
        Choice(
            "nothing, as a model cannot learn from itself",
            why="that holds at λ = 0 only, where the target is the model's own probability",
        ),
        Choice(
            "the shares of the topics become equal, since the pool is balanced",
            why="the head does not know that; a topic that it prefers gets still more texts",
        ),
    )


def _observed() -> Question:
    return number(
        "A classifier has the accuracy 0.9 on three classes. A fifth of the *test* labels is "
        "wrong, each of the other two classes equally often. What accuracy do you measure?",
        truth=0.73,
        tolerance=0.002,
        why="0.8 · 0.9 + 0.1 · 0.2 / 2 = 0.73: the model is better than it looks",
        mistakes=(
            (0.72, "a wrong answer can agree with a wrong label: add 0.1 · 0.1"),
            (0.7, "noise takes a share of the hits, 0.8 · 0.9; it is not subtracted"),
            (0.74, "a moved label hits just the model's wrong class in half of the cases only"),
            (0.9, "that is the true accuracy, which nobody sees with such labels"),
        ),
    )
