"""Quiz of lesson 19: the first step of LoRA, its speed and rank, a prefix, what shrinks."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, single


def quiz() -> list[Question]:
    """The questions of lesson 19."""
    return [_start(), _speed(), _prefix(), _shrinks()]


def _start() -> Question:
    return single(
        "LoRA begins with a random A and with B = 0. Why not both random, or both zero?",
        Choice(
            "both random would change the model before the first step; with both zero nothing "
            "would ever move",
            right=True,
            why="∂L/∂B has the factor A and ∂L/∂A has the factor B: one of the two must be there "
            "for the other to start",
        ),
        Choice(
            "with both zero the update would have rank 1",
            why="with both zero both gradients are zero, so there is no update at all",
        ),
        Choice(
            "both random would have no gradient",
            why="both would have one; the model would only not begin as the pretrained one",
        ),
        Choice(
            "A is frozen, and a frozen matrix must not be zero",
            why="A learns, too, from the second step on, as soon as B is no longer zero",
        ),
    )


def _speed() -> Question:
    return number(
        "You raise LoRA's rank from 8 to 32 and leave α at 16 and the learning rate as it was. By "
        "which factor does the mean first step of SGD along the gradient change?",
        truth=0.25,
        tolerance=1e-6,
        why="the step is proportional to s² r = α² / r, and r is four times as large",
        mistakes=(
            (4, "AᵀA grows with r, but s² shrinks with 1 / r²: together 1 / r"),
            (1, "that holds for rsLoRA, s = α / √r; here s = α / r"),
            (0.0625, "that is s² alone; AᵀA is four times as large at rank 32"),
            (0.5, "s enters squared: once in the backward pass to B, once in the forward pass"),
        ),
    )


def _prefix() -> Question:
    return number(
        "For one query, $e^{qk}$ adds up to 2 over the ten positions of a learned prefix and to 6 "
        "over the hundred tokens of the text. Which weight does the attention over the text alone "
        "have in the output?",
        truth=0.75,
        tolerance=1e-6,
        why="1 − λ = 6 / (2 + 6): the sums decide, not the numbers of positions",
        mistakes=(
            (0.25, "that is λ, the weight of the prefix"),
            (100 / 110, "that counts positions, each of which weighs e to its score"),
            (3, "a weight is a share of the whole: 6 / (2 + 6)"),
            (1, "then the prefix would change nothing"),
        ),
    )


def _shrinks() -> Question:
    return multiple(
        "LoRA trains 1 % of the weights of a model, in all its layers. What else shrinks to about "
        "1 % of what full fine-tuning needs?",
        Choice("the memory of the gradients", right=True, why="only trained weights have them"),
        Choice(
            "the memory of AdamW's moments",
            right=True,
            why="two numbers per trained weight",
        ),
        Choice(
            "the activations kept for the backward pass",
            why="the gradient must still pass through every layer down to the lowest adapter",
        ),
        Choice(
            "the time per step",
            why="forward pass and gradients of the inputs remain: two thirds of the arithmetic",
        ),
    )
