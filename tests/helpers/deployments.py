"""What the files in deploy/ are compared with: the service's real options, routes and limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ftlearn.cli import app
from ftlearn.cli.remedies import options_of
from ftlearn.serving import ServeSettings
from ftlearn.serving.gate import OPEN
from ftlearn.serving.server import GRACE
from tools.notebooks import ROOT

DEPLOY = ROOT / "deploy"
DRAIN = ServeSettings().deadline + GRACE
"""Seconds for which a service may go on answering after SIGTERM."""
MEASURED_MB = {"MiniLM": 1030, "SmolLM2": 1460}
"""The most memory of `ftlearn serve` that was measured, as docs/serving.md says."""


def documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    return list(yaml.safe_load_all(path.read_text("utf-8")))


def megabytes(size: str) -> float:
    """A size as Compose, systemd and Kubernetes write it.

    >>> megabytes("2G"), megabytes("512m"), megabytes("1Gi")
    (2147.483648, 536.870912, 1073.741824)
    """
    units = {"k": 2**10, "m": 2**20, "g": 2**30}
    number = size.lower().removesuffix("i")
    return float(number[:-1]) * units[number[-1]] / 1e6


def arguments(words: list[str]) -> dict[str, str]:
    """The options of a call of ``ftlearn serve`` and their values; its folder under ``model``.

    Raises AssertionError for an option that the command does not have.

    >>> arguments(["/model", "--port", "8000"])
    {'model': '/model', '--port': '8000'}
    """
    model, *rest = words
    names, values = rest[::2], rest[1::2]
    known = {option.flag for option in options_of(app, "serve").values()}
    assert set(names) <= known, set(names) - known
    return {"model": model} | dict(zip(names, values, strict=True))


def probed(path: str) -> str:
    """A path of a probe; raises AssertionError where it would need the token."""
    assert path in OPEN, path
    return path
