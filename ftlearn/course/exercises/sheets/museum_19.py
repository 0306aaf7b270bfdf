"""The bug museum of notebook 19: a list that is None, and a merge in bf16."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from ftlearn.course.exercises.base import Exercise, NotYetError, require_function


def exercises() -> list[Exercise]:
    """The two broken functions, which run and do the wrong thing."""
    return [_settings(), _merge()]


# --- q4: huggingface/peft#577 ---------------------------------------------------------------------


def _verify_settings(answer: Callable[..., Any]) -> str:
    require_function(answer, "the names to adapt and the name of the head")
    for targets, head in ((["query", "value"], "score"), (["q_proj"], "classifier")):
        given = list(targets)
        settings = answer(given, head)
        if given != targets:
            raise NotYetError(f"the list of the caller has become {given}: do not change it")
        _judge_settings(settings, targets, head)
    return "right: adapters where they belong, and a head that is trained and saved"


def _judge_settings(settings: Any, targets: list[str], head: str) -> None:
    if not isinstance(settings, Mapping) or set(settings) != {"target_modules", "modules_to_save"}:
        raise NotYetError("return a dictionary with target_modules and modules_to_save")
    saved = settings["modules_to_save"]
    if saved is None:
        raise NotYetError(
            "modules_to_save is None, so a random head is neither trained nor saved: "
            "list.append changes the list and returns None"
        )
    if head in settings["target_modules"]:
        raise NotYetError(f"{head!r} would get an adapter as well: it learns whole")
    if isinstance(saved, str) or head not in saved:
        raise NotYetError(f"modules_to_save is a list with the name {head!r}")
    if list(saved) != [head]:
        raise NotYetError("modules_to_save trains whole layers: only the head belongs there")
    if list(settings["target_modules"]) != targets:
        raise NotYetError(f"target_modules is {targets}, the names to adapt")


def _right_settings(targets: list[str], head: str) -> dict[str, Any]:
    return {"target_modules": list(targets), "modules_to_save": [head]}


def _appended(targets: list[str], head: str) -> dict[str, Any]:
    targets = list(targets)
    return {"target_modules": targets, "modules_to_save": targets.append(head)}


def _settings() -> Exercise:
    return Exercise(
        name="the head that was never saved",
        difficulty=1,
        minutes=4,
        verify=_verify_settings,
        hints=(
            "print the dictionary: what is modules_to_save?",
            "the head learns whole: one list with its name, and no adapter in it",
        ),
        worked=(
            "def answer(targets, head):\n"
            "    # append returns None and changes the list: build two lists instead\n"
            '    return {"target_modules": list(targets), "modules_to_save": [head]}'
        ),
        broken=(
            "def answer(targets, head):\n"
            '    """Settings for peft: adapters in `targets`, and a head that learns whole."""\n'
            "    targets = list(targets)\n"
            '    return {"target_modules": targets, "modules_to_save": targets.append(head)}\n\n'
        ),
        example=_right_settings,
        mistakes=(
            (_appended, "modules_to_save is None"),
            (lambda t, h: _right_settings([*t, h], h), "would get an adapter"),
            (lambda t, h: {**_right_settings(t, h), "modules_to_save": h}, "a list with"),
            (lambda t, h: {**_right_settings(t, h), "modules_to_save": [*t, h]}, "only the head"),
            (lambda t, h: {"target_modules": t}, "return a dictionary"),
            (lambda t, h: _right_settings(t[:0], h), "the names to adapt"),
            (0.5, "is a function"),
        ),
    )


# --- q5: huggingface/peft#1035 --------------------------------------------------------------------


def _verify_merge(answer: Callable[..., Any]) -> str:
    require_function(answer, "W in bf16, A, B and the scale")
    draw = torch.Generator().manual_seed(0)
    weight = (torch.randn(48, 32, generator=draw) * 0.05).bfloat16()
    down, up = torch.randn(4, 32, generator=draw) / 6, torch.randn(48, 4, generator=draw) * 1e-4
    original = weight.clone()
    merged = answer(weight, down, up, 2.0)
    if not isinstance(merged, torch.Tensor) or merged.shape != weight.shape:
        raise NotYetError("the merged weights have the shape of W")
    if not torch.equal(weight, original):
        raise NotYetError("W itself has changed: return new weights")
    update = 2.0 * up.double() @ down.double()
    error = ((merged.double() - weight.double() - update).norm() / update.norm()).item()
    if error < 1e-3:
        return f"right: the update is off by {error:.0e} of its length"
    if torch.equal(merged.double(), weight.double()):
        raise NotYetError("that is W itself: add the update")
    if abs(error - 0.5) < 1e-3:
        raise NotYetError("half of the update is missing: the scale is a factor")
    raise NotYetError(
        f"the update is off by {error:.0%} of its length: a sum in bf16 has eight significant "
        "bits, and a small update falls below the last one of W"
    )


def _merged(weight, down, up, scale):
    return weight.float() + scale * (up @ down)


def _merged_bf16(weight, down, up, scale):
    return (weight + (scale * (up @ down)).bfloat16()).float()


def _rounded_after(weight, down, up, scale):
    return _merged(weight, down, up, scale).bfloat16()


def _in_place(weight, down, up, scale):
    return weight.add_((scale * (up @ down)).bfloat16()).float()


def _merge() -> Exercise:
    return Exercise(
        name="the merge that loses the update",
        difficulty=2,
        minutes=6,
        verify=_verify_merge,
        hints=(
            "in which format is the sum computed, and in which is it stored?",
            "float() first, and then the sum",
        ),
        worked=(
            "def answer(W, A, B, scale):\n"
            "    # fp32 has 24 significant bits: room for W and a small update\n"
            "    return W.float() + scale * (B @ A)"
        ),
        broken=(
            "def answer(W, A, B, scale):\n"
            '    """Merged weights in fp32, of a model that is held in bf16."""\n'
            "    update = scale * (B @ A)\n"
            "    return (W + update.bfloat16()).float()\n\n"
        ),
        example=_merged,
        mistakes=(
            (_merged_bf16, "eight significant bits"),
            (_rounded_after, "eight significant bits"),
            (lambda w, a, b, s: w.float() + b @ a, "half of the update"),
            (lambda w, a, b, s: w.float(), "that is W itself"),
            (_in_place, "has changed"),
            (lambda w, a, b, s: b @ a[:, :2], "the shape of W"),
            (0.5, "is a function"),
        ),
    )
