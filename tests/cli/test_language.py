"""The command line in another language: its own words are translated, and nothing of the user's."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from ftlearn import capstone, cli, doctor, tasks
from ftlearn.capstone import checks, measures
from ftlearn.capstone.grading import RUBRIC, Grade, Result
from ftlearn.cli import output
from ftlearn.cli.commands import predict as predicting
from ftlearn.cli.output import Data, columns, fit_lines, say, score_lines, translated
from ftlearn.data.reading import ReadReport
from ftlearn.data.records import Rejected
from ftlearn.doctor import Finding
from ftlearn.formats.choosing import Choice, Trial
from ftlearn.formats.comparing import Parity
from ftlearn.language import Catalogue
from ftlearn.workflows import fitting
from ftlearn.workflows.tasks import described

ENGLISH = re.compile(r"(?<![\w'/.-])[A-Za-z][a-z]+ [a-z]+(?: [a-z]+)+")
"""Three words in a row: what a line that fell back to English holds."""


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


@pytest.mark.parametrize(
    "report",
    [
        ReadReport("a.csv", 2, (Rejected(3, "'text' is empty"),), "utf-8", ",", None, ()),
        ReadReport("a.csv", 2, (), "utf-8", "\t", "none", ()),
        ReadReport("a.jsonl", 2, (), "utf-8", None, None, ()),
        ReadReport("a.parquet", 2, (), None, None, None, ()),
    ],
)
def test_how_a_file_was_read_is_chinese_and_names_the_column(chinese, report):
    shown = translated(str(report))
    assert shown.startswith(f"{report.path}：读入 2 行")
    assert "read" not in shown
    assert "refused" not in shown
    assert not report.rejected or "第 3 行：'text' 是空的" in shown


def test_the_columns_of_a_task_are_no_words_of_ours(chinese):
    rows = Dataset.from_dict(
        {"text": ["a", "b"], "label": [0, 1]},
        features=Features({"text": Value("string"), "label": ClassLabel(names=["right", "wrong"])}),
    )
    line = translated(f"task: {described(tasks.classification(rows))}")
    assert line == "任务：text → label，2 个标签之一（right, wrong）"
    assert translated("task: text → score, a number") == "任务：text → score，一个数"


def test_parts_of_a_training_file_are_said_in_chinese(chinese):
    rows = {"train": [0] * 8, "valid": [0], "test": [0]}
    for cut in ((), ("test",), ("valid", "test")):
        line = translated(fitting._rows(SimpleNamespace(data=rows, cut=cut)))
        assert line.startswith("条数：8 train, 1 valid, 1 test")
        assert all(part in line for part in cut)
        assert not ENGLISH.search(line)


def test_scores_are_chinese_and_stand_in_columns(chinese):
    score = {"value": 0.5, "low": 0.4, "high": 0.6}
    lines = list(score_lines({"accuracy": score, "calibration_error": score}))
    assert [line.split()[0] for line in lines] == ["准确率", "校准误差"]
    assert len({columns(line) for line in lines}) == 1


def test_results_of_a_run_are_chinese(chinese, capsys):
    score = {"value": 0.5, "low": 0.4, "high": 0.6}
    summary = {
        "data": {"rows": {"test": 9}},
        "test": {"accuracy": score},
        "baselines": {"most frequent label": {"accuracy": score}},
        "seconds": {"training": 1.0, "total": 2.0},
        "examples_per_second": 9.0,
        "peak_memory_bytes": 1e9,
        "training": {"stopped": "no better loss in 3 evaluations"},
        "configuration": {"adapter": None, "lora": None, "pooling": "mean", "labels": ["a", "b"]},
    }
    for line in fit_lines(summary, Path("run")):
        say(line)
    shown = capsys.readouterr().out
    assert "最常见的标签" in shown
    assert "连续 3 次评估" in shown
    assert not ENGLISH.search(re.sub("ftlearn [a-z]+ run", "", shown)), shown
    commands = [translated(line) for line in fit_lines(summary, Path("labels"))][-2:]
    assert "ftlearn predict labels --input" in commands[0]  # the folder, not the word
    assert commands[1].endswith("ftlearn serve labels")


@pytest.mark.parametrize(
    ("rejected", "skipped"), [(0, 0), (1, 0), (0, 2), (1, 2)], ids=lambda number: str(number)
)
def test_counts_of_shards_are_chinese(chinese, monkeypatch, capsys, rejected, skipped):
    totals = SimpleNamespace(rows=1234, rejected=rejected, skipped=skipped, shards=3)
    monkeypatch.setattr("ftlearn.engines.predict_shards", lambda *_, **__: totals)
    stream = SimpleNamespace(input="a", output="b", overwrite=False)
    predicting._predict_shards(None, stream, SimpleNamespace(engine=None, workers=None))
    shown = capsys.readouterr().err
    assert shown.startswith(f"3 个分片的 1234 行中预测了 {1234 - rejected} 行")
    assert not re.search("[A-Za-z]", shown)


@pytest.mark.parametrize("what", ["rows predicted", "prompts answered"])
@pytest.mark.parametrize("end", ["", "; the others have their error in their place"])
def test_counts_of_predictions_are_chinese(chinese, what, end):
    assert not re.search("[A-Za-z]", translated(f"2 of 3 {what}{end}"))


def test_findings_of_the_doctor_are_chinese(chinese, monkeypatch, capsys):
    found = "minilm (needs 1 GB), bert (needs 2 GB); in batches of 16 texts of 128 tokens"
    findings = [
        Finding("can train", found, True),
        Finding("memory", "1 GB", False, "pip install x"),
    ]
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    assert cli.main(["doctor"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert (
        first
        == "正常 能训练: minilm（需要 1 GB）、bert（需要 2 GB）；每批 16 条文本，每个 128 个词元"
    )
    assert second.startswith("待修 内存: 1 GB → ")


def test_a_grade_is_chinese_with_its_remedies(chinese, monkeypatch, capsys, tmp_path):
    found = "better than most frequent label; no difference from word counts (TF-IDF)"
    results = [Result(check.name, False, found, check.remedy) for check in RUBRIC]
    monkeypatch.setattr(capstone, "grade", lambda *_, **__: Grade(tuple(results)))
    assert cli.main(["capstone", "grade", str(tmp_path)]) == 0
    *lines, points = capsys.readouterr().out.splitlines()
    assert points == "满分 20 分，得 0 分"
    for line, check in zip(lines, RUBRIC, strict=True):
        start = f"0  {check.name:<12} 优于最常见的标签；与词频（TF-IDF）没有差别；补救办法："
        assert line.startswith(start)
        assert not ENGLISH.search(line)


@pytest.mark.parametrize("verdict", [measures.BETTER, measures.WORSE, measures.SAME])
def test_verdicts_are_chinese_alone_and_in_a_sentence(chinese, verdict):
    sentence = checks.COMPARED[verdict](name="most frequent label")
    assert not re.search("[A-Za-z]", translated(verdict) + translated(sentence))


@pytest.mark.parametrize("verdict", [measures.OFF, measures.WITHIN_CHANCE])
def test_verdicts_on_calibration_are_chinese(chinese, verdict):
    line = f"error 0.100, chance up to 0.200: {verdict}"
    assert not re.search("[A-Za-z]", translated(verdict) + translated(line))


def test_help_of_bench_is_chinese(chinese, capsys):
    assert cli.main(["bench", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    options = shown.partition("Options:")[2].replace("Show this message and exit.", "")
    assert "'accuracy' 用两倍" in options
    assert not ENGLISH.search(options), ENGLISH.search(options)


def test_the_fastest_format_is_said_in_chinese(chinese):
    parity = Parity(3, 4, 0.1, "probability")
    left_out = ("int8: left out, `ftlearn export run --format int8` makes it",)
    choice = Choice("fp32", (Trial("bf16", 9.0, parity),), 0.99, left_out)
    shown = translated(str(choice))
    assert "低于 0.99" in shown
    assert "makes it" not in shown
    assert not ENGLISH.search(shown.replace("ftlearn export run", "")), shown
