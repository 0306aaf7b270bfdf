"""What a learner sees in JupyterLab: figures, controls that answer, and the first lesson."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect

from tools import notebooks

pytestmark = pytest.mark.browser

FIGURE = "import matplotlib.pyplot as plt\nplt.plot([0, 1]);"
CONTROLS = """
import ipywidgets

slider = ipywidgets.IntSlider(value=3)
answer = ipywidgets.HTML(value="twice is 6")
slider.observe(lambda change: setattr(answer, "value", f"twice is {2 * change.new}"), "value")
ipywidgets.VBox([slider, answer])
"""


def stand_in(folder: Path, *sources: str) -> Path:
    """A notebook with these code cells."""
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    notebooks.normalise(notebook)
    notebooks.write(notebook, folder / "stand_in.ipynb")
    return folder / "stand_in.ipynb"


def test_a_figure_shows_and_a_control_answers(lab, tmp_path: Path):
    lab.run_all(stand_in(tmp_path, FIGURE, CONTROLS))
    assert lab.problems() == []
    figure = lab.page.locator(".jp-OutputArea-output img")
    expect(figure).to_be_visible()
    assert figure.evaluate("image => image.naturalWidth") > 100
    lab.page.locator(".noUi-handle").press("ArrowRight")
    expect(lab.page.get_by_text("twice is 8")).to_be_visible()
    assert lab.screenshot("stand_in").stat().st_size > 0


def test_an_error_is_noticed(lab, tmp_path: Path):
    lab.run_all(stand_in(tmp_path, "1 / 0", "2"))
    assert lab.problems() == ["code cell 1 did not run", "ZeroDivisionError: division by zero"]


def test_a_broken_widget_is_noticed(lab, tmp_path: Path):
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "gone", "version_major": 2}}
    lab.run_all(
        stand_in(tmp_path, f"from IPython.display import display\ndisplay({view}, raw=True)")
    )
    expect(lab.page.locator(".jp-OutputArea-output")).to_contain_text("widget")
    assert len(lab.problems()) == 1


def test_the_first_lesson_runs_to_its_end(lab):
    lab.run_all(notebooks.FOLDER / "00_start_here.ipynb")
    lab.screenshot("00_start_here")
    assert lab.problems() == []
