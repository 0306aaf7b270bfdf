"""Each rule of translation complains about its fault, and about nothing in a good translation."""

from __future__ import annotations

import ast

import nbformat
import polib
import pytest

from ftlearn.language.files import PATTERN
from tools import literals, translation_rules, translation_sources, translations
from tools.translation_sources import Source

ENGLISH = (
    "## The loss\n\nA model is judged by `losses.mse`, $L = \\frac12$, on 1,080 rows; see "
    "[lesson 02](02_loss.ipynb) (Guo et al. 2017, arXiv 1706.04599). Three are wrong."
)
CHINESE = (
    "## 损失\n\n用 `losses.mse` 评价模型：$L = \\frac12$，共 1,080 条；见 "
    "[第 02 课](02_loss.ipynb)（Guo 等 2017，arXiv 1706.04599）。有 3 条错了。"
)


def complaints(chinese: str = CHINESE, english: str = ENGLISH, **more) -> list[str]:
    entry = polib.POEntry(msgctxt="cell", msgid=english, msgstr=chinese, **more)
    return translation_rules.of_entry(entry)


def test_a_good_translation_has_no_complaint():
    assert complaints() == []


@pytest.mark.parametrize(
    ("chinese", "expected"),
    [
        ("", "no translation"),
        (CHINESE.replace("\\frac12", "\\frac13"), "formulas"),
        (CHINESE.replace("losses.mse", "losses.mae"), "code"),
        (CHINESE.replace("02_loss.ipynb", "03_data.ipynb"), "links"),
        (CHINESE.replace("## ", "### "), "headings"),
        (CHINESE.replace("1,080", "1,008"), "the number 1,080 is missing"),
        (CHINESE.replace("2017", "2018"), "the number 2018 is not in the English"),
        (CHINESE.replace("1706.04599", "1706.04598"), "1706.04599 is missing"),
        (CHINESE.replace("Guo", "Gao"), "the author Guo"),
        (CHINESE.replace("损失", "亏损"), "'loss' should be 损失"),
        (CHINESE + "\nThis line has been left in English.", "English was left"),
        (CHINESE.replace("错了。", "错了,"), "half-width punctuation"),
    ],
)
def test_a_fault_is_found(chinese, expected):
    assert any(expected in complaint for complaint in complaints(chinese)), complaints(chinese)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("22.7 million weights", "2270 万个权重"),
        ("22.7 million weights", "2,270 万个权重"),
        ("22.7 million weights", "22.7M 个权重"),
        ("22.7 million weights", "0.227 亿个权重"),
        ("7 billion weights", "70 亿个权重"),
        ("55 thousand weights", "5.5 万个权重"),
        ("10,000 rows", "1 万条"),
        ("3,000 rows", "3 千条"),
        ("85 of 109 million weights", "1.09 亿个权重中的 8500 万个"),
    ],
)
def test_equal_numbers_may_be_counted_in_other_units(english, chinese):
    assert translation_rules.numbers(english, chinese) == []


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("22.7 million weights", "227 万个权重"),
        ("22.7 million weights", "22.7 万个权重"),
        ("22.7 million weights", "2271 万个权重"),
        ("22.7 million weights", "22.7 个权重"),
        ("7 billion weights", "7 亿个权重"),
        ("10,000 rows", "10 万条"),
        ("3 rows", "3 千条"),
        ("10,000 rows", "10000.0 条"),
        ("85 of 109 million weights", "1.09 亿个权重中的 850 万个"),
        ("twenty rows", "30 万条"),
    ],
)
def test_other_numbers_are_found_in_any_unit(english, chinese):
    assert translation_rules.numbers(english, chinese)


def test_a_unit_of_measure_multiplies_nothing():
    assert translation_rules.numbers("3 kilobytes, 5 MB, 4.1.2", "3 千字节，5 MB，4.1.2") == []


@pytest.mark.parametrize(
    ("rendered", "shown"),
    [
        ("**目标**：每个人", "**目标：**每个人"),
        ("这是*奖励*（代理）", "这是*奖励（代理）*的"),
        ("“**两者**”都下降", "都**“两者”**下降"),
        ("损失 $L$ **下降**", "**损失 $L$**下降"),
        ("值 `L` **下降**", "**值 `L`**下降"),
    ],
)
def test_emphasis_is_rendered_beside_punctuation(rendered, shown):
    english = "**Emphasis** `L` and $L$"
    assert translation_rules.emphasis(english, rendered) == []
    assert "asterisks are shown" in translation_rules.emphasis(english, shown)[0]


def test_asterisks_that_the_english_shows_code_and_formulas_are_no_emphasis():
    english = "θ* of weight * rate, `2 ** 3` and $x^*$"
    assert translation_rules.emphasis(english, "权重 * 学习率的 θ*，`2 ** 3` 和 $x^*$") == []


def test_a_fuzzy_entry_is_out_of_date():
    assert "has changed" in complaints(flags=["fuzzy"])[0]


def test_a_block_of_code_stays_as_it_is():
    english = "Write this:\n\n```python\nloss = 3\n```"
    assert complaints("写成：\n\n```python\nloss = 3\n```", english) == []
    assert complaints("写成：\n\n```python\nloss = 4\n```", english)


def test_fields_of_a_pattern_are_kept():
    options = {"english": "{n} of {total} rows", "flags": [PATTERN]}
    assert complaints("{total} 条中的 {n} 条", **options) == []
    assert "became" in complaints("{total} 条", **options)[0]


def test_a_cell_without_an_entry_and_an_entry_without_a_cell_are_named():
    catalogue = polib.POFile()
    catalogue.append(polib.POEntry(msgctxt="old", msgid="gone", msgstr="没了"))
    found = translation_rules.complaints(catalogue, [Source("new", "a text")])
    assert any("not in the catalogue" in line for line in found)
    assert any("in the catalogue only" in line for line in found)


def test_a_changed_cell_keeps_its_translation_as_fuzzy():
    old = polib.POFile()
    old.append(polib.POEntry(msgctxt="cell", msgid="ten rows", msgstr="十条"))
    old.append(polib.POEntry(msgctxt="output", msgid="gone", msgstr="没了"))
    new = translations.updated(old, [Source("cell", "eleven rows"), Source("output", "new")])
    assert [(entry.msgid, entry.msgstr, entry.fuzzy) for entry in new] == [
        ("eleven rows", "十条", True),
        ("new", "", False),
    ]
    assert new[0].previous_msgid == "ten rows"
    again = translations.updated(new, [Source("cell", "eleven rows")])
    assert again[0].fuzzy
    assert again[0].previous_msgid == "ten rows"


def test_lines_that_are_generated_are_not_translated():
    source = "# 02 · Why?\n\nText.\n\nRuns. <!-- measured -->\n\n[![x](y)](z) <!-- badges -->"
    assert translation_sources.without_generated(source) == "# 02 · Why?\n\nText."


@pytest.mark.parametrize(
    ("code", "pattern"),
    [
        (
            "f'{len(a)} of {total:.2f}, {row.a} and {row.b} {{x}}'",
            "{a} of {total}, {row} and {row2} {{x}}",
        ),
        ("'change of ' + measure + f', {n} runs'", "change of {measure}, {n} runs"),
        ("'at {0:.1f} of {total}'.format(2, total=3)", "at {value0} of {total}"),
        ("'null, {:.0%}'.format", "null, {value0}"),
        ("table.add_prefix('seed ')", "seed {label}"),
        ("table.add_suffix(' − hard')", "{label} − hard"),
    ],
)
def test_composed_texts_are_patterns_whose_fields_are_named_after_what_fills_them(code, pattern):
    (text,) = literals.strings(ast.parse(code))
    assert (text.text, text.pattern) == (pattern, True)


def test_texts_that_the_package_composes_belong_to_the_lesson_that_shows_them():
    empty = nbformat.v4.new_notebook()
    found = translation_sources.of_lesson(empty, "03")
    assert Source("output", "piece") in found
    assert Source("output", "{total} delivered", pattern=True) in found
    assert Source("output", "piece") not in translation_sources.of_lesson(empty, "02")
