"""Executes lessons from top to bottom and stores their outputs, time and memory.

    python -m tools.execute                       # all lessons
    python -m tools.execute 00 03_data.ipynb      # some, by number, name or path
    python -m tools.execute --keep-going 03       # store the outputs even if a cell fails

Each lesson runs in a fresh kernel with the network off, in its own folder. Its metadata then
hold the time, the peak memory of the kernel and its processes, and a hash of the code, so that a
test can detect stale outputs. A lesson with a cell that raises, or with outputs that name a path
of this machine, is not changed.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from ftlearn import figures, language
from tools import badges, notebooks
from tools.memory import PeakMemory

CELL_SECONDS = 300
WIDGET = "application/vnd.jupyter.widget-view+json"
PLACEHOLDER = "Run this cell to use the controls."


class LessonError(RuntimeError):
    """A lesson could not be executed and stored; the message says where and why."""


def execute(path: Path, keep_going: bool = False, chosen: str = "en") -> NotebookNode:
    """Runs one lesson, stores it, and returns the stored notebook.

    Raises LessonError if a cell fails or an output names a path of this machine, ValueError if
    the first cell has no line for the badges.
    """
    notebook = notebooks.read(path)
    badges.update(notebook, path.name, chosen)
    clear(notebook)
    environment = {"FTLEARN_LANG": chosen}
    seconds, memory_mb = run(notebook, path, keep_going, environment)
    notebook.metadata["ftlearn"] = {
        "machine": f"{notebooks.cpu_cores()} CPU cores",
        "memory_mb": round(memory_mb),
        "seconds": round(seconds, 1),
        "source_sha256": notebooks.source_sha256(notebook),
    }
    notebooks.normalise(notebook)
    for cell in notebooks.executed_cells(notebook):
        replace_widgets(cell, language.load(chosen).translate(PLACEHOLDER))
        shrink_images(cell)
        add_alternative_texts(cell)
    badges.update(notebook, path.name, chosen)
    leaks = notebooks.leaked_paths(notebook)
    if leaks and not keep_going:
        raise LessonError(f"{path.name} was not stored:\n" + "\n".join(leaks))
    notebooks.write(notebook, path)
    return notebook


def clear(notebook: NotebookNode) -> None:
    """Removes the outputs of all code cells, so that a skipped cell keeps no old output."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None


def run(
    notebook: NotebookNode,
    path: Path,
    keep_going: bool,
    environment: Mapping[str, str] | None = None,
) -> tuple[float, float]:
    """Executes all cells in a fresh kernel; returns wall time in seconds and peak memory in MB.

    The memory is that of the kernel and the processes it starts together. `environment` is
    added to the variables of this process. Raises LessonError if a cell fails; with `keep_going`
    only if no further cell can run, because the kernel died or a cell did not end.
    """
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        allow_errors=keep_going,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    start = time.perf_counter()
    with (
        client.setup_kernel(env={**os.environ, **(environment or {})}),
        PeakMemory(client.km.provisioner.pid) as memory,
    ):
        for index, cell in enumerate(notebook.cells):
            show_progress(path, cell, index, len(notebook.cells))
            try:
                client.execute_cell(cell, index)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                raise LessonError(
                    f"{path.name}, cell {cell.id}:\n{without_colors(str(error))}"
                ) from error
        seconds = time.perf_counter() - start
    return seconds, memory.mb


def show_progress(path: Path, cell: NotebookNode, index: int, total: int) -> None:
    """Prints one line on stderr before a code cell runs."""
    if cell.cell_type == "code":
        first_line = cell.source.strip().partition("\n")[0]
        print(f"{path.stem} {index + 1:>3}/{total}  {first_line[:70]}", file=sys.stderr)


def replace_widgets(cell: NotebookNode, placeholder: str = PLACEHOLDER) -> None:
    """Replaces live widgets by their text, or by a sentence: without a kernel they show an error.

    Progress bars are removed.
    """
    outputs = []
    for output in cell.outputs:
        data = output.get("data", {})
        if data.pop(WIDGET, None) is not None:
            if re.search(r"\d+%\||it/s|s/it|\?it", data.get("text/plain", "")):
                continue
            if "text/markdown" not in data:
                output["data"] = {"text/html": f"<em>{placeholder}</em>", "text/plain": placeholder}
        outputs.append(output)
    cell.outputs = outputs


def shrink_images(cell: NotebookNode) -> None:
    """Stores the cell's images with a palette of 256 colours if that makes them smaller."""
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            original = base64.b64decode(data["image/png"])
            smaller = figures.with_palette(original)
            if len(smaller) < len(original):
                data["image/png"] = base64.b64encode(smaller).decode()


def add_alternative_texts(cell: NotebookNode) -> None:
    """Copies the cell's `alt` text to its images, where nbconvert and screen readers look."""
    if "alt" in cell.metadata:
        for output in cell.outputs:
            for kind in output.get("data", {}):
                if kind.startswith("image/"):
                    output.metadata.setdefault(kind, {})["alt"] = cell.metadata["alt"]


def without_colors(text: str) -> str:
    """A traceback without its terminal colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def main(arguments: list[str] | None = None) -> int:
    """Executes the named lessons, and returns the number of failures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="numbers, names or paths; all lessons if none")
    parser.add_argument("--keep-going", action="store_true", help="store even what failed")
    options = parser.parse_args(arguments)
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    failures = 0
    for path in notebooks.find(options.names):
        try:
            cost = execute(path, options.keep_going).metadata["ftlearn"]
        except (LessonError, ValueError) as error:
            failures += 1
            print(f"\n{error}\n", file=sys.stderr)
        else:
            print(f"{path.name}: {cost['seconds']:.0f} s, {cost['memory_mb']} MB", file=sys.stderr)
    return failures


if __name__ == "__main__":
    sys.exit(main())
