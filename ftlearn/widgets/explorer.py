"""Call a function again whenever the learner changes one of its arguments."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets
from IPython.display import display


def explore(function: Callable[..., Any], **choices: Sequence[Any] | str) -> ipywidgets.VBox:
    """Controls for the arguments of a function, its result, and the call that gives the same.

    Each keyword is an argument: a sequence of values becomes a drop-down list (its first value
    is taken at the start), a string a text field. The function runs once at once, so that a
    notebook that is run from top to bottom shows the same without a hand on it. Errors of the
    function appear in place of its result.

    >>> box = explore(lambda power: 2**power, power=[3, 4])
    >>> box.children[0].children[0].options
    (3, 4)
    """
    controls = {name: _control(name, values) for name, values in choices.items()}
    call, result = ipywidgets.HTML(), ipywidgets.Output()

    def update(change: Any = None) -> None:
        arguments = {name: control.value for name, control in controls.items()}
        call.value = f"<code>{html.escape(call_text(function, arguments))}</code>"
        result.clear_output(wait=True)
        with result:
            value = function(**arguments)
            if value is not None:
                display(value)

    for control in controls.values():
        control.observe(update, names="value")
    update()
    return ipywidgets.VBox([ipywidgets.HBox(list(controls.values())), call, result])


def call_text(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """The call as code.

    >>> call_text(max, {"key": None})
    'max(key=None)'
    """
    inside = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return f"{function.__name__}({inside})"


def _control(name: str, values: Sequence[Any] | str) -> ipywidgets.ValueWidget:
    label = name.replace("_", " ")
    style = {"description_width": "initial"}
    if isinstance(values, str):
        return ipywidgets.Text(
            value=values,
            description=label,
            style=style,
            continuous_update=False,
            layout={"width": "34em"},
        )
    if not values:
        raise ValueError(f"no values to choose from for {name!r}: give at least one")
    return ipywidgets.Dropdown(options=list(values), description=label, style=style)
