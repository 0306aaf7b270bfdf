"""Quiz of lesson 10: choosing a point on the line, mixtures, controls, barriers, scales."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 10."""
    return [_recipe(), _beyond(), _control(), _random_starts(), _scale()]


def _recipe() -> Question:
    return order(
        "Put the work in order that leads from a pretrained model to an honest point on the line.",
        items=(
            "give the pretrained model a head with which it can do the task",
            "fine-tune a copy of it",
            "measure the points between the two on valid",
            "choose the α with the lowest loss",
            "measure that one point on test",
        ),
        why="without a meaningful start the line starts nowhere, and test comes last, once",
    )


def _beyond() -> Question:
    return single(
        "A fine-tuning stays where the network is linear in its weights. For some article the "
        "difference of two logits is 0.4 in the pretrained model and 2.4 in the fine-tuned one. "
        "What is it at $\\alpha = 1.5$?",
        Choice("3.6", why="that is 1.5 times the fine-tuned one: the pretrained part is left out"),
        Choice(
            "3.4",
            right=True,
            why="$0.4 + 1.5 \\cdot (2.4 - 0.4)$: further in the same direction, and more certain",
        ),
        Choice("2.4", why="nothing stops at α = 1: the line goes on, and confidence with it"),
        Choice("1.4", why="that is the midpoint, α = 0.5; at 1.5 we are *beyond* the end"),
    )


def _control() -> Question:
    return single(
        "Models fine-tuned from one checkpoint mix without a barrier; models from different random "
        "starts do not. Somebody concludes that it is the *pretraining* that makes models mixable. "
        "Which comparison can show this conclusion false?",
        Choice(
            "twenty more pairs of the same two kinds",
            why="tighter intervals, but both differences still come together: "
            "a pretrained start is also a shared one",
        ),
        Choice(
            "pairs trained from one and the same *random* start, in two orders of the data",
            right=True,
            why="only the shared start is left: if they mix too, pretraining was not needed for it",
        ),
        Choice(
            "the same pairs, scored on articles from another source",
            why="another test set measures the same confusion of two causes again",
        ),
        Choice(
            "pairs from different random starts, trained until they are as accurate",
            why="equal accuracy is good to have, but these still differ in both respects",
        ),
    )


def _random_starts() -> Question:
    return multiple(
        "Two networks were trained from different random starts, to the same accuracy. What can "
        "be true of the network halfway between their weights?",
        Choice(
            "its accuracy is lower than that of both ends",
            right=True,
            why="units that do different things were averaged",
        ),
        Choice(
            "its loss is lower than that of both ends",
            right=True,
            why="smaller logits are less certain, and overconfident ends pay for their certainty",
        ),
        Choice(
            "after its units are renumbered to match, the second network gives a midpoint that is "
            "as accurate as the ends",
            right=True,
            why="renumbering changes no function; it removes the barrier that numbering caused",
        ),
        Choice(
            "its logits are the mean of the logits of the ends, exactly",
            why="only where the network is linear in its weights all the way, which this is not",
        ),
        Choice(
            "it is at least as good as the worse end, in every case",
            why="nothing promises that for weights: it holds for averages of probabilities",
        ),
    )


def _scale() -> Question:
    return number(
        "A LoRA adapter was trained with `lora_alpha` 8 and rank 4, under a fixed head. Which "
        "scale $s$ gives the point $\\alpha = 0.25$ of the line from the pretrained to the "
        "fine-tuned model?",
        truth=0.5,
        tolerance=0.001,
        why="$s = \\alpha s_0$ with $s_0 = 8/4 = 2$: scale 0 is the pretrained model, 2 the end",
        mistakes=(
            (0.25, "that is α: the end of the line is at scale 2, not at 1"),
            (8, "α multiplies the scale, it does not divide it"),
            (1.5, "that is α = 0.75: counted from the fine-tuned end"),
            (2.25, "the scale is multiplied by α, nothing is added"),
            (2, "that is the scale of the end, α = 1; go a quarter of the way"),
        ),
    )
