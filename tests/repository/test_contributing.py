"""The checklists of CONTRIBUTING.md: each line names what enforces it, and that is run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from jsonschema import validators
from project import read

from ftlearn.cli import app
from ftlearn.course import exercises
from ftlearn.language import LANGUAGES, paths
from ftlearn.language.files import FOLDER, PACKAGE
from tools import notebooks
from tools.notebooks import ROOT

CHECKLISTS = {"lesson", "task", "translation"}
FORM = re.compile(r"(?P<file>test_\w+\.py)::(?P<test>test_\w+)|make (?P<target>[a-z]+)")
"""How a checklist names what enforces a line."""


class Line(NamedTuple):
    """A line of a checklist, and what enforces it."""

    text: str
    enforced_by: list[str]


def checklists(page: str) -> dict[str, list[Line]]:
    """The lines of each checklist of a page, by what it is a checklist of.

    >>> checklists("### Checklist of a kettle\\n| it has | by |\\n|---|---|\\n| a lid | `x`, `y` |")
    {'kettle': [Line(text='a lid', enforced_by=['x', 'y'])]}
    """
    found = {}
    sections = re.findall(r"^### Checklist of a (\w+)\n(.*?)(?=^##|\Z)", page, re.M | re.S)
    for name, section in sections:
        rows = re.findall(r"^\| (.+?) \| (.*?) ?\|$", section, re.MULTILINE)
        found[name] = [Line(text, re.findall(r"`([^`]+)`", last)) for text, last in rows[1:]]
    return found


def complaints(lines: list[Line]) -> list[str]:
    """Lines that name nothing, or something in another form or that is not there."""
    found = []
    for line in lines:
        if not line.enforced_by:
            found.append(f"{line.text}: nothing enforces it")
        for name in line.enforced_by:
            form = FORM.fullmatch(name)
            if form is None:
                found.append(f"{line.text}: {name} is neither a test nor a make target")
            elif form["file"] and len(list((ROOT / "tests").rglob(form["file"]))) != 1:
                found.append(f"{line.text}: {form['file']} is not one file")
            elif form["target"] and form["target"] not in checks_of_make_test():
                found.append(f"{line.text}: make test does not run {name}")
    return found


def checks_of_make_test() -> list[str]:
    """The targets that `make test` runs."""
    return re.search(r"^test: ([a-z ]+)", read("Makefile"), re.MULTILINE)[1].split()


def collected(node_ids: set[str], root: Path = ROOT) -> set[str]:
    """Those of the tests that pytest finds when it is asked for their files."""
    files = sorted({node.partition("::")[0] for node in node_ids})
    options = ("--collect-only", "--quiet", "-p", "no:cacheprovider", "--rootdir", str(root))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    names = {line.partition("[")[0] for line in done.stdout.splitlines()}
    return names & node_ids


def node_id(name: str) -> str:
    """The full name of a test that a checklist names by its file alone."""
    file, _, test = name.partition("::")
    (path,) = (ROOT / "tests").rglob(file)
    return f"{path.relative_to(ROOT).as_posix()}::{test}"


def test_lesson_task_and_translation_have_a_checklist_whose_lines_are_enforced():
    found = checklists(read("CONTRIBUTING.md"))
    assert set(found) == CHECKLISTS
    for lines in found.values():
        assert len(lines) >= 5
        assert complaints(lines) == []


def test_the_tests_of_the_checklists_are_collected(request):
    lines = [line for lines in checklists(read("CONTRIBUTING.md")).values() for line in lines]
    tests = {node_id(name) for line in lines for name in line.enforced_by if "::" in name}
    here = {item.nodeid.partition("[")[0] for item in request.session.items}
    missing = tests - here  # none, where all tests are run
    assert missing == (collected(missing) if missing else set())


def test_a_test_that_does_not_exist_is_not_collected(tmp_path):
    (tmp_path / "test_kettle.py").write_text("def test_it_boils(): ...\ndef check(): ...\n")
    expected = {"test_kettle.py::test_it_boils"}
    others = {"test_kettle.py::test_it_whistles", "test_kettle.py::check"}
    assert collected(expected | others, tmp_path) == expected


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (Line("a lid", []), "nothing enforces it"),
        (Line("a lid", ["goodwill"]), "neither a test nor a make target"),
        (Line("a lid", ["test_nowhere.py::test_x"]), "is not one file"),
        (Line("a lid", ["make coffee"]), "make test does not run"),
    ],
)
def test_a_line_that_nothing_enforces_is_found(line, complaint):
    assert complaint in complaints([line])[0]


def test_every_lesson_has_exercises_and_questions():
    for path in notebooks.find():
        sheet = exercises.load(path.name[:2])
        assert sheet.exercises, path.name
        assert sheet.questions, path.name


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_a_glossary_the_words_of_the_package_and_a_lesson(language):
    assert (FOLDER / LANGUAGES[language] / "glossary.csv").is_file()
    assert PACKAGE in paths(language)
    assert list((ROOT / "notebooks" / language).glob("*.ipynb"))


# Forms for issues and pull requests

TEMPLATES = ROOT / ".github" / "ISSUE_TEMPLATE"
FORMS = sorted(path for path in TEMPLATES.glob("*.yml") if path.name != "config.yml")


def schema_errors(name: str, text: str) -> list[str]:
    """What a schema of GitHub says against a file."""
    schemas = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((schemas / f"{name}.json").read_text("utf-8"))
    validator = validators.validator_for(schema)(schema)
    return [error.message for error in validator.iter_errors(yaml.safe_load(text))]


def test_issue_forms_are_valid():
    assert {path.stem for path in FORMS} == {"fault", "lesson", "translation"}
    for path in FORMS:
        assert schema_errors("github-issue-forms", path.read_text("utf-8")) == [], path.name
    config = (TEMPLATES / "config.yml").read_text("utf-8")
    assert schema_errors("github-issue-config", config) == []


@pytest.mark.parametrize(
    ("right", "wrong"), [("textarea", "text area"), ("  - type: dropdown", "  - typ: dropdown")]
)
def test_a_form_that_github_would_refuse_is_found(right, wrong):
    text = (TEMPLATES / "fault.yml").read_text("utf-8")
    assert schema_errors("github-issue-forms", text.replace(right, wrong))


def test_a_fault_is_reported_with_what_the_doctor_says():
    form = yaml.safe_load((TEMPLATES / "fault.yml").read_text("utf-8"))
    fields = {field["id"]: field for field in form["body"]}
    assert "`ftlearn doctor`" in fields["doctor"]["attributes"]["label"]
    assert all(field["validations"]["required"] for field in fields.values())


def test_commands_and_files_that_the_forms_name_exist():
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    for path in FORMS:
        text = path.read_text("utf-8")
        assert set(re.findall(r"`ftlearn ([a-z]+)", text)) <= commands
        named = re.findall(r"`([\w/]+/\w+|\w+\.\w+)`", text)
        places = (ROOT, ROOT / "ftlearn" / "translations" / "zh_CN")
        assert [n for n in named if not any((place / n).exists() for place in places)] == []


def test_a_pull_request_is_led_to_the_checklists():
    text = read(".github/PULL_REQUEST_TEMPLATE.md")
    led = set(re.findall(r"CONTRIBUTING\.md#checklist-of-a-(\w+)\)", text))
    assert led == set(checklists(read("CONTRIBUTING.md")))
    assert "`make test`" in text
