"""Call a function again whenever the learner changes one of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from ftlearn import figures, showing
from ftlearn.showing import Markup, tag


def explore(function: Callable[..., Any], **choices: Sequence[Any] | str) -> ipywidgets.VBox:
    """Controls for the arguments of a function, the call that gives the same, and its result.

    Each keyword is an argument: a sequence of values becomes a drop-down list (its first value
    is taken at the start), a string a text field. The function returns what is to be shown: a
    table, matplotlib Axes, or anything else by its repr. It runs once at once, so that a
    notebook that is run from top to bottom does the same without a hand on it, and an error
    then is raised. When a later choice fails, the error is shown in place of the result.

    >>> box = explore(lambda power: 2**power, power=[3, 4])
    >>> box.children[-1].value
    '<pre>8</pre>'
    >>> box.children[0].children[0].value = 4
    >>> box.children[-1].value
    '<pre>16</pre>'
    """
    controls = {name: _control(name, values) for name, values in choices.items()}
    call, result = ipywidgets.HTML(), ipywidgets.HTML()

    def show() -> None:
        arguments = {name: control.value for name, control in controls.items()}
        call.value = tag("code", call_text(function, arguments))
        result.value = as_html(function(**arguments))

    def update(change: Any) -> None:
        try:
            show()
        except Exception as error:  # noqa: BLE001 - whatever it is, the learner must see it
            result.value = tag("pre", f"{type(error).__name__}: {error}")

    show()
    for control in controls.values():
        control.observe(update, names="value")
    return ipywidgets.VBox([ipywidgets.HBox(list(controls.values())), call, result])


def call_text(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """The call as code.

    >>> call_text(max, {"key": None})
    'max(key=None)'
    """
    inside = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return f"{function.__name__}({inside})"


def as_html(value: Any) -> Markup:
    """A value as HTML: figures as images, tables as pandas shows them, the rest by its repr.

    >>> as_html("<b>")
    '<pre>&#x27;&lt;b&gt;&#x27;</pre>'
    """
    if isinstance(value, Axes | Figure):
        return showing.image(figures.png(value), "the result as a figure")
    if isinstance(value, DataFrame):
        return showing.frame(value)
    return tag("pre", repr(value))


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
    options = [(str(value), value) for value in values]  # a bare pair would be taken for this
    return ipywidgets.Dropdown(options=options, description=label, style=style)
