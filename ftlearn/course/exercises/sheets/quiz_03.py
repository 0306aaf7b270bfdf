"""Quiz of lesson 03: what kappa says, counting what was missed, the order of steps, buckets."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 03."""
    return [_kappa(), _missed(), _steps(), _buckets()]


def _kappa() -> Question:
    return multiple(
        "Two annotators have a kappa of 0.84. What follows?",
        Choice(
            "84 % of their labels are the same",
            why="that would be the observed agreement; kappa takes out what chance would give",
        ),
        Choice(
            "they agree far more often than blind filing would",
            right=True,
            why="blind filing has kappa 0, full agreement 1",
        ),
        Choice(
            "84 % of the labels are right",
            why="kappa compares two people with each other; it knows nothing of the truth",
        ),
        Choice(
            "a label on which both agree can still be wrong",
            right=True,
            why="agreement is not truth: two people can make the same mistake",
        ),
    )


def _missed() -> Question:
    return number(
        "Two readers search the same labels for errors, independently of each other. One finds 9, "
        "the other 11, and 5 are found by both. How many errors are there by Chapman's estimate?",
        truth=19,
        tolerance=0.1,
        why="$(9+1)(11+1)/(5+1) - 1 = 19$, four more than were found; give or take three, by "
        "Seber's formula",
        mistakes=(
            (15, "that is how many were found, $9 + 11 - 5$; some were missed by both"),
            (20, "the $-1$ at the end is missing, or the errors found by both were counted twice"),
            (19.8, "$9 \\cdot 11 / 5$ lacks Chapman's correction, the ones"),
        ),
    )


def _steps() -> Question:
    return order(
        "In which order does a careful editor of training data work? First to last.",
        items=(
            "repair damaged texts",
            "compare the texts and remove copies",
            "split by story into train, valid and test",
            "fit a model on train",
            "score it on test",
        ),
        why="damage makes copies look different, and a copy on both sides of a split is a leak",
    )


def _buckets() -> Question:
    return single(
        "What is gained by putting texts of similar length into one batch?",
        Choice(
            "fewer texts are cut at the end",
            why="what is cut is decided by the window, `max_length`, not by the neighbours",
        ),
        Choice(
            "fewer cells of a batch hold padding",
            right=True,
            why="every text is padded to the longest of *its* batch, which is now close",
        ),
        Choice(
            "the same texts meet in every epoch, which is easier to learn from",
            why="rows are reshuffled in every epoch and sorted within pools only",
        ),
        Choice(
            "short texts are learned first, long ones last",
            why="after the sorting the batches are shuffled, so long and short ones alternate",
        ),
    )
