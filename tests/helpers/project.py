"""What the repository says of itself: pyproject.toml, constraints.txt."""

from __future__ import annotations

import tomllib

from packaging.utils import canonicalize_name

from tools.notebooks import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def pins() -> dict[str, str]:
    """The tested version of each package in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")
