"""Exercises of notebook 05: schedule, clipping, a broken loop, and Adam."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ftlearn import optim
from ftlearn.course.exercises.base import Exercise, NotYetError, close, require_function


def exercises() -> list[Exercise]:
    """The four exercises of the sheet."""
    return [_rate(), _clip(), _loop(), _adam()]


def _rate() -> Exercise:
    return Exercise(
        name="the rate of one update",
        difficulty=1,
        minutes=4,
        verify=_verify_rate,
        hints=(
            "the rate rises for 9 of 45 updates; for how many does it fall, how many are done?",
            "update 27 is the number 26 when counting from 0, so 26 - 9 = 17 of 36 are done",
        ),
        worked=(
            "# 26 updates are done, 9 of them rose; 17 of the 36 that fall are behind us\n"
            "answer = 2e-4 * (1 - (26 - 9) / 36)  # 1.056e-4"
        ),
        example=2e-4 * (1 - 17 / 36),
        mistakes=(
            (1e-4, "counted from 0"),
            (2e-4 * (1 - 26 / 45), "after the rise"),
            (2e-4, "has begun to fall"),
            (1 - 17 / 36, "factor"),
            (2e-4 * 17 / 36, "already done"),
            (3e-4, "peak"),
        ),
    )


def _verify_rate(answer: Any) -> str:
    peak, factor = 2e-4, optim.schedule("linear", total=45, warmup_ratio=0.2)

    def like(value: float, tolerance: float = 6e-7) -> bool:
        return close(answer, value, tolerance=tolerance)

    if like(peak * factor(26)):
        return "right: 17 of the 36 falling updates are done, so 19/36 of the peak is left"
    if like(peak * factor(27)):
        raise NotYetError("updates are counted from 0: before update 27, 26 are done")
    if like(peak * (1 - 26 / 45)):
        raise NotYetError("the fall begins after the rise: leave the 9 rising updates out of both")
    if like(peak):
        raise NotYetError("the rise ends after 9 updates; by the 27th the rate has begun to fall")
    if like(factor(26), tolerance=1e-3):
        raise NotYetError("this is the factor; multiply it by the peak")
    if like(peak * (1 - factor(26))):
        raise NotYetError("this is the share already done; what is left counts")
    raise NotYetError("give a rate between 0 and the peak 2e-4: peak times what is left")


def _clip() -> Exercise:
    return Exercise(
        name="clip by the norm",
        difficulty=2,
        minutes=7,
        verify=_verify_clip,
        hints=(
            "one norm for all tensors together: the root of the sum of all squares",
            "multiply every tensor by min(1, limit / norm)",
        ),
        worked=(
            "def clip(gradients, limit):\n"
            "    norm = sum((g**2).sum() for g in gradients) ** 0.5\n"
            "    return [g * min(1.0, limit / norm) for g in gradients]\n\n\n"
            "answer = clip"
        ),
        example=_clip_right,
        mistakes=(
            (lambda gradients, limit: [g * min(1, limit / g.norm()) for g in gradients], "its own"),
            (lambda gradients, limit: [g.clamp(-limit, limit) for g in gradients], "direction"),
            (_clip_always, "already short"),
            (lambda gradients, limit: gradients, "too long"),
            (lambda gradients, limit: gradients[0], "as many tensors"),
            (0.5, "a function"),
        ),
    )


def _length(gradients: list[torch.Tensor]) -> float:
    return math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients))


def _clip_right(gradients: list[torch.Tensor], limit: float) -> list[torch.Tensor]:
    return [gradient * min(1.0, limit / _length(gradients)) for gradient in gradients]


def _clip_always(gradients: list[torch.Tensor], limit: float) -> list[torch.Tensor]:
    return [gradient * (limit / _length(gradients)) for gradient in gradients]


def _verify_clip(answer: Any) -> str:
    require_function(answer, "gradients and limit")
    draw = torch.Generator().manual_seed(torch.Generator().seed() % 2**31)
    gradients = [
        torch.randn(shape, generator=draw, dtype=torch.float64) for shape in ((3, 2), (4,))
    ]
    long = _length(gradients) / 4  # at least one of ten numbers is larger, so clamping them shows
    result = answer(_clones(gradients), long)
    expected_shapes = [gradient.shape for gradient in gradients]
    if not isinstance(result, list | tuple) or _shapes(result) != expected_shapes:
        raise NotYetError("return as many tensors as you were given, in the same shapes")
    if not _same(result, _clipped_by_torch(gradients, long), tolerance=1e-5):
        raise NotYetError(_clip_reason(result, gradients, long))
    short = _length(gradients) * 2
    if not _same(answer(_clones(gradients), short), gradients):
        raise NotYetError("a gradient that is already short must stay as it is")
    return "right: one factor for all tensors, so the direction of the step is kept"


def _clones(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in tensors]


def _shapes(result: list) -> list[Any]:
    return [getattr(item, "shape", None) for item in result]


def _clipped_by_torch(gradients: list[torch.Tensor], limit: float) -> list[torch.Tensor]:
    parameters = [nn.Parameter(torch.zeros_like(gradient)) for gradient in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    nn.utils.clip_grad_norm_(parameters, limit)
    return [parameter.grad for parameter in parameters]


def _clip_reason(result: list, gradients: list[torch.Tensor], limit: float) -> str:
    by_own_length = [gradient * min(1.0, limit / float(gradient.norm())) for gradient in gradients]
    if _same(result, by_own_length):
        return "each tensor was cut by its own norm: use one norm for all of them together"
    if _same(result, gradients):
        return "nothing happened to a gradient that is too long"
    return "the direction has changed or the norm is not the limit: one factor for all numbers"


def _same(left: list, right: list, tolerance: float = 1e-9) -> bool:
    return all((a - b).abs().max() < tolerance for a, b in zip(left, right, strict=True))


def _loop() -> Exercise:
    return Exercise(
        name="two bugs in a loop",
        difficulty=2,
        minutes=8,
        verify=_verify_loop,
        hints=(
            "one bug throws every gradient away before it is used; the other loses a last batch",
            "zero_grad comes after step (or before backward); step belongs inside the loop",
        ),
        worked=(
            "def train(model, batches, loss, optimizer):\n"
            "    for inputs, targets in batches:\n"
            "        loss(model(inputs), targets).backward()\n"
            "        optimizer.step()\n"
            "        optimizer.zero_grad()\n\n\n"
            "answer = train"
        ),
        example=_train_right,
        mistakes=(
            (_train_erased, "has not moved"),
            (_train_piled, "pile up"),
            (_train_once, "only one update"),
            (_train_skips, "last batch"),
            (_train_uphill, "more than one pass"),
            ("optimizer.step()", "a function"),
        ),
    )


def _train_right(model: nn.Module, batches: list, loss: Callable, optimizer: Any) -> None:
    for inputs, targets in batches:
        loss(model(inputs), targets).backward()
        optimizer.step()
        optimizer.zero_grad()


def _train_erased(model: nn.Module, batches: list, loss: Callable, optimizer: Any) -> None:
    for inputs, targets in batches:
        loss(model(inputs), targets).backward()
        optimizer.zero_grad()
        optimizer.step()


def _train_piled(model: nn.Module, batches: list, loss: Callable, optimizer: Any) -> None:
    for inputs, targets in batches:
        loss(model(inputs), targets).backward()
        optimizer.step()


def _train_once(model: nn.Module, batches: list, loss: Callable, optimizer: Any) -> None:
    for inputs, targets in batches:
        loss(model(inputs), targets).backward()
    optimizer.step()


def _train_skips(model: nn.Module, batches: list, loss: Callable, optimizer: Any) -> None:
    _train_right(model, batches[:-1], loss, optimizer)


def _train_uphill(model: nn.Module, batches: list, loss: Callable, optimizer: Any) -> None:
    for _ in range(2):
        _train_right(model, batches, loss, optimizer)


def _verify_loop(answer: Any) -> str:
    require_function(answer, "model, batches, loss and optimizer")
    seed = torch.Generator().seed() % 2**31
    result = _trained(answer, seed)
    if _same([result], [_by_formula(seed)]):
        return "right: backward, step, zero_grad, once per batch, in this order"
    known = (
        (_train_erased, "the model has not moved: the gradient is zeroed before the step uses it"),
        (_train_piled, "gradients pile up from batch to batch: they are never zeroed"),
        (_train_once, "there is only one update for all batches: step belongs inside the loop"),
        (_train_skips, "the last batch is never learned from"),
    )
    for wrong, reason in known:
        if _same([result], [_trained(wrong, seed)]):
            raise NotYetError(reason)
    raise NotYetError("the weights end elsewhere: more than one pass, or another order of steps?")


def _trained(train: Callable, seed: int) -> torch.Tensor:
    """The weights (1, 3) of a small linear model after ``train``, the same for a seed."""
    start, batches = _start_and_batches(seed)
    model = nn.Linear(3, 1, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(start)
    train(model, batches, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1))
    return model.weight.detach()


def _by_formula(seed: int) -> torch.Tensor:
    """The same weights without autograd: the gradient of squared error is 2 (Xw - y)ᵀX / B."""
    weight, batches = _start_and_batches(seed)
    for inputs, targets in batches:
        error = inputs @ weight.T - targets
        weight = weight - 0.1 * 2 * error.T @ inputs / len(inputs)
    return weight


def _start_and_batches(seed: int) -> tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]:
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    return normal(1, 3), [(normal(4, 3), normal(4, 1)) for _ in range(4)]


def _adam() -> Exercise:
    return Exercise(
        name="one update of Adam",
        difficulty=3,
        minutes=10,
        verify=_verify_adam,
        hints=(
            "the means start at zero: divide them by 1 - 0.9**t and 1 - 0.999**t",
            "the step is rate * mean / (root of the mean square + 1e-8)",
        ),
        worked=(
            "def update(weight, gradient, mean, square, t, rate):\n"
            "    mean = 0.9 * mean + 0.1 * gradient\n"
            "    square = 0.999 * square + 0.001 * gradient**2\n"
            "    root = (square / (1 - 0.999**t)).sqrt()\n"
            "    return weight - rate * mean / (1 - 0.9**t) / (root + 1e-8), mean, square\n\n\n"
            "answer = update"
        ),
        example=_adam_right,
        mistakes=(
            (_adam_biased, "start at zero"),
            (_adam_squared, "root"),
            (_adam_uphill, "up the hill"),
            (_adam_plain, "plain gradient"),
            (lambda *values: _adam_right(*values)[0], "three things"),
            (_adam_swapped, "means are wrong"),
            (1e-3, "a function"),
        ),
    )


def _adam_right(weight, gradient, mean, square, t, rate):
    mean = 0.9 * mean + 0.1 * gradient
    square = 0.999 * square + 0.001 * gradient**2
    root = (square / (1 - 0.999**t)).sqrt()
    return weight - rate * mean / (1 - 0.9**t) / (root + 1e-8), mean, square


def _adam_biased(weight, gradient, mean, square, t, rate):
    mean = 0.9 * mean + 0.1 * gradient
    square = 0.999 * square + 0.001 * gradient**2
    return weight - rate * mean / (square.sqrt() + 1e-8), mean, square


def _adam_squared(weight, gradient, mean, square, t, rate):
    _, mean, square = _adam_right(weight, gradient, mean, square, t, rate)
    step = mean / (1 - 0.9**t) / (square / (1 - 0.999**t) + 1e-8)
    return weight - rate * step, mean, square


def _adam_uphill(weight, gradient, mean, square, t, rate):
    moved, mean, square = _adam_right(weight, gradient, mean, square, t, rate)
    return 2 * weight - moved, mean, square


def _adam_plain(weight, gradient, mean, square, t, rate):
    _, mean, square = _adam_right(weight, gradient, mean, square, t, rate)
    return weight - rate * gradient, mean, square


def _adam_swapped(weight, gradient, mean, square, t, rate):
    moved, mean, square = _adam_right(weight, gradient, mean, square, t, rate)
    return moved, 0.1 * mean, square


def _verify_adam(answer: Any) -> str:
    require_function(answer, "weight, gradient, mean, square, t and rate")
    draw = torch.Generator().manual_seed(torch.Generator().seed() % 2**31)
    weight = torch.randn(5, generator=draw, dtype=torch.float64)
    oracle = weight.clone().requires_grad_()
    optimizer = torch.optim.Adam([oracle], lr=0.01)
    mean, square = torch.zeros_like(weight), torch.zeros_like(weight)
    for t in range(1, 6):
        gradient = torch.randn(5, generator=draw, dtype=torch.float64)
        before = (weight, gradient, mean, square, t, 0.01)
        result = answer(*before)
        if not isinstance(result, tuple | list) or len(result) != 3:
            raise NotYetError("return three things: the new weight, mean and square")
        oracle.grad = gradient.clone()
        optimizer.step()
        if not _same([result[0]], [oracle.detach()], 1e-7):
            raise NotYetError(_adam_reason(result[0], before))
        weight = oracle.detach().clone()
        state = optimizer.state[oracle]
        mean, square = state["exp_avg"].clone(), state["exp_avg_sq"].clone()
        if not _same(list(result[1:]), [mean, square]):
            raise NotYetError("the weight is right but the returned means are wrong")
    return "right: the same numbers as torch.optim.Adam over five updates"


def _adam_reason(moved: torch.Tensor, before: tuple) -> str:
    known = (
        (_adam_biased, "the means start at zero and are too small at first: correct both by t"),
        (_adam_squared, "take the root of the mean square: without it the step has the wrong unit"),
        (_adam_uphill, "the weight goes up the hill: subtract the step"),
        (_adam_plain, "this step uses the plain gradient: that is SGD"),
    )
    for wrong, reason in known:
        if _same([moved], [wrong(*before)[0]], 1e-7):
            return reason
    return "the new weight differs from torch's: check the order of the operations"
