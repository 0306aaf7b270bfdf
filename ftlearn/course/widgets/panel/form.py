"""The settings of a run as labelled controls."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
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
    """One control per field of TrainConfig, and controls for data size, checkpoint and evaluations.

    Nothing is rounded or clamped: values stay as they were chosen or typed, and impossible ones
    are rejected when the run begins.
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
        values = {**CHOICES, **choices}
        self.initial = config
        self.settings = {
            name: int_field(name, value) if name in TYPED else dropdown(name, values[name], value)
            for name, value in asdict(config).items()
            if name in TYPED or name in values  # rates per layer have no control, and stay
        }
        self.rows = dropdown("training rows", rows, rows[0])
        self.checkpoint = dropdown("checkpoint", checkpoints, checkpoints[0])
        updates_per_epoch = -(-rows[0] // config.batch_size)
        self.every = int_field("every", every or updates_per_epoch)

    @property
    def controls(self) -> list[ipywidgets.Widget]:
        """All controls; those that are changed most often come first."""
        first = ["learning_rate", "epochs", "batch_size"]
        rest = [name for name in self.settings if name not in first]
        ordered = [self.settings[name] for name in first + rest]
        return [self.checkpoint, self.rows, *ordered, self.every]

    def config(self) -> TrainConfig:
        """The chosen settings. Raises ValueError for impossible ones."""
        values = {name: control.value for name, control in self.settings.items()}
        return replace(self.initial, **values)

    def show(self, config: TrainConfig) -> None:
        """Set the controls to a configuration."""
        self.initial = config
        for name, control in self.settings.items():
            set_value(control, getattr(config, name))

    def lock_shared(self, locked: bool) -> None:
        """Disable or enable the controls of what a branch shares with its parent."""
        for control in (self.rows, self.checkpoint, self.every):
            control.disabled = locked


def dropdown(name: str, values: Sequence[Any], value: Any) -> ipywidgets.Dropdown:
    """A drop-down list of values; ``value`` is added if it is not among them."""
    return ipywidgets.Dropdown(
        options=options([*values] if value in values else [*values, value]),
        value=value,
        description=label(name),
        style=STYLE,
        layout=WIDE,
    )


def set_value(control: ipywidgets.ValueWidget, value: Any) -> None:
    """Set a control to a value; a drop-down list gets a new option if it lacks the value."""
    if isinstance(control, ipywidgets.Dropdown):
        values = [option for _, option in control.options]
        if value not in values:
            control.options = options([*values, value])
    control.value = value


def int_field(name: str, value: int) -> ipywidgets.IntText:
    """A field to type an integer into."""
    return ipywidgets.IntText(value=value, description=label(name), style=STYLE, layout=WIDE)


def options(values: Sequence[Any]) -> list[tuple[str, Any]]:
    """Pairs of a text and a value, numbers in ascending order.

    >>> options([0.1, 3e-05, math.inf])
    [('3e-05', 3e-05), ('0.1', 0.1), ('no limit', inf)]
    """
    numbers = all(isinstance(value, int | float) for value in values)
    return [(display_text(value), value) for value in (sorted(values) if numbers else values)]


def display_text(value: Any) -> str:
    """A value as the text of an option."""
    if value == math.inf:
        return "no limit"
    return f"{value:g}" if isinstance(value, float) else str(value)


def label(name: str) -> str:
    """The name of a setting as people read it."""
    return LABELS.get(name, name.replace("_", " "))


def button(name: str, press: Callable[[], Any], style: str = "") -> ipywidgets.Button:
    """A button that calls a function without arguments."""
    widget = ipywidgets.Button(description=name, button_style=style, layout={"width": "8em"})
    widget.on_click(lambda _: press())
    return widget


def row(*children: ipywidgets.Widget) -> ipywidgets.Box:
    """Controls side by side; on a narrow page they wrap."""
    layout = {"display": "flex", "flex_flow": "row wrap", "grid_gap": "2px 8px"}
    return ipywidgets.Box(children=children, layout=layout)


def keep_reachable(*buttons: ipywidgets.Button) -> None:
    """Let clicks on buttons through while another cell is running, if the front end supports it.

    ipykernel 7.4 handles a click on the thread that last updated the button, which a running cell
    blocks. Without this record it uses the thread that JupyterLab asked for.
    """
    for widget in buttons:
        getattr(widget.comm, "__dict__", {}).pop("_reply_subshell_id", None)
