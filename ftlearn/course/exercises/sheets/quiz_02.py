"""Quiz of lesson 02: a typical probability, the pull on a logit, means of pieces, next tokens."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 02."""
    return [_typical(), _pull(), _pieces(), _next()]


def _typical() -> Question:
    return number(
        "A model gave the true classes of two articles the probabilities 0.5 and 0.02. What is "
        "$e^{-L}$, with $L$ its mean loss on the two?",
        truth=0.1,
        tolerance=0.002,
        why="$\\sqrt{0.5 \\cdot 0.02} = 0.1$, the geometric mean; one bad answer pulls it far down",
        mistakes=(
            (0.26, "that is the plain mean of the probabilities: average the *logarithms*"),
            (0.01, "that is the product, the likelihood of both: the mean takes its root"),
            (2.303, "that is $L$ itself; now take $e^{-L}$"),
        ),
    )


def _pull() -> Question:
    return single(
        "A model gives $p = (0.1, 0.7, 0.2)$ and the truth is the *third* class. What does a "
        "descent step on the cross-entropy do to the second logit?",
        Choice(
            "nothing: only the logit of the truth is moved",
            why="the gradient $p - y$ has three entries; the others are pushed down by their "
            "probabilities",
        ),
        Choice(
            "it pulls it up by 0.7 times the rate",
            why="descent goes *against* the gradient: its entry is $+0.7$, so the logit falls",
        ),
        Choice(
            "it pushes it down by 0.7 times the rate",
            right=True,
            why="the gradient is $p - y = (0.1, 0.7, -0.8)$, and a descent step goes against it",
        ),
        Choice(
            "it pushes it down by 0.3 times the rate",
            why="$1 - 0.7$ would be the pull on it if the second class were the truth",
        ),
    )


def _pieces() -> Question:
    return multiple(
        "A batch of twelve is cut into pieces of eight, three and one. Which of these are exactly "
        "the mean loss of the batch?",
        Choice(
            "the mean of the three means",
            why="the article that is alone in its piece would count as much as eight others",
        ),
        Choice(
            "the three sums added, divided by 12",
            right=True,
            why="sums and counts are added, and one division comes at the end",
        ),
        Choice(
            "the three means, weighted by 8/12, 3/12 and 1/12, added",
            right=True,
            why="a mean times its count is the sum again",
        ),
        Choice(
            "the three sums added, divided by 3",
            why="that divides by the number of pieces instead of the number of articles",
        ),
    )


def _next() -> Question:
    return order(
        "How is the loss of a language model on one text computed? First to last.",
        items=(
            "logits for every position",
            "drop the last row of logits and the first token id",
            "minus the log-probability of the id that stands beside each row, rows of padding "
            "left out",
            "divide the sum by the number of rows left",
        ),
        why="shift first, so that each row meets the *next* token; count only what was predicted",
    )
