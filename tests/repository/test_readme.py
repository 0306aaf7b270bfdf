"""What README, CONTRIBUTING and docs show is true: code runs, names, options and links exist."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from tiny_decoder import tiny_decoder
from transformers import pipeline

from ftlearn import data
from ftlearn.cli import app, main
from ftlearn.cli.remedies import options_of
from ftlearn.course import exercises
from ftlearn.workflows import plan
from tools.notebooks import ROOT

PACKAGE = ROOT / "ftlearn"
README, YOUR_DATA = ROOT / "README.md", ROOT / "docs" / "your_data.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = (
    *("doctor", "lessons", "fetch", "fit", "evaluate", "export", "predict", "serve", "load"),
    *("generate", "chat", "interpolate", "bench", "capstone"),
)
SENTENCES = {
    "repairs": ["The handle came off again.", "My kettle leaks.", "A wheel is bent.", "It hums."],
    "billing": ["I was charged twice.", "No invoice came.", "Refund me.", "The sum is wrong."],
}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def blocks(page: Path, language: str = "") -> list[str]:
    """The fenced blocks of a page in one language; by default those that name none."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return [block for name, block in fenced if name == language]


def commands(page: Path) -> Iterator[list[str]]:
    """The calls of ``ftlearn`` in a page, in its blocks and in its sentences, split into words."""
    inline = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page.read_text("utf-8"))
    shell = "".join(blocks(page) + blocks(page, "bash")).replace("\\\n", " ")
    for line in [*shell.splitlines(), *inline]:
        call = re.search(r"(?:^|\| |-m )ftlearn (\w.*)", line)
        if call:
            yield shlex.split(call[1], comments=True)


def flags(command: str) -> set[str]:
    """The options of a command of ``ftlearn``, as one types them."""
    return {option.flag for option in options_of(app, command).values()} | {"--help"}


def entries(tree: str) -> dict[str, str]:
    """The entries of a drawn folder tree and their captions.

    >>> entries("ftlearn/\\n├── optim.py   Optimizers\\n└── data/      Read texts\\ndocs/  Guides")
    {'optim.py': 'Optimizers', 'data/': 'Read texts'}
    """
    return dict(re.findall(r"^[├└]── (\S+)(?: +(\S.*))?$", tree, re.MULTILINE))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """Where the links and pictures of a page lead, its code left out."""
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.M | re.S)
    return re.findall(r"\]\(([^)\s]+)\)", prose)


def dead(page: Path, link: str) -> bool:
    """Whether a link leads to no file, or to no heading, of this repository."""
    place, _, anchor = link.partition("#")
    target = page.parent / unquote(place) if place else page
    return not target.exists() or bool(anchor and anchor not in anchors(target))


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


def test_the_first_lines_run_as_shown_on_a_few_articles(topics, tmp_path, monkeypatch, capsys):
    few = {part: rows.select(range(24)) for part, rows in topics.items()}
    monkeypatch.setattr(data, "load", {"topics": type(topics)(few)}.__getitem__)
    monkeypatch.chdir(tmp_path)
    (block,) = blocks(README, "python")
    names: dict = {}
    with warnings.catch_warnings(action="error", category=UserWarning):
        exec(block, names)
    shown = capsys.readouterr().out
    assert "accuracy" in shown
    assert f"{sum(len(rows) for rows in topics.values()):,} bundled articles" in block
    answer = pipeline("text-classification", model=str(tmp_path / "topics-model"))("A draw.")
    assert answer[0]["label"] in names["task"].labels == ("technology", "health", "sports")


def test_the_command_line_runs_as_shown(letters, tmp_path):
    shown = [words for words in commands(README) if len(words) > 2][:3]
    assert [words[0] for words in shown] == ["fit", "evaluate", "predict"]
    assert [words for words in commands(YOUR_DATA) if words in shown] == shown
    shutil.copy("letters.csv", "newer_letters.csv")
    (tmp_path / "unread.txt").write_text("My kettle leaks.\nI was charged twice.\n")
    for words in shown:
        assert main(words) == 0
    written = {f"{path.name}/" if path.is_dir() else path.name for path in Path("run").iterdir()}
    described = re.findall(r"^\| `([\w./]+)` \|", YOUR_DATA.read_text("utf-8"), re.MULTILINE)
    assert written == set(described)
    answers = (tmp_path / "answers.jsonl").read_text("utf-8").splitlines()
    model = pipeline("text-classification", model=str(tmp_path / "run" / "model"))
    there = model(["My kettle leaks.", "I was charged twice."])
    assert [json.loads(line)["label"] for line in answers] == [each["label"] for each in there]


def test_a_model_learns_to_write_as_shown(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    small = plan.Defaults(("messages",), "messages", str(tiny_decoder(tmp_path / "tiny")))
    monkeypatch.setitem(plan.TASKS, "chat", small)
    question = {"role": "user", "content": "Where is it?"}
    dialogue = {"messages": [question, {"role": "assistant", "content": "In Oslo."}]}
    row = json.dumps(dialogue)
    rows = [row.replace("is it?", f"is parcel {number}?") for number in range(20)]
    Path("chats.jsonl").write_text("\n".join(rows))
    Path("prompts.jsonl").write_text(json.dumps({"messages": [question]}))
    shown = [words for words in commands(README) if len(words) > 2][3:]
    assert [words[0] for words in shown] == ["fit", "generate"]
    for words in shown:
        assert main(words) == 0
    (answer,) = Path("said.jsonl").read_text().splitlines()
    assert set(json.loads(answer)) >= {"messages", "text", "ended"}


def test_your_own_data_and_the_loop_run_as_shown(letters, tmp_path):
    names: dict = {}
    with warnings.catch_warnings(action="ignore"):
        for block in blocks(YOUR_DATA, "python"):
            exec(block, names)
    assert names["read_report"].rows == 48
    answer = pipeline("text-classification", model=str(tmp_path / "letters-model"))("It leaks.")
    assert answer[0]["label"] in SENTENCES
    assert names["step"].number == names["step"].total


def test_progress_is_shown_exported_and_collected_as_shown(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FTLEARN_PROGRESS", str(tmp_path / "progress.json"))
    exercises.load("00").q2.check(36)
    (tmp_path / "handed-in").mkdir()
    (block,) = blocks(ROOT / "docs" / "teaching.md", "python")
    show, export, collect, write = block.strip().splitlines()[-4:]
    names: dict = {}
    exec("from ftlearn.course import class_page, exercises", names)
    assert eval(show, names).loc["00", "passed"] == 1
    eval(export, names).rename(tmp_path / "handed-in" / "ada.json")
    assert eval(collect, names)[["name", "passed"]].to_numpy().tolist() == [["Ada", 1]]
    assert [learner.name for learner in eval(write, names).learners] == ["Ada"]
    assert "Ada" in (tmp_path / "class.html").read_text("utf-8")


def test_the_tree_names_every_module_and_package_of_ftlearn_and_nothing_else():
    tree = next(block for block in blocks(README) if "├── " in block)
    modules = {path.name for path in PACKAGE.glob("[!_]*.py")}
    packages = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    captions = entries(tree)
    assert set(captions) == modules | packages
    assert all(captions.values())
    folders = re.findall(r"^(\w+/)", tree, re.MULTILINE)
    assert [name for name in folders if not (ROOT / name).is_dir()] == []


@each_page
def test_documented_options_exist(page: Path):
    for command, *words in commands(page):
        assert command in COMMANDS, f"there is no command {command!r}"
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert options <= flags(command), f"of {command}: {options - flags(command)}"


def test_options_in_sentences_exist():
    known = set().union(*map(flags, COMMANDS))
    for page in (README, YOUR_DATA):
        named = re.findall(r"`(--[a-z-]+)", page.read_text("utf-8"))
        assert set(named) <= known, page.name


@each_page
def test_links_within_the_repository_resolve(page: Path):
    inside = [link for link in links(page) if not re.match(r"[a-z]+:", link)]
    assert [link for link in inside if dead(page, link)] == []


def test_binder_and_colab_open_a_lesson_that_exists():
    hosted = [unquote(link) for link in links(README) if "mybinder" in link or "colab" in link]
    opened = [re.search(r"notebooks/\w+\.ipynb$", link)[0] for link in hosted]
    lessons = [str(path.relative_to(ROOT)) for path in (ROOT / "notebooks").glob("*.ipynb")]
    assert sorted(opened) == sorted(lessons * 2)


def test_the_rules_for_pages_bite(tmp_path):
    page = tmp_path / "page.md"
    block = "```bash\nftlearn fit a.csv \\\n  --no # x\n```\n"
    page.write_text(f"# A b\n\n[x](#a-b) [y](#c) [z](z.md)\n\n{block}")
    assert [link for link in links(page) if dead(page, link)] == ["#c", "z.md"]
    assert list(commands(page)) == [["fit", "a.csv", "--no"]]
    assert "--no" not in flags("fit")
