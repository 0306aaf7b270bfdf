"""Exercises of notebook 02: losses and their gradients."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F

from ftlearn.course.exercises.base import (
    Exercise,
    NotYetError,
    close,
    reject_known,
    require_function,
)
from ftlearn.losses import IGNORED

SHARES = (0.7, 0.2, 0.1)
PARTS = ([(8.0, 8), (9.0, 3), (5.0, 1)], [(3.0, 2), (0.0, 0)], [(2.0, 4)])


def exercises() -> list[Exercise]:
    """The four exercises of the sheet."""
    return [_gradient(), _mean(), _floor(), _next_token()]


def _gradient() -> Exercise:
    return Exercise(
        name="prediction minus truth",
        difficulty=1,
        minutes=4,
        verify=_verify_gradient,
        hints=(
            "softmax of logarithms: e to the power of ln 2 is 2",
            "p = (2, 5, 3) / 10; the gradient is p minus the one-hot vector of the truth",
        ),
        worked=(
            "# p = (2, 5, 3) / 10 and y = (0, 0, 1); the gradient is p - y\n"
            "answer = [0.2 - 0, 0.5 - 0, 0.3 - 1]  # 0.2, 0.5, -0.7"
        ),
        example=[0.2, 0.5, -0.7],
        mistakes=(
            ([0.2, 0.5, 0.3], "probabilities themselves"),
            ([-0.2, -0.5, 0.7], "sign"),
            ([0.2, -0.5, 0.3], "truth is the third class"),
            ([2.0, 5.0, -7.0], "not been divided"),
            ([0.5, 0.5, -0.5], "sum to zero"),
            ([0.1, 0.6, -0.7], "first two entries"),
            ([0.2, 0.5], "three numbers"),
        ),
    )


def _verify_gradient(answer: Any) -> str:
    gradient = torch.as_tensor(answer, dtype=torch.float64).flatten()
    if len(gradient) != 3:
        raise NotYetError(
            f"the gradient has three numbers, one per logit; yours has {len(gradient)}"
        )
    logits = torch.tensor([2.0, 5.0, 3.0], dtype=torch.float64).log().requires_grad_()
    F.cross_entropy(logits, torch.tensor(2)).backward()
    truth, p = logits.grad, logits.detach().softmax(-1)

    def like(other: torch.Tensor) -> bool:
        return torch.allclose(gradient, other, atol=5e-3)

    if like(truth):
        return "right: the forces sum to zero, and the truth is pulled by the 0.7 it lacks"
    if like(p):
        raise NotYetError("these are the probabilities themselves; subtract the truth")
    if like(-truth):
        raise NotYetError("the sign is reversed: it is p - y, and a descent step goes against it")
    if like(truth * 10):
        raise NotYetError("the powers have not been divided by their sum, 10")
    if any(like(p - F.one_hot(torch.tensor(at), 3)) for at in (0, 1)):
        raise NotYetError("1 is subtracted at the wrong place: the truth is the third class")
    if abs(gradient.sum()) > 5e-3:
        raise NotYetError("the entries must sum to zero, since both p and y sum to one")
    raise NotYetError("check the softmax: the first two entries are the probabilities themselves")


def _mean() -> Exercise:
    return Exercise(
        name="a mean of means",
        difficulty=2,
        minutes=5,
        verify=_verify_mean,
        hints=(
            "what weight does a piece of one example get beside a piece of eight?",
            "add all sums, add all counts, divide once",
        ),
        worked=(
            "def mean(parts):\n"
            "    # all sums over all counts: every target has the same weight\n"
            "    return sum(total for total, _ in parts) / sum(count for _, count in parts)\n\n\n"
            "answer = mean"
        ),
        example=lambda parts: sum(total for total, _ in parts) / sum(count for _, count in parts),
        mistakes=(
            (_mean_of_means, "as much as a large one"),
            (lambda parts: sum(total for total, _ in parts) / len(parts), "number of pieces"),
            (lambda parts: sum(total for total, _ in parts), "never divided"),
            (lambda parts: [total / max(count, 1) for total, count in parts], "one number"),
            (lambda parts: 22 / 12, "other pieces"),
            (1.833, "a function"),
        ),
    )


def _mean_of_means(parts: list[tuple[float, int]]) -> float:
    return sum(total / max(count, 1) for total, count in parts) / len(parts)


def _verify_mean(answer: Any) -> str:
    require_function(answer, "parts")
    for number, parts in enumerate(PARTS):
        total, count = sum(part[0] for part in parts), sum(part[1] for part in parts)
        try:
            value = answer(list(parts))
        except ZeroDivisionError:
            raise NotYetError("a piece without targets must not be divided by zero") from None
        if close(value, total / count, tolerance=1e-6):
            continue
        if number == 0:
            raise NotYetError(_mean_reason(value, parts, total))
        raise NotYetError(f"right for the first batch but not for other pieces, such as {parts}")
    return "right: every target has the same weight, in whatever piece it came"


def _mean_reason(value: Any, parts: list[tuple[float, int]], total: float) -> str:
    if close(value, _mean_of_means(parts), tolerance=1e-6):
        return "this is still the mean of means: a small piece counts as much as a large one"
    if close(value, total / len(parts), tolerance=1e-6):
        return "you divide by the number of pieces, not of targets"
    if close(value, total, tolerance=1e-6):
        return "this is the sum, never divided by the number of targets"
    if not isinstance(value, int | float):
        return f"the function must return one number, not {type(value).__name__}"
    return f"for {parts} the mean is not {value:.4g}: sum of sums over sum of counts"


def _floor() -> Exercise:
    return Exercise(
        name="the floor under a loss",
        difficulty=2,
        minutes=6,
        verify=_verify_floor,
        hints=(
            "the cross-entropy H(q, p) is lowest at p = q; what is q?",
            "q = (0.7, 0.2, 0.1); the floor is its entropy",
        ),
        worked=(
            "import math\n\n"
            "# the floor is the entropy of the annotators' shares (0.7, 0.2, 0.1): 0.802 nats\n"
            "answer = -sum(share * math.log(share) for share in (0.7, 0.2, 0.1))"
        ),
        example=-sum(share * math.log(share) for share in SHARES),
        mistakes=(
            (0.0, "only where all annotators agree"),
            (math.log(3), "guess"),
            (-math.log(0.7), "only the seven"),
            (-0.7 * math.log(0.7), "only the seven"),
            (1.157, "bits"),
            (8.018, "sum over ten labels"),
            (-0.802, "sign"),
            (0.3, "entropy of the annotators"),
            ("low", "number"),
        ),
    )


def _verify_floor(answer: Any) -> str:
    q = torch.tensor(SHARES, dtype=torch.float64)
    floor = -(q * q.log()).sum().item()
    if close(answer, floor, tolerance=3e-3):
        return "right: the entropy of (0.7, 0.2, 0.1), 0.802 nats, and never 0"
    reasons = (
        (0.0, "0 can be reached only where all annotators agree; these have entropy"),
        (math.log(3), "ln 3 is the loss of a guess; a good prediction does better"),
        (-math.log(0.7), "this counts only the seven; the other three labels cost something too"),
        (-0.7 * math.log(0.7), "this counts only the seven; the other three labels cost too"),
        (floor / math.log(2), "this is in bits; nats take the natural logarithm"),
        (10 * floor, "this is the sum over ten labels; the mean divides by ten"),
        (-floor, "the sign is reversed: a loss is minus the logarithm"),
    )
    reject_known(answer, reasons, tolerance=3e-3)
    if not isinstance(answer, int | float):
        raise NotYetError(f"the answer is a number of nats, not {answer!r}")
    raise NotYetError("the floor is the entropy of the annotators' shares: which are they?")


def _next_token() -> Exercise:
    return Exercise(
        name="the loss of a language model from scratch",
        difficulty=3,
        minutes=10,
        verify=_verify_next_token,
        hints=(
            "position t predicts ids[t + 1]: drop the last row of logits and the first id",
            "keep = ids[1:] != -100 picks the predictions that count",
            "-z_y + a + log(sum(exp(z - a))) with a the largest logit of the row",
        ),
        worked=(
            "import torch\n\n\n"
            "def loss(logits, ids):\n"
            "    z, y = logits[:-1], ids[1:]  # position t predicts ids[t + 1]\n"
            "    z, y = z[y != -100], y[y != -100]\n"
            "    a = z.max(-1, keepdim=True).values\n"
            "    log_sum = a.squeeze(-1) + (z - a).exp().sum(-1).log()\n"
            "    return (log_sum - z[torch.arange(len(y)), y]).mean()\n\n\n"
            "answer = loss"
        ),
        example=lambda logits, ids: _shifted(logits[:-1], ids[1:]),
        mistakes=(
            (lambda logits, ids: _shifted(logits, ids), "no shift"),
            (lambda logits, ids: _shifted(logits[1:], ids[:-1]), "wrong way"),
            (lambda logits, ids: -_shifted(logits[:-1], ids[1:]), "sign"),
            (lambda logits, ids: _shifted(logits[:-1], ids[1:], mean=False), "sum"),
            (lambda logits, ids: _shifted(logits[:-1], ids[1:].clamp(min=0)), "padding"),
            (lambda logits, ids: _shifted(logits[:-1], ids[1:], shift=0.0), "overflow"),
            (None, "a function"),
        ),
    )


def _shifted(
    z: torch.Tensor, y: torch.Tensor, *, mean: bool = True, shift: float = 1.0
) -> torch.Tensor:
    z, y = z[y != IGNORED], y[y != IGNORED]
    a = shift * z.max(-1, keepdim=True).values
    losses = a.squeeze(-1) + (z - a).exp().sum(-1).log() - z[torch.arange(len(y)), y]
    return losses.mean() if mean else losses.sum()


def _verify_next_token(answer: Any) -> str:
    require_function(answer, "logits and ids")
    # A fixed seed, so that no draw makes two different mistakes look alike.
    generator = torch.Generator().manual_seed(2024)
    logits = torch.randn(9, 12, generator=generator) * 2
    ids = torch.randint(12, (9,), generator=generator)
    _compare(float(answer(logits.clone(), ids.clone())), logits, ids, "")
    padded = ids.clone()
    padded[6:] = IGNORED
    advice = "positions whose id is -100 are padding: leave them out of the sum and of the count"
    _compare(float(answer(logits.clone(), padded)), logits, padded, advice)
    large = logits + 1000
    advice = "logits near 1000 overflow: subtract the largest of each row before exp"
    _compare(float(answer(large.clone(), ids.clone())), large, ids, advice)
    return "right: shifted, masked and safe, the whole loss of a GPT"


def _compare(value: float, logits: torch.Tensor, ids: torch.Tensor, advice: str) -> None:
    truth = F.cross_entropy(logits[:-1], ids[1:], ignore_index=IGNORED).item()
    if close(value, truth):
        return
    if advice:
        raise NotYetError(advice)
    count = len(ids) - 1
    reasons = (
        (F.cross_entropy(logits, ids).item(), "there is no shift: repeating the input would win"),
        (F.cross_entropy(logits[1:], ids[:-1]).item(), "shifted the wrong way: t predicts t + 1"),
        (-truth, "the sign is reversed: a loss is minus the logarithm"),
        (truth * count, "this is the sum; divide by the number of predictions"),
    )
    reject_known(value, reasons)
    raise NotYetError(f"for random logits the loss is {truth:.4f}, and yours says {value:.4f}")
