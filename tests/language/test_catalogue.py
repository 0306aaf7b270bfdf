"""Catalogues: whole texts, patterns with fields, and which language is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlearn import language
from ftlearn.language import Catalogue
from ftlearn.language.catalogue import expression, fields, fill, letters

CATALOGUE = Catalogue(
    {"loss": "损失", "mean loss": "平均损失", "accuracy": "准确率"},
    {
        "{name} after {n} updates": "{n} 步之后的{name}",
        "{a} after the {b}": "{b}之后的{a}",
        "p stays {x}, and {{y}} is {x}": "p 仍是 {x}，{{y}} 是 {x}",
    },
)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("loss", "损失"),
        ("mean loss", "平均损失"),
        ("mean loss after 3 updates", "3 步之后的平均损失"),
        ("loss after the accuracy", "准确率之后的损失"),
        ("p stays 2, and {y} is 2", "p 仍是 2，{y} 是 2"),
        ("p stays 2, and {y} is 3", "p stays 2, and {y} is 3"),
        ("Loss", "Loss"),
        ("", ""),
        ("0.5", "0.5"),
    ],
)
def test_a_text_is_translated_whole_or_by_its_pattern(english, chinese):
    assert CATALOGUE.translate(english) == chinese


def test_the_pattern_that_leaves_less_english_is_taken():
    catalogue = Catalogue({}, {"{x} rows": "{x} 条", "{x} wrong rows": "{x} 条错的"})
    assert catalogue.translate("3 wrong rows") == "3 条错的"
    assert catalogue.translate("3 rows") == "3 条"


def test_a_pattern_around_another_one_is_matched_as_a_whole():
    catalogue = Catalogue(
        {},
        {
            "{n} pieces in a window of {m}": "窗口 {m} 中 {n} 个",
            "{start}; all fit.": "{start}；放得下。",
        },
    )
    assert catalogue.translate("3 pieces in a window of 8; all fit.") == "窗口 8 中 3 个；放得下。"


def test_a_printed_name_with_its_value_comes_before_a_pattern_around_both():
    texts = {"accuracy on test:": "测试集准确率：", "rows:": "rows:"}
    catalogue = Catalogue(texts, {"accuracy on {name}": "{name}上的准确率"})
    assert catalogue.translate("accuracy on test: 0.7 [0.6, 0.8]") == "测试集准确率：0.7 [0.6, 0.8]"
    assert catalogue.translate("accuracy on chats") == "chats上的准确率"
    assert catalogue.translate("rows: 3") == "rows: 3"


COMPOSED = Catalogue(
    {"; ": "；", ", ": "、", "No row was refused.": "没有拒收。", "mean loss": "平均损失"},
    {
        "{n} rows were read.": "读入 {n} 行。",
        "{name} (needs {size})": "{name}（需要 {size}）",
        "better than {name}": "优于{name}",
        "{n} rows have mean {x}": "{n} 行的均值为 {x}",
        "rows of {column_as_is}": "{column_as_is} 的行",
        "{column} is missing": "缺少{column}",
    },
)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("3 rows were read. No row was refused.", "读入 3 行。没有拒收。"),
        ("3 rows were read. It is late.", "3 rows were read. It is late."),
        ("a (needs 1 GB), b (needs 2 GB)", "a（需要 1 GB）、b（需要 2 GB）"),
        ("better than chance; better than b", "优于chance；优于b"),
        ("3 rows have mean 0.5; 4 rows have mean 1", "3 行的均值为 0.5；4 行的均值为 1"),
        ("mean loss 0.25", "平均损失 0.25"),
        ("mean loss 0.25, mean loss 1", "平均损失 0.25、平均损失 1"),
        ("text, label", "text, label"),
        ("mean loss is missing", "缺少平均损失"),
        ("rows of mean loss", "mean loss 的行"),
    ],
)
def test_sentences_and_lists_are_translated_part_by_part_and_data_stay(english, chinese):
    assert COMPOSED.translate(english) == chinese


def test_a_line_for_a_terminal_keeps_what_stands_in_quotes():
    assert language.lines("the column 'loss'", CATALOGUE) == "the column 'loss'"
    assert language.lines("  loss\nmean loss", CATALOGUE) == "  损失\n平均损失"


def test_a_pattern_that_would_match_anything_is_refused():
    with pytest.raises(ValueError, match="would match nearly any text"):
        Catalogue({}, {"{a}: {b}": "{a}：{b}"})


@given(st.lists(st.sampled_from(["{a}", "{b}", "{{", "}}", "abc ", "x.y*"]), min_size=1))
def test_a_filled_pattern_is_matched_by_its_expression(parts):
    pattern = "abc" + "".join(parts)
    values = {name: f"<{name}>" for name in fields(pattern)}
    match = expression(pattern).fullmatch(fill(pattern, values))
    assert match is not None
    assert set(match.groupdict()) == set(values)


@given(st.text(alphabet="ab {}", max_size=20))
def test_letters_are_counted_outside_fields(text):
    assert 0 <= letters(text) <= sum(map(str.isalpha, text))


def test_html_is_translated_between_its_tags_only():
    text = '<p title="loss">loss</p> <code>loss</code><pre>{&#x27;loss&#x27;: 1}</pre>'
    assert language.html(text, CATALOGUE) == (
        '<p title="损失">损失</p> <code>loss</code><pre>{&#x27;损失&#x27;: 1}</pre>'
    )


def test_a_translation_cannot_bring_markup_into_html():
    catalogue = Catalogue({"a < b": "甲 < 乙"})
    assert language.html("<b>a &lt; b</b>", catalogue) == "<b>甲 &lt; 乙</b>"


def test_results_are_translated_by_line_or_by_quoted_name():
    assert language.output("{'loss': 0.5, \"mean loss\": 1}", CATALOGUE) == (
        "{'损失': 0.5, \"平均损失\": 1}"
    )
    assert language.output("  loss after 2 updates\nother", CATALOGUE) == "  2 步之后的损失\nother"


def test_reasons_of_several_choices_are_translated_one_by_one():
    assert language.markdown("a: loss; c: accuracy", CATALOGUE) == "a: 损失; c: 准确率"
    assert language.markdown("**b**: loss; **d**: x", CATALOGUE) == "**b**: 损失; **d**: x"
    assert language.markdown("- **a** · loss\n- **b** · accuracy", CATALOGUE) == (
        "- **a** · 损失\n- **b** · 准确率"
    )


def test_without_a_catalogue_everything_stays_english():
    for translate in (language.html, language.markdown, language.output):
        assert translate("<p>loss</p> 'loss' - **a** · loss", Catalogue({})) == (
            "<p>loss</p> 'loss' - **a** · loss"
        )


@pytest.mark.parametrize(
    ("value", "folder", "expected"),
    [
        ("", "notebooks/zh", "zh"),
        ("", "notebooks", "en"),
        ("en", "notebooks/zh", "en"),
        ("zh", "notebooks", "zh"),
        ("zh-CN", "notebooks", "zh"),
    ],
)
def test_the_variable_comes_before_the_folder(value, folder, expected):
    assert language.chosen(value, Path(folder)) == expected


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="'fr': there are en, zh"):
        language.chosen("fr")


def test_catalogues_of_the_package_and_of_lessons_are_found():
    assert {"ftlearn", "commands"} <= set(language.paths("zh"))
    assert {len(name) for name in language.paths("zh")} == {2, len("ftlearn"), len("commands")}
