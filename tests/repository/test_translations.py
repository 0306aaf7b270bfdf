"""The Chinese lessons belong to the English ones: same cells, same code, current translations."""

from __future__ import annotations

import re
import shutil

import nbformat
import polib
import pytest

from tools import badges, execute, notebooks, rules, translations
from tools.translation_sources import without_generated

CATALOGUES = sorted(path.stem for path in translations.CATALOGUES.glob("*.po"))
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
    english = translations.lesson(name)
    pairs = list(zip(english.cells, chinese(name).cells, strict=True))
    assert [(a.id, a.cell_type) for a, _ in pairs] == [(b.id, b.cell_type) for _, b in pairs]
    assert [a.source for a, _ in pairs if a.cell_type == "code"] == [
        b.source for _, b in pairs if b.cell_type == "code"
    ]
    assert [a.metadata.get("tags") for a, _ in pairs] == [b.metadata.get("tags") for _, b in pairs]


@pytest.mark.parametrize("name", LESSONS)
def test_the_text_is_that_of_the_catalogue(name):
    catalogue = polib.pofile(str(translations.catalogue_path(name)))
    texts = {entry.msgctxt: entry.msgstr for entry in catalogue}
    for cell in chinese(name).cells:
        if cell.cell_type == "markdown":
            expected = translations.one_folder_down(texts[cell.id])
            assert without_generated(cell.source) == expected.strip(), cell.id
        if "alt" in cell.metadata:
            assert cell.metadata["alt"] == texts[f"alt {cell.id}"], cell.id


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
    """A label that the catalogue translates does not stand in an output in English."""
    catalogue = polib.pofile(str(translations.catalogue_path(name)))
    labels = {
        entry.msgid
        for entry in catalogue
        if entry.msgctxt == "output" and not entry.flags and entry.msgstr != entry.msgid
    }
    for cell_id, text in notebooks.output_texts(chinese(name)):
        quoted = set(re.findall(r"'([^'\n]+)':|<th>([^<]+)</th>", text))
        left = {a or b for a, b in quoted} & labels
        assert not left, f"cell {cell_id} shows {left}"


@pytest.mark.parametrize("name", LESSONS)
def test_outputs_were_executed_with_the_labels_of_the_catalogue(name):
    measured = chinese(name).metadata["ftlearn"]
    catalogue = translations.read_catalogue(name)
    assert measured[translations.LABELS] == translations.labels_sha256(catalogue)


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
