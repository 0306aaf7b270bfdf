"""Questions of lesson 11: mixtures of predictions, targets and inputs, and what lies beyond."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 11."""
    return [_who_said_it(), _jensen(), _store(), _average(), _scale()]


def _who_said_it() -> Question:
    return number(
        "The topic model gives a word probability 0.03, the general model 0.01, and the topic "
        "model has weight $\\lambda = 0.25$. What is the probability that the topic model said it?",
        truth=0.5,
        tolerance=0.005,
        why="0.25 · 0.03 = 0.0075 and 0.75 · 0.01 = 0.0075: one half. The weight is the prior, "
        "the probability of the word is the likelihood.",
        mistakes=(
            (0.75, "that is 0.03 / (0.03 + 0.01): the weights of the two models are missing"),
            (0.25, "that is the weight before the word was seen"),
            (0.015, "that is the probability of the word under the mixture"),
            (0.0075, "divide by the probability of the word under the mixture"),
            (0.9, "the weight 0.25 belongs to the topic model, not to the general one"),
        ),
    )


def _jensen() -> Question:
    return single(
        "What does Jensen's inequality promise for a linear mixture with any weight in [0, 1]?",
        Choice(
            "at every word its loss is at most that of the better model",
            why="no: at a word that only one model knows, the mixture pays for the other's share",
        ),
        Choice(
            "at every word its loss is at most the weighted mean of the two losses",
            right=True,
            why="yes: −log is convex, so this holds word by word, whatever the models are",
        ),
        Choice(
            "on average over many words it beats the better model",
            why="that happened here, but it is not a law: mix a good model with a useless one",
        ),
        Choice(
            "the loss of averaged weights is at most the mean of the losses",
            why="Jensen speaks of averaged probabilities; it also holds for linear heads, but the "
            "loss of a deep network is not convex in its weights",
        ),
    )


def _store() -> Question:
    return multiple(
        "Which of these make the best weight of the memory larger? (several)",
        Choice(
            "more stored articles", right=True, why="more data behind a member, more weight for it"
        ),
        Choice(
            "a probe that has learned from fewer articles",
            right=True,
            why="the weaker the other member, the more weight for the memory",
        ),
        Choice(
            "scoring on the stored articles themselves",
            why="there the weight becomes large, but it is not the best: every article finds "
            "itself at distance 0, and new ones do not",
        ),
        Choice(
            "more training of the probe on the stored articles",
            why="then the probe knows what the store knows, and the memory adds less",
        ),
    )


def _average() -> Question:
    return single(
        "Five networks from *different* random starts, equally good. Answers must cost one "
        "forward pass. What do you do?",
        Choice(
            "average the five sets of weights",
            why="units of different starts do not correspond: this soup was far worse than its "
            "members",
        ),
        Choice(
            "take one of them, or train one network on the answers of all five",
            right=True,
            why="yes: distillation puts an ensemble into one network; a soup needs a common start",
        ),
        Choice(
            "average the five predictions",
            why="a good model, but it costs five forward passes",
        ),
        Choice(
            "average the two that are nearest to each other",
            why="no two of different starts are near; averaging needs a common start",
        ),
    )


def _scale() -> Question:
    return order(
        "Four texts are written with guidance. Order the scales from the most diverse text to "
        "the one that repeats itself most.",
        items=("γ = 1", "γ = 2", "γ = 4", "γ growing without bound"),
        why="the further beyond 1, the fewer words carry all the probability; in the end each "
        "word has one successor left",
    )
