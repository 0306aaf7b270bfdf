"""The bug museum of notebook 22: a mean, a reference that moves, a prompt that is averaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.functional import logsigmoid

from ftlearn.course.exercises.base import Exercise, NotYetError, require_function


def exercises() -> list[Exercise]:
    """The three broken functions, which run and do the wrong thing."""
    return [_sum(), _reference(), _prompt()]


# --- q4: jingyaogong/minimind#298 -----------------------------------------------------------------


def _verify_sum(answer: Callable[..., Any]) -> str:
    require_function(answer, "log-probabilities and a mask, both (B, T)")
    random = np.random.default_rng()
    values = -random.exponential(2, size=(5, 12))
    lengths, starts = random.integers(2, 8, 5), random.integers(0, 4, 5)
    position = np.arange(12)
    mask = (position >= starts[:, None]) & (position < (starts + lengths)[:, None])
    sums = np.asarray(answer(values.copy(), mask.astype(float)), float)
    if sums.shape != (5,):
        raise NotYetError(f"five answers need five numbers; the shape is {sums.shape}")
    truth = [
        sum(row[start : start + size])
        for row, start, size in zip(values, starts, lengths, strict=True)
    ]
    if np.allclose(sums, truth):
        return "right: the probability of an answer is the product over its tokens"
    _name_sum(sums, values, mask)
    raise NotYetError(f"the first answer has {truth[0]:.3f} nats, not {sums[0]:.3f}")


def _name_sum(sums: np.ndarray, values: np.ndarray, mask: np.ndarray) -> None:
    typical = (
        (
            (values * mask).mean(1),
            "that divides by the width of the batch: log-probabilities add up, and here the "
            "padding decides how much an answer counts",
        ),
        (
            (values * mask).sum(1) / mask.sum(1),
            "that is the mean per token, as SimPO takes it: DPO's Δ is about whole answers",
        ),
        (values.sum(1), "prompt and padding are in that sum: use the mask"),
        (np.exp(values * mask).prod(1), "that is the probability; DPO wants its logarithm"),
    )
    for known, reason in typical:
        if np.allclose(sums, known):
            raise NotYetError(reason)


def _masked_sum(log_probabilities: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return (log_probabilities * mask).sum(1)


def _sum() -> Exercise:
    return Exercise(
        name="the mean of a row",
        difficulty=1,
        minutes=6,
        verify=_verify_sum,
        hints=(
            "how does the result change if the batch gets five more columns of padding?",
            "the probability of an answer is the product of the probabilities of its tokens",
        ),
        worked=(
            "def answer(log_probabilities, mask):\n"
            "    # a product of probabilities is a sum of logarithms\n"
            "    return (log_probabilities * mask).sum(1)"
        ),
        broken=(
            "def answer(log_probabilities, mask):\n"
            '    """The log-probability of each answer, (B,), as DPO needs it."""\n'
            "    return (log_probabilities * mask).mean(1)\n\n"
        ),
        example=_masked_sum,
        mistakes=(
            (lambda p, mask: (p * mask).mean(1), "width of the batch"),
            (lambda p, mask: (p * mask).sum(1) / mask.sum(1), "mean per token"),
            (lambda p, mask: p.sum(1), "use the mask"),
            (lambda p, mask: np.exp(p * mask).prod(1), "its logarithm"),
            (lambda p, mask: (p * mask).sum(), "the shape"),
            (lambda p, mask: np.zeros(5), "nats, not"),
            (0.5, "is a function"),
        ),
    )


# --- q5: YiyangZhou/POVID#11 ----------------------------------------------------------------------

STEPS, BETA = 30, 0.5


def _log_p(theta: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of two of three answers."""
    return theta.log_softmax(0)[:2]


def _descend(theta: torch.Tensor, reference: torch.Tensor, beta: float, steps: int) -> torch.Tensor:
    for _ in range(steps):
        theta = theta.detach().requires_grad_()
        delta = _log_p(theta) - reference
        loss = -logsigmoid(beta * (delta[0] - delta[1]))
        theta = theta - torch.autograd.grad(loss, theta)[0]
    return theta.detach()


def _verify_reference(answer: Callable[..., Any]) -> str:
    require_function(answer, "log_p, theta, β and the number of steps")
    start = torch.tensor(np.random.default_rng().normal(size=3))
    theta = torch.as_tensor(answer(_log_p, start.clone(), BETA, STEPS)).detach()
    if theta.shape != start.shape:
        raise NotYetError(f"theta has the shape {tuple(start.shape)}, not {tuple(theta.shape)}")
    if torch.allclose(theta, _descend(start, _log_p(start), BETA, STEPS), atol=1e-5):
        return "right: the reference is read once, before the first update, and stays"
    if torch.allclose(theta, start):
        raise NotYetError("theta has not moved")
    if torch.allclose(theta, _moving(_log_p, start, BETA, STEPS), atol=1e-5):
        raise NotYetError(
            "every step compares the policy with itself: the margin is always 0, the loss always "
            "log 2, and nothing ever holds the model back"
        )
    if torch.allclose(theta, _descend(start, torch.zeros(2), BETA, STEPS), atol=1e-5):
        raise NotYetError("without a reference that is another loss: keep it, but fixed")
    raise NotYetError(f"theta ends at {theta.tolist()}, another place than that of DPO")


def _moving(log_p: Callable[..., Any], theta: Any, beta: float, steps: int) -> torch.Tensor:
    for _ in range(steps):
        theta = theta.detach().requires_grad_()
        delta = log_p(theta) - log_p(theta).detach()
        loss = -logsigmoid(beta * (delta[0] - delta[1]))
        theta = theta - torch.autograd.grad(loss, theta)[0]
    return theta.detach()


ITSELF = (
    "import torch\n\n\n"
    "def answer(log_p, theta, beta, steps):\n"
    '    """theta after some steps of DPO on one pair, starting from the reference `theta`."""\n'
    "    for _ in range(steps):\n"
    "        theta = theta.detach().requires_grad_()\n"
    "        reference = log_p(theta).detach()\n"
    "        delta = log_p(theta) - reference\n"
    "        loss = -torch.nn.functional.logsigmoid(beta * (delta[0] - delta[1]))\n"
    "        (gradient,) = torch.autograd.grad(loss, theta)\n"
    "        theta = theta - gradient\n"
    "    return theta.detach()\n\n"
)


def _reference() -> Exercise:
    return Exercise(
        name="a policy compared with itself",
        difficulty=2,
        minutes=10,
        verify=_verify_reference,
        hints=(
            "print the loss of every step",
            "which model should the reference be, and how often must it be computed?",
        ),
        worked=(
            "import torch\n\n\n"
            "def answer(log_p, theta, beta, steps):\n"
            "    reference = log_p(theta).detach()  # once, before the first update\n"
            "    for _ in range(steps):\n"
            "        theta = theta.detach().requires_grad_()\n"
            "        delta = log_p(theta) - reference\n"
            "        loss = -torch.nn.functional.logsigmoid(beta * (delta[0] - delta[1]))\n"
            "        (gradient,) = torch.autograd.grad(loss, theta)\n"
            "        theta = theta - gradient\n"
            "    return theta.detach()"
        ),
        broken=ITSELF,
        example=lambda log_p, theta, beta, steps: _descend(theta, _log_p(theta), beta, steps),
        mistakes=(
            (_moving, "with itself"),
            (lambda log_p, theta, b, n: _descend(theta, torch.zeros(2), b, n), "another loss"),
            (lambda log_p, theta, beta, steps: theta, "has not moved"),
            (lambda log_p, theta, b, n: _descend(theta, _log_p(theta), 2 * b, n), "another place"),
            (lambda log_p, theta, beta, steps: theta[:2], "the shape"),
            (0.5, "is a function"),
        ),
    )


# --- q6: huggingface/trl#1581 ---------------------------------------------------------------------


def _verify_prompt(answer: Callable[..., Any]) -> str:
    require_function(answer, "log-probabilities (T,) and the number of tokens of the prompt")
    random = np.random.default_rng()
    for size, prompt in ((12, 5), (9, 1), (20, 16)):
        values = -random.exponential(2, size)
        mean = float(answer(values.copy(), prompt))
        truth = sum(values[prompt:].tolist()) / (size - prompt)
        if abs(mean - truth) < 1e-9:
            continue
        _name_prompt(mean, values, prompt)
        raise NotYetError(f"{size} tokens, {prompt} of the prompt: {truth:.3f}, not {mean:.3f}")
    return "right: neither the sum nor the count may contain the prompt"


def _name_prompt(mean: float, values: np.ndarray, prompt: int) -> None:
    typical = (
        (
            values.mean(),
            "the prompt is averaged, too: it is the same for both answers, but no longer cancels, "
            "since the two are divided by different lengths",
        ),
        (
            values[prompt:].sum() / len(values),
            "the sum is right, but it is divided by all tokens: a long prompt makes every margin "
            "small",
        ),
        (values[prompt:].sum(), "that is the sum, as DPO takes it; a mean was asked for"),
        (values[:prompt].mean(), "that is the prompt: the answer comes after it"),
    )
    for known, reason in typical:
        if np.isclose(mean, known):
            raise NotYetError(reason)


def _prompt() -> Exercise:
    return Exercise(
        name="a prompt in the mean",
        difficulty=2,
        minutes=8,
        verify=_verify_prompt,
        hints=(
            "in a difference of sums the prompt cancels; does it in a difference of means?",
            "the answer's tokens are those after the prompt",
        ),
        worked=(
            "def answer(log_probabilities, prompt):\n"
            "    # sum and count of the answer's own tokens\n"
            "    return log_probabilities[prompt:].mean()"
        ),
        broken=(
            "def answer(log_probabilities, prompt):\n"
            '    """The mean log-probability of the answer\'s tokens, from those of all, (T,)."""\n'
            "    return log_probabilities.mean()\n\n"
        ),
        example=lambda log_probabilities, prompt: log_probabilities[prompt:].mean(),
        mistakes=(
            (lambda values, prompt: values.mean(), "no longer cancels"),
            (lambda values, prompt: values[prompt:].sum() / len(values), "by all tokens"),
            (lambda values, prompt: values[prompt:].sum(), "a mean was asked for"),
            (lambda values, prompt: values[:prompt].mean(), "that is the prompt"),
            (lambda values, prompt: 1.0, "not 1.000"),
            (0.5, "is a function"),
        ),
    )
