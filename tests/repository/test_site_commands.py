"""The pages of the command line: each command and option has its place, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main
from docutils.core import publish_doctree

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


def test_the_list_of_commands_is_in_the_language_of_the_page(tmp_path: Path):
    site_commands.write(tmp_path / "zh", "zh", site_sources.words("zh"))
    rows = re.findall(
        r"^     - (.+)", (tmp_path / "zh" / "index.rst").read_text("utf-8"), re.MULTILINE
    )
    assert rows
    assert [row for row in rows if not re.search("[一-龥]", row)] == []


def test_code_in_the_words_of_the_pages_is_closed():
    for language in site_sources.LANGUAGES:
        words = site_sources.words(language)
        for text in (words["commands_intro"], words["commands_outro"]):
            assert "``" not in publish_doctree(text).astext()


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("fetch", "fetch [OPTIONS] [NAME]"),
        ("lessons", "lessons [OPTIONS] [FOLDER] [LESSON]..."),
        ("evaluate", "evaluate [OPTIONS] DIR FILE..."),
        ("doctor", "doctor"),
    ],
)
def test_usage_names_what_must_and_what_may_be_given(name: str, call: str):
    command = typer.main.get_command(app).commands[name]
    assert site_commands.usage(command, name) == call


def test_an_option_given_several_times_stands_for_one_value(commands: Path):
    assert ".. option:: --alpha NUMBER" in (commands / "interpolate.rst").read_text("utf-8")


def test_helps_end_in_a_full_stop_before_a_further_word(commands: Path):
    for path in commands.glob("*.rst"):
        assert not re.search(r"[^.。 ](?: Required\.|必填。)", path.read_text("utf-8")), path.name


def test_examples_are_named_as_such(commands: Path):
    for path in commands.glob("*.rst"):
        text = path.read_text("utf-8")
        assert not re.search(r"^``ftlearn [^`]+``$", text, re.MULTILINE), path.name


def test_hyphens_of_options_stay_hyphens():
    assert site_commands.named_as_code("--out and `a --b`") == "`--out` and `a --b`"
    assert site_commands.named_as_code("row--column") == "row--column"
