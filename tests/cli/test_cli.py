"""The command line from end to end: what it prints, what it writes, how it ends."""

from __future__ import annotations

import csv
import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from interrupting import interrupt_after
from rounding import assert_alike
from tiny_models import copied
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
from waiting import HANG

from ftlearn import cli, doctor, workflows
from ftlearn.cli.commands.fit import ModelOptions, TrainingOptions
from ftlearn.cli.options import grouped
from ftlearn.cli.output import evaluation_lines
from ftlearn.config import TrainConfig
from ftlearn.doctor import Finding
from ftlearn.errors import ArgumentError, ArgumentTypeError, UnknownNameError
from ftlearn.evaluation import Report, streaming
from ftlearn.tasks import classification
from ftlearn.workflows import RunError, evaluating
from ftlearn.workflows import tasks as workflow_tasks

HELP = """
import sys
from ftlearn.cli import main
sys.argv = ["ftlearn", "--help"]
code = main()
heavy = sorted({"torch", "transformers", "datasets", "matplotlib", "pandas"} & set(sys.modules))
print("code", code, "loaded", heavy, file=sys.stderr)
"""
LABELS = ("1", "2", "10", "NA")
SUBJECTS = (
    "新的手机电池更耐用",
    "The team won the match",
    "Sleep well & <b>eat</b>",
    'a, "quoted" note',
)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Help that is not cut at the width of a terminal, and plain."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def table(path: Path, rows: list[tuple], header: tuple = ("Text", "Kind")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def rows(count: int) -> list[tuple[str, str]]:
    return [(f"{SUBJECTS[i % 4]} {i}", LABELS[i % 4]) for i in range(count)]


FITTING = ("--epochs", "4", "--learning-rate", "0.01", "--batch-size", "8", "--device", "cpu")


def fit(train: Path, out: Path, *more: str) -> int:
    """The exit code of ``ftlearn fit``, on the label Kind unless ``more`` names another."""
    label = () if "--label" in more else ("--label", "Kind")
    return cli.main(["fit", str(train), "--text", "Text", *label, "--out", str(out), *more])


@pytest.fixture(scope="module")
def fitted(tiny_bert, tmp_path_factory) -> Path:
    """The folder of a run of the command on a CSV with Chinese texts and labels 1, 2, 10, NA."""
    folder = tmp_path_factory.mktemp("cli")
    train = table(folder / "notes.csv", rows(60))
    assert fit(train, folder / "run", "--checkpoint", str(tiny_bert), *FITTING) == 0
    return folder / "run"


def answers(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# What does not fit together


def line_of(capsys: pytest.CaptureFixture[str], begin: str) -> str:
    """The one line on standard error that begins like this."""
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith(begin))
    return line


def test_fit_ends_with_two_where_the_model_has_no_tokenizer(tiny_bert, tmp_path, capsys):
    bare = copied(tiny_bert, tmp_path / "bare", without="token*")
    train = table(tmp_path / "notes.csv", rows(40))
    assert fit(train, tmp_path / "run", "--checkpoint", str(bare)) == 2
    assert "tokenizer.json" in line_of(capsys, "error: ")
    assert not (tmp_path / "run").exists()


def test_fit_ends_with_two_where_test_shares_no_label_with_train(tiny_bert, tmp_path, capsys):
    train = table(tmp_path / "notes.csv", rows(40))
    test = table(tmp_path / "test.csv", [(text, f"{label} ") for text, label in rows(20)])
    arguments = ("--checkpoint", str(tiny_bert), "--test", str(test))
    assert fit(train, tmp_path / "run", *arguments) == 2
    error = line_of(capsys, "error: ")
    assert "no row of test has a label that train has" in error
    assert "'NA ' may mean 'NA'" in error


def test_notes_of_fit_are_lines_and_each_is_there_once(tiny_bert, tmp_path, capsys):
    strange = [*rows(40), *((f"{text} again", "na") for text, _ in rows(8)), (rows(1)[0][0], "2")]
    train = table(tmp_path / "notes.csv", strange)
    arguments = ("--checkpoint", str(tiny_bert), "--epochs", "2", "--device", "cpu")
    assert fit(train, tmp_path / "run", *arguments) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert len(notes) == len(set(notes))
    for words in (
        "'NA' (10), 'na' (8)",
        "1 text stands there with two labels or more",
        "on line 2 of notes.csv ('1') and on line 50 of notes.csv ('2')",
        "of the tokens of the texts of train are unknown",
    ):
        assert any(words in line for line in notes)


@pytest.mark.parametrize("command", ["evaluate", "predict", "interpolate"])
def test_a_cut_file_of_a_run_is_named(fitted, tmp_path, capsys, command: str):
    run = shutil.copytree(fitted, tmp_path / "run")
    weights = run / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    data = str(table(tmp_path / "new.csv", rows(8)))
    more = {
        "evaluate": [data],
        "predict": ["--input", data, "--output", str(tmp_path / "answers.jsonl")],
        "interpolate": [str(fitted), "--valid", data, "--out", str(tmp_path / "between")],
    }
    assert cli.main([command, str(run), *more[command]]) == 2
    assert "model.safetensors" in line_of(capsys, "error: ")


def test_predict_tells_of_a_language_that_the_model_cannot_read(fitted, tmp_path, capsys):
    source = table(tmp_path / "new.csv", [("ὁ ἄνθρωπος φύσει πολιτικὸν ζῷον",)] * 9, ("Text",))
    target = tmp_path / "answers.jsonl"
    assert cli.main(["predict", str(fitted), "--input", str(source), "--output", str(target)]) == 0
    assert "tokens of the texts are unknown" in line_of(capsys, "note: ")
    assert len(answers(target)) == 9


# From a CSV to answers


def test_fit_tells_the_score_beside_the_baselines(tiny_bert, tmp_path, capsys):
    train = table(tmp_path / "notes.csv", [*rows(40), ("", "1")])
    more = ("--checkpoint", str(tiny_bert), "--epochs", "2", "--pooling", "mean")
    assert fit(train, tmp_path / "run", *more, "--max-length", "8", "--batch-size", "40") == 0
    captured = capsys.readouterr()
    for part in (
        "line 42: 'Text' is empty",
        "one of 4 labels (1, 2, 10, NA)",
        "rows: 32 train, 4 valid, 4 test (valid and test cut from the training file)",
        "  accuracy  ",
        "  most frequent label",
        "  word counts (TF-IDF)",
        "transformers.pipeline does not",
        f"next: ftlearn predict {tmp_path / 'run'} --input FILE",
        f"or answer over HTTP: ftlearn serve {tmp_path / 'run'}",
    ):
        assert part in captured.out
    (line,) = (line for line in captured.err.splitlines() if "of 4 texts are longer" in line)
    assert line.startswith("note: ")  # once, although every evaluation warns
    assert [word for word in ("site-packages", "Casting", "Writing") if word in captured.err] == []


def test_predict_and_a_pipeline_agree(fitted, tmp_path):
    texts = [text for text, _ in rows(20)]
    source = table(tmp_path / "new.csv", [(text,) for text in texts], ("Text",))
    target = tmp_path / "answers.jsonl"
    assert cli.main(["predict", str(fitted), "--input", str(source), "--output", str(target)]) == 0
    pipe = pipeline("text-classification", str(fitted / "model"), device="cpu")
    for mine, theirs in zip(answers(target), pipe(texts, top_k=None, truncation=True), strict=True):
        assert mine["label"] == theirs[0]["label"]
        assert set(mine["probabilities"]) == set(LABELS)
        for score in theirs:
            assert mine["probabilities"][score["label"]] == pytest.approx(score["score"], abs=1e-5)
    assert len({answer["label"] for answer in answers(target)}) > 1


def test_predict_and_the_model_class_of_transformers_agree(fitted, tmp_path):
    target = tmp_path / "answers.jsonl"
    source = tmp_path / "new.txt"
    source.write_text(SUBJECTS[0] + "\n", encoding="utf-8")
    assert cli.main(["predict", str(fitted), "--input", str(source), "--output", str(target)]) == 0
    model = AutoModelForSequenceClassification.from_pretrained(fitted / "model").eval()
    inputs = AutoTokenizer.from_pretrained(fitted / "model")(SUBJECTS[0], return_tensors="pt")
    with torch.no_grad():
        theirs = model(**inputs).logits.softmax(-1)[0]
    (mine,) = answers(target)
    assert list(mine["probabilities"]) == list(LABELS)
    np.testing.assert_allclose(list(mine["probabilities"].values()), theirs, atol=1e-5)


def test_predict_answers_standard_input_on_standard_output(fitted):
    run = subprocess.run(
        [sys.executable, "-m", "ftlearn", "predict", str(fitted), "--input", "-", "--output", "-"],
        input="比赛\n\nsleep\n",
        capture_output=True,
        encoding="utf-8",
        timeout=HANG,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    first, refused, last = (json.loads(line) for line in run.stdout.splitlines())
    assert first["label"] in LABELS
    assert last["label"] in LABELS
    assert refused["line"] == 2
    assert run.stderr == "2 of 3 rows predicted; the others have their error in their place\n"


def test_the_epoch_is_chosen_by_the_valid_file(tiny_bert, tmp_path):
    train = table(tmp_path / "notes.csv", rows(60))
    contrary = [(text, LABELS[(LABELS.index(label) + 1) % 4]) for text, label in rows(12)]
    valid = table(tmp_path / "valid.csv", contrary)
    more = ("--checkpoint", str(tiny_bert), *FITTING)
    assert fit(train, tmp_path / "run", *more, "--valid", str(valid)) == 0
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["data"]["rows"] == {"train": 54, "valid": 12, "test": 6}
    assert [file["name"] for file in report["data"]["files"]] == ["notes.csv", "valid.csv"]
    with (tmp_path / "run" / "history.csv").open(newline="", encoding="utf-8") as file:
        losses = [float(row["valid_log_loss"] or "nan") for row in csv.DictReader(file)]
    losses = [loss for loss in losses if loss == loss]
    best = losses.index(min(losses))
    assert best < len(losses) - 1  # what is learnt is wrong there, so that an early epoch is best
    assert report["training"]["best_epoch"] == best + 1
    (scored,) = workflows.evaluate(tmp_path / "run", [valid], device="cpu")
    assert scored.report.scores["log_loss"] == pytest.approx(min(losses), abs=1e-6)
    assert_alike(report["valid"], json.loads(json.dumps(scored.summary()["test"])))


def test_nothing_is_cut_off_where_both_files_are_given(tiny_bert, tmp_path, capsys):
    train, valid, test = (
        table(tmp_path / f"{name}.csv", [(f"{name} {text}", label) for text, label in rows(count)])
        for name, count in (("train", 40), ("valid", 8), ("test", 12))
    )
    files = ("--valid", str(valid), "--test", str(test), "--checkpoint", str(tiny_bert))
    assert fit(train, tmp_path / "run", *files, *FITTING, "--epochs", "1") == 0
    assert "rows: 40 train, 8 valid, 12 test\n" in capsys.readouterr().out


def test_predict_reads_json_lines(fitted, tmp_path):
    texts = [text for text, _ in rows(6)]
    lines = [json.dumps({"Text": text, "more": 1}, ensure_ascii=False) for text in texts]
    source = tmp_path / "new.jsonl"
    source.write_text("\n".join(lines), encoding="utf-8")
    assert predicted(fitted, source) == predicted(fitted, listed(texts, tmp_path))


@pytest.mark.parametrize("format_", ["csv", "tsv", "jsonl", "txt"])
def test_predict_takes_the_format_it_is_told(fitted, tmp_path, format_: str):
    texts = SUBJECTS[:3]
    lines = {
        "csv": ["Text,more", *(f'"{text}",1' for text in texts)],
        "tsv": ["Text\tmore", *(f"{text}\t1" for text in texts)],
        "jsonl": [json.dumps({"Text": text}) for text in texts],
        "txt": texts,
    }
    source = tmp_path / "export.dat"
    source.write_text("\n".join(lines[format_]) + "\n", encoding="utf-8")
    found = predicted(fitted, source, "--format", format_)
    assert found == predicted(fitted, listed(texts, tmp_path))
    assert all(answer["label"] in LABELS for answer in found)


def listed(texts: Sequence[str], folder: Path) -> Path:
    """The texts as a CSV."""
    return table(folder / "texts.csv", [(text,) for text in texts], ("Text",))


def predicted(run: Path, source: Path, *more: str) -> list[dict]:
    target = source.with_name(f"{source.stem}-answers.jsonl")
    arguments = ["predict", str(run), "--input", str(source), "--output", str(target)]
    assert cli.main([*arguments, *more]) == 0
    return answers(target)


def test_a_format_that_nothing_tells_is_asked_for(fitted, tmp_path, capsys):
    source = tmp_path / "export.dat"
    source.write_text("a text\n", encoding="utf-8")
    arguments = ["predict", str(fitted), "--input", str(source), "--output", "-"]
    assert cli.main(arguments) == 2
    assert "export.dat" in capsys.readouterr().err
    assert cli.main([*arguments, "--format", "doc"]) == 2
    assert "'doc' is not a known format; there are txt, csv" in capsys.readouterr().err


def test_evaluate_shows_a_table_for_each_file_and_the_errors(fitted, tmp_path, capsys):
    good, odd = table(tmp_path / "good.csv", rows(20)), table(tmp_path / "odd.csv", rows(8))
    out = tmp_path / "scores.json"
    arguments = ["evaluate", str(fitted), str(good), str(odd), "--errors", "2", "--json", str(out)]
    assert cli.main(arguments) == 0
    output = capsys.readouterr().out
    assert output.count("  accuracy") == 2
    (scored,) = workflows.evaluate(fitted, [good])
    wrong = int((~scored.report.correct).sum())
    assert (f"worst of {wrong} errors" if wrong else "no errors") in output
    files = json.loads(out.read_text())["files"]
    assert [(file["file"], file["rows"]) for file in files] == [("good.csv", 20), ("odd.csv", 8)]
    (scored, _) = workflows.evaluate(fitted, [good, odd])
    assert files[0]["test"] == json.loads(json.dumps(scored.summary()["test"]))


@pytest.mark.parametrize("name", ["label", "prediction", "loss"])
def test_errors_show_the_text_of_a_column_of_any_name(name: str):
    data = Dataset.from_dict({name: ["snow and ice", "sun and sand"], "topic": ["cold", "warm"]})
    task = classification(data, text=name, target="topic")
    report = Report(task, data, np.array([[0.0, 1.0], [0.0, 2.0]]), np.array([0, 1]))
    scored = SimpleNamespace(read="2 rows read", report=report, summary=lambda: {"test": {}})
    assert list(evaluation_lines(scored, 5)) == [
        "2 rows read",
        "worst of 1 errors:",
        "  warm instead of cold (loss 1.31)",
        "    snow and ice",
    ]


def test_interpolate_reads_a_file_as_evaluate_does(fitted, tmp_path, capsys):
    dev, out = tmp_path / "dev.csv", tmp_path / "mixed"
    lines = ["Text;Kind", *(f"{text} café;{label}" for text, label in rows(9) if text.isascii())]
    dev.write_text("\n".join(lines), encoding="cp1252")
    arguments = ["interpolate", str(fitted), str(fitted), "--valid", str(dev), "--out", str(out)]
    arguments += ["--alpha", "0", "--alpha", "1", "--device", "cpu"]
    assert cli.main([*arguments, "--delimiter", ";"]) == 2
    assert "--encoding cp1252" in capsys.readouterr().err
    assert cli.main([*arguments, "--encoding", "cp1252"]) == 2
    assert "--delimiter ';'" in capsys.readouterr().err
    assert cli.main([*arguments, "--delimiter", ";"]) == 2
    assert "--encoding cp1252" in capsys.readouterr().err
    assert cli.main([*arguments, "--encoding", "cp1252", "--delimiter", ";"]) == 0
    assert "the model at α = 0 is in" in capsys.readouterr().out
    assert cli.main([*arguments, "--device", "gpu"]) == 2
    assert "unknown device 'gpu'" in capsys.readouterr().err


def test_every_command_that_reads_takes_quoting(fitted, tmp_path, capsys):
    lines = [f"{text.replace(chr(34), '')}\t{label}" for text, label in rows(12)]
    lines[2] = f'"{lines[2]}'
    dev, out, target = tmp_path / "dev.tsv", tmp_path / "mixed", tmp_path / "answers.jsonl"
    dev.write_text("\n".join(["Text\tKind", *lines]) + "\n", encoding="utf-8")
    ends = [str(fitted), str(fitted), "--alpha", "0", "--alpha", "1"]
    commands = [
        ["evaluate", str(fitted), str(dev)],
        ["predict", str(fitted), "--input", str(dev), "--output", str(target)],
        ["interpolate", *ends, "--valid", str(dev), "--out", str(out)],
        ["fit", str(dev), "--text", "Text", "--label", "Kind", "--out", str(tmp_path / "run")],
    ]
    for command in commands:
        assert cli.main([*command, "--quoting", "csv", "--device", "cpu"]) == 2
        assert "opens a field on line 4" in capsys.readouterr().err
        assert cli.main([*command, "--quoting", "nose", "--device", "cpu"]) == 2
        assert "Did you mean 'none'?" in capsys.readouterr().err
    for command in commands[:3]:
        assert cli.main([*command, "--quoting", "none", "--device", "cpu"]) == 0
        assert "note:" not in capsys.readouterr().out
    assert len(answers(target)) == 12


def test_fit_leaves_out_rare_labels_when_asked(tiny_bert, tmp_path, capsys):
    train = table(tmp_path / "notes.csv", [*rows(40), ("odd", "rare")])
    more = ("--checkpoint", str(tiny_bert), "--epochs", "1", "--device", "cpu")
    assert fit(train, tmp_path / "run", *more) == 2
    error = capsys.readouterr().err
    assert "'rare' (1)" in error
    assert "--drop-rare 3" in error
    assert fit(train, tmp_path / "run", *more, "--drop-rare", "3") == 0
    assert "left out: 'rare' (1)" in capsys.readouterr().err


def test_a_regression_from_csv_to_pipeline(tiny_bert, tmp_path):
    numbers = [(f"{'good ' * (i % 7)}day {i}", f"{1000 + 50.5 * (i % 7)}") for i in range(60)]
    train = table(tmp_path / "numbers.csv", numbers)
    out, target = tmp_path / "run", tmp_path / "answers.jsonl"
    assert fit(train, out, "--checkpoint", str(tiny_bert), *FITTING) == 0
    assert cli.main(["evaluate", str(out), str(train)]) == 0
    assert cli.main(["predict", str(out), "--input", str(train), "--output", str(target)]) == 0
    mine = [answer["value"] for answer in answers(target)]
    theirs = pipeline("text-classification", str(out / "model"), device="cpu")(
        [text for text, _ in numbers]
    )
    np.testing.assert_allclose(mine, [score["score"] for score in theirs], rtol=1e-5)
    assert 900 < min(mine) < max(mine) < 1400


def test_pairs_of_texts(tiny_bert, tmp_path):
    pairs = [(f"a {i}", f"b {i * i}", "even" if i % 2 else "odd") for i in range(30)]
    train = table(tmp_path / "pairs.csv", pairs, ("one", "two", "same"))
    out, target = tmp_path / "run", tmp_path / "answers.jsonl"
    columns = ("--text", "one", "--text", "two", "--label", "same")
    more = ("--checkpoint", str(tiny_bert), "--epochs", "1", "--out", str(out))
    assert cli.main(["fit", str(train), *columns, *more]) == 0
    assert cli.main(["predict", str(out), "--input", str(train), "--output", str(target)]) == 0
    pipe = pipeline("text-classification", str(out / "model"), device="cpu")
    theirs = pipe([{"text": first, "text_pair": second} for first, second, _ in pairs])
    mine = [answer["label"] for answer in answers(target)]
    assert mine == [score["label"] for score in theirs]


# Nothing of the user's is lost


def test_predict_asks_before_it_replaces_a_file(fitted, tmp_path, capsys):
    source, target = table(tmp_path / "new.csv", [("a text",)], ("Text",)), tmp_path / "notes.jsonl"
    target.write_text("of weeks")
    arguments = ["predict", str(fitted), "--input", str(source), "--output", str(target)]
    assert cli.main(arguments) == 2
    assert "is not overwritten: choose another name, or allow it with --overwrite" in (
        capsys.readouterr().err
    )
    assert target.read_text() == "of weeks"
    assert cli.main([*arguments, "--overwrite"]) == 0
    assert len(answers(target)) == 1


@pytest.mark.parametrize("name", ["answers.csv", "gone/answers.jsonl", "full.jsonl"])
def test_predict_looks_at_its_output_before_it_loads_a_model(tmp_path, capsys, name: str):
    (tmp_path / "full.jsonl").write_text("of weeks")
    source = table(tmp_path / "new.csv", [("a text",)], ("Text",))
    arguments = ["--input", str(source), "--output", str(tmp_path / name)]
    assert cli.main(["predict", str(tmp_path / "no model"), *arguments]) == 2
    assert "no model" not in capsys.readouterr().err


def test_evaluate_and_bench_ask_before_they_replace_a_file(fitted, tmp_path, capsys):
    file = table(tmp_path / "new.csv", rows(8))
    existing = tmp_path / "existing.json"
    existing.write_text("of weeks")
    evaluate = ["evaluate", str(fitted), str(file), "--json", str(existing)]
    for arguments in (
        evaluate,
        ["bench", "--output", str(existing)],
        ["bench", "--figure", str(existing)],
    ):
        assert cli.main(arguments) == 2
        assert "or allow it with --overwrite" in capsys.readouterr().err
    assert existing.read_text() == "of weeks"
    assert cli.main([*evaluate, "--overwrite"]) == 0
    assert json.loads(existing.read_text())["files"][0]["file"] == "new.csv"


def test_evaluate_reads_all_files_before_it_measures_one(fitted, tmp_path, capsys):
    file = table(tmp_path / "new.csv", rows(8))
    assert cli.main(["evaluate", str(fitted), str(file), str(tmp_path / "gone.csv")]) == 2
    captured = capsys.readouterr()
    assert "there is no file" in captured.err
    assert "accuracy" not in captured.out


def test_evaluate_shows_and_keeps_each_score_when_it_is_there(
    fitted, tmp_path, monkeypatch, capsys
):
    files = [str(table(tmp_path / f"{name}.csv", rows(8))) for name in "ab"]
    measured, real = [], evaluating.evaluation.report_on

    def once(*args, **kwargs):
        measured.append(1)
        if len(measured) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(evaluating.evaluation, "report_on", once)
    out = tmp_path / "scores.json"
    assert cli.main(["evaluate", str(fitted), *files, "--json", str(out)]) == 130
    assert capsys.readouterr().out.count("  accuracy") == 1
    assert [file["file"] for file in json.loads(out.read_text())["files"]] == ["a.csv"]


def test_interpolate_checks_names_and_leaves_nothing_in_the_way(fitted, tmp_path, capsys):
    dev, out = table(tmp_path / "dev.csv", rows(8)), tmp_path / "mixed"
    arguments = ["interpolate", str(fitted), str(fitted), "--out", str(out)]
    for more, message in (
        (["--valid", str(dev), "--by", "acc"], "no metric 'acc'; there are: accuracy"),
        (["--alpha", "nan"], "--alpha is nan: it must be a number"),
        (["--alpha", "0.5", "--by", "accuracy"], "--by accuracy chooses by a metric"),
        ([], "give --valid, or one --alpha"),
    ):
        assert cli.main([*arguments, *more]) == 2
        assert message in capsys.readouterr().err
        assert not out.exists()
    assert cli.main([*arguments, "--alpha", "0.5"]) == 0


def test_a_full_disk_is_one_clear_line(fitted, tmp_path, capsys, monkeypatch):
    source = table(tmp_path / "new.csv", [("a text",)], ("Text",))

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(streaming, "_write", full)
    arguments = ["predict", str(fitted), "--input", str(source), "--output", str(tmp_path / "a")]
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err.startswith("error: the disk is full: make room, or write to")


# Words of the command line, and none that steer the terminal


def test_a_tab_is_named_as_one_can_type_it(tiny_bert, tmp_path, capsys):
    file = tmp_path / "notes.csv"
    lines = ["Text\tKind", *(f"{text.replace(',', '')}\t{label}" for text, label in rows(40))]
    file.write_text("\n".join(lines), encoding="utf-8")
    arguments = (file, tmp_path / "run", "--checkpoint", str(tiny_bert), "--epochs", "1")
    assert fit(*arguments) == 2
    assert "try --delimiter tab" in capsys.readouterr().err
    for number, tab in enumerate(("tab", r"\t", "\t")):
        assert fit(file, tmp_path / f"run-{number}", *arguments[2:], "--delimiter", tab) == 0


HOSTILE = "\x1b[2J\x1b]0;gone\x07\u202eright\u2066\x9b1A\r over"


def test_nothing_of_the_data_steers_the_terminal(tiny_bert, tmp_path, capsys):
    """Texts, labels, names of columns and files, in results, notes and errors."""

    def write(name: str, rows: list[tuple[str, str]]) -> Path:
        lines = [json.dumps({text: value, "Kind": label}) for value, label in rows]
        (tmp_path / name).write_text("\n".join(lines))
        return tmp_path / name

    text = f"Text{HOSTILE}"
    data = [(f"{text} {HOSTILE}", f"{label}{HOSTILE}") for text, label in rows(40)]
    name = "notes.jsonl" if os.name == "nt" else f"notes{HOSTILE}.jsonl"  # no such name there
    train = write(name, [*data, ("", "1")])
    run, odd = tmp_path / "run", write("odd.jsonl", [("a", f"new{HOSTILE}")])
    how = ("--checkpoint", str(tiny_bert), "--epochs", "1", "--device", "cpu", "--max-length", "8")
    columns = ("--text", text, "--label", "Kind")
    assert cli.main(["fit", str(train), *columns, *how, "--out", str(run)]) == 0
    assert cli.main(["evaluate", str(run), str(train), "--errors", "3"]) == 0
    assert cli.main(["evaluate", str(run), str(odd)]) == 2
    assert cli.main(["fit", str(train), "--text", "no", "--label", "Kind", "--out", "x"]) == 2
    assert cli.main(["predict", str(run), "--input", str(train), "--output", "-"]) == 0
    captured = capsys.readouterr()
    steering = set(HOSTILE) - set(" overight[2J]0;gn1A")
    for output in (captured.out, captured.err):
        assert "U+202E" in output or "u202e" in output
        assert steering.isdisjoint(output)
    lines = [json.loads(line) for line in captured.out.splitlines() if line.startswith('{"label"')]
    assert any(HOSTILE in line["label"] for line in lines)  # a reader of JSON gets what it was


def test_only_one_place_speaks_to_the_terminal():
    folder = Path(cli.__file__).parent
    for path in folder.rglob("*.py"):
        printed = re.findall(
            r"\b(?:typer\.echo|click\.echo|print|tqdm\.write)\((\S+)", path.read_text()
        )
        assert all(argument.startswith(("plain(", 'f"note:')) for argument in printed), path


# How commands end


@pytest.fixture
def train(tmp_path: Path) -> Path:
    """Forty labelled rows."""
    return table(tmp_path / "notes.csv", rows(40))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--label", "Kin"], "has no column 'Kin'; its columns are ['Text', 'Kind']. Did you mean"),
        (["--label", "stars"], "Name those to read with --text, --label."),
        (["--checkpoint", "no/such"], "no model 'no/such' here"),
        (["--epochs", "0"], "epochs is 0: it must be a whole number of at least 1"),
        (["--pooling", "max"], "unknown pooling 'max': use pretrained, mean, cls"),
        (["--task", "clustering"], "unknown task 'clustering': use auto"),
        (["--task", "regression", "--label", "Text"], "must be one or two columns"),
        (["--device", "gpu"], "unknown device 'gpu': use cpu, cuda or mps"),
        (["--valid", "gone.csv"], "there is no file gone.csv"),
        (["--test", "{words}", "--task", "regression"], "every row was refused"),
        (["--encoding", "utf-9"], "'utf-9' is not a known encoding"),
    ],
)
def test_bad_input_ends_with_two_and_one_line(
    train, tmp_path, capsys, more: list[str], message: str
):
    words = table(tmp_path / "words.csv", [("a text", "a word")])
    more = [str(words) if argument == "{words}" else argument for argument in more]
    assert fit(train, tmp_path / "o", *more) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert re.match(r"(note: .*\n)*error: ", captured.err)
    assert "Traceback" not in captured.err
    assert not (tmp_path / "o").exists()


def test_a_seed_below_zero_is_bad_input_before_anything_is_written(train, tmp_path, capsys):
    assert fit(train, tmp_path / "o", "--seed", "-1") == 2
    assert "Invalid value for '--seed'" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_taken_folder_is_refused_and_a_finished_run_is_told(fitted, tiny_bert, capsys):
    arguments = (fitted.parent / "notes.csv", fitted, "--checkpoint", str(tiny_bert), *FITTING)
    assert fit(*arguments) == 2
    assert "is never overwritten" in capsys.readouterr().err
    assert fit(*arguments, "--resume") == 0
    assert "this run is finished already" in capsys.readouterr().out
    assert fit(*arguments, "--resume", "--seed", "5") == 2
    assert "seed was 0 and is 5" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_folder_without_a_model_is_told(tmp_path, capsys, command: str):
    files = ["x.csv"] if command == "evaluate" else ["--input", "x.csv", "--output", "-"]
    assert cli.main([command, str(tmp_path / "none"), *files]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_the_unexpected_ends_with_one_and_debug_shows_where(train, tmp_path, monkeypatch, capsys):
    def broken(*args, **kwargs):
        return int("x")  # raised by Python, in a test: not by the package

    monkeypatch.setattr(workflows, "fit", broken)
    assert fit(train, tmp_path / "o") == 1
    assert capsys.readouterr().err.startswith("unexpected ValueError: invalid literal")
    with pytest.raises(ValueError, match="invalid literal"):
        fit(train, tmp_path / "o", "--debug")


def raising(error: Exception) -> Callable:
    """A function that raises an error, whatever it is called with."""

    def function(*args, **kwargs):
        raise error

    return function


@pytest.mark.parametrize(
    "error",
    [
        ArgumentError("fix it"),
        ArgumentTypeError("fix it"),
        UnknownNameError("fix it"),
        RunError("fix it"),
        MemoryError("fix it"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_package_raises_on_purpose_is_bad_input(
    train, tmp_path, monkeypatch, capsys, error: Exception
):
    monkeypatch.setattr(workflow_tasks, "read_parts", raising(error))
    assert fit(train, tmp_path / "o") == 2
    assert capsys.readouterr().err == "error: fix it\n"


@pytest.mark.parametrize(
    "error", [ValueError, KeyError, TypeError, RuntimeError, AssertionError, ZeroDivisionError]
)
def test_any_other_error_is_unexpected(train, tmp_path, monkeypatch, capsys, error: type):
    monkeypatch.setattr(workflow_tasks, "read_parts", raising(error("a slip")))
    assert fit(train, tmp_path / "o") == 1
    assert capsys.readouterr().err.startswith(f"unexpected {error.__name__}: ")


def test_a_slip_in_a_line_of_the_package_is_unexpected(train, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        workflow_tasks, "read_parts", lambda *args, **kwargs: SimpleNamespace(data={})
    )
    assert fit(train, tmp_path / "o") == 1
    assert capsys.readouterr().err.startswith("unexpected KeyError: 'train'")


def test_an_interrupt_ends_with_130_and_says_how_to_resume(train, tmp_path, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(workflows, "fit", interrupted)
    assert fit(train, tmp_path / "o") == 130
    assert "nothing of the training is saved yet" in capsys.readouterr().err
    (tmp_path / "o" / "checkpoints" / "00000004").mkdir(parents=True)
    assert fit(train, tmp_path / "o") == 130
    assert "the same command with --resume continues from there" in capsys.readouterr().err
    monkeypatch.setattr(evaluating, "scored_one_by_one", interrupted)
    assert cli.main(["evaluate", "a", "b"]) == 130


@pytest.mark.filterwarnings("ignore:training was interrupted")
def test_control_c_in_training_ends_with_130_and_resume_completes(
    fitted, tiny_bert, tmp_path, monkeypatch, capsys
):
    train = table(tmp_path / "notes.csv", rows(60))
    arguments = (train, tmp_path / "run", "--checkpoint", str(tiny_bert), *FITTING)
    with monkeypatch.context() as patched:
        interrupt_after(patched, 9)
        assert fit(*arguments) == 130
    captured = capsys.readouterr().err
    assert "stopped after update 9 of 24" in captured
    assert "the same command with --resume continues from there" in captured
    assert not (tmp_path / "run" / "model").exists()
    assert fit(*arguments, "--resume") == 0
    report, uninterrupted = (
        json.loads((out / "report.json").read_text()) for out in (tmp_path / "run", fitted)
    )
    assert (report["training"]["resumed"], uninterrupted["training"]["resumed"]) == (1, 0)
    assert report["test"] == uninterrupted["test"]
    weights = [out / "model" / "model.safetensors" for out in (tmp_path / "run", fitted)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


# Doctor, help, and the program itself


def test_doctor_ends_well_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(doctor, "memory_needed", functools.cache(doctor.memory_needed))
    assert cli.main(["doctor"]) == 0
    captured = capsys.readouterr().out.splitlines()
    subjects = [finding.subject for finding in doctor.examine()]
    assert [line.split(":")[0] for line in captured] == [f"ok   {subject}" for subject in subjects]


def test_doctor_ends_with_one_where_something_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    findings = [Finding("a", "here", True), Finding("b", "gone", False, "get it")]
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    assert cli.main(["doctor"]) == 1
    assert capsys.readouterr().out == "ok   a: here\nFIX  b: gone → get it\n"


@pytest.mark.parametrize(
    "arguments", [["cure"], [], ["doctor", "--all"], ["fit"], ["predict", "x"], ["evaluate", "x"]]
)
def test_a_wrong_command_ends_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert "Usage: ftlearn" in captured.err + captured.out


@pytest.mark.parametrize("command", ["doctor", "fit", "evaluate", "predict"])
def test_each_command_teaches_with_an_example(command: str, capsys):
    assert cli.main([command, "--help"]) == 0
    assert f"ftlearn {command}" in capsys.readouterr().out.split("Example", 1)[1]


def test_bench_teaches_through_the_program_itself():
    run = subprocess.run(
        [sys.executable, "-m", "ftlearn", "bench", "--help"],
        capture_output=True,
        encoding="utf-8",
        timeout=HANG,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    for part in ("Usage: ftlearn bench", "--train", "--test", "--device", "--output", "--only"):
        assert part in run.stdout
    assert run.stderr == ""


def test_every_option_says_what_it_does(capsys):
    for command in ("fit", "evaluate", "predict"):
        cli.main([command, "--help"])
        lines = [line for line in capsys.readouterr().out.splitlines() if " --" in line[:8]]
        assert len(lines) >= 4
        assert [line for line in lines if len(line.split()) < 6] == []


def test_the_defaults_are_those_of_the_package(tmp_path):
    plan = workflows.Plan(files=workflows.Files(train="a"), out="b")
    by_task = {"checkpoint", "max_length"}  # None on the command line, and then the task's own
    for name, value in vars(ModelOptions()).items():
        assert value == (None if name in by_task else getattr(plan, name)), name
    by_run = {"patience", "learning_rate"}  # the rate is another one with adapters
    for name, value in vars(TrainingOptions()).items():
        home = TrainConfig() if name in vars(TrainConfig()) else plan
        assert value == (None if name in by_run else getattr(home, name)), name


def test_groups_become_one_flat_list():
    seen = []

    @grouped
    def command(model: ModelOptions, training: TrainingOptions) -> None:
        seen.append((model, training))

    command(
        checkpoint="a",
        pooling="mean",
        max_length=9,
        adapter=None,
        lora=4,
        lora_layers=None,
        system=None,
        template=None,
        epochs=1,
        learning_rate=0.5,
        batch_size=2,
        micro_batches=1,
        patience=None,
        seed=7,
    )
    assert seen == [
        (
            ModelOptions(checkpoint="a", pooling="mean", max_length=9, lora=4),
            TrainingOptions(epochs=1, learning_rate=0.5, batch_size=2, seed=7),
        )
    ]


def test_help_loads_nothing_heavy():
    run = subprocess.run(
        [sys.executable, "-c", HELP], capture_output=True, text=True, check=True, timeout=HANG
    )
    assert "Usage: ftlearn" in run.stdout
    for command in ("doctor", "fit", "evaluate", "predict", "bench"):
        assert command in run.stdout
    assert run.stderr == "code 0 loaded []\n"


def test_the_command_is_installed_under_its_name():
    (command,) = entry_points(group="console_scripts", name="ftlearn")
    assert command.load() is cli.main
