"""The training panel in JupyterLab: it trains, the curve moves, and Stop stops, always."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page, expect

from tools import notebooks

pytestmark = pytest.mark.browser

SETUP = """
import pathlib
import time
import warnings
from datasets import DatasetDict
from ftlearn import TrainConfig, data, models, tasks; from ftlearn.course import widgets
from ftlearn.experiments import Workbench

warnings.simplefilter("ignore")
topics = data.load("topics")
parts = {{part: data.subset(topics[part], per_class=15, seed=0) for part in ("train", "valid")}}
task = tasks.classification(topics, max_length=32)

def tiny(name, task, *, seed):
    return models.load({folder!r}, task, seed=seed, device="cpu")

bench = Workbench(DatasetDict(parts), task, folder="runs", load=tiny)
"""
PANEL = """
config = TrainConfig(epochs=10**6, batch_size=8, learning_rate=1e-3, schedule="constant")
panel = widgets.training_panel(bench, config, rows=[40], every=100)
panel
"""
# The second time, the folder has runs: then one trains while this cell blocks,
# until the test creates the file "seen".
BUSY = """
if bench.records:
    panel.start()
    while not pathlib.Path("seen").exists():
        time.sleep(0.02)
"""


def lesson(folder: Path, checkpoint: Path) -> Path:
    """A notebook with a panel over a small model."""
    sources = SETUP.format(folder=str(checkpoint)), PANEL, BUSY
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    notebooks.normalise(notebook)
    notebooks.write(notebook, folder / "panel.ipynb")
    return folder / "panel.ipynb"


def errors_of(page: Page) -> list[str]:
    """A list that collects the error messages of the page."""
    errors: list[str] = []
    page.on(
        "console", lambda message: errors.append(message.text) if message.type == "error" else None
    )
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


REDRAWN = """before => {
  const drawing = document.querySelector(".jp-OutputArea-output svg[role=img]");
  return drawing && drawing.innerHTML !== before;
}"""


def status(page: Page) -> Locator:
    return page.locator(".jp-OutputArea-output [role=status]")


def drawn(page: Page) -> str:
    return page.locator(".jp-OutputArea-output svg[role=img]").inner_html()


def evaluated(page: Page, run: str) -> None:
    """Returns when a run that trains has been evaluated, once or any number of times."""
    expect(status(page)).to_contain_text(re.compile(rf"{run} is training\. Update \d+"))


def stops(page: Page) -> None:
    """Press Stop, in a run that would not end by itself for days; it says that it has stopped."""
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(status(page)).to_contain_text("stopped after update")


def test_the_panel_trains_and_stops(lab, tmp_path: Path, tiny_bert: Path):
    page, errors = lab.page, errors_of(lab.page)
    lab.run_all(lesson(tmp_path, tiny_bert))
    assert lab.problems() == []
    expect(status(page)).to_contain_text("Choose settings and press Run.")
    for name in ("learning rate", "epochs", "batch size", "training rows", "start from", "name"):
        expect(page.get_by_label(name, exact=True)).to_be_visible()

    # A cell is free: Run by the keyboard, the curve moves, Stop.
    page.get_by_role("button", name="Run", exact=True).press("Enter")
    evaluated(page, "run 1")
    for _ in range(8):
        before = drawn(page)
        page.wait_for_function(REDRAWN, arg=before)
    stops(page)

    # Back to the first evaluation, chosen by its number in the list, with another rate.
    page.get_by_label("start from", exact=True).select_option(index=1)
    expect(status(page)).to_contain_text("Back at update 100 of run 1")
    page.get_by_label("learning rate", exact=True).select_option("0.0001")
    page.get_by_role("button", name="Branch", exact=True).press("Enter")
    evaluated(page, "run 2")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(status(page)).to_contain_text("run 2 is paused")
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(status(page)).to_contain_text("run 2 is training")
    stops(page)
    page.get_by_role("button", name="Show code", exact=True).click()
    expect(page.locator(".jp-OutputArea-output pre", has_text="run = resume(taken")).to_be_visible()
    lab.screenshot("training_panel")

    # Run All again: the runs are there from the folder, and a third trains while a cell blocks.
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    evaluated(page, "run 3")
    expect(page.locator(".jp-InputPrompt", has_text="[*]")).to_have_count(1)  # a cell blocks
    expect(page.locator(".jp-OutputArea-output table")).to_contain_text("run 2")
    stops(page)
    expect(page.locator(".jp-InputPrompt", has_text="[*]")).to_have_count(1)  # it still does
    (lab.folder / "seen").touch()
    expect(page.locator(".jp-InputPrompt", has_text="[*]")).to_have_count(0)
    assert errors == []
