"""The cells of a notebook that nbgrader knows."""

from __future__ import annotations

from nbformat import NotebookNode


def graded(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """The cells with an entry of nbgrader's, by their names in it."""
    cells = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    return {cell.metadata["nbgrader"]["grade_id"]: cell for cell in cells}
