"""Handouts: a page to read and a page to write on, without answers and without a network."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from nbformat import NotebookNode

from ftlearn.course import exercises
from tools import classroom, handout, lesson_points, notebooks, site_check, slide_deck

LESSONS = [("en", path.stem[:2]) for path in notebooks.find()]
LESSONS += [("zh", path.stem[:2]) for path in classroom.lessons([], "zh")]


@cache
def cells(language: str, number: str) -> list[NotebookNode]:
    notebook = notebooks.read(classroom.lessons([number], language)[0])
    sheet = exercises.load(number, record=False, language=language)
    return handout.handout(notebook, sheet, language)


def parts(language: str, number: str, part: str) -> list[NotebookNode]:
    return [cell for cell in cells(language, number) if cell.metadata["part"] == part]


@pytest.mark.parametrize(("language", "number"), LESSONS)
def test_there_are_two_pages_with_all_their_parts(language, number):
    marks = [cell.metadata.get("page") for cell in cells(language, number)]
    assert list(filter(None, marks)) == ["start", "end"] * 2
    for part in ("title", "aim", "words", "name"):
        assert len(parts(language, number, part)) == 1, part
    assert len(parts(language, number, "formula")) <= handout.FORMULAS
    pictures = [cell for cell in parts(language, number, "figure") if cell.cell_type == "code"]
    assert len(pictures) <= 1
    assert all(cell.outputs[0].metadata["image/png"]["alt"] for cell in pictures)


@pytest.mark.parametrize(("language", "number"), LESSONS)
def test_every_exercise_has_lines_and_no_solution(language, number):
    kinds = [cell.metadata["part"] for cell in cells(language, number)]
    sheet = exercises.load(number, record=False, language=language)
    assert kinds[-2 * len(sheet.exercises) :] == ["exercise", "lines"] * len(sheet.exercises)
    asked = parts(language, number, "exercise")
    for place, (cell, exercise) in enumerate(zip(asked, sheet.exercises, strict=True), start=1):
        assert cell.source.startswith(f"**q{place}**")
        assert exercise.translate(exercise.worked).strip() not in cell.source


@pytest.mark.parametrize(("language", "number"), LESSONS)
def test_the_claims_are_those_of_the_summary(language, number):
    text = "\n".join(
        cell.source
        for cell in notebooks.read(classroom.lessons([number], language)[0]).cells
        if cell.cell_type == "markdown"
    )
    for cell in parts(language, number, "claims"):
        for claim in cell.source.split("\n"):
            whole = claim if claim.startswith("|") else f"| {claim.removeprefix('- ')} |"
            assert whole in text
    assert any(parts(language, number, part) for part in ("claims", "listed", "remember"))
    for cell in parts(language, number, "remember"):
        remembered = cell.source.split("\n")
        assert len(remembered) == 3
        assert all(sentence in text for sentence in remembered)


def test_terms_come_in_both_languages():
    english, chinese = (parts(language, "02", "words")[0].source for language in ("en", "zh"))
    assert "**cross-entropy** 交叉熵" in english
    assert "**交叉熵** cross-entropy" in chinese


def test_a_page_asks_no_other_host(tmp_path):
    page = handout.build(notebooks.find(["02"])[0], folder=tmp_path)
    html = page.read_text(encoding="utf-8")
    parsed = site_check.parsed(html)
    assert not parsed.undescribed
    for address in parsed.fetched:
        if not address.startswith("data:"):
            assert (page.parent / address).is_file(), address
    assert html.count('<section class="page">') == html.count("</section>") == 2
    assert html.count('<div class="lines">') == 4


def test_a_long_exercise_is_cut_at_a_sentence():
    (cut,) = lesson_points.shortened("This is a sentence. " * 40, 60)
    assert cut.text == "This is a sentence. " * 14 + "This is a sentence."
    formula = "Find $x$ in\n\n$$x^2 = 4.$$\n\nThere are two."
    assert [point.kind for point in lesson_points.shortened(formula, 60)] == [
        "text", "formula", "text",
    ]  # fmt: skip


def test_claims_are_the_first_column():
    table = "| claim | measured |\n|---|---|\n| $P(a \\| b)$ rises | 0.5 |\n| two | 3 |"
    assert slide_deck.claims(table) == ["$P(a \\| b)$ rises", "two"]


def test_formulas_have_the_heading_of_their_section():
    for cell in parts("en", "02", "formula"):
        heading, _, formula = cell.source.partition("\n\n")
        assert re.fullmatch(r"\$\$.*\$\$", formula, re.DOTALL)
        assert heading


def test_the_styles_print_on_a4():
    style = (Path(handout.__file__).parent / "page_assets" / "handout.css").read_text("utf-8")
    assert "size: A4" in style
