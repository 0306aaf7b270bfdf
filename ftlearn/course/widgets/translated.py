"""Widgets in another language: their labels and texts are translated as they are sent."""

from __future__ import annotations

from functools import wraps
from typing import Any

import ipywidgets

from ftlearn import language
from ftlearn.language import Catalogue

WORDS_OF_WIDGETS = {"description", "placeholder", "tooltip", "_options_labels"}


def translate_widgets(catalogue: Catalogue) -> None:
    """Translate the labels and texts of widgets from now on; what a learner types stays."""
    original = getattr(ipywidgets.Widget.get_state, "__wrapped__", ipywidgets.Widget.get_state)

    @wraps(original)
    def get_translated(self: ipywidgets.Widget, *arguments: Any, **options: Any) -> dict:
        state = original(self, *arguments, **options)
        for name in WORDS_OF_WIDGETS & set(state):
            state[name] = _words(state[name], catalogue)
        if isinstance(state.get("value"), str) and isinstance(
            self, ipywidgets.HTML | ipywidgets.Label
        ):
            state["value"] = language.html(state["value"], catalogue)
        return state

    ipywidgets.Widget.get_state = get_translated


def _words(value: Any, catalogue: Catalogue) -> Any:
    if isinstance(value, list | tuple):
        return [_words(part, catalogue) for part in value]
    return catalogue.translate(value) if isinstance(value, str) else value
