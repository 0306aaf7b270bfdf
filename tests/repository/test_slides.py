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
from tools import (
    classroom,
    notebooks,
    page_export,
    site_check,
    slide_deck,
    slide_outputs,
    slide_tables,
    slide_text,
    slide_words,
    slides,
)
from tools.lesson_points import Point, blocks, sentences, weight
from tools.slide_layout import QUIZ_WORDS, Slide

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
        compared = slide.words == QUIZ_WORDS or any(part.kind == "item" for part in slide.shown)
        assert words(prose(slide)) <= (110 if compared else 80), slide.title
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


def test_the_descriptions_of_figures_reach_the_page(page):
    html = page.read_text(encoding="utf-8")
    pictures = re.findall(r'<img alt="([^"]*)"', html)
    assert pictures
    assert all(len(alt) > 30 for alt in pictures)
    assert "No description has been provided" not in html


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
    cut = slide_tables.trimmed_html(table(20, 1, f"&lt;b&gt; {'x' * 200}"))
    assert 3 < cut.count("<tr>") < 20
    assert cut.endswith('<tr><td>…</td><td class="words long">…</td></tr></tbody></table>')
    assert "<b>" not in cut
    assert "x" * 150 not in cut
    assert "…" not in slide_tables.trimmed_html(table(slide_tables.TABLE_ROWS, 3))


def test_a_broad_table_keeps_its_last_column_and_marks_what_it_lost():
    cut = slide_tables.trimmed_html(table(2, 12))
    heads = re.findall(r"<th(?: [^>]*)?>(.*?)</th>", cut)[:9]
    assert heads == ["", "c0", "c1", "c2", "c3", "c4", "c5", "…", "c11"]


def test_a_table_with_a_head_of_two_levels_keeps_its_columns():
    head = '<tr><th></th><th colspan="6">valid</th><th colspan="6">test</th></tr>'
    shown = slide_tables.trimmed_html(table(2, 12).replace("<thead>", f"<thead>{head}"))
    assert "…" not in shown
    assert shown.count('colspan="6"') == 2


def test_a_cell_is_cut_between_signs_of_its_text():
    cut = slide_tables.trimmed_html(table(1, 9, "&amp;" * 60))
    assert f'<td class="words long">{"&amp;" * 47}…</td>' in cut


def test_a_cut_table_in_markdown_stays_a_table():
    rows = "\n".join(f"| {row} | b | c |" for row in range(30))
    *_, last, mark = slide_tables.trimmed_markdown(f"| x | y | z |\n|---|---|---|\n{rows}").split(
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
        ({"text/plain": "{'a': {'b': 1}}"}, "| | |\n|---|---|\n| a | b 1 |"),
        ({"text/plain": "Count(total=3)"}, "| | |\n|---|---|\n| total | 3 |"),
        ({"text/plain": "['one', 'two']"}, "```\none\ntwo\n```"),
        ({"text/plain": "array([0.5, 1. ], dtype=float32)"}, "```\n[0.5, 1.0]\n```"),
        (
            {"text/plain": "<Markdown object>", "text/markdown": f"### A\n\nB.\n\n{'c ' * 70}"},
            "B.\n\n…",
        ),
    ],
)
def test_outputs_are_shown_as_a_reader_sees_them(data, shown):
    cell = new_code_cell("x", outputs=[new_output("execute_result", data)])
    assert [point.text for point in slide_outputs.outputs(cell)] == [shown]


def test_an_explorer_shows_the_figure_that_it_leaves_without_a_kernel():
    control = new_output("display_data", {"text/html": "<em>Run it.</em>", "text/plain": "Run it."})
    page = '<p>Low &amp; flat</p><img alt="Low &amp; flat" src="data:image/png;base64,AA">'
    cell = new_code_cell("x", outputs=[control, new_output("display_data", {"text/html": page})])
    (point,) = slide_outputs.outputs(cell)
    assert point.cell.outputs[0].data == {"image/png": "AA"}
    assert point.cell.outputs[0].metadata["image/png"]["alt"] == "Low & flat"


def test_a_sentence_that_leads_to_an_output_stands_above_it():
    filled = deck_of(
        "It is 5.\n\n", "Both fall, as they should. They are far apart. Now the third:"
    )
    assert texts(filled) == [
        ["It is 5.", "output", "Both fall, as they should. They are far apart."],
        ["Now the third:", "output"],
    ]


def test_a_sentence_between_outputs_is_about_the_one_above_unless_it_asks():
    filled = deck_of("It is 5.", "Both of them fall.", "So they do, after all. How far do they go?")
    assert texts(filled) == [
        ["It is 5.", "output", "Both of them fall."],
        ["output", "So they do, after all."],
        ["How far do they go?", "output"],
    ]


def test_a_long_comment_takes_its_output_along():
    comment = f"{'Word ' * 38}end."
    filled = deck_of(f"{'One ' * 36}end.\n\nNow all of the four:", comment, "Now the last:")
    assert texts(filled)[1] == ["Now all of the four:", "output", comment]


def texts(filled: list[Slide]) -> list[list[str]]:
    return [[point.text or point.kind for point in slide.shown] for slide in filled]


def deck_of(*prose: str) -> list[Slide]:
    """Slides of cells of prose, each followed by a small output."""
    output = new_output("execute_result", {"text/html": table(2, 2)})
    points = []
    for text in prose:
        points += [*blocks(text), Point("output", cell=new_code_cell("x", outputs=[output]))]
    return filled(points)


def filled(points: list[Point]) -> list[Slide]:
    """Slides of points in one section."""
    deck = slide_deck.Deck("## A", None, slide_words.load("en"))
    deck.fill(points)
    return deck.finished()


def test_a_list_stays_together_with_the_sentence_that_leads_to_it():
    source = f"{'word ' * 30}end.\n\nThree sentences:\n\n" + "\n".join([f"- {'word ' * 25}"] * 3)
    assert [[point.kind for point in slide.shown] for slide in filled(list(blocks(source)))] == [
        ["text"], ["text", "item", "item", "item"],
    ]  # fmt: skip


def test_terms_in_bold_type_are_not_dropped_nor_are_long_sentences():
    first, term = (
        "The loss falls in every single epoch of it.",
        "We call this a **plateau** of the loss.",
    )
    assert slide_text.told(f"{first} Then it stays there. {term}") == [first, term]
    assert slide_text.told("word " * 60 + "end.") == ["word " * 60 + "end."]


def test_half_sentences_stay_with_their_formula():
    long = f"{'Word ' * 30}end. {'The ' * 10}value is"
    (first, second) = filled(list(blocks(f"{long}\n\n$$a,$$\n\nWhere {'it ' * 55}.")))
    assert [point.kind for point in first.shown] == ["text"]
    assert [point.kind for point in second.shown] == ["text", "formula", "text"]


def test_what_leads_to_code_that_is_not_shown_does_not_lead_anywhere():
    cell = new_code_cell("x = 1")
    source = "We keep which of the test articles it gets right:"
    for text, shown in ((source, f"{source[:-1]}."), ("First a layer:", "")):
        points = [Point("text", text), Point("output", cell=cell), Point("text", "It has two.")]
        (slide,) = filled(list(slide_deck.with_code(points)))
        assert [point.text for point in slide.shown] == [*filter(None, [shown]), "It has two."]


def test_a_short_function_that_a_sentence_leads_to_is_shown():
    function = new_code_cell("def double(x):\n    return 2 * x")
    points = [Point("text", "First a layer:"), Point("output", cell=function)]
    assert [point.kind for point in slide_deck.with_code(points)] == ["text", "code"]
    followed = [*points, Point("output", cell=function)]
    assert [point.kind for point in slide_deck.with_code(followed)] == ["text", "output", "output"]


def test_a_table_of_single_words_is_shown_with_what_was_measured():
    table = "| sense | weight |\n|---|---|\n| residuals | 1 |\n| targets | 2 |"
    deck = slide_deck.Deck("## A", None, slide_words.load("en"))
    deck.add_claims(table)
    assert texts(deck.slides) == [[table]]


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
