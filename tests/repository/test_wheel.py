"""What PyPI gets: whole, without surplus, and the lessons run from it outside the repository."""

from __future__ import annotations

import json
import re
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import distributions
import pytest
from packaging.metadata import Metadata

import ftlearn
from ftlearn.language import LANGUAGES
from tools import notebooks
from tools.notebooks import ROOT

MEGABYTES = 15
"""PyPI takes 100; half of it are stored outputs of lessons, and a third the corpus."""
RUN_LESSON = """
import json, sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.id != "colab"]
more = ["import ftlearn; print(ftlearn.__file__)", 'ex.quiz1.check("a")']
notebook.cells = code[:2] + [nbformat.v4.new_code_cell(source) for source in more]
folder = {"metadata": {"path": sys.argv[2]}}
NotebookClient(notebook, timeout=300, kernel_name="python3", resources=folder).execute()
texts = [str(cell.outputs) for cell in notebook.cells]
print(json.dumps(texts))
"""


@pytest.fixture(scope="module")
def source_distribution(tmp_path_factory) -> Path:
    source = distributions.copied_source(tmp_path_factory.mktemp("source") / "ftlearn")
    return distributions.sdist(source, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(source_distribution, tmp_path_factory) -> Path:
    return distributions.wheel(source_distribution, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    return distributions.environment(tmp_path_factory.mktemp("environment"), wheel)


def package_files() -> set[str]:
    """The files of the package in this checkout."""
    paths = (path for path in (ROOT / "ftlearn").rglob("*") if path.is_file())
    return {
        path.relative_to(ROOT).as_posix()
        for path in paths
        if "__pycache__" not in path.parts and not path.name.startswith(".")
    }


def lesson_files() -> set[str]:
    """The lessons of all languages, relative to the root."""
    folders = [ROOT / "notebooks" / language for language in LANGUAGES]
    paths = [*notebooks.find(), *(path for folder in folders for path in folder.glob("*.ipynb"))]
    return {path.relative_to(ROOT).as_posix() for path in paths}


def test_the_wheel_holds_the_package_and_the_lessons_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == package_files() | {f"ftlearn/{name}" for name in lesson_files()}
    assert wheel.stat().st_size < MEGABYTES * 1e6


def test_the_source_distribution_holds_the_same_and_what_builds_it(source_distribution):
    with tarfile.open(source_distribution) as archive:
        files = [member.name for member in archive.getmembers() if member.isfile()]
    names = {name.partition("/")[2] for name in files}
    others = {name for name in names if "egg-info/" not in name}
    assert others - package_files() - lesson_files() == {
        *("CHANGELOG.md", "CITATION.cff", "LICENSE", "MANIFEST.in", "PKG-INFO", "README.md"),
        *("constraints.txt", "pyproject.toml", "setup.cfg", "setup.py"),
    }
    assert package_files() | lesson_files() <= names


def test_the_metadata_are_valid_and_name_version_and_repository(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        raw = archive.read(name)
    metadata = Metadata.from_email(raw, validate=True)
    assert str(metadata.version) == ftlearn.__version__
    address = f"https://github.com/{notebooks.settings()['repository']}"
    assert metadata.project_urls == {"Repository": address}
    assert message_from_bytes(raw)["License-File"] == "LICENSE"


@pytest.fixture(scope="module")
def copied(python, tmp_path_factory) -> Path:
    """A folder outside the repository with the lessons of both languages."""
    folder = tmp_path_factory.mktemp("learner")
    command = python.with_name("ftlearn.exe" if python.suffix else "ftlearn")
    distributions.run(command, "lessons", "mine", cwd=folder)
    distributions.run(command, "lessons", "mine", "02", "--language", "zh", cwd=folder)
    return folder / "mine"


def test_the_description_on_pypi_has_no_link_that_leads_nowhere(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        description = message_from_bytes(archive.read(name)).get_payload()
    address = f"https://github.com/{notebooks.settings()['repository']}"
    links = re.findall(r"\]\(([^)\s]+)\)", description)
    assert [link for link in links if not re.match("https?:|#", link)] == []
    assert f"{address}/raw/HEAD/docs/shrinkage.png" in links
    ours = [link for link in links if link.startswith(f"{address}/blob/HEAD/")]
    assert len(ours) > 30
    for link in ours:
        assert (ROOT / re.sub(r"^.*?/HEAD/|#.*", "", link)).exists(), link


def test_a_copied_lesson_runs_outside_the_repository_in_its_language(python, copied, tmp_path):
    progress = tmp_path / "progress.json"
    outputs = executed(python, copied / "zh" / "02_loss.ipynb", progress)
    assert "0.126" in outputs[1]
    assert "likelihood" not in outputs[1]
    assert str(python.parents[1]) in outputs[2]
    assert str(ROOT) not in outputs[2]
    assert "02/quiz1" in progress.read_text("utf-8")


def executed(python: Path, lesson: Path, progress: Path) -> list[str]:
    """The outputs of a copied lesson's first cells, where ftlearn came from, and a quiz's."""
    script = progress.with_name("run_lesson.py")
    script.write_text(RUN_LESSON, "utf-8")
    settings = {"FTLEARN_PROGRESS": str(progress), "OMP_NUM_THREADS": "1"}
    printed = distributions.run(
        python, script, lesson, lesson.parent, cwd=lesson.parent, **settings
    )
    return json.loads(printed.splitlines()[-1])


def test_all_links_of_copied_lessons_lead_somewhere(copied):
    web = f"https://github.com/{notebooks.settings()['repository']}/blob/HEAD/"
    for path in copied.rglob("*.ipynb"):
        cells = notebooks.read(path).cells
        prose = "".join(cell.source for cell in cells if cell.cell_type == "markdown")
        for link in re.findall(r"\]\(([^)\s]+)\)", prose):
            if link.startswith(web):
                assert (ROOT / link.removeprefix(web).partition("#")[0]).exists(), link
            assert re.match(r"https?:|#", link) or (path.parent / link).exists(), link
