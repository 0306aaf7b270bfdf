"""The rules for lessons, each a function from a notebook to a list of complaints.

    python -m tools.rules             # all lessons
    python -m tools.rules 00          # one

The limits are those of CONTRIBUTING.md. An empty list means that the lesson keeps the rule.
"""

from __future__ import annotations

import ast
import copy
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools import badges, execute, exercise_cells, notebooks

SECONDS, MEMORY_MB, FILE_KB = 100, 1600, 400
LONG_SECONDS, LONG_MB = 180, 1800
LONG = (
    '"smollm2"',
    "LocalService(",
    "subprocess.Popen(",
    "torch.distributed.run",
    "workflows.fit(",
)
"""Lessons in which SmolLM2 writes, or that start other processes or whole runs, may take longer.

That ``torch.distributed.run`` is named suffices: each of its processes imports torch anew and has a
model of its own, which takes seconds and memory that the lesson cannot save.
"""
CODE_CELLS = (20, 45)
CODE_LINES_MEDIAN, CODE_LINES, SHOWN_LINES = 5, 20, 25
CODE_CELLS_IN_A_ROW = 2
WORDS_MEDIAN, WORDS = (15, 80), 120
CELLS_PER_HEADING = 8
ASSERTS, ASSERTS_IN_FLOW = 3, 10
OUTPUTS_SHARE = 1 / 3
ALT_CHARACTERS = 20
GUARDS = "guards"
SECTIONS = ("Exercises", "Summary", "Where it comes from")

_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


def file_format(notebook: NotebookNode) -> list[str]:
    """Valid nbformat 4.5, no widget state, and no metadata beyond ours."""
    ids = [cell.id for cell in notebook.cells]
    repeated = {cell_id for cell_id in ids if ids.count(cell_id) > 1}
    complaints = [f"cell id {cell_id} is used twice" for cell_id in sorted(repeated)]
    try:
        nbformat.validate(copy.deepcopy(notebook))
    except nbformat.ValidationError as error:
        complaints.append(f"not a valid notebook: {error.message}")
    if (notebook.nbformat, notebook.nbformat_minor) != (4, 5):
        complaints.append(f"format {notebook.nbformat}.{notebook.nbformat_minor}, not 4.5")
    unknown = set(notebook.metadata) - {"kernelspec", "language_info", "ftlearn"}
    if unknown:
        complaints.append(f"metadata holds {', '.join(sorted(unknown))}; run make notebooks")
    return complaints


def fresh_outputs(notebook: NotebookNode) -> list[str]:
    """The stored outputs belong to the stored code, and come from one run from top to bottom."""
    complaints = []
    if notebook.metadata.get("ftlearn", {}).get("source_sha256") != notebooks.source_sha256(
        notebook
    ):
        complaints.append("the code has changed since it was executed; run make notebooks")
    cells = notebooks.executed_cells(notebook)
    counts = [cell.execution_count for cell in cells]
    if counts != list(range(1, len(cells) + 1)):
        complaints.append(f"execution counts are {counts}, not 1 to {len(cells)}")
    shown = sum(bool(cell.outputs) for cell in cells)
    if shown < OUTPUTS_SHARE * len(cells):
        complaints.append(f"only {shown} of {len(cells)} code cells show an output")
    return complaints


def clean_outputs(notebook: NotebookNode) -> list[str]:
    """No errors, no live widgets and no machine paths in the outputs."""
    complaints = notebooks.leaked_paths(notebook)
    for cell in notebooks.executed_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error":
                complaints.append(f"cell {cell.id}: stored error {output.ename}: {output.evalue}")
            if execute.WIDGET in output.get("data", {}):
                complaints.append(f"cell {cell.id}: a widget without its kernel; make notebooks")
    return complaints


def cost(notebook: NotebookNode) -> list[str]:
    """Measured time and memory are within the limits of a small machine and a patient reader."""
    measured = notebook.metadata.get("ftlearn", {})
    if not {"seconds", "memory_mb"} <= set(measured):
        return ["time and memory were never measured; run make notebooks"]
    complaints = []
    code = "\n".join(cell.source for cell in notebooks.executed_cells(notebook))
    is_long = any(word in code for word in LONG)
    seconds, memory_mb = (LONG_SECONDS, LONG_MB) if is_long else (SECONDS, MEMORY_MB)
    if measured["seconds"] > seconds:
        complaints.append(f"takes {measured['seconds']} seconds; at most {seconds} are allowed")
    if measured["memory_mb"] > memory_mb:
        complaints.append(f"takes {measured['memory_mb']} MB; at most {memory_mb} are allowed")
    return complaints


def opening(notebook: NotebookNode) -> list[str]:
    """Title, badges and cost; then the Colab cell; then the parameters."""
    first, *rest = notebook.cells
    complaints = []
    try:
        notebooks.title(notebook)
    except ValueError as error:
        complaints.append(str(error))
    complaints += [
        f"the first cell needs a line with {mark}"
        for mark in (badges.BADGES, badges.MEASURED)
        if mark not in first.source
    ]
    if not rest or rest[0].metadata.get("tags") != badges.COLAB_TAGS:
        complaints.append("the second cell must be the Colab cell; run make badges")
    if len(rest) < 2 or not notebooks.has_tag(rest[1], "parameters"):
        complaints.append("the third cell must be a code cell tagged 'parameters'")
    return complaints


def sections(notebook: NotebookNode) -> list[str]:
    """The closing sections exist, and there is a heading every few cells."""
    names = [name for cell in notebook.cells for name in headings(cell)]
    complaints = [f"no section '## {name}'" for name in SECTIONS if name not in names]
    starts = [index for index, cell in enumerate(notebook.cells) if headings(cell)]
    for start, end in zip(starts, [*starts[1:], len(notebook.cells)], strict=True):
        if end - start > CELLS_PER_HEADING:
            name = headings(notebook.cells[start])[-1]
            complaints.append(
                f"section {name!r} has {end - start} cells; at most {CELLS_PER_HEADING}"
            )
    return complaints


def code(notebook: NotebookNode) -> list[str]:
    """The right number of short code cells, not many in a row, with assertions.

    Quiz questions are not counted, and the guards may be long.
    """
    cells = [
        cell for cell in notebooks.executed_cells(notebook) if not notebooks.has_tag(cell, GUARDS)
    ]
    lines = [code_lines(cell) for cell in cells]
    complaints = [
        f"cell {cell.id} has {count} lines of code; at most {most_lines(cell)}"
        for cell, count in zip(cells, lines, strict=True)
        if count > most_lines(cell)
    ]
    count = sum(not notebooks.has_tag(cell, "quiz") for cell in cells)
    if not CODE_CELLS[0] <= count <= CODE_CELLS[1]:
        complaints.append(f"{count} code cells; {CODE_CELLS[0]} to {CODE_CELLS[1]} are meant")
    if lines and statistics.median(lines) > CODE_LINES_MEDIAN:
        complaints.append(
            f"the median code cell has {statistics.median(lines)} lines; at most "
            f"{CODE_LINES_MEDIAN}"
        )
    asserts = sum(map(assertions, notebooks.executed_cells(notebook)))
    if asserts < ASSERTS:
        complaints.append(
            f"{asserts} assertions; at least {ASSERTS} guard the numbers in the prose"
        )
    return complaints + code_runs(notebook)


def guards(notebook: NotebookNode) -> list[str]:
    """Few assertions stand in the text; the others in one folded cell, which is the last."""
    tagged = [cell for cell in notebook.cells if notebooks.has_tag(cell, GUARDS)]
    if [cell.id for cell in tagged] != [notebook.cells[-1].id]:
        return [f"the last cell, and no other, must be tagged {GUARDS!r}"]
    complaints = []
    if not tagged[0].metadata.get("jupyter", {}).get("source_hidden"):
        complaints.append(f"cell {tagged[0].id} must be folded: jupyter.source_hidden in metadata")
    in_flow = sum(
        assertions(cell) for cell in notebooks.executed_cells(notebook) if cell is not tagged[0]
    )
    if in_flow > ASSERTS_IN_FLOW:
        complaints.append(
            f"{in_flow} assertions stand in the text; at most {ASSERTS_IN_FLOW}, the others go "
            f"into the cell tagged {GUARDS!r}"
        )
    return complaints


def code_runs(notebook: NotebookNode) -> list[str]:
    """Complaints about many code cells in a row without prose between them."""
    complaints, run = [], 0
    for cell in notebook.cells[2:]:
        run = run + 1 if cell.cell_type == "code" else 0
        if run == CODE_CELLS_IN_A_ROW + 1:
            complaints.append(f"cell {cell.id} is the {run}rd code cell in a row")
    return complaints


def prose(notebook: NotebookNode) -> list[str]:
    """Markdown cells are long enough to say something, and not too long."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    counts = [words(cell) for cell in cells]
    complaints = [
        f"cell {cell.id} has {count} words; at most {WORDS}"
        for cell, count in zip(cells, counts, strict=True)
        if count > WORDS
    ]
    if not counts or not WORDS_MEDIAN[0] <= statistics.median(counts) <= WORDS_MEDIAN[1]:
        median = statistics.median(counts) if counts else 0
        complaints.append(
            f"the median prose cell has {median} words; {WORDS_MEDIAN[0]} to {WORDS_MEDIAN[1]} "
            "are meant"
        )
    return complaints


def alternative_texts(notebook: NotebookNode) -> list[str]:
    """Every cell that shows an image describes it in its metadata, under `alt`."""
    complaints = []
    for cell in notebooks.executed_cells(notebook):
        alt = cell.metadata.get("alt", "")
        for output in cell.outputs:
            for kind in output.get("data", {}):
                if not kind.startswith("image/"):
                    continue
                if len(alt) < ALT_CHARACTERS:
                    complaints.append(f"cell {cell.id} shows an image and needs an `alt` text")
                elif output.metadata.get(kind, {}).get("alt") != alt:
                    complaints.append(f"cell {cell.id}: `alt` has changed; run make notebooks")
    return complaints


def headings(cell: NotebookNode) -> list[str]:
    """The headings in a Markdown cell; a `#` inside a code block does not count."""
    if cell.cell_type != "markdown":
        return []
    return _HEADING.findall(re.sub(r"^```.*?^```", "", cell.source, flags=re.MULTILINE | re.DOTALL))


def most_lines(cell: NotebookNode) -> int:
    """How many lines a code cell may have; one that shows code of the package has a few more."""
    shown = any(tag.startswith("same-as:") for tag in cell.metadata.get("tags", []))
    return SHOWN_LINES if shown else CODE_LINES


def assertions(cell: NotebookNode) -> int:
    """The number of assert statements in a cell."""
    return len(re.findall(r"^ *assert\b", cell.source, re.MULTILINE))


def code_lines(cell: NotebookNode) -> int:
    """Lines of a code cell that are neither blank nor imports at its top level.

    >>> code_lines(NotebookNode(source="import math\\n\\nfor x in (1, 4):\\n    math.sqrt(x)"))
    2
    """
    source = re.sub(r"^(?=[%!])", "# ", cell.source, flags=re.M)  # Python cannot parse magics
    lines = {number for number, line in enumerate(source.splitlines(), 1) if line.strip()}
    try:
        body = ast.parse(source).body
    except SyntaxError:  # an exercise's cell may be unfinished
        return len(lines)
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return len(lines)


def words(cell: NotebookNode) -> int:
    """The number of words to read, without link targets, comments, tables, code and formulas."""
    text = re.sub(r"^```.*?^```|\$\$.*?\$\$|<!--.*?-->", "", cell.source, flags=re.M | re.S)
    text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return len(re.findall(r"[^\W_]\S*", text))


RULES: tuple[Callable[[NotebookNode], list[str]], ...] = (
    file_format,
    fresh_outputs,
    clean_outputs,
    cost,
    opening,
    sections,
    code,
    guards,
    prose,
    alternative_texts,
)


def file_size(path: Path) -> list[str]:
    """A lesson with its outputs is small enough for GitHub to show."""
    kilobytes = path.stat().st_size / 1000
    return [] if kilobytes <= FILE_KB else [f"{kilobytes:.0f} kB; at most {FILE_KB} are allowed"]


def main() -> int:
    """Prints every complaint about the named lessons; returns 1 if there are any."""
    total = 0
    for path in notebooks.find(sys.argv[1:]):
        notebook = notebooks.read(path)
        complaints = [complaint for rule in RULES for complaint in rule(notebook)]
        complaints += exercise_cells.complaints(notebook) + file_size(path)
        total += len(complaints)
        print(f"{path.name}: {'keeps every rule' if not complaints else ''}")
        for complaint in complaints:
            print(f"  {complaint}")
    return min(total, 1)


if __name__ == "__main__":
    sys.exit(main())
