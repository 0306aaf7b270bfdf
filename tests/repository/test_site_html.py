"""What is put right in the pages that Sphinx wrote, and the theme's words in Chinese."""

from __future__ import annotations

import re
from pathlib import Path

import furo
import polib
import pytest
from project import ROOT, read

from tools import site_html

FORMULA = r'<span class="math notranslate nohighlight">\(5 s\)</span>'
MADE_BY = "@pradyunsg</a>'s"
"""The part of Furo's footer that no catalogue can translate."""


@pytest.mark.parametrize(
    ("before", "after"), [("", "。"), ("（", "）："), ("", ","), ("", ".)"), ("(", "")]
)
def test_a_formula_and_the_marks_that_touch_it_stay_together(before: str, after: str):
    assert site_html.unparted(f"是 {before}{FORMULA}{after}下") == (
        f'是 <span class="unparted">{before}{FORMULA}{after}</span>下'
    )


def test_a_formula_without_marks_stays_as_it_is():
    assert site_html.unparted(f"is {FORMULA} x") == f"is {FORMULA} x"


@pytest.mark.parametrize("text", ["16 %", "22 GB", "400 kB", "1.5 ms", "60 s"])
def test_numbers_keep_their_units(text: str):
    together = text.replace(" ", "\N{NO-BREAK SPACE}")
    assert site_html.unparted(f"<p>of {text}, or</p>") == f"<p>of {together}, or</p>"


@pytest.mark.parametrize(
    "html",
    [
        "<p>16 sports, 3 minutes, 5 steps, 60 GB/hour</p>",
        "<pre><span>sleep 5 s</span></pre>",
        "<code><span>5 s</span></code>",
        '<img alt="22 GB">',
        FORMULA,
    ],
)
def test_spaces_in_code_formulas_and_sentences_stay(html: str):
    assert site_html.unparted(html) == html


def test_a_cell_of_a_guide_that_holds_a_number_is_on_one_line():
    cells = "<td><p>97 [91, 100]</p></td><td><p>the 3 words</p></td><td><p></p></td>"
    assert site_html.unparted(cells) == cells.replace("<td><p>97", '<td class="number"><p>97')


def test_an_option_is_one_word():
    code = '<code><span class="pre">--max-steps</span> <span class="pre">3</span></code>'
    assert '<span class="pre option">--max-steps<' in site_html.unparted(code)
    assert site_html.unparted(code).count("option") == 1


@pytest.mark.parametrize("source", ["../_images/a.png", "data:image/png;base64,x"])
def test_images_of_cells_figures_and_explorers_stand_in_boxes(source):
    boxed = site_html.boxed(f'<img alt="a" src="{source}"/>')
    assert boxed.startswith('<span class="picture"><img')


def test_broad_images_scroll_on_phones_and_their_boxes_are_reached_by_keyboard():
    assert ".picture.broad img" in read("docs/site/_static/site.css").partition("46em")[2]
    boxes = re.search('BOXES = "(.*)"', read("docs/site/_static/site.js"))[1]
    assert ".picture" in boxes.split(", ")


def test_every_word_of_the_footer_is_chinese_on_chinese_pages():
    page = Path(furo.__file__).with_name("theme") / "furo" / "page.html"
    footer = page.read_text("utf-8").partition('<div class="left-details">')[2]
    texts = re.findall(r"{% trans %}(.*?){% endtrans -?%}", footer, re.DOTALL)
    path = ROOT / "docs/locale/zh_CN/LC_MESSAGES/sphinx.po"
    translated = {entry.msgid for entry in polib.pofile(str(path)) if entry.msgstr}
    assert {text for text in texts if "Furo" not in text} <= translated
    assert MADE_BY in footer
    assert f'replace("{MADE_BY}"' in read("docs/site/_templates/page.html")
