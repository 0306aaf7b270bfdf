"""A lesson in Chinese: results, printed lines, figures, widgets and exercises are translated."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import ipywidgets
import matplotlib
import pandas as pd
import pytest
from IPython.core.events import EventManager
from IPython.core.formatters import DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell
from matplotlib import pyplot as plt
from matplotlib.text import Text

from ftlearn import language
from ftlearn.course import exercises, fonts, translated
from ftlearn.course.widgets.translated import translate_widgets
from ftlearn.language import Catalogue

CATALOGUE = Catalogue({"loss": "损失", "updates": "步数"}, {"loss after {n} updates": "{n} 步后"})


@pytest.fixture
def undone(monkeypatch):
    """What is changed for the whole process is as before after the test."""
    monkeypatch.setattr(Text, "set_text", Text.set_text)
    monkeypatch.setattr(ipywidgets.Widget, "get_state", ipywidgets.Widget.get_state)
    monkeypatch.setattr(sys.stdout, "write", sys.stdout.write)
    with matplotlib.rc_context():
        yield monkeypatch


@pytest.mark.usefixtures("undone")
def test_results_are_shown_in_chinese():
    shell = SimpleNamespace(display_formatter=DisplayFormatter())
    translated.translate_displays(CATALOGUE, shell)
    data, _ = shell.display_formatter.format({"loss": 0.5})
    assert data["text/plain"] == "{'损失': 0.5}"
    shell.display_formatter.active_types = ["text/html"]
    data, _ = shell.display_formatter.format(pd.DataFrame({"loss": [1]}))
    assert "<th>损失</th>" in data["text/html"]


@pytest.mark.usefixtures("undone")
def test_a_second_catalogue_replaces_the_first(capsys):
    shell = SimpleNamespace(display_formatter=DisplayFormatter())
    translated.translate_displays(CATALOGUE, shell)
    translated.translate_displays(Catalogue({"loss": "别的"}), shell)
    assert shell.display_formatter.format({"loss": 1})[0]["text/plain"] == "{'别的': 1}"
    events = EventManager(None, {"pre_run_cell": None})
    for catalogue in (CATALOGUE, Catalogue({"loss": "别的"})):
        translated.translate_printing(catalogue, events)
    events.trigger("pre_run_cell", None)
    print("loss")
    assert capsys.readouterr().out == "别的\n"


@pytest.mark.usefixtures("undone")
def test_lines_that_any_cell_prints_are_translated(capsys):
    """In the cell that begins it, and in those after it."""
    shell = InteractiveShell()
    shell.push({"translate": lambda: translated.translate_printing(CATALOGUE, shell.events)})
    for cell in ("translate(); print('loss after 3 updates')", "print('loss after 4 updates')"):
        shell.run_cell(cell).raise_error()
    assert capsys.readouterr().out == "3 步后\n4 步后\n"


@pytest.mark.usefixtures("undone")
def test_labels_of_figures_are_translated_in_a_font_that_has_them(monkeypatch):
    monkeypatch.setattr(translated, "chinese_fonts", lambda: ["WenQuanYi Micro Hei"])
    translated.translate_figures(CATALOGUE)
    _, ax = plt.subplots()
    ax.plot([1, 2], label="loss")
    ax.set_xlabel("updates")
    assert (ax.get_xlabel(), ax.legend().get_texts()[0].get_text()) == ("步数", "损失")
    assert matplotlib.rcParams["font.family"] == ["sans-serif", "WenQuanYi Micro Hei"]
    plt.close("all")


@pytest.mark.usefixtures("undone")
def test_without_a_chinese_font_figures_stay_english(monkeypatch):
    monkeypatch.setattr(translated, "chinese_fonts", list)
    translated.translate_figures(CATALOGUE)
    _, ax = plt.subplots()
    ax.set_xlabel("updates")
    assert ax.get_xlabel() == "updates"
    plt.close("all")


def test_only_fonts_that_are_installed_are_named():
    installed = {font.name for font in matplotlib.font_manager.fontManager.ttflist}
    assert set(fonts.chinese_fonts()) == installed & set(fonts.CHINESE_FONTS)


@pytest.mark.usefixtures("undone")
def test_widgets_show_chinese_and_keep_what_is_typed():
    translate_widgets(CATALOGUE)
    field = ipywidgets.Text(description="loss", value="loss")
    assert {key: field.get_state()[key] for key in ("description", "value")} == {
        "description": "损失",
        "value": "loss",
    }
    assert ipywidgets.HTML("<p>loss</p>").get_state("value") == {"value": "<p>损失</p>"}
    chosen = ipywidgets.Dropdown(options=["loss", "other"])
    assert chosen.get_state("_options_labels")["_options_labels"] == ["损失", "other"]
    assert chosen.value == "loss"


@pytest.fixture
def sheet(monkeypatch):
    """A sheet of lesson 02 whose catalogue holds a few of its texts."""
    texts = {
        "prediction minus truth": "预测减真值",
        "softmax of logarithms: e to the power of ln 2 is 2": "对数的 softmax",
        "these are the probabilities themselves; subtract the truth": "这是概率本身",
        "nothing: only the logit of the truth is moved": "不变",
    }
    patterns = {"hint {number} of {total}: {hint}": "提示 {number}/{total}：{hint}"}
    monkeypatch.setattr(language, "load", lambda *_: Catalogue(texts, patterns))
    return exercises.load("02", record=False, language="zh")


def test_exercises_speak_chinese(sheet):
    assert repr(sheet.q1).startswith("预测减真值 ★")
    assert sheet.q1.hint() == "提示 1/2：对数的 softmax"
    assert sheet.q1.check([0.2, 0.5, 0.3]).message == "这是概率本身"
    assert "- **a** · 不变" in sheet.quiz2.as_markdown()


def test_the_check_itself_does_not_depend_on_the_language(sheet):
    english = exercises.load("02", record=False, language="en")
    for name, item in english.items():
        answer = getattr(item, "example", None) or getattr(item, "right", None)
        assert getattr(sheet, name).check(answer).status == item.check(answer).status == "passed"
