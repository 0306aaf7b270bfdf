"""The files around the package agree with each other: versions, ranges, commands, licence."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from project import EXTRAS, PROJECT, pins, read

import ftlearn
from tools.notebooks import ROOT


def requirements() -> list[Requirement]:
    """All direct dependencies, those of the extras included."""
    extras = [line for lines in EXTRAS.values() for line in lines]
    found = [Requirement(line) for line in [*PROJECT["dependencies"], *extras]]
    return [requirement for requirement in found if requirement.name != PROJECT["name"]]


def unfit(wanted: list[Requirement], tested: dict[str, str]) -> list[str]:
    """Dependencies without a pin, or with one outside their range."""
    found = []
    for requirement in wanted:
        version = tested.get(canonicalize_name(requirement.name))
        if version is None:
            found.append(f"{requirement.name} has no pin")
        elif version not in requirement.specifier:
            found.append(f"{requirement.name} {version} is outside {requirement.specifier}")
    return found


def test_every_dependency_has_a_pin_within_its_range():
    assert unfit(requirements(), pins()) == []


def test_every_pin_belongs_to_a_dependency():
    assert set(pins()) == {canonicalize_name(r.name) for r in requirements()}


def test_pin_rule_bites():
    wanted = [Requirement("torch>=2.10"), Requirement("numpy>=2")]
    assert unfit(wanted, {"torch": "2.9"}) == ["torch 2.9 is outside >=2.10", "numpy has no pin"]


def test_conda_environment_installs_the_package_with_its_own_ranges():
    dependencies = yaml.safe_load(read("environment.yml"))["dependencies"]
    assert dependencies[-1] == {"pip": ["-c constraints.txt", "-e .[notebooks]"]}
    python = next(d for d in dependencies if str(d).startswith("python="))
    assert f"{python.split('=')[1]}.0" in SpecifierSet(PROJECT["requires-python"])


def test_makefile_and_project_accept_the_same_pythons():
    low, high = re.search(r"\((3, \d+)\) <= sys\S+ <= \((3, \d+)\)", read("Makefile")).groups()
    lowest, highest = (int(bound.split(", ")[1]) for bound in (low, high))
    allowed = SpecifierSet(PROJECT["requires-python"])
    accepted = [minor for minor in range(30) if f"3.{minor}.0" in allowed]
    assert (accepted[0], accepted[-1]) == (lowest, highest)


def workflow_jobs() -> dict[str, dict]:
    return yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]


def commands(job: dict) -> str:
    """What the steps of a job run."""
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_workflow_runs_every_python_of_the_range():
    versions = workflow_jobs()["test"]["strategy"]["matrix"]["python"]
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert versions == [f"3.{minor}" for minor in range(30) if f"3.{minor}.0" in allowed]


def test_workflow_runs_unit_tests_and_lessons_on_other_systems():
    job = workflow_jobs()["systems"]
    assert set(job["strategy"]["matrix"]["system"]) == {"macos-latest", "windows-latest"}
    assert "-c constraints.txt" in commands(job)
    assert 'pytest -m "not browser and not services"' in commands(job)
    assert "--nbval-lax" in commands(job)
    assert "make" not in commands(job)


def test_workflow_takes_the_newest_versions_once_a_week():
    job = workflow_jobs()["newest"]
    assert "schedule" in job["if"]
    assert "constraints" not in commands(job)
    assert 'pytest -m "not browser and not services"' in commands(job)
    assert "--nbval-lax" in commands(job)


def test_pre_commit_uses_the_tested_ruff():
    hooks = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    ruff = next(repo for repo in hooks if repo["repo"].endswith("ruff-pre-commit"))
    assert ruff["rev"] == f"v{pins()['ruff']}"
    for hook in ruff["hooks"]:
        assert "jupyter" in hook["types_or"]


def test_version_is_the_same_everywhere():
    versions = {
        PROJECT["version"],
        ftlearn.__version__,
        yaml.safe_load(read("CITATION.cff"))["version"],
        re.search(r"^## \[(\d[^\]]*)\]", read("CHANGELOG.md"), re.MULTILINE)[1],
    }
    assert versions == {ftlearn.__version__}


def test_licence_is_the_whole_apache_text():
    text = read("LICENSE")
    assert PROJECT["license"] == "Apache-2.0"
    assert [f"   {n}. " in text for n in range(1, 10)] == [True] * 9
    assert "END OF TERMS AND CONDITIONS" in text


unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither make nor modes")


@unix
@pytest.mark.parametrize("script", [".ci/run", "binder/postBuild", "binder/start"])
def test_scripts_are_executable_and_parse(script: str):
    assert (ROOT / script).stat().st_mode & 0o111 == 0o111
    subprocess.run(["bash", "-n", ROOT / script], check=True)
    assert "set -euo pipefail" in read(script)


@unix
@pytest.mark.parametrize(
    "target", ["lab", "test", "lint", "unit", "lessons", "machines", "notebooks"]
)
def test_make_knows_the_documented_commands(target: str):
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)
    assert f"make {target}" in read("CONTRIBUTING.md")


@unix
def test_make_says_which_python_it_needs(tmp_path):
    old = tmp_path / "python3.8"
    old.write_text('#!/bin/sh\ncase "$1" in --version) echo "Python 3.8.1";; *) exit 1;; esac\n')
    old.chmod(0o755)
    command = ["make", "lab", f"VENV={tmp_path}/venv", f"PYTHON={old}"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "is Python 3.8.1; ftlearn needs Python 3.11, 3.12 or 3.13" in answer.stdout
    assert not (tmp_path / "venv").exists()
