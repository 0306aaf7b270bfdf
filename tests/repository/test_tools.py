"""The tools execute, store and label notebooks as CONTRIBUTING.md describes."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from lesson_cells import ALT, NAME, lesson, opening_cell, parameters_cell
from matplotlib import pyplot as plt
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from tools import badges, execute, notebooks

PICTURE = "import matplotlib.pyplot as plt\nplt.plot([0, 1]);"
WIDGET = "import ipywidgets\nipywidgets.IntSlider()"
PROGRESS = "from tqdm.auto import tqdm\nfor _ in tqdm(range(3)):\n    pass"


def stored(folder: Path, *sources: str) -> Path:
    """A notebook with an opening and these code cells, written into a folder."""
    cells = [new_code_cell(source, id=f"code-{n}") for n, source in enumerate(sources)]
    cells[0].metadata["alt"] = ALT
    notebook = new_notebook(cells=[opening_cell(), parameters_cell(), *cells])
    notebook.metadata["widgets"] = {"left": "over"}
    notebooks.write(notebook, folder / NAME)
    return folder / NAME


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory):
    path = stored(tmp_path_factory.mktemp("lesson"), PICTURE, WIDGET, PROGRESS)
    execute.execute(path)
    return notebooks.read(path)


def test_execute_counts_from_one_and_skips_the_colab_cell(executed):
    counts = [cell.execution_count for cell in executed.cells if cell.cell_type == "code"]
    assert counts == [None, 1, 2, 3, 4]


def test_execute_records_cost_and_code(executed):
    measured = executed.metadata["ftlearn"]
    assert measured["source_sha256"] == notebooks.source_sha256(executed)
    assert measured["seconds"] > 0
    assert 30 < measured["memory_mb"] < 800  # of a kernel that draws, without torch of any build


def test_execute_keeps_cell_ids_and_drops_widget_state(executed):
    ids = [cell.id for cell in executed.cells]
    assert ids == ["title", "colab", "parameters", "code-0", "code-1", "code-2"]
    assert "widgets" not in executed.metadata


def test_execute_gives_images_their_alternative_text(executed):
    images = [o for o in executed.cells[3].outputs if "image/png" in o.get("data", {})]
    assert [image.metadata["image/png"]["alt"] for image in images] == [ALT]


def test_a_picture_takes_less_room_and_looks_the_same():
    figure, ax = plt.subplots()
    ax.plot(np.sin(np.linspace(0, 9, 200)), color="#0072B2")
    original = io.BytesIO()
    figure.savefig(original, format="png")
    output = new_output(
        "display_data", {"image/png": base64.b64encode(original.getvalue()).decode()}
    )
    cell = new_code_cell("", outputs=[output])
    execute.shrink_images(cell)
    smaller = base64.b64decode(cell.outputs[0].data["image/png"])
    assert len(smaller) < len(original.getvalue())
    first, second = (
        np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=int)
        for png in (original.getvalue(), smaller)
    )
    assert abs(first - second).max() <= 8


def test_execute_replaces_a_widget_and_drops_a_progress_bar(executed):
    assert [o.data["text/plain"] for o in executed.cells[4].outputs] == [execute.PLACEHOLDER]
    assert executed.cells[5].outputs == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import pathlib\nprint(pathlib.Path.home())", "names the path"),
    ],
)
def test_execute_leaves_a_failing_lesson_as_it_was(tmp_path: Path, source: str, message: str):
    path = stored(tmp_path, source)
    before = path.read_bytes()
    with pytest.raises(execute.LessonError, match=message):
        execute.execute(path)
    assert path.read_bytes() == before


def test_find_takes_numbers_and_names_what_is_missing():
    with pytest.raises(FileNotFoundError, match="no notebook '77'"):
        notebooks.find(["77"])


def test_hash_sees_code_but_neither_prose_nor_the_colab_cell():
    notebook = lesson()
    before = notebooks.source_sha256(notebook)
    notebook.cells[0].source += "\nmore"
    notebook.cells[1].source += "\nmore"
    assert notebooks.source_sha256(notebook) == before
    notebook.cells[2].source += "\nmore"
    assert notebooks.source_sha256(notebook) != before


def test_update_refuses_a_lesson_without_a_place_for_badges():
    notebook = new_notebook(cells=[new_markdown_cell("# 00 · Where?")])
    with pytest.raises(ValueError, match="needs a line <!-- badges -->"):
        badges.update(notebook, NAME)


def test_update_changes_nothing_the_second_time():
    notebook = lesson()
    first = str(notebook)
    badges.update(notebook, NAME)
    assert str(notebook) == first


def test_lesson_table_names_question_minutes_and_links(tmp_path: Path):
    notebooks.write(lesson(), tmp_path / NAME)
    text = badges.updated_readme(f"a {badges.START} old {badges.END} z", [tmp_path / NAME])
    assert "| 00 | [Does a sum add up?](notebooks/00_sample.ipynb) | 0.2 | [Binder](http" in text
    assert text.startswith("a ")
    assert text.endswith(" z")
    assert "old" not in text


def test_readme_without_marks_is_refused():
    with pytest.raises(ValueError, match="needs the marks"):
        badges.updated_readme("no marks", [])


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        ("see https://example.org/home/page", False),
        ("a ratio of 3/4 and /usr", False),
        ("loaded /tmp/abc123/model", True),
        ("C:\\Users\\ada", True),
        ("lib/python3.12/site-packages/torch", True),
    ],
)
def test_leaked_paths_knows_paths_from_addresses(text: str, leaks: bool):
    cell = new_code_cell("1", outputs=[new_output("stream", text=text)])
    assert bool(notebooks.leaked_paths(new_notebook(cells=[cell]))) is leaks
