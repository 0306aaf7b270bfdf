"""Predictions of a stream are those of `predict`, row by row."""

import io
import json
import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch

from ftlearn import evaluation, models, predict, tasks
from ftlearn.data import DataError, Rejected
from ftlearn.data.records import Record
from ftlearn.data.streams import Format
from ftlearn.errors import BusyError, ExistsError
from ftlearn.evaluation import predicting, streaming
from ftlearn.evaluation.streaming import Counts, predict_file, predict_rows
from ftlearn.runtime.locking import locked
from ftlearn.tasks.base import TruncationWarning

WORDS = ["ball", "code", "heart", "run", "chip", "pulse", "team", "server", "sleep"]
TEXTS = [" ".join(WORDS[(3 * row + at) % 9] for at in range(1 + 5 * row % 12)) for row in range(50)]
TASK = tasks.Classification(labels=("kalt", "warm", "heiß"), max_length=16)
NUMBERS = tasks.Regression(center=100.0, scale=5.0, max_length=16)
PAIRS = tasks.Classification(labels=("no", "yes"), text=("first", "second"), max_length=32)


def loader(task):
    @pytest.fixture(scope="module")
    def loaded(tiny_bert):
        model, tokenizer = models.load(tiny_bert, task, seed=0, device="cpu")
        return model, task, tokenizer

    return loaded


classes, numbers, pairs = loader(TASK), loader(NUMBERS), loader(PAIRS)


def results(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def records(texts):
    return [Record(line, {"text": text}) for line, text in enumerate(texts, 1)]


def agree(results, table, labels=TASK.labels):
    """Results are the rows of a table of `evaluation.predict`, to the rounding."""
    assert [result["label"] for result in results] == list(table["prediction"])
    assert all(list(result["probabilities"]) == list(labels) for result in results)
    shares = [list(result["probabilities"].values()) for result in results]
    np.testing.assert_allclose(shares, table[list(labels)], atol=2e-6)


def write(folder, suffix):
    """The texts as a file, with a column of another name where it has columns."""
    path = folder / f"texts{suffix}"
    if suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table({"body": TEXTS}), path)
    elif suffix == ".jsonl":
        path.write_text("\n".join(json.dumps({"body": text}) for text in TEXTS))
    else:
        path.write_text("".join(f"{line}\n" for line in ["body"] * (suffix == ".csv") + TEXTS))
    return path


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".jsonl", ".parquet"])
def test_a_file_in_any_format_gets_the_predictions_of_its_texts(classes, tmp_path, suffix):
    model, task, tokenizer = classes
    source, target = write(tmp_path, suffix), tmp_path / "out.jsonl"
    assert predict_file(*classes, source, target, text="body") == Counts(50, 0)
    agree(results(target), predict(model, TEXTS, task, tokenizer))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, "out.jsonl"])


@pytest.mark.parametrize("window", [1, 7, 50, 1000])
def test_results_do_not_depend_on_the_window(classes, window):
    model, task, tokenizer = classes
    predicted = list(predict_rows(*classes, records(TEXTS), window=window))
    agree(predicted, predict(model, TEXTS, task, tokenizer))


def test_numbers_come_in_the_units_of_the_data(numbers):
    model, task, tokenizer = numbers
    predicted = list(predict_rows(*numbers, records(TEXTS), window=16))
    values = [result.pop("value") for result in predicted]
    assert predicted == [{}] * 50
    np.testing.assert_allclose(
        values, predict(model, TEXTS, task, tokenizer)["prediction"], atol=1e-4
    )
    assert all(value == round(value, 6) for value in values)


def test_pairs_come_from_two_columns(pairs, tmp_path):
    source, target = tmp_path / "pairs.tsv", tmp_path / "out.jsonl"
    source.write_text("a\tb\n" + "".join(f"{text}\tball {text}\n" for text in TEXTS))
    predict_file(*pairs, source, target, text=("a", "b"))
    model, task, tokenizer = pairs
    both = [(text, f"ball {text}") for text in TEXTS]
    agree(results(target), predict(model, both, task, tokenizer), PAIRS.labels)


def test_a_rejected_row_keeps_its_place(classes, tmp_path):
    source, target = tmp_path / "x.csv", tmp_path / "out.jsonl"
    source.write_text("text,n\nball,1\n,2\nrun,3,4\ncode,5\n")
    assert predict_file(*classes, source, target) == Counts(4, 2)
    written = results(target)
    assert written[1:3] == [
        {"line": 3, "error": "'text' is empty"},
        {"line": 4, "error": "3 fields where the header has 2"},
    ]
    model, task, tokenizer = classes
    agree([written[0], written[3]], predict(model, ["ball", "code"], task, tokenizer))
    rejected = [Rejected(1, "x"), Rejected(2, "y")]
    assert [result["error"] for result in predict_rows(*classes, rejected)] == ["x", "y"]
    assert list(predict_rows(*classes, [])) == []


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".tsv", ".jsonl"])
def test_a_row_with_a_bad_byte_is_answered_by_its_error(classes, tmp_path, suffix):
    source, target = tmp_path / f"x{suffix}", tmp_path / "out.jsonl"
    row = b'{"text": "%b"}' if suffix == ".jsonl" else b"%b"
    texts = [text.encode() for text in TEXTS]
    texts[20] = b"caf\xe9"
    lines = [b"text"] * (suffix in (".csv", ".tsv")) + [row % text for text in texts]
    source.write_bytes(b"\n".join(lines))
    with pytest.warns(UserWarning, match=r"1 line holds bytes that are not utf-8.*cp1252"):
        assert predict_file(*classes, source, target) == Counts(50, 1)
    written = results(target)
    at = 21 + len(lines) - 50
    assert written.pop(20) == {"line": at, "error": "byte 0xe9 is not utf-8"}
    model, task, tokenizer = classes
    agree(written, predict(model, TEXTS[:20] + TEXTS[21:], task, tokenizer))


def test_a_stream_says_how_quotes_were_read(classes, tmp_path):
    source, target = tmp_path / "x.tsv", tmp_path / "out.jsonl"
    source.write_text('text\tn\n"ball\t1\nrun"\t2\ncode\t3\n')
    with pytest.warns(UserWarning, match=r"x\.tsv: quotes were read as characters, since lines 2"):
        assert predict_file(*classes, source, target) == Counts(3, 0)
    with warnings.catch_warnings(action="error"):
        counts = predict_file(
            *classes, source, target, file_format=Format(quoting="csv"), overwrite=True
        )
        assert counts == Counts(2, 0)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_standard_input_to_standard_output(classes, monkeypatch, encoding):
    typed = io.TextIOWrapper(io.BytesIO("\n".join(TEXTS).encode()))
    shown = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdin", typed)
    monkeypatch.setattr(sys, "stdout", shown)
    assert predict_file(*classes, "-", "-") == Counts(50, 0)
    lines = shown.buffer.getvalue().decode().splitlines()  # what was flushed
    model, task, tokenizer = classes
    agree(list(map(json.loads, lines)), predict(model, TEXTS, task, tokenizer))
    assert ("heiß" in lines[0]) == (encoding == "utf-8")


def test_windows_leave_before_the_next_is_read(classes):
    lines_read = []

    def rows():
        for row in records(TEXTS):
            lines_read.append(row.line)
            yield row

    predicted = predict_rows(*classes, rows(), window=10)
    next(predicted)
    assert lines_read == list(range(1, 11))


def test_long_texts_make_windows_short(classes, monkeypatch):
    sizes = []
    real = evaluation.outputs

    def counted(model, encoded, task, tokenizer):
        sizes.append(len(encoded))
        return real(model, encoded, task, tokenizer)

    monkeypatch.setattr(predicting, "outputs", counted)
    monkeypatch.setattr(streaming, "CHARACTERS", 10)
    list(predict_rows(*classes, records(["run", "a" * 30, "run", "run", "run", "run", "run"])))
    assert sizes == [2, 4, 1]


def test_texts_that_were_cut_are_counted_once(classes):
    texts = ["run", "ball " * 30] * 10
    with pytest.warns(TruncationWarning) as caught:
        list(predict_rows(*classes, records(texts), window=4))
    assert [str(warning.message) for warning in caught] == [
        "10 of 20 texts are longer than the window of 16 tokens and were cut at the end"
    ]
    model, task, tokenizer = classes
    silent = replace(task, truncation="silent")
    with warnings.catch_warnings():
        warnings.simplefilter("error", TruncationWarning)
        list(predict_rows(model, silent, tokenizer, records(texts), window=4))


def test_a_broken_run_leaves_what_it_has_and_says_where(classes, tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "CHARACTERS", 1)  # a window for each row
    source, target = tmp_path / "x.csv", tmp_path / "out.jsonl"
    target.write_text("of before")
    source.write_text('text\nball\nrun\n"open\n')
    with (
        pytest.warns(UserWarning, match=r"results so far are in .*out\.jsonl\.part"),
        pytest.raises(DataError, match="line 4"),
    ):
        predict_file(*classes, source, target, overwrite=True)
    assert target.read_text() == "of before"
    assert len(results(tmp_path / "out.jsonl.part")) == 2
    source.write_text("text\nball\n")
    target.unlink()
    with pytest.raises(ExistsError, match=r"out\.jsonl\.part holds the results of an earlier run"):
        predict_file(*classes, source, target)
    assert len(results(tmp_path / "out.jsonl.part")) == 2
    predict_file(*classes, source, target, overwrite=True)
    assert len(results(target)) == 1
    assert not (tmp_path / "out.jsonl.part").exists()


def test_a_target_that_exists_is_kept_unless_it_is_to_be_overwritten(classes, tmp_path):
    source, target = write(tmp_path, ".txt"), tmp_path / "labels.jsonl"
    target.write_text("of weeks")
    with pytest.raises(ExistsError, match=r"labels\.jsonl exists already and is not overwritten"):
        predict_file(*classes, source, target)
    assert target.read_text() == "of weeks"
    predict_file(*classes, source, target, overwrite=True)
    assert len(results(target)) == 50


def test_a_target_that_comes_into_being_meanwhile_is_kept(classes, tmp_path, monkeypatch):
    source, target = write(tmp_path, ".txt"), tmp_path / "out.jsonl"
    real = streaming._write
    monkeypatch.setattr(streaming, "_write", lambda *a: (target.write_text("new"), real(*a))[1])
    with (
        pytest.warns(UserWarning, match=r"so far are in .*out\.jsonl\.part"),
        pytest.raises(ExistsError),
    ):
        predict_file(*classes, source, target)
    assert target.read_text() == "new"
    assert len(results(tmp_path / "out.jsonl.part")) == 50


@pytest.mark.parametrize("name", ["out.csv", "out.TSV", "out.parquet", "out.jsonl.gz"])
def test_a_suffix_that_promises_another_format_is_refused(classes, tmp_path, name: str):
    source = write(tmp_path, ".txt")
    with pytest.raises(DataError, match=r"would hold JSON lines.*name it out.*\.jsonl"):
        predict_file(*classes, source, tmp_path / name)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_device_is_written_to_and_not_replaced(classes, tmp_path):
    source, pipe = write(tmp_path, ".txt"), tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        heard = pool.submit(pipe.read_text)
        predict_file(*classes, source, pipe, text="body")
    assert len(heard.result().splitlines()) == 50
    assert pipe.is_fifo()


def test_two_runs_into_one_target_are_told_apart(classes, tmp_path):
    source, target = write(tmp_path, ".txt"), tmp_path / "out.jsonl"
    with (
        locked(tmp_path, ".out.jsonl.lock"),
        pytest.raises(BusyError, match=rf"out\.jsonl is in use by process {os.getpid()} on "),
    ):
        predict_file(*classes, source, target)
    predict_file(*classes, source, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, "out.jsonl"])


def test_a_run_that_cannot_start_leaves_nothing(classes, tmp_path):
    source, target = tmp_path / "x.csv", tmp_path / "out.jsonl"
    source.write_text('txet\n"open\n')
    with pytest.raises(DataError, match="Did you mean 'txet'"):
        predict_file(*classes, source, target)
    with warnings.catch_warnings(action="error"), pytest.raises(DataError, match="line 2"):
        predict_file(*classes, source, target, text="txet")
    assert list(tmp_path.iterdir()) == [source]
    source.write_text("text\nrun\n")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*no to write"):
        predict_file(*classes, source, tmp_path / "no" / "out.jsonl")


def linked(name: Path, to: Path) -> None:
    try:
        name.symlink_to(to)
    except OSError:
        pytest.skip("this system gives its users no symbolic links")


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("a.jsonl", "a.jsonl"),
        ("a.jsonl", "x/../a.jsonl"),
        ("a.jsonl", "link.jsonl"),
        ("link.jsonl", "a.jsonl"),
        ("a.jsonl.part", "a.jsonl"),
    ],
)
def test_a_file_is_not_replaced_by_its_own_answers(classes, tmp_path, source, target):
    (tmp_path / "x").mkdir()
    for name in ("a.jsonl", "a.jsonl.part"):
        (tmp_path / name).write_text('{"text": "ball"}\n')
    if "link.jsonl" in (source, target):
        linked(tmp_path / "link.jsonl", tmp_path / "a.jsonl")
    path = tmp_path / source
    file_format = Format("jsonl")
    with pytest.raises(DataError, match=rf"{source} is read.*name another output"):
        predict_file(*classes, path, tmp_path / target, file_format=file_format)
    assert path.read_text() == '{"text": "ball"}\n'
    counts = predict_file(*classes, path, tmp_path / "b.jsonl", file_format=file_format)
    assert counts == Counts(1, 0)


def test_outputs_that_are_not_finite_are_an_error(tiny_bert):
    model, tokenizer = models.load(tiny_bert, TASK, seed=0, device="cpu")
    with torch.no_grad():
        next(iter(model.classifier.parameters()))[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"outputs for line 1 .* not finite"):
        list(predict_rows(model, TASK, tokenizer, records(["run"])))


class Terminal(io.StringIO):
    """Standard error of somebody who looks at it."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("terminal", "suffix", "shown"),
    [
        (True, ".txt", "1.20k/1.20k"),
        (True, ".parquet", "50.0/50.0"),
        (False, ".txt", ""),
    ],
)
def test_a_bar_is_shown_on_a_terminal_only(classes, tmp_path, monkeypatch, terminal, suffix, shown):
    source = write(tmp_path, suffix)
    size = f"{source.stat().st_size / 1000:.2f}k"
    screen = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    predict_file(*classes, source, tmp_path / "out", text="body")
    assert shown.replace("1.20k", size) in screen.getvalue()
    assert bool(screen.getvalue()) == bool(shown)
