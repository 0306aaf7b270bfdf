"""Quiz of lesson 25: the order of the work, a winner's score, a planted fault, a certificate."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 25."""
    return [_steps(), _lead(), _fault(), _certificate()]


def _steps() -> Question:
    return order(
        "A file of reviews becomes a served model. Put the steps in order.",
        items=(
            "remove near-duplicates, and count them",
            "split by source into train, valid and test",
            "fit the same settings with several seeds",
            "choose the run and the threshold on valid",
            "measure the chosen model on test",
        ),
        why="copies go before the split, or they leak; the test rows come last, because whatever "
        "is chosen after looking at them is chosen by them",
    )


def _lead() -> Question:
    return number(
        "Eight candidates score 0.80 on average on valid, and the best of them 0.88. True "
        "differences have the variance 0.0004, the noise of a validation score 0.0004 as well. "
        "Which test score do you expect of the best one?",
        truth=0.84,
        tolerance=0.002,
        why="λ = 0.0004 / (0.0004 + 0.0004) = 0.5: half of the lead is luck and does not return",
        mistakes=(
            (0.88, "that takes all of the lead for skill"),
            (0.80, "that takes all of the lead for luck"),
            (0.04, "that is the part of the lead that remains: add it to the mean"),
            (0.82, "λ is a half here, not a quarter"),
        ),
    )


def _fault() -> Question:
    return single(
        "The weights of two runs were exchanged, and every claim was measured again afterwards. "
        "Which check can still find it?",
        Choice(
            "the score that a run wrote when it ended, beside that of its saved model",
            right=True,
            why="the report is older than the exchange: it remembers the other weights",
        ),
        Choice(
            "the hash of the weights",
            why="it was written after the exchange, and so fits the exchanged file",
        ),
        Choice(
            "mean and deviation over the seeds",
            why="they are the same for any order of the runs",
        ),
        Choice(
            "near-duplicates across the parts",
            why="the data did not change",
        ),
    )


def _certificate() -> Question:
    return multiple(
        "Somebody sends you a folder and a certificate, and `ftlearn capstone verify` says that it "
        "holds. What do you know?",
        Choice(
            "the folder is the one that was graded, byte for byte",
            right=True,
            why="the certificate holds the SHA-256 of every file",
        ),
        Choice(
            "the model in it earns these points on your machine, too",
            right=True,
            why="the checks ran again, and the scores agree up to rounding",
        ),
        Choice(
            "the person who sent it made it",
            why="nothing is signed: anyone can copy a folder and its certificate",
        ),
        Choice(
            "nobody trained on the texts of the fresh draw",
            why="they come with the package; only copies in the submitted data can be found",
        ),
    )
