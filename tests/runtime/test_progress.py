"""Bars are for people who look: on a terminal and in a notebook, never in a file."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from ftlearn.runtime.progress import bar, in_notebook


class Terminal(io.StringIO):
    """Standard error of somebody who looks at it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("screen", "shown", "drawn"),
    [(Terminal(), True, True), (Terminal(), False, False), (io.StringIO(), True, False)],
    ids=["terminal", "not wanted", "file"],
)
def test_a_bar_is_drawn_on_a_terminal_only(monkeypatch, screen, shown: bool, drawn: bool):
    monkeypatch.setattr(sys, "stderr", screen)
    with bar(shown=shown, total=3, desc="training") as progress:
        for _ in range(3):
            progress.update()
        progress.refresh()
    assert ("training" in screen.getvalue()) == drawn
    assert bool(screen.getvalue()) == drawn


def test_a_notebook_has_its_bar_although_it_is_no_terminal(monkeypatch):
    assert not in_notebook()
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    assert in_notebook()
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    with bar(total=3, desc="training") as progress:
        progress.update()
    assert "training" in screen.getvalue()


def test_a_terminal_of_ipython_is_no_notebook(monkeypatch):
    shell = SimpleNamespace(get_ipython=lambda: SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython", shell)
    assert not in_notebook()
