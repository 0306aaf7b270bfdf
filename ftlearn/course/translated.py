"""A lesson in another language: what its cells show is translated on the way to the notebook.

The code of a lesson is the same in every language, names and labels included. So the translation
happens where a kernel hands out what it shows: printed lines, results, figures and widgets.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from matplotlib import rcParams
from matplotlib.text import Text

from ftlearn import language
from ftlearn.course.fonts import chinese_fonts
from ftlearn.language import Catalogue

TRANSLATORS: dict[str, Callable[[str, Catalogue], str]] = {
    "text/plain": language.output,
    "text/html": language.html,
    "text/markdown": language.markdown,
}
WORDS_OF_WIDGETS = {"description", "placeholder", "tooltip", "_options_labels"}


def activate(catalogue: Catalogue) -> None:
    """Translate what this kernel shows from now on; nothing happens outside a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        translate_displays(catalogue, shell)
        translate_figures(catalogue)
        translate_widgets(catalogue)


def translate_displays(catalogue: Catalogue, shell: Any) -> None:
    """Translate the results and printed lines of an IPython shell from now on.

    Calling it again replaces the catalogue.
    """
    formatter = shell.display_formatter
    original = getattr(formatter.format, "__wrapped__", formatter.format)

    @wraps(original)
    def translated(*arguments: Any, **options: Any) -> tuple[dict, dict]:
        data, metadata = original(*arguments, **options)
        return {kind: _translated(kind, value, catalogue) for kind, value in data.items()}, metadata

    formatter.format = translated
    write = getattr(sys.stdout.write, "__wrapped__", sys.stdout.write)

    @wraps(write)
    def print_translated(text: str) -> int:
        return write(language.output(text, catalogue))

    sys.stdout.write = print_translated


def _translated(kind: str, value: Any, catalogue: Catalogue) -> Any:
    translator = TRANSLATORS.get(kind)
    return translator(value, catalogue) if translator and isinstance(value, str) else value


def translate_figures(catalogue: Catalogue) -> None:
    """Translate titles, labels and legends of matplotlib from now on, in a font that has them.

    Without a font for Chinese, figures stay English: a box says nothing.
    """
    fonts = chinese_fonts()
    if not fonts:
        return
    rcParams["font.family"] = ["sans-serif", fonts[0]]  # glyph by glyph, the first that has it
    original = getattr(Text.set_text, "__wrapped__", Text.set_text)

    @wraps(original)
    def set_translated(self: Text, s: Any) -> None:
        original(self, catalogue.translate(s) if isinstance(s, str) else s)

    Text.set_text = set_translated


def translate_widgets(catalogue: Catalogue) -> None:
    """Translate the labels and texts of widgets from now on; what a learner types stays."""
    from ipywidgets import HTML, Label, Widget  # only in a notebook

    original = getattr(Widget.get_state, "__wrapped__", Widget.get_state)

    @wraps(original)
    def get_translated(self: Widget, *arguments: Any, **options: Any) -> dict:
        state = original(self, *arguments, **options)
        for name in WORDS_OF_WIDGETS & set(state):
            state[name] = _words(state[name], catalogue)
        if isinstance(state.get("value"), str) and isinstance(self, HTML | Label):
            state["value"] = language.html(state["value"], catalogue)
        return state

    Widget.get_state = get_translated


def _words(value: Any, catalogue: Catalogue) -> Any:
    if isinstance(value, list | tuple):
        return [_words(part, catalogue) for part in value]
    return catalogue.translate(value) if isinstance(value, str) else value
