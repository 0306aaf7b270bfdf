"""The Chinese lessons belong to the English ones: same cells, same code, current translations."""

from __future__ import annotations

import shutil

import nbformat
import polib
import pytest

from ftlearn import language
from tools import (
    badges,
    execute,
    notebooks,
    rules,
    site_sources,
    translation_editions,
    translation_rules,
    translations,
)

CATALOGUES = sorted(path.stem for path in translations.CATALOGUES.glob("*.po"))
GUIDES = sorted(site_sources.CATALOGUES.glob("**/*.po"))
LESSONS = sorted(path.stem for path in translations.TRANSLATED.glob("*.ipynb"))


def chinese(name: str) -> nbformat.NotebookNode:
    return notebooks.read(translations.TRANSLATED / f"{name}.ipynb")


@pytest.mark.parametrize("name", CATALOGUES)
def test_a_catalogue_keeps_the_rules(name):
    assert translations.check(name) == []


def test_every_chinese_lesson_has_a_catalogue_and_every_catalogue_an_english_lesson():
    assert set(LESSONS) <= set(CATALOGUES)
    english = {path.stem for path in notebooks.find()}
    assert set(CATALOGUES) == {*translations.PACKAGES, *english}


@pytest.mark.parametrize("name", LESSONS)
def test_code_and_cells_are_those_of_the_english_lesson(name):
    assert translation_editions.same_cells(translations.lesson(name), chinese(name)) == []


@pytest.mark.parametrize("name", LESSONS)
def test_the_text_is_that_of_the_catalogue(name):
    catalogue = translations.read_catalogue(name)
    assert translation_editions.current_texts(chinese(name), catalogue) == []


@pytest.mark.parametrize("name", LESSONS)
@pytest.mark.parametrize(
    "rule", [rules.file_format, rules.fresh_outputs, rules.clean_outputs, rules.alternative_texts]
)
def test_the_stored_lesson_keeps_the_rules_of_files(name, rule):
    assert rule(chinese(name)) == []


@pytest.mark.parametrize("name", LESSONS)
def test_badges_and_languages_lead_to_the_right_file(name):
    notebook = chinese(name)
    before = notebook.cells[0].source
    badges.update(notebook, f"{name}.ipynb", "zh")
    assert notebook.cells[0].source == before
    assert f"(../{name}.ipynb)" in before
    assert f"(zh/{name}.ipynb)" in translations.lesson(name).cells[0].source


@pytest.mark.parametrize("name", LESSONS)
def test_what_is_shown_is_translated(name):
    """No label that the catalogue translates stands in an output in English, and no line."""
    catalogue, words = translations.read_catalogue(name), language.load("zh", name[:2])
    assert translation_editions.translated_labels(chinese(name), catalogue) == []
    assert translation_editions.translated_lines(chinese(name), words) == []


@pytest.mark.parametrize("name", LESSONS)
def test_outputs_were_executed_with_the_labels_of_the_catalogue(name):
    catalogue = translations.read_catalogue(name)
    assert translation_editions.current_labels(chinese(name), catalogue) == []


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_emphasis_in_a_guide_is_rendered(path):
    found = {
        entry.msgid: translation_rules.emphasis(entry.msgid, entry.msgstr)
        for entry in polib.pofile(str(path)).translated_entries()
    }
    assert not any(found.values()), {text for text, complaints in found.items() if complaints}


def test_prose_is_written_again_around_the_outputs_of_the_last_execution(tmp_path, monkeypatch):
    name = "02_loss"
    stored, catalogue = chinese(name), translations.read_catalogue(name)
    entry = next(e for e in catalogue if e.msgctxt == stored.cells[3].id)
    entry.msgstr += "还有一句。"
    folder = tmp_path / "zh"
    folder.mkdir()
    shutil.copy(translations.TRANSLATED / f"{name}.ipynb", folder)
    monkeypatch.setattr(translations, "TRANSLATED", folder)
    monkeypatch.setattr(translations, "read_catalogue", lambda name: catalogue)
    written = notebooks.read(translations.refresh(name))
    assert written.cells[3].source.endswith("还有一句。")
    assert [c.get("outputs") for c in written.cells] == [c.get("outputs") for c in stored.cells]

    label = next(e for e in catalogue if e.msgctxt == "output")
    label.msgstr += "甲"
    with pytest.raises(ValueError, match=r"labels have changed.*build 02"):
        translations.refresh(name)


def test_the_quickest_chinese_lesson_runs_and_shows_chinese():
    name = "02_loss"
    notebook = chinese(name)
    execute.clear(notebook)
    notebook.cells = notebook.cells[:12]
    path = translations.TRANSLATED / f"{name}.ipynb"
    execute.run(notebook, path, keep_going=False)
    shown = "\n".join(text for _, text in notebooks.output_texts(notebook))
    assert "对数之和" in shown
    assert "sum of logarithms" not in shown
