"""The pages of the command line: each command and option has its place, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from ftlearn.cli import app
from tools import site_commands, site_sources


@pytest.fixture(scope="module", params=["en", "zh"])
def commands(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param) / "commands"
    site_commands.write(folder, request.param, site_sources.words(request.param))
    return folder


def test_every_option_of_every_command_has_a_place(commands: Path):
    for name, command in typer.main.get_command(app).commands.items():
        text = (commands / f"{name}.rst").read_text("utf-8")
        parts = {name: command, **getattr(command, "commands", {})}.values()
        for option in (option for part in parts for option in getattr(part, "params", [])):
            names = [name for name in option.opts if name.startswith("--")]
            assert all(f".. option:: {name}" in text for name in names), option.name


def test_the_list_of_commands_names_each_with_a_sentence(commands: Path):
    text = (commands / "index.rst").read_text("utf-8")
    for name in typer.main.get_command(app).commands:
        assert re.search(rf":doc:`{name} <{name}>`\n     - \S", text), name


def test_commands_are_explained_in_the_language_of_the_page(tmp_path: Path):
    site_commands.write(tmp_path / "zh", "zh", site_sources.words("zh"))
    lines = (tmp_path / "zh" / "fit.rst").read_text("utf-8").split("\n")
    plain = [line for line in lines if re.match(r"   [A-Z][a-z]+ [a-z]+ [a-z]+", line)]
    assert plain == []
    assert {"数据", "模型", "训练", "运行"} <= set(lines)


def test_hyphens_of_options_stay_hyphens():
    assert site_commands.named_as_code("--out and `a --b`") == "`--out` and `a --b`"
    assert site_commands.named_as_code("row--column") == "row--column"
