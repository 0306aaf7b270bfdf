"""Slides: little on each, everything in the notes, and nothing from another host."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_output

from ftlearn.course import exercises
from tools import classroom, notebooks, page_export, site_check, slide_deck, slide_outputs, slides
from tools.lesson_points import Point, blocks, sentences, weight
from tools.slide_deck import Slide

CHINESE = [path.stem[:2] for path in classroom.lessons([], "zh")]
DECKS = [("en", "02"), ("en", "14"), *(("zh", number) for number in CHINESE if number == "02")]
WITHOUT_SLIDES = (*slide_deck.SOURCES, "Exercises", "练习")
"""Sections whose parts have slides of their own, or none."""
NUMBER = re.compile(
    r"\*\*q?\d+\*\*[\s(（]*[★☆]+[,，]?\s*\d+\s*(?:minutes|min|分钟)[)）]?[.,，。：:]?\s*"
)


@cache
def deck(language: str, number: str) -> list[Slide]:
    return slides.slides(notebooks.read(classroom.lessons([number], language)[0]), language)


@cache
def lesson(language: str, number: str) -> Path:
    return classroom.lessons([number], language)[0]


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    return slides.build(notebooks.find(["02"])[0], folder=tmp_path_factory.mktemp("slides"))


def words(text: str) -> int:
    """Words and pairs of Chinese characters, formulas and rows of tables left out."""
    text = re.sub(r"```.*?```|\$\$.*?\$\$|\$[^$]+\$|^\|.*$", " ", text, flags=re.M | re.S)
    return len(re.findall(r"[A-Za-z]\S*|[\u4e00-\u9fff]{2}", text))


def prose(slide: Slide) -> str:
    return "\n".join(point.text for point in slide.shown)


class Outside(HTMLParser):
    """The text of a page that is not in the speaker's notes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.asides, self.text, self.notes = 0, "", ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.asides += tag == "aside"

    def handle_endtag(self, tag: str) -> None:
        self.asides -= tag == "aside"

    def handle_data(self, data: str) -> None:
        if self.asides:
            self.notes += data
        else:
            self.text += data


@pytest.mark.parametrize(("language", "number"), DECKS)
def test_a_slide_has_few_words_and_one_figure(language, number):
    for slide in deck(language, number):
        asked = slide.words == slide_deck.QUIZ_WORDS
        assert words(prose(slide)) <= (110 if asked else 65), slide.title
        heavy = [point for point in slide.shown if point.kind not in ("text", "item")]
        assert len(heavy) <= 1, slide.title
        assert slide.title.startswith("#")


@pytest.mark.parametrize(("language", "number"), DECKS)
def test_every_section_question_and_exercise_has_its_slide(language, number):
    text = "\n".join(slide.title for slide in deck(language, number))
    notebook = notebooks.read(lesson(language, number))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for point in blocks(cell.source):
                if point.kind == "heading" and point.text.startswith("## "):
                    name = point.text[3:]
                    assert f"## {name}" in text or name in WITHOUT_SLIDES
    sheet = exercises.load(number, record=False)
    for place in range(1, len(sheet.exercises) + 1):
        assert re.search(rf"## q{place} [★☆]", text)
    assert len(re.findall(r"^## (?:Question|小题) \d$", text, re.M)) == len(sheet.questions)


@pytest.mark.parametrize(("language", "number"), DECKS)
def test_the_speaker_has_the_whole_text(language, number):
    shown = "\n".join("\n".join([prose(slide), *slide.notes]) for slide in deck(language, number))
    for cell in notebooks.read(lesson(language, number)).cells:
        folded = cell.cell_type != "markdown" or cell.id.startswith("guards")
        for point in () if folded else blocks(slides_source(cell.source)):
            if point.kind == "text":
                assert NUMBER.sub("", point.text) in shown, cell.id


def slides_source(source: str) -> str:
    return "\n".join(line for line in source.split("\n") if "<!--" not in line)


@pytest.mark.parametrize(("language", "number"), DECKS)
def test_every_figure_is_described(language, number):
    pictures = [
        output
        for slide in deck(language, number)
        for point in slide.shown
        if point.kind == "output"
        for output in point.cell.outputs
        if "image/png" in output.data
    ]
    assert pictures
    assert all(len(output.metadata["image/png"]["alt"]) > 30 for output in pictures)


def test_a_page_finds_all_it_loads_beside_it_and_asks_no_other_host(page):
    html = page.read_text(encoding="utf-8")
    parsed = site_check.parsed(html)
    local = [address for address in parsed.fetched if not address.startswith("data:")]
    assert len(local) >= 5
    assert not parsed.undescribed
    for address in local:
        assert not site_check.is_elsewhere(address)
        assert (page.parent / address).is_file(), address
    for style in page.parent.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(?:https?:)?//", style.read_text(encoding="utf-8"))
    assert "cdn" not in html
    assert "unpkg" not in html


def test_answers_are_in_the_notes_alone(page):
    outside = Outside(page.read_text(encoding="utf-8"))
    sheet = exercises.load("02", record=False)
    for question in sheet.questions:
        start = max(re.split(r"[$*`]", question.why), key=len)[:40].strip()
        assert len(start) > 15
        assert start in outside.notes
        assert start not in outside.text
    assert "the answer is" in outside.notes
    assert "typical mistake" in outside.notes
    assert "the answer is" not in outside.text


def test_reveal_is_the_tested_version_with_its_licence():
    folder = page_export.ASSETS / "reveal"
    assert "reveal.js 5.2." in (folder / "reveal.js").read_text(encoding="utf-8")[:200]
    assert "Permission is hereby granted" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000


@given(st.lists(st.sampled_from(["One is $x. Y$. ", "**Two. Or three.** ", "(Four. Five.) "])))
def test_sentences_lose_nothing_and_cut_no_formula(parts):
    text = "".join(parts).strip()
    found = sentences(text)
    assert " ".join(found) == text
    assert len(found) == len(parts)


def test_chinese_sentences_end_at_their_full_stop():
    assert sentences("一个。**二个。**三个（四。）五？六") == [
        "一个。", "**二个。**", "三个（四。）", "五？", "六",
    ]  # fmt: skip


def test_words_are_counted_without_formulas_and_tables():
    assert weight("a b $x y z$ c") == 4
    assert weight("$$a b c$$") == weight("| a | b |") == 0
    assert 2 <= weight("三个字的词") <= 5


def table(rows: int, columns: int, content: str = "x") -> str:
    """A table as pandas writes it: the index, numbered columns, and a head."""
    head = "".join(f"<th>c{column}</th>" for column in range(columns))
    cells = f"<td>{content}</td>" * columns
    body = "".join(f"<tr><th>{row}</th>{cells}</tr>" for row in range(rows))
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"


def test_a_long_table_is_cut_with_a_mark_and_its_text_stays_text():
    cut = slide_outputs.trimmed_html(table(20, 1, f"&lt;b&gt; {'x' * 200}"))
    assert 3 < cut.count("<tr>") < 20
    assert cut.endswith('<tr><td>…</td><td class="words long">…</td></tr></tbody></table>')
    assert "<b>" not in cut
    assert "x" * 150 not in cut
    assert "…" not in slide_outputs.trimmed_html(table(slide_outputs.TABLE_ROWS, 3))


def test_a_broad_table_keeps_its_last_column_and_marks_what_it_lost():
    cut = slide_outputs.trimmed_html(table(2, 12))
    heads = re.findall(r"<th(?: [^>]*)?>(.*?)</th>", cut)[:9]
    assert heads == ["", "c0", "c1", "c2", "c3", "c4", "c5", "…", "c11"]
    spanned = table(2, 12).replace("<tr>", "<tr colspan>")
    assert "c11" in slide_outputs.trimmed_html(spanned)


def test_a_cut_table_in_markdown_stays_a_table():
    rows = "\n".join(f"| {row} | b | c |" for row in range(30))
    *_, last, mark = slide_outputs.trimmed_markdown(f"| x | y | z |\n|---|---|---|\n{rows}").split(
        "\n"
    )
    assert (last.count("|"), mark) == (4, "| … | … | … |")


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (
            {"text/plain": "<Markdown object>", "text/markdown": "**Yes.** It is."},
            "**Yes.** It is.",
        ),
        ({"text/plain": "'It is so.'"}, "```\nIt is so.\n```"),
        ({"text/plain": "0.12345678901"}, "```\n0.1235\n```"),
        ({"text/plain": "{'a': 0.12345678901}"}, "| | |\n|---|---|\n| a | 0.1235 |"),
    ],
)
def test_outputs_are_shown_as_a_reader_sees_them(data, shown):
    cell = new_code_cell("x", outputs=[new_output("execute_result", data)])
    assert [point.text for point in slide_outputs.outputs(cell)] == [shown]


def test_a_sentence_that_leads_to_an_output_stands_above_it():
    filled = deck_of(
        "It is 5.\n\n", "Both fall, as they should. They are far apart. Now the third:"
    )
    texts = [[point.text or "output" for point in slide.shown] for slide in filled]
    assert texts == [
        ["It is 5.", "output", "Both fall, as they should. They are far apart."],
        ["Now the third:", "output"],
    ]


def deck_of(*prose: str) -> list[Slide]:
    """Slides of cells of prose, each followed by a small output."""
    filled = slide_deck.Deck.__new__(slide_deck.Deck)
    filled.section, filled.slides = "", [Slide("## A")]
    for text in prose:
        output = new_output("execute_result", {"text/html": table(2, 2)})
        for point in [*blocks(text), Point("output", cell=new_code_cell("x", outputs=[output]))]:
            filled.add(point)
    return filled.slides


@pytest.mark.parametrize(
    ("number", "name", "words"), [("03", "q4", "def "), ("17", "q5", "def "), ("22", "q5", "def ")]
)
def test_a_bug_is_on_the_slide_on_which_it_is_to_be_found(number, name, words):
    (slide,) = (slide for slide in deck("en", number) if slide.title.startswith(f"## {name} "))
    assert any(words in point.text for point in slide.shown if point.kind == "fence")


def test_what_has_no_room_begins_a_new_slide_with_the_same_heading():
    full = Slide("## A", [Point("text", "word " * 50)])
    assert not full.has_room(Point("text", "word " * 8))
    assert full.has_room(Point("text", "word " * 7))
    assert not Slide("## A", [Point("formula", "$$x$$")]).has_room(Point("table", "| a |"))
