"""Exercises of notebook 04: counting parameters, pooling, masks, memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ftlearn.course.exercises.base import Exercise, NotYetError, close, reject_known

WIDTH, INNER = 768, 3072


def exercises() -> list[Exercise]:
    """The four exercises of the sheet."""
    return [_count_layer(), _pool_max(), _decoder_mask(), _training_bytes()]


def _layer(width: int, inner: int) -> int:
    attention = 4 * (width * width + width)
    feed_forward = width * inner + inner + inner * width + width
    return attention + feed_forward + 2 * 2 * width


def _verify_count(answer: Any) -> str:
    layer = torch.nn.TransformerEncoderLayer(WIDTH, 12, INNER, device="meta")
    truth = sum(parameter.numel() for parameter in layer.parameters())
    reasons = {
        truth - 4 * WIDTH: "that lacks the two layer norms, each with a gain and a bias of D",
        4 * WIDTH**2 + 2 * WIDTH * INNER: "those are the matrices alone: every one has a bias",
        4 * (WIDTH**2 + WIDTH): "that is the attention alone: the feed-forward part comes on top",
        truth - (WIDTH**2 + WIDTH): (
            "attention has four matrices: query, key, value and the one that joins the heads"
        ),
        12 * truth: "those are all twelve layers: count one",
    }
    reject_known(answer, reasons.items(), tolerance=0.5)
    if not close(answer, truth, tolerance=0.5):
        raise NotYetError(
            "not that number: add 4 (D² + D), the two matrices D × F with biases F and D, and "
            "two layer norms of 2 D"
        )
    return f"{truth:,}: twelve such layers are 85 of BERT's 109 million parameters"


def _count_layer() -> Exercise:
    right = _layer(WIDTH, INNER)
    return Exercise(
        name="one layer of BERT-base",
        difficulty=1,
        minutes=4,
        verify=_verify_count,
        hints=(
            "Write down the shape of each matrix: D × D four times, then D × F and F × D.",
            "A linear layer from a to b has a·b + b parameters; a layer norm has 2 D.",
        ),
        worked=(
            "D, F = 768, 3072\n"
            "attention = 4 * (D * D + D)  # query, key, value, output, each with a bias\n"
            "feed_forward = (D * F + F) + (F * D + D)\n"
            "norms = 2 * 2 * D  # two layer norms, each a gain and a bias\n"
            "answer = attention + feed_forward + norms  # 7,087,872"
        ),
        example=right,
        mistakes=(
            (right - 4 * WIDTH, "layer norms"),
            (4 * WIDTH**2 + 2 * WIDTH * INNER, "has a bias"),
            (4 * (WIDTH**2 + WIDTH), "attention alone"),
            (right - WIDTH**2 - WIDTH, "four matrices"),
            (12 * right, "count one"),
            (109_484_547, "not that number"),
        ),
    )


def _verify_pool_max(pool: Callable) -> str:
    for seed in range(3):
        random = torch.Generator().manual_seed(seed)
        hidden = torch.randn(4, 6, 5, generator=random) - 2  # many columns are all negative
        mask = torch.tensor([[1] * real + [0] * (6 - real) for real in (6, 4, 2, 1)])
        clean = hidden.clone()
        noisy = hidden.masked_fill(mask.unsqueeze(-1) == 0, 50.0)
        pooled = pool(noisy, mask)
        if isinstance(pooled, torch.return_types.max):
            raise NotYetError("max(dim) gives the values and their positions: return .values")
        if not isinstance(pooled, torch.Tensor) or pooled.shape != (4, 5):
            raise NotYetError(
                f"the result must be a tensor of shape (B, D) = (4, 5), not "
                f"{tuple(getattr(pooled, 'shape', ())) or type(pooled).__name__}: pool over tokens"
            )
        if (pooled >= 49).any():
            raise NotYetError("padding got through: values at masked positions must not count")
        truth = torch.stack(
            [row[: int(real)].max(0).values for row, real in zip(clean, mask.sum(1), strict=True)]
        )
        if torch.allclose(pooled, (clean * mask.unsqueeze(-1)).max(1).values, atol=1e-6):
            raise NotYetError("0 is larger than a negative number: masked positions need −infinity")
        if not torch.allclose(pooled, truth, atol=1e-6):
            raise NotYetError("that is not the maximum over the real tokens of each column")
    return "a maximum over real tokens, whatever stands in the padding"


def _pool_max() -> Exercise:
    def right(hidden, mask):
        return hidden.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).max(1).values

    return Exercise(
        name="maximum pooling",
        difficulty=2,
        minutes=6,
        verify=_verify_pool_max,
        hints=(
            "hidden.max(1).values is the maximum over tokens; padding must never win it.",
            "Which number loses against every other? masked_fill puts it where the mask is 0.",
        ),
        worked=(
            "def pool_max(hidden, attention_mask):\n"
            "    padding = attention_mask.unsqueeze(-1) == 0\n"
            '    return hidden.masked_fill(padding, float("-inf")).max(1).values\n\n\n'
            "answer = pool_max"
        ),
        example=right,
        mistakes=(
            (lambda hidden, mask: hidden.max(1).values, "padding got through"),
            (lambda hidden, mask: (hidden * mask.unsqueeze(-1)).max(1).values, "negative number"),
            (lambda hidden, mask: hidden.max(2).values, "shape (B, D)"),
            (lambda hidden, mask: hidden[:, 0], "not the maximum"),
            (lambda hidden, mask: hidden.tolist(), "not list"),
            (lambda hidden, mask: hidden.max(1), "return .values"),
        ),
    )


def _verify_mask(may_look: Callable) -> str:
    for real in ([1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 1, 1], [1]):
        allowed = torch.as_tensor(may_look(torch.tensor(real)))
        size = len(real)
        if allowed.shape != (size, size):
            raise NotYetError(f"the result must have shape (T, T) = ({size}, {size})")
        allowed = allowed.bool().tolist()
        for row in range(size):
            if real[row] == 1:  # nobody reads what a padding token looks at
                _check_row(allowed[row], row, real)
    return "every token looks at itself and at what came before it, and never at padding"


def _check_row(allowed: list[bool], row: int, real: list[int]) -> None:
    for column, seen in enumerate(allowed):
        wanted = column <= row and real[column] == 1
        if seen and not wanted:
            reason = (
                "that is the future of a decoder" if column > row else "that is padding: mask it"
            )
            raise NotYetError(f"token {row} may not look at token {column}: {reason}")
        if wanted and not seen:
            reason = (
                "a token sees itself"
                if row == column
                else "the past is open to it; are rows and columns swapped?"
            )
            raise NotYetError(f"token {row} must be able to look at token {column}: {reason}")


def _decoder_mask() -> Exercise:
    def square(mask):
        return torch.ones(len(mask), len(mask), dtype=torch.bool)

    return Exercise(
        name="the mask of a decoder",
        difficulty=2,
        minutes=6,
        verify=_verify_mask,
        hints=(
            "Row i says what token i may look at: torch.tril keeps the columns up to i.",
            "Padding is a property of the column: combine the triangle with attention_mask.bool().",
        ),
        worked=(
            "import torch\n\n\n"
            "def may_look(attention_mask):\n"
            "    size = len(attention_mask)\n"
            "    past = torch.ones(size, size, dtype=torch.bool).tril()\n"
            "    return past & attention_mask.bool()  # broadcast over the columns\n\n\n"
            "answer = may_look"
        ),
        example=lambda mask: square(mask).tril() & mask.bool(),
        mistakes=(
            (lambda mask: square(mask) & mask.bool(), "future of a decoder"),
            (lambda mask: square(mask).triu() & mask.bool(), "future of a decoder"),
            (lambda mask: square(mask).tril(-1) & mask.bool(), "a token sees itself"),
            (lambda mask: square(mask).tril(), "that is padding"),
            (lambda mask: mask.bool(), "shape (T, T)"),
        ),
    )


def _verify_bytes(answer: Callable) -> str:
    count, few = 22_714_755, 1_000_003
    size = answer(count, few)
    reasons = {
        16 * count: "frozen numbers have no gradient and no moments: they take 4 bytes only",
        16 * few: "frozen weights take memory too, 4 bytes each",
        4 * count + 4 * few: "AdamW keeps two moments for each trainable number",
        4 * count + 8 * few: "gradient and two moments are three numbers per trainable one",
        2 * count + 6 * few: "fp32 takes 4 bytes per number",
    }
    reject_known(size, reasons.items(), tolerance=0.5)
    for total, trainable in ((count, few), (100, 0), (100, 100), (7_000_000, 50_000)):
        if not close(answer(total, trainable), 4 * total + 12 * trainable, tolerance=0.5):
            raise NotYetError(
                f"for {total} parameters, {trainable} of them trainable, the weights are 4 bytes "
                "each; add the gradient and two moments of the trainable ones"
            )
    return "16 bytes for a trainable number, 4 for a frozen one"


def _training_bytes() -> Exercise:
    return Exercise(
        name="bytes before the first batch",
        difficulty=1,
        minutes=4,
        verify=_verify_bytes,
        hints=(
            "Four things of 4 bytes: the weight, its gradient, and AdamW's two moments.",
            "Which of the four does a frozen weight need?",
        ),
        worked=(
            "def training_bytes(total, trainable):\n"
            "    # every weight, and for each trainable one a gradient and two moments\n"
            "    return 4 * total + 3 * 4 * trainable\n\n\n"
            "answer = training_bytes"
        ),
        example=lambda total, trainable: 4 * total + 12 * trainable,
        mistakes=(
            (lambda total, trainable: 16 * total, "no gradient and no moments"),
            (lambda total, trainable: 16 * trainable, "frozen weights take memory"),
            (lambda total, trainable: 4 * (total + trainable), "two moments"),
            (lambda total, trainable: 4 * total + 8 * trainable, "three numbers"),
            (lambda total, trainable: 2 * total + 6 * trainable, "4 bytes per number"),
            (lambda total, trainable: 4 * total, "weights are 4 bytes each"),
        ),
    )
