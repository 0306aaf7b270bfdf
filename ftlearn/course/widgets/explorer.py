"""Controls for the arguments of a function, which is called again after every change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import ipywidgets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from ftlearn import figures, markup
from ftlearn.markup import AsHtml, Markup, tag

STYLE = {"description_width": "initial"}
MARGIN = "2px 12px 2px 2px"  # so that a control and the name of the next one stand apart


class Drag(NamedTuple):
    """A number to drag or to type: its start value, bounds and step."""

    value: float
    low: float
    high: float
    step: float = 0.1


def explore(
    function: Callable[..., Any], **choices: Sequence[Any] | str | bool | Drag
) -> ipywidgets.VBox:
    """Controls for the arguments of a function, the equivalent call as code, and the result.

    Each keyword is an argument: a sequence of values becomes a drop-down list that starts with
    its first value, a string a text field, True or False a checkbox, and ``Drag`` a slider beside
    a number. The function returns a view, the tokens of ``task.show``, a table, matplotlib Axes, or
    any value to show by its repr. It runs once when the widget is made, so that a notebook run from
    top to bottom shows a result, and an error in this first run is raised. An error after a later
    change is shown in place of the result. By keyboard, Tab moves from control to control, and
    Space opens a list; arrows or letters and Enter choose from it.

    >>> box = explore(lambda power: 2**power, power=[3, 4])
    >>> box.children[-1].value
    '<pre>8</pre>'
    >>> box.children[0].children[0].value = 4
    >>> box.children[-1].value
    '<pre>16</pre>'
    """
    return explorer(function, choices, lambda arguments: call_text(function, arguments))


def explorer(
    function: Callable[..., Any],
    choices: Mapping[str, Any],
    code: Callable[[Mapping[str, Any]], str],
) -> ipywidgets.VBox:
    """``explore`` with a function that writes the code shown for the arguments."""
    controls = {name: _control(name, values) for name, values in choices.items()}
    values = {name: _value_widget(control) for name, control in controls.items()}
    call, result = ipywidgets.HTML(), ipywidgets.HTML()
    for css_class in ("jp-OutputArea-output", "jp-RenderedHTMLCommon"):
        result.add_class(css_class)  # tables look as in the output of a cell

    def show() -> None:
        arguments = {name: control.value for name, control in values.items()}
        call.value = tag("code", code(arguments))
        result.value = as_html(function(**arguments))

    def update(change: Any) -> None:
        try:
            show()
        except Exception as error:  # noqa: BLE001 - the learner must see any error
            result.value = tag("pre", f"{type(error).__name__}: {error}")

    show()
    for control in values.values():
        control.observe(update, names="value")
    row = ipywidgets.HBox(list(controls.values()), layout={"flex_flow": "row wrap"})
    return ipywidgets.VBox([row, call, result])


def call_text(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """The call as code.

    >>> call_text(max, {"key": None})
    'max(key=None)'
    """
    return f"{function.__name__}({arguments_text(arguments)})"


def arguments_text(arguments: Mapping[str, Any]) -> str:
    """Keyword arguments as code.

    >>> arguments_text({"rate": 0.1, "text": "a"})
    "rate=0.1, text='a'"
    """
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


def as_html(value: Any) -> Markup:
    """A value as HTML, as a notebook shows it: a view, tokens, a figure, a table, or else its repr.

    >>> as_html("<b>")
    '<pre>&#x27;&lt;b&gt;&#x27;</pre>'
    """
    if isinstance(value, AsHtml) and (shown := value.as_html()) is not None:
        return shown
    if isinstance(value, Axes | Figure):
        return markup.image(figures.png(value), "the result as a figure")
    if isinstance(value, DataFrame):
        return markup.frame(value)
    return tag("pre", repr(value))


def _control(name: str, values: Sequence[Any] | str | bool | Drag) -> ipywidgets.Widget:
    options = {"description": name.replace("_", " "), "style": STYLE}
    if isinstance(values, bool):
        return ipywidgets.Checkbox(value=values, indent=False, **options)
    if isinstance(values, Drag):
        return _drag(values, options)
    if isinstance(values, str):
        size = {"width": "34em", "max_width": "100%", "margin": MARGIN}
        return ipywidgets.Text(value=values, continuous_update=False, layout=size, **options)
    if not values:
        raise ValueError(f"no values to choose from for {name!r}: give at least one")
    size = {"width": "max-content", "max_width": "100%", "margin": MARGIN}
    pairs = [(str(value), value) for value in values]  # ipywidgets would read a bare pair so
    return ipywidgets.Dropdown(options=pairs, layout=size, **options)


def _drag(drag: Drag, options: Mapping[str, Any]) -> ipywidgets.HBox:
    """A number field with a label, which screen readers can read, and a slider for its value."""
    bounds = {"min": drag.low, "max": drag.high, "step": drag.step, "value": drag.value}
    number = ipywidgets.BoundedFloatText(**bounds, **options, layout={"width": "11em"})
    apart = {"width": "11em", "margin": "2px 12px"}  # at its ends the handle is wider than it
    slider = ipywidgets.FloatSlider(**bounds, readout=False, layout=apart)
    number.observe(lambda change: setattr(slider, "value", change["new"]), names="value")
    slider.observe(lambda change: setattr(number, "value", round_off(change["new"])), names="value")
    return ipywidgets.HBox([number, slider])


def round_off(number: float) -> float:
    """A number without the rounding errors of a browser.

    >>> round_off(0.30000000000000004)
    0.3
    """
    return float(f"{number:.10g}")


def _value_widget(control: ipywidgets.Widget) -> ipywidgets.ValueWidget:
    """The widget that holds the value: the first one of a pair, or the control itself."""
    return getattr(control, "children", [control])[0]
