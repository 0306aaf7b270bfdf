"""What every task has: a run from a file, a section in its report, tests, a row in the guide.

These are the checks that CONTRIBUTING.md lists for a new task.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from html_parsing import Parsed
from task_files import EXAMPLES, write_rows
from tiny_decoder import tiny_decoder

from ftlearn import losses, tasks
from ftlearn.cli import main
from ftlearn.preferences import losses as preference_losses
from ftlearn.workflows.plan import TASKS
from tools.notebooks import ROOT

each_task = pytest.mark.parametrize("name", EXAMPLES)


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Path:
    return tiny_decoder(tmp_path_factory.mktemp("decoder"))


@pytest.fixture
def checkpoint(name, decoder, tiny_bert) -> Path:
    return decoder if EXAMPLES[name].writes else tiny_bert


def losses_of(module) -> set[str]:
    """The functions of a module that return the sum and the count of a loss."""
    return {
        name
        for name, value in vars(module).items()
        if getattr(value, "__annotations__", {}).get("return") == "LossSum" and name[0] != "_"
    }


def words_in(pattern: str) -> str:
    """The text of all test files that match a pattern."""
    paths = sorted((ROOT / "tests").glob(pattern))
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def test_every_task_of_the_package_is_one_of_the_command_line_and_has_an_example():
    builders = {name for name in tasks.__all__ if name.islower()}
    assert builders <= {name.replace("-", "_") for name in EXAMPLES}
    assert set(EXAMPLES) == set(TASKS) - {"auto"}


@each_task
def test_it_is_fitted_from_a_file_and_its_report_has_its_section(name, checkpoint, tmp_path):
    # The training loop refuses a loss that sums over other targets than the task counts.
    example = EXAMPLES[name]
    file = write_rows(tmp_path / "rows.jsonl", example)
    options = ("--checkpoint", checkpoint, "--epochs", 1, "--device", "cpu", *example.options)
    command = ("fit", file, "--task", name, "--out", tmp_path / "run", *options)
    assert main(list(map(str, command))) == 0
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["configuration"]["task"] == name
    assert report["baselines"], "a report compares with a baseline"
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    headings = re.findall(r"<h[23][^>]*>(.*?)</h[23]>", page)
    assert example.section in {Parsed(heading).text for heading in headings}


@pytest.mark.parametrize(
    ("module", "patterns"),
    [
        (losses, ("test_losses.py", "tasks/test_*.py", "fast/test_counted_logits.py")),
        (preference_losses, ("preferences/test_*.py",)),
    ],
)
def test_every_loss_has_tests(module, patterns):
    named = set(re.findall(r"\w+", "".join(map(words_in, patterns))))
    assert len(losses_of(module)) > 4
    assert losses_of(module) - named == set()


@pytest.mark.parametrize("builder", sorted(name for name in tasks.__all__ if name.islower()))
def test_it_has_tests(builder):
    assert re.search(rf"\b{builder}\(", words_in("tasks/test_*.py"))


@each_task
def test_it_is_in_the_guide_and_in_the_help(name, capsys):
    guide = (ROOT / "docs" / "your_data.md").read_text(encoding="utf-8")
    assert f"--task {name}" in guide or f"| {name} |" in guide
    assert main(["fit", "--help"]) == 0
    assert re.search(rf"\b{name} \(|\b{name}\b,? ", capsys.readouterr().out)
