"""Quiz of lesson 04: what an encoder can do, shapes on the way, a head in numbers, memory."""

from __future__ import annotations

from ftlearn.course.exercises.quiz import Choice, Question, multiple, number, order, single


def quiz() -> list[Question]:
    """The questions of lesson 04."""
    return [_encoder(), _shapes(), _head(), _batch()]


def _encoder() -> Question:
    return multiple(
        "What can MiniLM with a classification head do?",
        Choice(
            "assign a class to a text from all of its words, wherever they stand",
            right=True,
            why="in an encoder every token looks at every other",
        ),
        Choice(
            "continue a text word by word",
            why="for that it would need scores over the vocabulary, computed from the past alone",
        ),
        Choice(
            "say how likely a text is",
            why="it gives the probability of a *class* once the text is known, not of the text",
        ),
        Choice(
            "give one word another vector when a later word changes",
            right=True,
            why="it is an encoder, and in the encoder of the table above all six vectors changed",
        ),
    )


def _shapes() -> Question:
    return order(
        "What does a batch of texts become on its way through the classifier? First to last.",
        items=(
            "token ids (B, T)",
            "sums of token, position and segment vectors (B, T, D)",
            "output of the last layer (B, T, D)",
            "pooled vectors (B, D)",
            "logits (B, C)",
        ),
        why="ids are looked up, the layers mix them, pooling leaves one vector per text, the head "
        "turns it into class scores",
    )


def _head() -> Question:
    return number(
        "The pooled vectors of MiniLM have 384 numbers. How many parameters does a classifier "
        "for ten classes have?",
        truth=3850,
        tolerance=0.5,
        why="a matrix of $10 \\times 384$ and ten biases",
        mistakes=(
            (3840, "each class has a bias as well"),
            (394, "a matrix has $10 \\times 384$ entries: multiply"),
            (147456, "that is the square matrix of the pooler; the classifier is (C, D)"),
        ),
    )


def _batch() -> Question:
    return single(
        "A run does not fit into memory, and you make the batch half as large. "
        "What becomes smaller?",
        Choice(
            "the weights",
            why="the weights are there once, whatever is computed with them",
        ),
        Choice(
            "the gradients",
            why="there is one gradient per trainable weight, however many texts are read",
        ),
        Choice(
            "AdamW's two moments",
            why="the moments have the shape of the weights and do not depend on the batch",
        ),
        Choice(
            "the activations",
            right=True,
            why="they are kept for every token of the batch until the backward pass",
        ),
    )
