"""The unit of systemd: verified, confined, and in agreement with the service."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from deployments import DEPLOY, DRAIN, MEASURED_MB, arguments, megabytes

UNIT = (DEPLOY / "ftlearn.service").read_text("utf-8")
EXPOSURE = 2.0
"""The most that `systemd-analyze security` may come to, of 10: below 2.1 it says OK."""
analyzed = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def settings(unit: str) -> dict[str, list[str]]:
    """The values of each setting of a unit, in order."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


SETTINGS = settings(UNIT)
COMMAND = SETTINGS["ExecStart"][0].split()


def analyze(unit: str, folder: Path, *words: str) -> subprocess.CompletedProcess:
    """What systemd says of a unit; its command is replaced by one that every machine has."""
    path = folder / "ftlearn.service"
    path.write_text(unit.replace(COMMAND[0], shutil.which("true")))
    command = ["systemd-analyze", *words, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@analyzed
def test_systemd_accepts_the_unit(tmp_path):
    answer = analyze(UNIT, tmp_path, "verify")
    assert (answer.returncode, answer.stderr) == (0, "")


@analyzed
@pytest.mark.parametrize(
    ("right", "wrong"),
    [("Type=exec", "Type=exex"), ("ProtectHome=", "ProtektHome="), ("ExecStart=", "ExecStart=./")],
)
def test_systemd_would_refuse_a_wrong_one(tmp_path, right: str, wrong: str):
    answer = analyze(UNIT.replace(right, wrong), tmp_path, "verify")
    assert answer.returncode != 0 or answer.stderr


@analyzed
def test_systemd_finds_it_well_confined(tmp_path):
    threshold = f"--threshold={round(10 * EXPOSURE)}"
    words = ["security", "--offline=true", "--no-pager", threshold]
    assert analyze(UNIT, tmp_path, *words).returncode == 0
    assert analyze(UNIT.replace("SystemCallFilter=", "#"), tmp_path, *words).returncode != 0


def test_the_command_has_options_of_the_service_and_the_token_of_the_unit():
    assert COMMAND[1] == "serve"
    options = arguments(COMMAND[2:])
    name = SETTINGS["LoadCredential"][0].partition(":")[0]
    assert options["--token-file"] == f"%d/{name}"
    assert options["--host"] == "127.0.0.1"


def test_accepted_requests_are_answered_before_it_is_killed():
    assert int(SETTINGS["TimeoutStopSec"][0]) > DRAIN


def test_it_writes_only_where_systemd_gives_it_room():
    assert SETTINGS["DynamicUser"] == ["yes"]
    assert SETTINGS["ProtectSystem"] == ["strict"]
    variables = dict(pair.split("=") for line in SETTINGS["Environment"] for pair in line.split())
    for name in ("FTLEARN_CACHE", "HF_HOME", "HOME"):
        assert variables[name].startswith(f"%C/{SETTINGS['CacheDirectory'][0]}")


def test_threads_and_memory_are_limited_as_measured():
    cores = int(SETTINGS["CPUQuota"][0].removesuffix("%")) / 100
    assert f"OMP_NUM_THREADS={cores:.0f}" in SETTINGS["Environment"]
    assert megabytes(SETTINGS["MemoryMax"][0]) > 1.3 * max(MEASURED_MB.values())
