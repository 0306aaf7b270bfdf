"""The image: its recipe is linted, and agrees with the package that it installs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from deployments import DEPLOY, arguments, probed
from dockerfiles import last, steps
from packaging.specifiers import SpecifierSet
from project import PROJECT, read

DOCKERFILE = DEPLOY / "Dockerfile"
STEPS = steps(DOCKERFILE.read_text("utf-8"))
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or "hadolint"


def lint(path: Path) -> str:
    answer = subprocess.run([HADOLINT, "--no-color", path], capture_output=True, text=True)
    return answer.stdout + answer.stderr


def kept(name: str) -> bool:
    """Whether .dockerignore, a list of exceptions to ``*``, lets a path into the build."""
    lines = [line for line in read(".dockerignore").splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    return any(name == line[1:] or name.startswith(f"{line[1:]}/") for line in lines[1:])


def test_hadolint_finds_nothing():
    assert lint(DOCKERFILE) == ""


def test_hadolint_would_find_something(tmp_path):
    worse = DOCKERFILE.read_text("utf-8").replace("--no-cache-dir", "").replace(":3.12-slim", "")
    (tmp_path / "Dockerfile").write_text(worse)
    assert {"DL3006", "DL3042"} <= set(lint(tmp_path / "Dockerfile").split())


def test_both_stages_have_the_same_python_and_one_that_the_package_allows():
    images = [step.value.split()[0] for step in STEPS if step.instruction == "FROM"]
    assert len(images) == 2
    assert len(set(images)) == 1
    name, _, tag = images[0].partition(":")
    assert (name, tag.split("-")[1]) == ("python", "slim")
    assert f"{tag.split('-')[0]}.0" in SpecifierSet(PROJECT["requires-python"])


def test_it_installs_the_tested_versions():
    commands = [step.value for step in STEPS if step.instruction == "RUN"]
    assert all("--constraint constraints.txt" in command for command in commands)
    assert '".[serving]"' in commands[-1]


def test_what_is_copied_reaches_the_build_and_nothing_else_does():
    copied = [
        source
        for step in STEPS
        if step.instruction == "COPY" and "from" not in step.flags
        for source in step.value.split()[:-1]
    ]
    assert {"pyproject.toml", "README.md", "LICENSE", "ftlearn"} <= set(copied)
    assert [name for name in copied if not kept(name)] == []
    others = (".git", ".venv", "notebooks", "tests", "deploy/secrets/token", "run/model")
    assert [name for name in others if kept(name)] == []


def test_a_number_that_is_not_root_runs_it():
    user, group = last(STEPS, "USER").value.split(":")
    assert user.isdecimal()
    assert group.isdecimal()
    assert int(user) >= 10_000


def test_no_shell_stands_between_the_process_and_sigterm():
    assert last(STEPS, "ENTRYPOINT").words() == ["ftlearn", "serve"]
    assert last(STEPS, "STOPSIGNAL").value == "SIGTERM"


def test_the_command_has_options_of_the_service_and_a_token_from_a_file():
    options = arguments(last(STEPS, "CMD").words())
    assert options["--host"] == "0.0.0.0"
    assert options["--port"] == last(STEPS, "EXPOSE").value
    assert options["--token-file"].startswith("/run/secrets/")


def test_health_is_asked_on_the_port_of_the_service_without_a_token():
    check = last(STEPS, "HEALTHCHECK").value
    port = last(STEPS, "EXPOSE").value
    assert f"http://127.0.0.1:{port}{probed('/health/ready')}" in check


@pytest.mark.parametrize("name", ["FTLEARN_CACHE", "HF_HOME", "HOME"])
def test_what_is_written_goes_where_a_read_only_container_has_room(name: str):
    assert f"{name}=/tmp" in last(STEPS, "ENV").value
