"""``ftlearn capstone`` from the shell: what it prints, and how it ends."""

from __future__ import annotations

import shutil

import pytest

from ftlearn import cli


def test_a_submission_is_begun_and_prepared(tmp_path, capsys):
    folder = tmp_path / "mine"
    assert cli.main(["capstone", "new", str(folder)]) == 0
    assert f"next: ftlearn capstone prepare {folder}" in capsys.readouterr().out
    assert cli.main(["capstone", "prepare", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "removed: copies" in printed
    assert f"--seed 0 --out {folder / 'runs' / '0'}" in printed
    assert cli.main(["capstone", "new", str(folder)]) == 2


def test_a_folder_is_measured_graded_and_verified(passing, tmp_path, capsys):
    folder, file = shutil.copytree(passing, tmp_path / "mine"), tmp_path / "mine.json"
    assert cli.main(["capstone", "measure", str(folder)]) == 0
    assert "write a note on five or more" in capsys.readouterr().out
    assert cli.main(["capstone", "grade", str(folder), "--certificate", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "20 of 20 points" in printed
    assert "fresh draw" in printed
    assert cli.main(["capstone", "verify", str(folder), str(file)]) == 0
    assert "the certificate holds" in capsys.readouterr().out
    file.write_text(file.read_text().replace('"points": 20', '"points": 21'))
    assert cli.main(["capstone", "verify", str(folder), str(file)]) == 1
    assert "points is claimed to be 21, and measured as 20" in capsys.readouterr().out
    (folder / "DATA_SHEET.md").unlink()
    assert cli.main(["capstone", "verify", str(folder), str(file)]) == 2
    assert "DATA_SHEET.md was removed" in capsys.readouterr().err


def test_a_failed_check_is_printed_with_its_remedy(passing, tmp_path, capsys):
    folder = shutil.copytree(passing, tmp_path / "mine")
    (folder / "MODEL_CARD.md").unlink()
    assert cli.main(["capstone", "grade", str(folder), "--draw", "3"]) == 0
    printed = capsys.readouterr().out
    assert "0  documents    there is no MODEL_CARD.md; remedy: " in printed
    assert "19 of 20 points" in printed
    assert "fresh draw 3:" in printed


@pytest.mark.parametrize("command", ["measure", "grade", "prepare"])
def test_a_folder_that_is_not_there_ends_with_two(command, tmp_path, capsys):
    assert cli.main(["capstone", command, str(tmp_path / "nowhere")]) == 2
    assert "begin with `ftlearn capstone new`" in capsys.readouterr().err
