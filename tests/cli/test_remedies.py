"""What a message advises can be done where it is read: options on the command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from ftlearn.cli import app
from ftlearn.cli.remedies import PHRASES, in_options, options_of
from ftlearn.training import resources
from tools.notebooks import ROOT

PACKAGE = ROOT / "ftlearn"
COMMANDS = ("fit", "evaluate", "predict", "serve", "generate", "chat", "interpolate")
FIT = options_of(app, "fit")

ALL = {name: option for command in COMMANDS for name, option in options_of(app, command).items()}

UNREACHED = {"benchmark", "cli", "course", "experiments", "figures.py", "search"}
UNREACHED |= {"data/augmentation.py", "data/cleaning.py", "data/duplicates.py"}
UNREACHED |= {"data/label_errors.py", "fast/sparse_embeddings.py", "fast/training.py"}
UNREACHED |= {"interpolation", "models/pooling.py", "training/linear_probe.py"}
REACHED = "interpolation/landscape/"
"""What no command calls, or calls only with values of its own."""

MERGING = ("on_disk.py", "linear.py", "state_dicts.py")
MEASURING = ("measure.py", "settings.py", "workload.py")
"""Modules that commands call too, but whose messages name Python's arguments."""

PLAIN = {"ValueError", "KeyError", "TypeError", "RuntimeError"}
RAISED_PLAIN = {
    "compatibility/model_files.py": "caught where it is called",
    "data/records.py": "caught where it is called",
    "markup.py": "elements of our own pages, whatever the data are",
    "metrics/intervals.py": "takes arrays, which commands make themselves",
    "metrics/paired.py": "takes arrays, which no command does",
    "metrics/probabilities.py": "takes arrays, which no command does",
    "models/folders.py": "caught where it is called",
    "optim.py": "takes names that TrainConfig has checked",
}
"""Modules in which a plain error is a fault of ours, or none that anybody sees, and why."""

PYTHON = re.compile(r"TrainConfig|dataclasses|DatasetDict|`[a-z_]+`|\b[a-z_]+=\S")
"""What no message on a terminal may advise."""

PYTHON_ONLY = (
    "confirm it with allow_host=",  # `ftlearn load` says it as --allow-host: tests/load
    "sizes=",  # runs are cut by sizes of their own
    "per_class=",  # no command draws a subset
    "kind=",  # commands name a kind by --task
    "pass steps(count=)",  # a command's tasks count their targets themselves
    "patience needs validation data",  # fit cuts them off
    "needs the folder of the run",  # fit has one
    "give the task the model's labels",  # a task that was built in Python
    "frozen='fp32'",  # no command trains an adapter in a precision of its own
    "use precision='fp32'",  # commands save in fp32
    "load the model with precision='fp32'",  # and load in it
)
"""Parts of messages that no command can reach."""


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("continue it with resume=True, or", "continue it with --resume, or"),
        ("or give kind='number' for a regression", "or give --task regression for a regression"),
        (r"try delimiter='\t' (--delimiter $'\t').", "try --delimiter tab."),
        ("try delimiter=';'.", "try --delimiter ';'."),
        ("try encoding='cp1252' (--encoding cp1252)", "try --encoding cp1252"),
        ("give `valid` and `test` as files", "give --valid and --test as files"),
        ("raise max_length to keep more", "raise --max-length to keep more"),
        ("epochs is 0: it must be", "--epochs is 0: it must be"),
        ("with TrainConfig(micro_batches=4)", "with --micro-batches 4"),
        ("load it with pooling='mean', which", "load it with --pooling mean, which"),
        ("text=('a', 'b c') with label='a'", "--text a --text 'b c' with --label a"),
        # What is no argument stays as it is, above all what stands in the data.
        ("has no column 'max_length'; its", "has no column 'max_length'; its"),
        ("'resume=True' is empty", "'resume=True' is empty"),
        ("the answer was x=3", "the answer was x=3"),
    ],
)
def test_arguments_become_options(written: str, typed: str):
    assert in_options(written, FIT) == typed


def test_a_command_without_an_option_does_not_advise_it():
    assert in_options("raise max_length", options_of(app, "evaluate")) == "raise max_length"


@pytest.mark.parametrize("command", [*COMMANDS, "bench"])
def test_options_are_those_that_the_command_takes(command: str):
    parameters = typer.main.get_command(app).commands[command].params
    flags = {flag for parameter in parameters for flag in parameter.opts}
    options = options_of(app, command)
    assert len(options) >= 5
    assert {option.flag for option in options.values()} <= flags


def test_phrases_speak_of_real_options_and_real_messages():
    texts = "\n".join("".join(texts) for _, texts in messages(PACKAGE.rglob("*.py")))
    for phrase, other in PHRASES.items():
        assert phrase in texts, phrase
        assert "--" in in_options(other, FIT), other


def test_phrases_are_found_in_chinese_messages_as_well(monkeypatch):
    monkeypatch.setenv("FTLEARN_LANG", "zh")
    assert "任务的" not in in_options("请增大任务的 max_length", FIT)
    assert in_options("`labels` 中有 3 列", FIT) == "--label 中有 3 列"
    named = in_options("请用 `labels` 指定两列或更多", FIT)
    assert named == "请用 --label 逐个指定两列或更多"


def messages(paths: Iterator[Path]) -> Iterator[tuple[str, list[str]]]:
    """Every text in some modules, with a placeholder for each value."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [getattr(part, "value", "") for part in node.values]
                yield path.name, [part if isinstance(part, str) else "?" for part in parts]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path.name, [node.value]


def raised(path: Path) -> Iterator[str]:
    """The messages that a module raises or warns with."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        called = getattr(getattr(node, "func", None), "attr", "")
        if isinstance(node, ast.Raise) or called == "warn":
            yield from ("".join(text) for text in _words(node))


def _words(node: ast.AST) -> Iterator[list[str]]:
    if isinstance(node, ast.JoinedStr):
        parts = [getattr(part, "value", "") for part in node.values]
        yield [part if isinstance(part, str) else "'x'" for part in parts]
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield [node.value]
    for child in ast.iter_child_nodes(node):
        yield from _words(child)


def reached() -> list[Path]:
    paths = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    names = {path: path.relative_to(PACKAGE).as_posix() for path in paths}
    return [
        path
        for path, name in sorted(names.items())
        if name.startswith(REACHED) or UNREACHED.isdisjoint((name, name.split("/")[0]))
    ]


@pytest.mark.parametrize("path", reached(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_message_advises_python_on_a_terminal(path: Path):
    texts = [in_options(text, ALL) for text in raised(path)]
    python = [text for text in texts if PYTHON.search(text)]
    assert [text for text in python if not any(part in text for part in PYTHON_ONLY)] == []


def plain_errors(path: Path) -> list[str]:
    """The builtin errors that a module raises, each with its line."""
    lines = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and node.exc is not None:
            name = ast.unparse(getattr(node.exc, "func", node.exc))
            lines += [f"line {node.lineno}: {name}"] if name in PLAIN else []
    return lines


@pytest.mark.parametrize(
    "path",
    [
        *reached(),
        *(PACKAGE / "interpolation" / "weights" / name for name in MERGING),
        *(PACKAGE / "benchmark" / name for name in MEASURING),
    ],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_what_a_command_can_reach_raises_errors_of_our_own(path: Path):
    """Bad input is told by the class of the error: a plain ValueError would end with code 1."""
    if path.relative_to(PACKAGE).as_posix() not in RAISED_PLAIN:
        assert plain_errors(path) == []


def test_each_exception_to_that_rule_is_needed():
    assert [name for name in RAISED_PLAIN if not plain_errors(PACKAGE / name)] == []


def test_the_remedies_for_memory_can_be_typed():
    needed = resources.Estimate(10, 10, 10, 10**9, 10, 0)
    for free, remedy in (
        (10**8, "cut the batch into 11 micro-batches with --micro-batches 11"),
        (5, "--max"),
    ):
        with pytest.raises(resources.TooLargeError) as error:
            resources.require_memory(needed, available=free)
        assert remedy in in_options(str(error.value), FIT)
