"""Every lesson keeps every rule of CONTRIBUTING.md, and each rule catches its violation.

nbval checks that the lessons run (`make lessons`); this file only reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lesson_cells import ALT, NAME, PROSE, lesson
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tools import badges, execute, notebooks, readme_figure, rules

LESSONS = notebooks.find()


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_keeps_the_rule(path: Path, rule: Callable[[NotebookNode], list[str]]):
    assert rule(notebooks.read(path)) == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_is_small_enough(path: Path):
    assert rules.file_size(path) == []


def test_lessons_are_numbered_without_a_gap():
    numbers = [path.name[:2] for path in LESSONS]
    assert numbers == [f"{number:02d}" for number in range(len(LESSONS))]
    assert numbers, "there is no lesson in notebooks/"


def test_title_and_file_agree_on_the_number():
    for path in LESSONS:
        assert notebooks.title(notebooks.read(path))[0] == path.name[:2]


def test_the_figure_in_the_readme_is_the_one_its_lesson_draws():
    pixels = readme_figure.pixels(notebooks.find([readme_figure.LESSON])[0], readme_figure.CELL)
    assert readme_figure.FIGURE.read_bytes() == pixels, "run make notebooks"


def test_badges_colab_cells_and_lesson_table_are_up_to_date():
    assert badges.out_of_date(check=True) == []


def test_colab_cell_names_the_configured_place():
    place = notebooks.settings()
    cell = badges.colab_cell(lesson())
    assert f"git+https://github.com/{place['repository']}@{place['branch']}" in cell


def test_colab_cell_fetches_the_language_model_where_it_is_used():
    plain, writing = lesson(), lesson()
    writing.cells[4].source = 'model, tokenizer = models.load("smollm2")'
    fetch = "!ftlearn fetch smollm2"
    assert fetch in badges.colab_cell(writing)
    assert fetch not in badges.colab_cell(plain)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_sample_lesson_keeps_the_rule(rule: Callable[[NotebookNode], list[str]]):
    assert rule(lesson()) == []


def change_code(notebook: NotebookNode) -> None:
    notebook.cells[4].source += "  # changed after it was run"


def forget_outputs(notebook: NotebookNode) -> None:
    execute.clear(notebook)


def hide_outputs(notebook: NotebookNode) -> None:
    for cell in notebooks.executed_cells(notebook):
        cell.outputs = []


def run_twice(notebook: NotebookNode) -> None:
    notebook.cells[4].execution_count = 99


def store_error(notebook: NotebookNode) -> None:
    notebook.cells[4].outputs = [new_output("error", ename="ValueError", evalue="no")]


def store_path(notebook: NotebookNode) -> None:
    notebook.cells[4].outputs = [new_output("stream", text=f"saved to {notebooks.ROOT}/model")]


def store_foreign_path(notebook: NotebookNode) -> None:
    notebook.cells[4].outputs = [new_output("stream", text="saved to /home/ada/model")]


def store_widget(notebook: NotebookNode) -> None:
    notebook.cells[4].outputs = [new_output("display_data", {execute.WIDGET: {"model_id": "1"}})]


def show_image(notebook: NotebookNode) -> None:
    notebook.cells[4].outputs = [new_output("display_data", {"image/png": "aGVsbG8="})]


def change_alternative_text(notebook: NotebookNode) -> None:
    show_image(notebook)
    notebook.cells[4].metadata["alt"] = ALT


def keep_widget_state(notebook: NotebookNode) -> None:
    notebook.metadata["widgets"] = {}


def repeat_id(notebook: NotebookNode) -> None:
    notebook.cells[4].id = notebook.cells[6].id


def run_long(notebook: NotebookNode) -> None:
    notebook.metadata["ftlearn"]["seconds"] = rules.SECONDS + 1


def fill_memory(notebook: NotebookNode) -> None:
    notebook.metadata["ftlearn"]["memory_mb"] = rules.MEMORY_MB + 1


def never_measure(notebook: NotebookNode) -> None:
    notebook.metadata["ftlearn"] = {}


def lose_title(notebook: NotebookNode) -> None:
    notebook.cells[0].source = "# A title without a number\n" + notebook.cells[0].source


def lose_badges(notebook: NotebookNode) -> None:
    notebook.cells[0].source = notebook.cells[0].source.replace(badges.BADGES, "")


def lose_colab_cell(notebook: NotebookNode) -> None:
    del notebook.cells[1]


def lose_parameters(notebook: NotebookNode) -> None:
    notebook.cells[2].metadata["tags"] = []


def lose_summary(notebook: NotebookNode) -> None:
    notebook.cells[-3].source = PROSE


def lose_headings(notebook: NotebookNode) -> None:
    for cell in notebook.cells[5:-4]:
        cell.source = cell.source.replace("## ", "")


def write_long_code(notebook: NotebookNode) -> None:
    notebook.cells[4].source = "\n".join(["x = 1"] * (rules.CODE_LINES + 1))


def write_longer_code_everywhere(notebook: NotebookNode) -> None:
    for cell in notebooks.executed_cells(notebook):
        cell.source = "\n".join(["assert True"] * (rules.CODE_LINES_MEDIAN + 1))


def write_code_in_a_row(notebook: NotebookNode) -> None:
    notebook.cells[5:5] = [new_code_cell("1"), new_code_cell("2")]


def write_few_cells(notebook: NotebookNode) -> None:
    del notebook.cells[10:20]


def assert_nothing(notebook: NotebookNode) -> None:
    for cell in notebooks.executed_cells(notebook):
        cell.source = cell.source.replace("assert ", "")


def lose_guards(notebook: NotebookNode) -> None:
    notebook.cells[-1].metadata["tags"] = []


def put_guards_before_the_end(notebook: NotebookNode) -> None:
    notebook.cells.append(new_markdown_cell(PROSE))


def unfold_guards(notebook: NotebookNode) -> None:
    notebook.cells[-1].metadata["jupyter"] = {}


def assert_in_the_text(notebook: NotebookNode) -> None:
    notebook.cells[4].source = "\n".join(["assert True"] * (rules.ASSERTS_IN_FLOW + 1))


def write_long_prose(notebook: NotebookNode) -> None:
    notebook.cells[3].source = "word " * (rules.WORDS + 1)


def write_short_prose(notebook: NotebookNode) -> None:
    for cell in notebook.cells[3:]:
        if cell.cell_type == "markdown":
            cell.source = "So:"


@pytest.mark.parametrize(
    ("rule", "breakage", "complaint"),
    [
        (rules.file_format, keep_widget_state, "metadata holds widgets"),
        (rules.file_format, repeat_id, "is used twice"),
        (rules.fresh_outputs, change_code, "the code has changed"),
        (rules.fresh_outputs, forget_outputs, "execution counts"),
        (rules.fresh_outputs, hide_outputs, "show an output"),
        (rules.fresh_outputs, run_twice, "execution counts"),
        (rules.clean_outputs, store_error, "stored error ValueError"),
        (rules.clean_outputs, store_path, "names the path"),
        (rules.clean_outputs, store_foreign_path, "names the path '/home/ada'"),
        (rules.clean_outputs, store_widget, "a widget without its kernel"),
        (rules.cost, run_long, "takes 101 seconds"),
        (rules.cost, fill_memory, "takes 1601 MB"),
        (rules.cost, never_measure, "never measured"),
        (rules.opening, lose_title, "the first line must be"),
        (rules.opening, lose_badges, badges.BADGES),
        (rules.opening, lose_colab_cell, "the second cell must be the Colab cell"),
        (rules.opening, lose_parameters, "tagged 'parameters'"),
        (rules.sections, lose_summary, "no section '## Summary'"),
        (rules.sections, lose_headings, "at most 8"),
        (rules.code, write_long_code, "has 21 lines of code"),
        (rules.code, write_longer_code_everywhere, "the median code cell has"),
        (rules.code, write_code_in_a_row, "3rd code cell in a row"),
        (rules.code, write_few_cells, "code cells; 20 to 45"),
        (rules.code, assert_nothing, "0 assertions"),
        (rules.guards, lose_guards, "the last cell, and no other, must be tagged 'guards'"),
        (rules.guards, put_guards_before_the_end, "the last cell, and no other"),
        (rules.guards, unfold_guards, "must be folded"),
        (rules.guards, assert_in_the_text, "11 assertions stand in the text; at most 10"),
        (rules.prose, write_long_prose, "has 121 words"),
        (rules.prose, write_short_prose, "the median prose cell has 1"),
        (rules.alternative_texts, show_image, "needs an `alt` text"),
        (rules.alternative_texts, change_alternative_text, "`alt` has changed"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_rule_catches_a_violation(rule, breakage, complaint):
    broken = lesson()
    breakage(broken)
    assert complaint in "\n".join(rule(broken))


def test_size_rule_catches_a_large_file(tmp_path: Path):
    notebook = lesson()
    notebook.cells[-1].source += "x" * 1000 * rules.FILE_KB
    notebooks.write(notebook, tmp_path / NAME)
    assert "at most 400 are allowed" in rules.file_size(tmp_path / NAME)[0]


def test_words_leave_out_what_nobody_reads():
    source = (
        "Two words <!-- none -->\n\n| a | b |\n\n$$x$$\n\n```\ncode\n```\n\n[link](https://x.org)"
    )
    assert rules.words(new_markdown_cell(source)) == 3
