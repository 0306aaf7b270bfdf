"""What is put right in the pages that Sphinx wrote, and the theme's words in Chinese."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import furo
import polib
import pytest
from project import ROOT, read

from tools import site_headings, site_html

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
    cells = "<td><p>97 (91)</p></td><td><p>the 3 words</p></td><td><p></p></td>"
    assert site_html.unparted(cells) == cells.replace("<td><p>97", '<td class="number"><p>97')


@pytest.mark.parametrize(
    ("numbers", "together"),
    [
        ("1572, 2525, 2650", "1572,~2525,~2650"),
        ("950 [709, 1121]", "950 [709,~1121]"),
        ('<a class="a b" href="#">5 h</a> (3 to 8)', '<a class="a b" href="#">5~h</a> (3~to~8)'),
    ],
)
def test_a_cell_of_numbers_breaks_only_before_brackets(numbers: str, together: str):
    expected = together.replace("~", "\N{NO-BREAK SPACE}")
    cell = site_html.unparted(f"<td><p>{numbers}</p></td>")
    assert cell == f'<td class="number"><p>{expected}</p></td>'


def test_an_interval_keeps_both_bounds_on_one_line():
    html = "<td>0.1 [−0.05, 0.2]</td><td>[1, 2, 3]</td><td>[a, b]</td>"
    assert site_html.unparted(html) == html.replace("5, 0", "5,\N{NO-BREAK SPACE}0")


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("test_a.py::test_it_has_a_name", "test_|a.py::|test_|it_|has_|a_|name"),
        ("ftlearn/tasks/__init__.py", "ftlearn/|tasks/|__init__.py"),
        ("test_short.py", "test_short.py"),
    ],
)
def test_long_names_in_cells_of_tables_break_at_their_joints(name: str, broken: str):
    code = f'<code><span class="pre">{name}</span></code>'
    assert site_html.jointed(f"<p>{code}</p>") == f"<p>{code}</p>"
    expected = code.replace(name, broken.replace("|", "<wbr>"))
    assert site_html.jointed(f"<td>{code}</td>") == f"<td>{expected}</td>"


@pytest.mark.parametrize("comma", [", ", "，", "、"])
def test_each_long_name_of_a_cell_begins_a_line(comma: str):
    names = [
        f'<code><span class="pre">test_{name}_has_a_long_name_here</span></code>' for name in "ab"
    ]
    cell = site_html.jointed(f"<td>{comma.join(names)}</td>")
    assert f"</code>{comma.strip()}<br><code>" in cell
    short = "<td><code>a</code>, <code>b</code></td>"
    assert site_html.jointed(short) == short


def test_an_option_is_one_word():
    code = '<code><span class="pre">--max-steps</span> <span class="pre">3</span></code>'
    assert '<span class="pre option">--max-steps<' in site_html.unparted(code)
    assert site_html.unparted(code).count("option") == 1


@pytest.mark.parametrize("source", ["../_images/a.png", "data:image/png;base64,x"])
def test_images_of_cells_figures_and_explorers_stand_in_boxes(source):
    boxed = site_html.boxed(f'<img alt="a" src="{source}"/>')
    assert boxed.startswith('<span class="picture"><img')


@pytest.mark.parametrize(
    ("heading", "broken"),
    [
        ("模型怎样回答顾客，又怎样沉默？", "模型|怎样|回答|顾客，又怎样|沉默？"),
        ("学习率怎样下降", "学习率|怎样|下降"),
        ("它们的梯度", "它们的|梯度"),
        ("What is a model?", "What is a model?"),
    ],
)
def test_chinese_headings_break_between_words(heading: str, broken: str):
    link = '<a class="headerlink" href="#id1" title="链接到此标题">¶</a>'
    expected = f"<h1>{broken.replace('|', '<wbr>')}{link}</h1>"
    assert site_headings.breakable(f"<h1>{heading}{link}</h1>") == expected
    head = f'<th class="head"><p>{heading}</p></th>'
    assert site_headings.breakable(head) == head.replace(heading, broken.replace("|", "<wbr>"))


def test_only_headings_of_chinese_pages_have_places_for_breaks():
    app = SimpleNamespace(config=SimpleNamespace(language="zh_CN", notfound_pagename="404"))
    for language, breaks in (("zh_CN", 1), ("en", 0)):
        app.config.language = language
        context = {"body": "<h2>一个模型</h2><p>一个模型</p>"}
        site_html.mend_page(app, "index", "page.html", context, None)
        assert context["body"].count("<wbr>") == breaks


def test_chinese_headings_break_only_there():
    headings = "article:lang(zh) :is(h1, h2, h3, h4, th)"
    style = read("docs/site/_static/site.css").partition(headings)[2]
    assert "word-break: keep-all;" in style.partition("}")[0]


def test_broad_images_scroll_on_phones_and_their_boxes_are_reached_by_keyboard():
    assert ".picture.broad img" in read("docs/site/_static/site.css").partition("46em")[2]
    boxes = re.search("BOXES = `(.*)`", read("docs/site/_static/site.js"))[1]
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
