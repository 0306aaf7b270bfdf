"""Wheel and source distribution, built from a copy, and an environment that has the wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

from tools.notebooks import ROOT

NOT_SOURCE = shutil.ignore_patterns(
    *("__pycache__", "*.egg-info", "build", "dist", "artifacts", "wheels", "node_modules", ".*")
)
BUILD_SDIST = "import sys; from setuptools import build_meta as b; b.build_sdist(sys.argv[1])"


def copied_source(target: Path) -> Path:
    """A copy of the repository, with a file in it that belongs into no distribution."""
    shutil.copytree(ROOT, target, ignore=NOT_SOURCE)
    (target / "notebooks" / "letters.csv").write_text("text,label\n")
    return target


def sdist(source: Path, target: Path) -> Path:
    """The source distribution, built by the backend itself: no network is used."""
    target.mkdir(exist_ok=True)
    run(sys.executable, "-c", BUILD_SDIST, target, cwd=source)
    (file,) = target.glob("*.tar.gz")
    return file


def wheel(source_distribution: Path, target: Path) -> Path:
    """The wheel, built from the source distribution alone."""
    unpacked = target / "unpacked"
    with tarfile.open(source_distribution) as archive:
        archive.extractall(unpacked, filter="data")
    (source,) = unpacked.iterdir()
    quiet = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(sys.executable, "-m", "pip", "wheel", *quiet, "--wheel-dir", target, source)
    (file,) = target.glob("*.whl")
    return file


def environment(folder: Path, file: Path) -> Path:
    """A fresh environment that has the wheel; the libraries are those of this one. Its Python.

    A line of a .pth file puts their folder on the path without the .pth files in it, by which the
    checkout would be found.
    """
    venv.create(folder, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(python, "-c", query).strip())
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    quiet = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", python, "install", *quiet, file)
    return python


def clean_variables(**more: str) -> dict[str, str]:
    """Environment variables without those by which Python or ftlearn would find other things."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "FTLEARN_LANG", "JUPYTER_PATH"))
    }
    return {**kept, **more}


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> str:
    """What a command prints; its errors are part of the message where it fails."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=clean_variables(**variables),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stderr}"
    return done.stdout
