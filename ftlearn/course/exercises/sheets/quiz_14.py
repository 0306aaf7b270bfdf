"""Questions of lesson 14: dense or sparse, independent ends, thresholds, the chain, a mixture."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 14."""
    return [_wording(), _ends(), _threshold(), _steps(), _mixture()]


def _wording() -> Question:
    return multiple(
        "A shop searches its manuals. For which questions would you expect BM25 to have an "
        "advantage over sentence vectors? (several)",
        Choice(
            '"What does error E-417 mean?"',
            right=True,
            why="a rare code stands in few manuals, letter by letter: its idf is high",
        ),
        Choice(
            '"My screen stays black, why?", where the manual says "display without image"',
            why="the manual uses none of these words, so BM25 sees nothing",
        ),
        Choice(
            '"Who is Ilaria Fosco?"',
            right=True,
            why="a name is a rare word, and a vector of a whole text blurs it",
        ),
        Choice(
            '"How do I get my money back?", where the manual says "refund"',
            why="that is a paraphrase, where meaning has to be compared and not words",
        ),
    )


def _ends() -> Question:
    return number(
        "The start logits of four tokens are 1, 5, 0, 2 and the end logits 6, 0, 3, 4. Spans of at "
        "most two tokens are allowed. What is the score of the best one?",
        truth=8.0,
        tolerance=0.01,
        why="the second token to the third: 5 + 3 = 8",
        mistakes=(
            (11.0, "5 + 6 ends before it begins"),
            (9.0, "5 + 4 is three tokens long"),
            (7.0, "1 + 6 is a span, but not the best"),
            (5.0, "5 + 0 is one token; a span of two is better"),
        ),
    )


def _threshold() -> Question:
    return single(
        "You raise the threshold δ, so that the reader is silent more often. What must happen?",
        Choice(
            "Coverage cannot rise.",
            right=True,
            why="whoever was silent at a lower threshold is silent at a higher one",
        ),
        Choice(
            "The risk among the answered questions cannot rise.",
            why="it usually falls, but nothing forces it: the question that drops out may have "
            "been right",
        ),
        Choice(
            "Exact match over all questions rises.",
            why="a silent reader is right on questions without an answer and wrong on all others: "
            "there is a best threshold in between",
        ),
        Choice(
            "F1 rises and exact match falls.",
            why="both count a question without a given answer alike",
        ),
    )


def _steps() -> Question:
    return order(
        "Put the work on a question answering system in an order that lets no test question leak.",
        items=(
            "split by article",
            "train the reader on train",
            "choose λ and δ on valid",
            "read retrieved passages on test, once",
        ),
        why="the split comes before anything is fitted, and test decides nothing",
    )


def _mixture() -> Question:
    return number(
        "Two passages have the weights 0.75 and 0.25. The model gives the answer probability 0.4 "
        "with the first and 0 with the second. What probability does the mixture give it?",
        truth=0.3,
        tolerance=0.001,
        why="0.75 · 0.4 + 0.25 · 0; the mean of the two losses would be infinite, the mixture's "
        "is 1.2 nats",
        mistakes=(
            (0.4, "that is the best passage alone: its weight is 0.75"),
            (0.2, "that gives both passages the same weight"),
            (0.0, "a product would be 0; a mixture adds"),
            (0.1, "that is the weight of the other passage times 0.4"),
        ),
    )
