"""The settings of a run as named controls with the values written out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import ipywidgets

from ftlearn.config import TrainConfig
from ftlearn.optim import OPTIMIZERS, SCHEDULES

CHOICES: Mapping[str, tuple[Any, ...]] = {
    "learning_rate": (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 1e-1, 1.0),
    "batch_size": (4, 8, 16, 32, 64),
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "warmup_ratio": (0.0, 0.05, 0.1, 0.2, 0.5),
    "weight_decay": (0.0, 0.001, 0.01, 0.1, 1.0),
    "max_grad_norm": (0.1, 1.0, 10.0, math.inf),
    "micro_batches": (1, 2, 4, 8),
}
TYPED = ("epochs", "seed")
LABELS = {"every": "evaluate every"}
STYLE = {"description_width": "8em"}
WIDE = {"width": "17em"}


class Form:
    """One control for each field of TrainConfig, and for data size, checkpoint and evaluations.

    Nothing is rounded or clamped: a value comes as it is chosen or typed, and what cannot be is
    refused where the run begins.
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        rows: Sequence[int],
        checkpoints: Sequence[str],
        every: int | None,
        choices: Mapping[str, Sequence[Any]],
    ) -> None:
        unknown = sorted(set(choices) - set(CHOICES))
        if unknown:
            raise ValueError(f"no choices are made for {unknown[0]!r}: {', '.join(CHOICES)}")
        given = {**CHOICES, **choices}
        self.settings = {
            name: typed(name, value) if name in TYPED else dropdown(name, given[name], value)
            for name, value in asdict(config).items()
        }
        self.rows = dropdown("training rows", rows, rows[0])
        self.checkpoint = dropdown("checkpoint", checkpoints, checkpoints[0])
        epoch = -(-rows[0] // config.batch_size)
        self.every = typed("every", every or epoch)

    @property
    def controls(self) -> list[ipywidgets.Widget]:
        """All controls, those changed most often first."""
        first = ["learning_rate", "epochs", "batch_size"]
        rest = [name for name in self.settings if name not in first]
        ordered = [self.settings[name] for name in first + rest]
        return [self.checkpoint, self.rows, *ordered, self.every]

    def config(self) -> TrainConfig:
        """The settings as chosen; ValueError for impossible ones."""
        return TrainConfig(**{name: control.value for name, control in self.settings.items()})

    def show(self, config: TrainConfig) -> None:
        """Set the controls to a configuration."""
        for name, value in asdict(config).items():
            choose(self.settings[name], value)

    def fix(self, fixed: bool) -> None:
        """Hold or free what a branch shares with its parent."""
        for control in (self.rows, self.checkpoint, self.every):
            control.disabled = fixed


def dropdown(name: str, values: Sequence[Any], value: Any) -> ipywidgets.Dropdown:
    """A list of values; one that is not in it is added."""
    return ipywidgets.Dropdown(
        options=options([*values] if value in values else [*values, value]),
        value=value,
        description=label(name),
        style=STYLE,
        layout=WIDE,
    )


def choose(control: ipywidgets.ValueWidget, value: Any) -> None:
    """Set a control to a value, which becomes one of its options where it was none."""
    if isinstance(control, ipywidgets.Dropdown):
        values = [each for _, each in control.options]
        if value not in values:
            control.options = options([*values, value])
    control.value = value


def typed(name: str, value: int) -> ipywidgets.IntText:
    """A whole number to type."""
    return ipywidgets.IntText(value=value, description=label(name), style=STYLE, layout=WIDE)


def options(values: Sequence[Any]) -> list[tuple[str, Any]]:
    """Values with their names, numbers in order.

    >>> options([0.1, 3e-05, math.inf])
    [('3e-05', 3e-05), ('0.1', 0.1), ('no limit', inf)]
    """
    numbers = all(isinstance(value, int | float) for value in values)
    return [(named(value), value) for value in (sorted(values) if numbers else values)]


def named(value: Any) -> str:
    """A value in words."""
    if value == math.inf:
        return "no limit"
    return f"{value:g}" if isinstance(value, float) else str(value)


def label(name: str) -> str:
    """The name of a setting for people."""
    return LABELS.get(name, name.replace("_", " "))


def button(name: str, press: Callable[[], Any], style: str = "") -> ipywidgets.Button:
    """A button that calls a function without arguments."""
    made = ipywidgets.Button(description=name, button_style=style, layout={"width": "8em"})
    made.on_click(lambda _: press())
    return made


def row(*children: ipywidgets.Widget) -> ipywidgets.Box:
    """Controls side by side, and below each other where the page is narrow."""
    layout = {"display": "flex", "flex_flow": "row wrap", "grid_gap": "2px 8px"}
    return ipywidgets.Box(children=children, layout=layout)


def keep_reachable(*buttons: ipywidgets.Button) -> None:
    """Let clicks on buttons through while another cell is running, where the front end can.

    ipykernel 7.4 hands a click to the thread that last spoke to the button, which a running cell
    blocks; without that note it goes to the thread that JupyterLab asked for.
    """
    for each in buttons:
        getattr(each.comm, "__dict__", {}).pop("_reply_subshell_id", None)
