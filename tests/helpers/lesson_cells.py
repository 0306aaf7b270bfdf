"""A small lesson that keeps every rule, for tests to break in one place at a time."""

from __future__ import annotations

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import badges, notebooks, rules

NAME = "00_sample.ipynb"
PROSE = "The sum of the first numbers is computed in the next cell, and the sentence after it " * 2
ALT = "A line that rises from the lower left to the upper right corner."


def lesson() -> NotebookNode:
    """A complete lesson, with outputs as if it had been executed."""
    cells = [opening_cell(), parameters_cell()]
    for number in range(21):
        heading = f"## Step {number}\n\n" if number % 3 == 0 else ""
        cells.append(new_markdown_cell(heading + PROSE, id=f"say-{number}"))
        cells.append(new_code_cell(f"number = {number}\nnumber", id=f"show-{number}"))
    for name in ("Exercises", "Summary", "Where it comes from"):
        cells.append(new_markdown_cell(f"## {name}\n\n{PROSE}", id=name.split()[0].lower()))
    cells.append(guards_cell())
    notebook = new_notebook(cells=cells)
    badges.update(notebook, NAME)
    finish(notebook)
    return notebook


def opening_cell() -> NotebookNode:
    """The first cell as an author writes it."""
    text = f"# 00 · Does a sum add up?\n\n{badges.BADGES}\n\n{badges.MEASURED}\n\n{PROSE}"
    return new_markdown_cell(text, id="title")


def parameters_cell() -> NotebookNode:
    """The cell with the parameters that a reader may change."""
    return new_code_cell("seed = 0\nseed", id="parameters", metadata={"tags": ["parameters"]})


def guards_cell() -> NotebookNode:
    """The last cell, folded, which checks what the text states."""
    source = "\n".join(f"assert {number} + 1 > 0" for number in range(rules.CODE_LINES + 1))
    metadata = {"tags": [rules.GUARDS], "jupyter": {"source_hidden": True}}
    return new_code_cell(source, id="guards", metadata=metadata)


def finish(notebook: NotebookNode) -> None:
    """Adds the outputs, counts, cost and hash that `tools.execute` would store."""
    for count, cell in enumerate(notebooks.executed_cells(notebook), start=1):
        cell.execution_count = count
        cell.outputs = [
            new_output("execute_result", {"text/plain": str(count)}, execution_count=count)
        ]
    notebook.metadata["ftlearn"] = {
        "machine": "2 CPU cores",
        "memory_mb": 300,
        "seconds": 12.0,
        "source_sha256": notebooks.source_sha256(notebook),
    }
    notebooks.normalise(notebook)
    badges.update(notebook, NAME)
