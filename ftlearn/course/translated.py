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


def activate(catalogue: Catalogue) -> None:
    """Translate what this kernel shows from now on; nothing happens outside a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        from ftlearn.course.widgets.translated import translate_widgets  # only in a notebook

        translate_displays(catalogue, shell)
        translate_printing(catalogue, shell.events)
        translate_figures(catalogue)
        translate_widgets(catalogue)


def translate_displays(catalogue: Catalogue, shell: Any) -> None:
    """Translate the results of an IPython shell from now on.

    Calling it again replaces the catalogue.
    """
    formatter = shell.display_formatter
    original = getattr(formatter.format, "__wrapped__", formatter.format)

    @wraps(original)
    def translated(*arguments: Any, **options: Any) -> tuple[dict, dict]:
        data, metadata = original(*arguments, **options)
        return {kind: _translated(kind, value, catalogue) for kind, value in data.items()}, metadata

    formatter.format = translated


def translate_printing(catalogue: Catalogue, events: Any) -> None:
    """Translate the printed lines of this cell and of all later ones.

    IPython puts a `write` of its own in place at the beginning of a cell and the former one back at
    its end, so ours has to follow it into each cell. Calling it again replaces the catalogue.
    """
    for callback in list(events.callbacks["pre_run_cell"]):
        if isinstance(callback, PrintTranslator):
            events.unregister("pre_run_cell", callback)
    translator = PrintTranslator(catalogue)
    events.register("pre_run_cell", translator)
    translator()


class PrintTranslator:
    """Puts a `write` that translates in front of the standard output's, when it is called."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def __call__(self, *_: Any) -> None:
        write = getattr(sys.stdout.write, "__wrapped__", sys.stdout.write)

        @wraps(write)
        def print_translated(text: str, *rest: Any) -> int:
            return write(language.output(text, self.catalogue), *rest)

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
