"""What has to be translated: the cells of a lesson, and the texts that its code and sheets show."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from ftlearn.course.exercises import outcome
from ftlearn.language.catalogue import CLAUSES, ITEMS, fields
from tools import badges, execute, notebooks, translation_shown
from tools.literals import name_of, strings

PACKAGE = notebooks.ROOT / "ftlearn"
SHEETS = PACKAGE / "course" / "exercises" / "sheets"
# What learners see of the package in every lesson.
SHARED = (
    "course/exercises/*.py",
    "course/explorers/*.py",
    "course/widgets/**/*.py",
    "capstone/*.py",
    "figures.py",
    "tasks/token_view.py",  # shown by every task of text to write
)
# What the command line says in every line it prints; of other modules, errors and notes.
SPEAKING = (
    *("cli/**/*.py", "compatibility/*.py", "doctor.py", "workflows/html/*.py"),
    "course/class_*.py",  # a page for teachers
    *("workflows/fitting.py", "workflows/run_texts.py", "workflows/summary.py"),
    *("workflows/tasks.py", "data/columns.py", "data/delimited.py", "data/reading.py"),
    *("data/records.py", "formats/choosing.py", "formats/comparing.py", "benchmark/settings.py"),
    "training/fitting.py",
)
HEADINGS = {"section", "table", "facts"}
"""Functions of pages whose titles and heads are words of our own, single ones included."""
NAMED = {"head", "MEANINGS", "NAMES", "captions"}
"""Variables in the modules of pages with such words."""
RECORD_KEYS = (
    *("file", "line", "name", "part", "reason"),
    *("cut from train", "repeated texts", "left out", "task", "trained", "threads", "window"),
    *("seconds: training", "seconds: total", "examples per second", "peak memory", "device"),
    *("training: updates", "training: epochs", "training: best epoch", "training: stopped"),
    *("training: resumed", "training in", "prediction in", "labels"),
)
"""Keys in report.json that head the rows and columns of tables, as pages show them."""
VERDICTS = ("better", "worse", "off")
"""Verdicts of the capstone that are single words."""
SILENT = ("benchmark/", "capstone/", "course/explorers/", "course/exercises/", "course/widgets/")
"""Modules whose words are in the package's own catalogue, or that only contributors run."""
SPACES_OF_A_SENTENCE = 2
KEYWORDS = {"black", "both", "center", "constrained", "expand", "list", "none", "xlabel", "ylabel"}
"""Values of matplotlib's arguments, beside positions such as "upper left"."""
_POSITION = re.compile(r"(?:outside )?(upper|lower|center)( left| right| center)")
_WORD = re.compile(r"[A-Za-z]{2,}")
_NAME = re.compile(r"[\w./-]+")


@dataclass(frozen=True)
class Source:
    """A text to translate: where it stands (gettext's context), and whether it has fields."""

    context: str
    text: str
    pattern: bool = False


def of_lesson(notebook: NotebookNode, number: str) -> list[Source]:
    """All that is to be translated of one lesson, in its order, each text once per context."""
    sources = [*cells(notebook), *alternative_texts(notebook), *shown_by_cells(notebook)]
    for kind in ("sheet", "quiz", "museum"):
        path = SHEETS / f"{kind}_{number}.py"
        if path.exists():
            sources += in_module(path, "exercise")
    for text in translation_shown.OF_LESSONS.get(number, ()):
        sources.append(Source("output", text, bool(fields(text))))
    return list(dict.fromkeys(sources))


def of_package() -> list[Source]:
    """The package's words that learners see in every lesson."""
    paths = [path for pattern in SHARED for path in sorted(PACKAGE.glob(pattern))]
    sources = [text for path in paths for text in in_module(path, "package")]
    sources = [text for text in sources if not _POSITION.fullmatch(text.text)]
    return list(dict.fromkeys([*of_outcomes(), *sources]))


def of_commands() -> list[Source]:
    """What the command line says: its own lines, and the errors and notes of all modules."""
    speaking = {path for pattern in SPEAKING for path in PACKAGE.glob(pattern)}
    sources = [Source("command", words) for words in (CLAUSES, ITEMS, *RECORD_KEYS)]
    for path in sorted(PACKAGE.rglob("*.py")):
        if path in speaking:
            sources += [*in_module(path, "command"), *helps(path)]
            if path.parent.name == "html":
                sources += headings(path)
        elif not path.relative_to(PACKAGE).as_posix().startswith(SILENT):
            sources += messages(path)
    return list(dict.fromkeys(sources))


def headings(path: Path) -> Iterator[Source]:
    """The titles, heads of columns and names of measures of a module of pages, as they appear."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and name_of(node.func) in HEADINGS:
            parts = [part for part in node.args if isinstance(part, ast.Constant | ast.Tuple)]
        elif isinstance(node, ast.Assign) and name_of(node.targets[0]) in NAMED:
            parts = [] if isinstance(node.value, ast.Call) else [node.value]
        else:
            continue
        for text in (text for part in parts for text in strings(part)):
            if _WORD.search(text.text) and not text.pattern:
                yield Source("command", text.text.replace("_", " "))


def messages(path: Path) -> Iterator[Source]:
    """The sentences of a module that its errors and warnings are made of."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        warned = isinstance(node, ast.Call) and name_of(node.func) == "warn"
        if isinstance(node, ast.Raise) or warned:
            for text in strings(node):
                if text.text.count(" ") >= SPACES_OF_A_SENTENCE:
                    yield Source("message", text.text, text.pattern)


def helps(path: Path) -> Iterator[Source]:
    """The docstrings of commands, which `--help` shows."""
    if path.parent.name == "commands" or path.name == "__init__.py":
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            text = isinstance(node, ast.FunctionDef) and ast.get_docstring(node)
            if text and not node.name.startswith("_"):
                yield Source("command", text)


def of_outcomes() -> Iterator[Source]:
    """The words for the outcome of a check, in each form in which a notebook shows them."""
    for status, sign in outcome.SIGNS.items():
        yield Source("package", f"{sign} {status}")
        yield Source("package", f"{status}: {{message}}", pattern=True)
        yield Source("package", f"{sign} **{status}**: {{message}}", pattern=True)
    for words in ("right", "wrong", *VERDICTS, execute.PLACEHOLDER):
        yield Source("package", words)


def cells(notebook: NotebookNode) -> Iterator[Source]:
    """The Markdown cells, each by its id, without the lines that `tools.badges` writes."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield Source(cell.id, without_generated(cell.source))


def without_generated(source: str) -> str:
    """A cell's text without the lines of badges, of costs and of languages."""
    lines = [line for line in source.split("\n") if not line.rstrip().endswith(badges.GENERATED)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def alternative_texts(notebook: NotebookNode) -> Iterator[Source]:
    """The descriptions of images, which screen readers read."""
    for cell in notebook.cells:
        if "alt" in cell.metadata:
            yield Source(f"alt {cell.id}", cell.metadata["alt"])


def shown_by_cells(notebook: NotebookNode) -> Iterator[Source]:
    """Texts in code that a reader sees in an output or in a figure."""
    output = "\n".join(text for _, text in notebooks.output_texts(notebook))
    for cell in notebooks.executed_cells(notebook):
        draws = any("image/png" in part.get("data", {}) for part in cell.outputs)
        for text in strings(ast.parse(without_magics(cell.source))):
            words = _WORD.findall(re.sub(r"\{\w+\}", "", text.text))
            if not words or text.text in KEYWORDS or _POSITION.fullmatch(text.text):
                continue
            named = any(mark.format(text.text) in output for mark in ("'{}'", ">{}<"))
            sentence = text.pattern or not _NAME.fullmatch(text.text)
            if draws or named or (sentence and (text.shown or " " in text.text)):
                yield Source("output", text.text, text.pattern)


def without_magics(code: str) -> str:
    """Code without the lines that only IPython understands."""
    return "\n".join("" if re.match(r"\s*[%!]", line) else line for line in code.split("\n"))


def in_module(path: Path, context: str) -> Iterator[Source]:
    """Texts of a module that are sentences, or that are given to something that shows them."""
    for text in strings(ast.parse(path.read_text(encoding="utf-8"))):
        words = _WORD.findall(re.sub(r"\{\w+\}", "", text.text))
        sentence = words and " " in text.text
        if "\n" in text.text and "# " not in text.text:
            continue  # code without a comment: nothing to translate
        if sentence or (text.shown and _WORD.search(text.text)):
            yield Source(context, text.text, text.pattern)
