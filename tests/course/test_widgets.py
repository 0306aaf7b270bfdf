"""Widgets run once when made, follow their controls, escape texts, and work on ipywidgets 7."""

from __future__ import annotations

import ast
import base64
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import pandas as pd
import pytest
from ipywidgets_7 import API_7_7_1, CLASSES_WITHOUT_ARGUMENTS, LAYOUT, STYLES
from matplotlib import pyplot as plt

from ftlearn.course import widgets
from ftlearn.course.widgets import explorer
from ftlearn.course.widgets.explorer import as_html, call_text, explore
from ftlearn.markup import AsHtml
from ftlearn.tasks.token_view import TokenView

HOSTILE = '<img src=x onerror="alert(1)"></script>'


def controls(box: ipywidgets.VBox) -> tuple:
    return box.children[0].children


def call(box: ipywidgets.VBox) -> str:
    return box.children[1].value


def result(box: ipywidgets.VBox) -> str:
    return box.children[2].value


def test_a_function_runs_once_at_the_start_with_the_first_values():
    calls = []
    box = explore(lambda **arguments: calls.append(arguments), rate=[0.1, 0.2], text="hello")
    assert calls == [{"rate": 0.1, "text": "hello"}]
    assert result(box) == "<pre>None</pre>"


def test_a_changed_control_runs_the_function_again():
    def power(base, exponent):
        return base**exponent

    box = explore(power, base=[2, 3], exponent=[4, 5])
    assert (call(box), result(box)) == ("<code>power(base=2, exponent=4)</code>", "<pre>16</pre>")
    controls(box)[1].value = 5
    controls(box)[0].value = 3
    assert (call(box), result(box)) == ("<code>power(base=3, exponent=5)</code>", "<pre>243</pre>")


def test_controls_are_named_and_of_a_fitting_kind():
    box = explore(lambda **arguments: 0, learning_rate=[1e-4, 3e-5], my_text="hello")
    rate, text = controls(box)
    assert isinstance(rate, ipywidgets.Dropdown)
    assert isinstance(text, ipywidgets.Text)
    assert (rate.description, text.description) == ("learning rate", "my text")
    assert rate.value == 1e-4
    assert dict(rate.options) == {"0.0001": 1e-4, "3e-05": 3e-5}
    assert text.continuous_update is False  # not one forward pass per keystroke


def test_pairs_are_values_and_not_a_name_with_a_value():
    box = explore(lambda pair: pair, pair=[("a", "b"), ("c", "d")])
    assert result(box) == "<pre>(&#x27;a&#x27;, &#x27;b&#x27;)</pre>"
    controls(box)[0].value = ("c", "d")
    assert call(box).endswith("(pair=(&#x27;c&#x27;, &#x27;d&#x27;))</code>")


def test_no_values_to_choose_from_are_refused():
    with pytest.raises(ValueError, match="no values to choose from for 'rate': give at least one"):
        explore(lambda rate: rate, rate=[])


def test_an_error_at_the_start_is_raised():
    with pytest.raises(ZeroDivisionError):
        explore(lambda by: 1 / by, by=[0, 1])


def test_a_later_error_is_shown_escaped_and_goes_away():
    def fail(text):
        if text != "fine":
            raise ValueError(f"cannot read {text}")
        return text

    box = explore(fail, text="fine")
    controls(box)[0].value = HOSTILE
    assert result(box).startswith("<pre>ValueError: cannot read &lt;img src=x onerror=")
    assert "<img" not in result(box) + call(box)
    assert "</script>" not in result(box) + call(box)
    controls(box)[0].value = "fine"
    assert result(box) == "<pre>&#x27;fine&#x27;</pre>"


@pytest.mark.parametrize(
    "value",
    [HOSTILE, [HOSTILE], {HOSTILE: 1}, pd.DataFrame({HOSTILE: [HOSTILE]}, index=[HOSTILE])],
    ids=["text", "list", "dict", "table"],
)
def test_hostile_texts_are_escaped(value):
    shown = as_html(value)
    assert "&lt;img" in shown
    assert "<img" not in shown
    assert "</script>" not in shown


def test_the_tokens_of_a_row_are_marked_up_as_in_a_cell():
    view = TokenView((HOSTILE, " you"), (5, 6), (False, True))
    box = explore(lambda: view)
    assert result(box) == view._repr_html_()
    assert "<mark>·you</mark>" in result(box)
    assert "<img" not in result(box)


def test_an_object_without_html_is_shown_by_its_repr():
    class Bare(AsHtml):
        def as_html(self):
            return None

        def __repr__(self):
            return "a < b"

    assert as_html(Bare()) == "<pre>a &lt; b</pre>"


def test_direction_controls_in_texts_are_made_visible():
    assert "\u202e" not in as_html("\u202eabc")
    assert "\u202e" not in call_text(print, {"text": "\u202eabc"})


@pytest.mark.parametrize("what", ["axes", "figure"])
def test_a_figure_becomes_one_picture_and_is_closed(what: str):
    figure, ax = plt.subplots()
    shown = as_html(ax if what == "axes" else figure)
    assert shown.startswith('<img alt="')
    data = shown.split("base64,")[1].rstrip('">')
    assert base64.b64decode(data + "=" * (-len(data) % 4)).startswith(b"\x89PNG\r\n\x1a\n")
    assert plt.get_fignums() == []


def test_the_shown_call_is_code_that_gives_the_same():
    def echo(**arguments):
        return arguments

    arguments = {"text": 'it\'s "quoted"\n', "rate": 3e-5, "layers": None, "pair": ("a", 1)}
    assert eval(call_text(echo, arguments), {"echo": echo}) == arguments


def test_only_widgets_and_arguments_of_ipywidgets_7_are_used(monkeypatch: pytest.MonkeyPatch):
    """Replaces the constructors by ones that accept only the arguments of 7.7.1."""

    def old(name: str):
        def construct(*positional, **arguments):
            assert set(arguments) <= API_7_7_1[name], name
            assert set(arguments.get("style", ())) <= STYLES
            assert set(arguments.get("layout", ())) <= LAYOUT
            return getattr(ipywidgets, name)(*positional, **arguments)

        return construct

    namespace = SimpleNamespace(**{name: old(name) for name in API_7_7_1})
    monkeypatch.setattr(explorer, "ipywidgets", namespace)
    box = explore(lambda **arguments: arguments, rate=[1, 2], text="hello")
    controls(box)[0].value = 2
    assert "2" in result(box)


@pytest.mark.parametrize("path", sorted(Path(widgets.__file__).parent.glob("*.py")), ids=str)
def test_no_widget_is_named_that_ipywidgets_7_lacks(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "ipywidgets"
    }
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ipywidgets")
        for alias in node.names
    }
    assert named | imported <= API_7_7_1.keys() | CLASSES_WITHOUT_ARGUMENTS
