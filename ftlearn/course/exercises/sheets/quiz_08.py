"""Quiz of lesson 08: memorising, soft targets, intervals of differences, and what to do at work."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 08."""
    return [_memory(), _target(), _control(), _interval(), _at_work()]


def _memory() -> Question:
    return single(
        "After ten epochs the model answers all twelve wrongly labelled training articles as they "
        "were labelled. What follows?",
        Choice(
            "it has found what these twelve articles have in common",
            why="their labels were drawn by chance, so there is nothing in common to be found",
        ),
        Choice(
            "it has memorised them",
            right=True,
            why="what is drawn by chance can only be memorised, and helps with no new article",
        ),
        Choice(
            "its accuracy on new articles must have fallen",
            why="not by itself: look at the right panel, where the accuracy stands still, while "
            "the loss climbs",
        ),
        Choice(
            "it must have learned the wrong labels before the right ones",
            why="in the left panel both curves rise together, the right labels a little ahead "
            "if at all",
        ),
    )


def _target() -> Question:
    return number(
        "Label smoothing with $\\varepsilon = 0.3$ and three topics. What probability does the "
        "target give to the topic of the label?",
        truth=0.8,
        tolerance=0.005,
        why="$(1 - 0.3) \\cdot 1 + 0.3 / 3 = 0.8$; the other two get 0.1 each",
        mistakes=(
            (0.7, "the spread share goes to *all* topics, the label's own among them"),
            (0.85, "that spreads 0.3 over the two others only; it goes to all three"),
            (0.1, "that is the target of one of the other topics"),
            (1.0, "that is the target without smoothing"),
        ),
    )


def _control() -> Question:
    return multiple(
        "Why is *another seed* in the table, although it is not a remedy?",
        Choice(
            "it shows how large a difference chance alone makes",
            right=True,
            why="nothing but luck differs between it and the plain run.",
        ),
        Choice(
            "if it were said to help, the way of judging would be broken",
            right=True,
            why="a test that finds an effect where there is none cannot be trusted elsewhere.",
        ),
        Choice(
            "to find the best seed for later",
            why="the best of several seeds was lucky; it has no reason to be lucky again",
        ),
        Choice(
            "to make the intervals of the remedies narrower",
            why="each interval uses its own eight differences; a control changes none of them",
        ),
    )


def _interval() -> Question:
    return single(
        "Weight decay changes the loss by −0.001, with an interval from −0.0014 to −0.0006. "
        "What do we say?",
        Choice(
            "it helps: the interval does not contain zero",
            why="the effect is real, but who would notice a thousandth of a nat?",
        ),
        Choice(
            "we cannot tell: the effect is too small",
            why="we can tell very well, since the runs are nearly the same and the interval is "
            "narrow",
        ),
        Choice(
            "it does something, but nothing that matters",
            right=True,
            why="*is there an effect?* and *is it worth having?* are two questions",
        ),
        Choice(
            "eight draws are too few to say anything",
            why="the width of the interval tells whether they are; here they are plenty",
        ),
    )


def _at_work() -> Question:
    return order(
        "Your model overfits at work. Put in order, first to last.",
        items=(
            "read labels and mend the wrong ones",
            "plot the validation loss and stop where it turns",
            "try single remedies on the same draws and seeds",
            "measure the winner on test",
        ),
        why="the data first, then what costs nothing, then what must be compared; test last, once",
    )
