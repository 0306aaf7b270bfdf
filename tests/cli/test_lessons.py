"""``ftlearn lessons``: what it lists, writes and says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftlearn import cli, lessons
from ftlearn.cli.commands import lessons as command
from tools import notebooks


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("FTLEARN_LANG", raising=False)
    monkeypatch.setattr(lessons, "repository", lambda: "https://example.org")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "mine"


def test_without_a_folder_lessons_are_listed(capsys):
    assert cli.main(["lessons"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "00  Can I fine-tune a language model on this machine, now?"
    assert len(lines) == len(notebooks.find()) + 1
    assert cli.main(["lessons", "--language", "zh"]) == 0
    assert any("\u4e00" <= letter <= "\u9fff" for letter in capsys.readouterr().out)


def test_lessons_are_copied_and_the_next_step_is_named(folder, capsys):
    assert cli.main(["lessons", "mine", "02", "00"]) == 0
    assert sorted(path.name for path in folder.glob("*.ipynb")) == [
        "00_start_here.ipynb",
        "02_loss.ipynb",
    ]
    first = Path("mine", "00_start_here.ipynb")
    out = capsys.readouterr().out
    assert out.splitlines() == ["lessons in mine: 2 new", f"next: jupyter lab {first}"]


def test_chinese_lessons_go_into_a_folder_of_their_own(folder, capsys):
    assert cli.main(["lessons", "--language", "zh", "mine"]) == 0
    assert (folder / "zh" / "02_loss.ipynb").exists()
    assert f"lessons in {Path('mine', 'zh')}: " in capsys.readouterr().out


def test_what_is_kept_is_named_with_the_remedy(folder, capsys):
    folder.mkdir()
    (folder / "02_loss.ipynb").write_text("mine", "utf-8")
    assert cli.main(["lessons", "mine", "02"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "kept, since you have changed them, though this version has others: 02_loss.ipynb; to "
        "have those too, rename yours and call again"
    )
    assert (folder / "02_loss.ipynb").read_text("utf-8") == "mine"


def test_what_is_missing_to_run_them_is_named(folder, capsys, monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert cli.main(["lessons", "mine", "02"]) == 0
    assert 'pip install "ftlearn[notebooks]"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["03"], "name the folder first"),
        (["mine", "77"], "there is no lesson '77'"),
        (["mine", "--language", "fr"], "--language is 'fr': there are en, zh"),
        (["--language", "fr"], "--language is 'fr': there are en, zh"),
        (["zh", "--language", "en"], "choose another name"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(arguments, complaint, capsys, tmp_path):
    assert cli.main(["lessons", *arguments]) == 2
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
