"""Tables of stored outputs: columns of words, which stand on the left, and columns of numbers."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_output

from tools import output_tables, site_lessons, slide_tables


def table(*rows: list[str]) -> str:
    """A table as pandas writes it: the first row is the head, the first column the labels."""
    head, *body = rows
    heads = "".join(f"<th>{text}</th>" for text in head)
    lines = [f"<tr><th>{row[0]}</th>{cells(row[1:])}</tr>" for row in body]
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def cells(texts: list[str]) -> str:
    return "".join(f"<td>{text}</td>" for text in texts)


@pytest.mark.parametrize(
    "text",
    [
        "1.5e-05", "−1000", "1,230", "404", "-inf", "NaN", "nan", "&lt;NA&gt;", "None", "–", "",
        "5%", "5 %", "0.003 [-0.017, 0.027]", "0.7 ± 0.1", "2.15 GB", "0.93 -> 0.63",
        "2 % 到 3 %", "0.12 [0.08, 0.2] 奈特", "[1.0, 0.78]", "0.2（0.2 到 0.2）", "20.3 to 20.6",
    ],
)  # fmt: skip
def test_intervals_shares_units_and_missing_values_are_numbers(text: str):
    assert output_tables.is_number(output_tables.shown(text))


@pytest.mark.parametrize(
    "text",
    ["NA", "the", ".", ",", "86b5e093", "8个模型", "1 of 6 layers", "[CLS]", "1e-3, constant"],
)
def test_tokens_hashes_and_phrases_are_words(text: str):
    assert not output_tables.is_number(text)


def test_a_column_with_one_word_stands_on_the_left_with_its_head():
    shown = output_tables.aligned(
        table(["", "token", "loss"], ["0", "the", "inf"], ["1", "404", "2"])
    )
    assert '<th class="words">token</th><th>loss</th>' in shown
    assert '<td class="words">the</td><td>inf</td>' in shown
    assert '<td class="words">404</td><td>2</td>' in shown


def test_labels_of_rows_are_a_column_too():
    shown = output_tables.aligned(table(["", "loss"], ["mean", "1"], ["50%", "2"]))
    assert shown.count('<th class="words">') == 3


def test_only_columns_with_long_texts_wrap():
    shown = output_tables.aligned(table(["", "a", "b"], ["0", "短" * 16, "short"]))
    assert f'<td class="words long">{"短" * 16}</td><td class="words">short</td>' in shown


def test_cells_that_span_rows_and_columns_keep_the_others_in_their_columns():
    head = '<tr><th></th><th></th><th colspan="2">topic</th></tr>'
    rows = '<tr><th rowspan="2">a</th><th>1</th><td>x</td><td>2</td></tr>'
    rows += "<tr><th>2</th><td>y</td><td>3</td></tr>"
    shown = output_tables.aligned(f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>")
    assert '<th class="words"></th><th></th><th colspan="2">topic</th>' in shown
    assert '<tr><th>2</th><td class="words">y</td><td>3</td></tr>' in shown


def test_what_an_explorer_calls_a_text_is_one():
    html = '<tr><td><div align="left">404</div></td><td>404</td></tr>'
    shown = output_tables.aligned(f"<table>{html}</table>")
    assert shown.count('<td class="words">') == 1


def test_long_digests_are_read_quickly():
    assert not output_tables.is_number("1234567890" * 2000 + "x")


def test_pages_and_slides_align_alike():
    html = table(["", "token", "loss"], ["0", "the", "inf"])
    aligned = output_tables.aligned(html)
    assert slide_tables.trimmed_html(html) == aligned
    cell = new_code_cell("table", outputs=[new_output("execute_result", {"text/html": html})])
    site_lessons.prepare(cell)
    assert cell.outputs[0].data["text/html"] == aligned


def test_tables_lose_the_style_of_pandas():
    html = "<div>\n<style scoped>\n  .dataframe { x: y }\n</style>\n<table></table></div>"
    cell = new_code_cell("table", outputs=[new_output("execute_result", {"text/html": html})])
    site_lessons.prepare(cell)
    assert cell.outputs[0].data["text/html"] == "<div>\n<table></table></div>"
