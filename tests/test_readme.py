"""What the README shows runs as it stands there."""

import csv
import json
import re
import shlex
import shutil
import warnings

import pytest
from transformers import pipeline

from ftlearn.cli import main
from ftlearn.course import exercises
from tools.notebooks import ROOT

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
SENTENCES = {
    "repairs": ["The handle came off again.", "My kettle leaks.", "A wheel is bent.", "It hums."],
    "billing": ["I was charged twice.", "No invoice came.", "Refund me.", "The sum is wrong."],
}


@pytest.fixture
def letters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open("letters.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "department"])
        for department, sentences in SENTENCES.items():
            for number in range(24):
                sentence = sentences[number % 4]
                writer.writerow([f"Letter {number} of {department[0]}: {sentence}", department])


def test_the_command_line_runs_as_shown(letters, tmp_path):
    text = (ROOT / "README.md").read_text("utf-8")
    commands = re.findall(r"^ftlearn (.*)$", text.partition("## Your own data")[2], re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["fit", "evaluate", "predict"]
    shutil.copy("letters.csv", "newer_letters.csv")
    (tmp_path / "unread.txt").write_text("My kettle leaks.\nI was charged twice.\n")
    for command in commands:
        assert main(shlex.split(command)) == 0
    answers = (tmp_path / "answers.jsonl").read_text("utf-8").splitlines()
    model = pipeline("text-classification", model=str(tmp_path / "run" / "model"))
    there = model(["My kettle leaks.", "I was charged twice."])
    assert [json.loads(line)["label"] for line in answers] == [each["label"] for each in there]


def test_your_own_data_and_the_loop_run_as_shown(letters, tmp_path):
    assert len(BLOCKS) == 3
    names: dict = {}
    with warnings.catch_warnings(action="ignore"):
        exec(BLOCKS[0], names)
        exec(BLOCKS[1], names)
    assert names["read_report"].rows == 48
    answer = pipeline("text-classification", model=str(tmp_path / "letters-model"))("It leaks.")
    assert answer[0]["label"] in SENTENCES
    assert names["step"].number == names["step"].total


def test_progress_is_shown_exported_and_collected_as_shown(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FTLEARN_PROGRESS", str(tmp_path / "progress.json"))
    exercises.load("00").q2.check(36)
    (tmp_path / "handed-in").mkdir()
    show, export, collect = BLOCKS[2].strip().splitlines()[-3:]
    names: dict = {}
    exec("from ftlearn.course import exercises", names)
    assert eval(show, names).loc["00", "passed"] == 1
    eval(export, names).rename(tmp_path / "handed-in" / "ada.json")
    assert eval(collect, names)[["name", "passed"]].to_numpy().tolist() == [["Ada", 1]]
