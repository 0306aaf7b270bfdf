"""The command line in another language: its own words are translated, and nothing of the user's."""

from __future__ import annotations

import pytest

from ftlearn import cli
from ftlearn.cli import output
from ftlearn.cli.output import Data, say
from ftlearn.language import Catalogue


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTLEARN_LANG", "zh")


def test_an_error_is_chinese_and_names_the_option(chinese, capsys, tmp_path):
    assert cli.main(["fit", str(tmp_path / "texts.csv"), "--out", "run", "--epochs", "0"]) == 2
    line = capsys.readouterr().err
    assert line.startswith("错误：")
    assert "--epochs" in line


def test_help_is_chinese(chinese, capsys):
    assert cli.main(["predict", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "模型" in shown
    assert "Predict" not in shown


def test_english_is_as_it_was_written(monkeypatch, capsys):
    monkeypatch.setenv("FTLEARN_LANG", "en")
    assert cli.main(["predict", "--help"]) == 0
    assert "模型" not in capsys.readouterr().out


def test_data_stays_as_it_is(chinese, monkeypatch, capsys):
    monkeypatch.setattr(output, "_catalogue", lambda chosen: Catalogue({"no errors": "没有错误"}))
    say("no errors")
    say(Data("no errors"))
    assert capsys.readouterr().out == "没有错误\nno errors\n"


def test_an_unknown_language_ends_the_command_and_is_named(monkeypatch, capsys):
    monkeypatch.setenv("FTLEARN_LANG", "xx")
    assert cli.main(["doctor"]) == 2
    assert capsys.readouterr().err == "error: FTLEARN_LANG is 'xx': there are en, zh\n"
