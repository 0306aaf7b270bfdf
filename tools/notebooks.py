"""Notebooks as files: where they are, how they are read, written and fingerprinted.

The other tools and the tests share these few functions, so that "code cell", "skipped" and
"the hash of the code" mean the same everywhere.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
SKIPPED = "skip-execution"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"}
KEPT_CELL_METADATA = {"alt", "ftlearn", "jupyter", "slideshow", "tags"}

_FOLDERS = "home|root|Users|tmp|var|usr|opt|mnt|srv|private"
_MACHINE_PATH = re.compile(rf"(?<![\w.:/-])/(?:{_FOLDERS})/[\w.-]+|\b[A-Z]:\\\w+|site-packages/")


def settings() -> dict[str, str]:
    """The `[tool.ftlearn]` table of pyproject.toml: `repository` and `branch`."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ftlearn"]


def find(names: Iterable[str] = ()) -> list[Path]:
    """The paths of the named notebooks, in order; of all lessons if no name is given.

    A name is a path, a file name or the beginning of one: `00` finds `00_start_here.ipynb`.
    Raises FileNotFoundError for a name without a notebook.
    """
    paths = []
    for name in names:
        pattern = f"{name.removesuffix('.ipynb')}*.ipynb"
        matches = [Path(name)] if Path(name).is_file() else sorted(FOLDER.glob(pattern))
        if not matches:
            raise FileNotFoundError(f"no notebook {name!r}; there are {lesson_names()}")
        paths += [path.resolve() for path in matches]
    return paths or sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))


def lesson_names() -> str:
    """The file names of all lessons, separated by commas."""
    return ", ".join(path.name for path in sorted(FOLDER.glob("*.ipynb"))) or "none yet"


def read(path: Path) -> NotebookNode:
    """The notebook at `path`, as nbformat 4."""
    return nbformat.read(path, as_version=4)


def write(notebook: NotebookNode, path: Path) -> None:
    """Validates a notebook and writes it to `path`."""
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def has_tag(cell: NotebookNode, tag: str) -> bool:
    """Whether a cell carries a tag."""
    return tag in cell.metadata.get("tags", [])


def executed_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells that run everywhere: all but those tagged `skip-execution`."""
    return [
        cell for cell in notebook.cells if cell.cell_type == "code" and not has_tag(cell, SKIPPED)
    ]


def source_sha256(notebook: NotebookNode) -> str:
    """A hash of the executed code; if it has changed, the stored outputs are stale."""
    sources = [cell.source for cell in executed_cells(notebook)]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


def title(notebook: NotebookNode) -> tuple[str, str]:
    """Number and question of a lesson, from its first line `# 00 · Question?`.

    Raises ValueError if the first cell begins otherwise.
    """
    line = notebook.cells[0].source.partition("\n")[0] if notebook.cells else ""
    match = re.fullmatch(r"# (\d\d) · (\S.*)", line)
    if match is None:
        raise ValueError(f"the first line must be '# NN · Question?', but it is {line!r}")
    return match[1], match[2]


def output_texts(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """Every textual output as (cell id, text); images are left out."""
    for cell in executed_cells(notebook):
        for output in cell.outputs:
            yield cell.id, "\n".join(_texts(output))


def _texts(output: Any) -> Iterator[str]:
    if output.output_type == "stream":
        yield output.text
    elif output.output_type == "error":
        yield "\n".join([output.ename, output.evalue, *output.traceback])
    else:
        for kind, value in output.data.items():
            if not kind.startswith("image/") or kind == "image/svg+xml":
                yield value if isinstance(value, str) else str(value)


def leaked_paths(notebook: NotebookNode) -> list[str]:
    """Paths of this machine in outputs, one message per path: they differ for every reader."""
    local_folders = [re.escape(str(folder)) + r"(?![\w-])" for folder in (ROOT, Path.home())]
    pattern = re.compile("|".join([*local_folders, _MACHINE_PATH.pattern]))
    matches = ((cell_id, pattern.search(text)) for cell_id, text in output_texts(notebook))
    return [
        f"cell {cell_id}: an output names the path {match[0]!r}"
        for cell_id, match in matches
        if match
    ]


def normalise(notebook: NotebookNode) -> None:
    """Removes what differs between machines: widget state, timings, kernel versions."""
    measured = notebook.metadata.get("ftlearn", {})
    notebook.metadata = NotebookNode(
        kernelspec=NotebookNode(KERNEL), language_info=NotebookNode(LANGUAGE), ftlearn=measured
    )
    for cell in notebook.cells:
        cell.metadata = NotebookNode(
            {key: value for key, value in cell.metadata.items() if key in KEPT_CELL_METADATA}
        )


def cpu_cores() -> int:
    """The number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
