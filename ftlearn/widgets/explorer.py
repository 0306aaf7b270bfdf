"""Call a function again whenever the learner changes one of its arguments."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure


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
        call.value = f"<code>{html.escape(call_text(function, arguments))}</code>"
        result.value = as_html(function(**arguments))

    def update(change: Any) -> None:
        try:
            show()
        except Exception as error:  # noqa: BLE001 - whatever it is, the learner must see it
            result.value = f"<pre>{html.escape(f'{type(error).__name__}: {error}')}</pre>"

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


def as_html(value: Any) -> str:
    """A value as HTML: figures as images, tables by their own (escaping) HTML, the rest escaped.

    >>> as_html("<b>")
    '<pre>&#x27;&lt;b&gt;&#x27;</pre>'
    """
    if isinstance(value, Axes | Figure):
        return _image(value)
    if hasattr(value, "_repr_html_"):
        return value._repr_html_()
    return f"<pre>{html.escape(repr(value))}</pre>"


def _image(drawing: Artist) -> str:
    figure = drawing.get_figure() or drawing
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    plt.close(figure)  # or the notebook would show it a second time
    pixels = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="the result as a figure" src="data:image/png;base64,{pixels}">'


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
