"""``ftlearn export``, and ``predict`` and ``serve`` in another format."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ftlearn import cli, formats, models, tasks
from ftlearn.config import TrainConfig
from ftlearn.serving import server
from ftlearn.workflows import Files, Plan, fit
from ftlearn.workflows.exporting import add_to_report
from ftlearn.workflows.run_texts import texts_to_compare

LABELS = tasks.Classification(labels=("a", "b"), max_length=16)
TEXTS = ["A new chip.", "The match was a draw.", "The heart beats.", "Goals", "Rain and snow"] * 4


@pytest.fixture
def run(tiny_bert, tmp_path) -> Path:
    """The folder of a saved classifier."""
    models.save(*models.load(tiny_bert, LABELS, device="cpu"), LABELS, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def texts(tmp_path) -> Path:
    file = tmp_path / "new.txt"
    file.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return file


def test_an_export_is_compared_written_and_used(run, texts, tmp_path, capsys):
    assert cli.main(["export", str(run), "--format", "onnx", "--data", str(texts)]) == 0
    shown = capsys.readouterr()
    assert "20 of 20 answers equal" in shown.out
    assert "new.txt" in shown.err
    answers = {}
    for name, more in (("auto", []), ("onnx", ["--model-format", "onnx"])):
        out = tmp_path / f"{name}.jsonl"
        command = ["predict", str(run), "--input", str(texts), "--output", str(out), *more]
        assert cli.main([*command, "--device", "cpu"]) == 0
        answers[name] = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(answers["auto"]) == len(TEXTS)
    assert [row["label"] for row in answers["onnx"]] == [row["label"] for row in answers["auto"]]
    assert cli.main(["export", str(run), "--format", "onnx", "--data", str(texts)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_too_little_parity_says_the_option(run, texts, capsys, monkeypatch):
    monkeypatch.setattr(formats.Parity, "share", property(lambda parity: 0.5))
    assert cli.main(["export", str(run), "--format", "onnx", "--data", str(texts)]) == 2
    error = capsys.readouterr().err
    assert "--parity 0.5" in error
    assert not (run / "formats").exists()


def test_formats_that_are_missing_or_unknown_are_bad_input(run, texts, tmp_path, capsys):
    predict = ["predict", str(run), "--input", str(texts), "--output", str(tmp_path / "out.jsonl")]
    assert cli.main([*predict, "--model-format", "int8"]) == 2
    assert f"ftlearn export {run} --format int8" in capsys.readouterr().err.replace("\n", " ")
    assert cli.main([*predict, "--model-format", "int9"]) == 2
    assert "Did you mean 'int8'?" in capsys.readouterr().err
    assert cli.main([*predict, "--parity", "0.9"]) == 2
    assert "--model-format fastest" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


def test_fastest_says_which_and_how_fast(run, texts, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FTLEARN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(formats.choosing, "SECONDS", 0.0)
    out = tmp_path / "out.jsonl"
    command = ["predict", str(run), "--input", str(texts), "--output", str(out)]
    assert cli.main([*command, "--model-format", "fastest", "--device", "cpu"]) == 0
    shown = capsys.readouterr().err
    assert "fastest format: " in shown
    assert "fp32: " in shown
    assert "texts/s" in shown
    assert len(out.read_text().splitlines()) == len(TEXTS)


def test_serve_opens_the_format(run, texts, monkeypatch):
    formats.export(run, "onnx", TEXTS)
    served: list[Any] = []
    monkeypatch.setattr(server, "run", lambda model, settings, **more: served.append(model))
    assert cli.main(["serve", str(run), "--model-format", "onnx", "--port", "0"]) == 0
    assert served[0].name.endswith("-onnx")


@pytest.fixture(scope="module")
def fitted(tiny_bert, topics, tmp_path_factory) -> Path:
    """A finished run, its training file beside it."""
    root = tmp_path_factory.mktemp("fitted")
    topics["train"].select(range(60)).to_pandas().assign(
        label=lambda frame: frame["label"].map(lambda number: f"label {number}")
    ).to_csv(root / "notes.csv", index=False)
    files = Files(train=root / "notes.csv")
    settings = {"max_length": 16, "config": TrainConfig(epochs=1), "device": "cpu"}
    fit(Plan(files=files, out=root / "run", checkpoint=tiny_bert, **settings))
    return root


def test_the_validation_part_is_read_again(fitted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task = formats.task_of(fitted / "run")
    texts, described = texts_to_compare(fitted / "run", task)
    rows = json.loads((fitted / "run" / "report.json").read_text())["data"]["rows"]
    assert described == "the validation part of the run"
    assert len(texts) == rows["valid"]
    assert set(texts) <= set(pd.read_csv(fitted / "notes.csv")["text"])
    alone = shutil.copytree(fitted / "run", tmp_path / "elsewhere" / "run")
    others, described = texts_to_compare(alone, task)
    assert "not your texts" in described
    assert len(others) > 100


def test_the_report_page_shows_each_export_once(fitted):
    run = fitted / "run"
    before = (run / "report.html").read_text()
    exported = formats.export(run, "onnx", TEXTS, described="<b>some</b> texts")
    for _ in range(2):
        assert add_to_report(run)
    page = (run / "report.html").read_text()
    assert page.count('<section id="formats"') == 1
    assert page.count("<main>") == page.count("</main>") == 1
    assert "<b>some</b> texts" not in page
    assert "&lt;b&gt;some" in page
    shutil.rmtree(exported.folder)
    assert page.replace(page[page.index('<section id="formats"') : page.index("</main>")], "") == (
        before
    )


def test_a_folder_without_a_page_stays_as_it_is(tmp_path):
    assert not add_to_report(tmp_path)
    (tmp_path / "report.html").write_text("mine")
    assert not add_to_report(tmp_path)
    assert (tmp_path / "report.html").read_text() == "mine"
