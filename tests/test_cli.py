"""The command line: exit statuses, and no waiting for torch where it is not needed."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from ftlearn import cli, doctor
from ftlearn.doctor import Finding

HELP = """
import runpy, sys
sys.argv = ["ftlearn", "--help"]
try:
    runpy.run_module("ftlearn.cli", run_name="__main__")
except SystemExit as end:
    heavy = sorted({"torch", "transformers", "datasets", "matplotlib"} & set(sys.modules))
    print("status", end.code, "loaded", heavy)
"""


def test_doctor_ends_well_here(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["doctor"]) == 0
    told = capsys.readouterr().out.splitlines()
    subjects = [finding.subject for finding in doctor.examine()]
    assert [line.split(":")[0] for line in told] == [f"ok   {subject}" for subject in subjects]


def test_doctor_ends_with_one_where_something_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    findings = [Finding("a", "here", True), Finding("b", "gone", False, "get it")]
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    assert cli.main(["doctor"]) == 1
    assert capsys.readouterr().out == "ok   a: here\nFIX  b: gone → get it\n"


@pytest.mark.parametrize("arguments", [["cure"], [], ["doctor", "--all"]])
def test_a_wrong_command_ends_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert "usage: ftlearn" in capsys.readouterr().err


def test_help_is_there_at_once():
    run = subprocess.run(
        [sys.executable, "-c", HELP], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.startswith("usage: ftlearn")
    assert "doctor" in run.stdout
    assert run.stdout.endswith("status 0 loaded []\n")


def test_the_command_is_installed_under_its_name():
    (command,) = entry_points(group="console_scripts", name="ftlearn")
    assert command.load() is cli.main
