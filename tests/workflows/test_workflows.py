"""A run on files: what it reads, splits, compares, writes, refuses and resumes."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from html_parsing import Parsed
from interrupting import interrupt_after
from rounding import assert_alike
from sklearn.dummy import DummyRegressor
from sklearn.metrics import mean_absolute_error
from small_files import small_files

from ftlearn import data, runtime, training, workflows
from ftlearn.compatibility import CompatibilityWarning
from ftlearn.compatibility.texts import same_texts
from ftlearn.config import TrainConfig
from ftlearn.tasks import classification
from ftlearn.training import loop, resources
from ftlearn.workflows import Files, Outcome, Plan, RunError, evaluating, fitting
from ftlearn.workflows.evaluating import scored_one_by_one
from ftlearn.workflows.splits import read_parts
from ftlearn.workflows.summary import baseline_reports

WORDS = {
    "cold": "snow ice frost winter",
    "mild": "spring rain cloud wind",
    "warm": "sun sand beach",
}


def write(path: Path, rows: list[tuple], header: tuple = ("text", "label")) -> Path:
    """Rows as JSON lines, which can hold any text."""
    lines = [json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def notes(count: int = 40) -> list[tuple[str, str]]:
    """Short texts with labels, all different."""
    names = list(WORDS)
    return [
        (f"note {i} of {WORDS[names[i % 3]]} and {'more ' * (i % 5)}", names[i % 3])
        for i in range(count)
    ]


def small(checkpoint: Path, folder: Path) -> Plan:
    """A small run on 40 rows in three classes."""
    return Plan(
        files=Files(train=write(folder / "notes.jsonl", notes())),
        out=folder / "out",
        checkpoint=checkpoint,
        device="cpu",
        max_length=32,
        config=TrainConfig(epochs=2, batch_size=8, learning_rate=3e-3),
    )


@pytest.fixture
def plan(tiny_bert, tmp_path) -> Plan:
    """A run that has not begun."""
    return small(tiny_bert, tmp_path)


@dataclass
class Finished:
    """A run that has ended: its plan, its outcome and the lines it logged."""

    plan: Plan
    outcome: Outcome
    lines: list[str]


@pytest.fixture(scope="module")
def finished(tiny_bert, tmp_path_factory) -> Finished:
    """One run for all tests that only look at it."""
    plan, lines = small(tiny_bert, tmp_path_factory.mktemp("finished")), []
    return Finished(plan, workflows.fit(plan, log=lines.append), lines)


def report(plan: Plan) -> dict:
    """report.json, which must be strict JSON."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} stands in report.json")

    return json.loads((Path(plan.out) / "report.json").read_text(), parse_constant=refuse)


# What a run writes


def test_a_run_writes_model_report_page_and_history(finished):
    out = Path(finished.plan.out)
    assert finished.outcome.state == "done"
    names = {path.name for path in out.iterdir()}
    assert names == {"model", "report.json", "report.html", "history.csv", "run.json"}
    assert "40 rows read" in finished.lines[0]
    history = (out / "history.csv").read_text().splitlines()
    assert len(history) == 1 + 2 * 4
    assert "valid_accuracy" in history[0]


def test_the_report_holds_what_was_measured(finished):
    plan, written = finished.plan, report(finished.plan)
    table = finished.outcome.report.table()
    for name, score in written["test"].items():
        assert list(score.values()) == pytest.approx(list(table.loc[name]))
    assert written["data"]["rows"] == {"train": 32, "valid": 4, "test": 4}
    digest = hashlib.sha256(Path(plan.files.train).read_bytes()).hexdigest()
    assert written["data"]["files"] == [{"part": "train", "name": "notes.jsonl", "sha256": digest}]
    assert written["labels"] == ["cold", "mild", "warm"]
    assert written["task"] == "classification"
    assert written["configuration"]["learning_rate"] == 3e-3
    assert set(written["baselines"]) == {"most frequent label", "word counts (TF-IDF)"}
    assert written["training"]["updates"] == 8
    assert written["training"]["resumed"] == 0
    assert 0 < written["seconds"]["training"] < written["seconds"]["total"]
    speed = 2 * 32 / written["seconds"]["training"]
    assert written["examples_per_second"] == pytest.approx(speed, rel=1e-6)
    assert written["peak_memory_bytes"] > 1e8
    assert set(written["versions"]) == {"python", "torch", "transformers", "ftlearn"}
    assert written["device"] == "cpu"
    assert written["training_in"] == written["prediction_in"] == "fp32, sdpa attention"
    assert written["threads"] >= 1


@pytest.fixture(scope="module")
def page(tiny_bert, tmp_path_factory) -> tuple[dict[str, str], Outcome]:
    """The sections of the page that a run wrote, by heading, and the outcome of the run.

    The last test rows have labels that nothing could learn, so that there are errors.
    """
    folder = tmp_path_factory.mktemp("page")
    odd = [(text, "warm") for text, label in notes(90)[60:] if label == "cold"]
    test = write(folder / "test.jsonl", [*notes(60)[40:], *odd])
    plan = small(tiny_bert, folder)
    outcome = workflows.fit(replace(plan, files=Files(train=plan.files.train, test=test)))
    html = (folder / "out" / "report.html").read_text(encoding="utf-8")
    sections = re.findall(r"<section><h2>(.*?)</h2>(.*?)</section>", html, flags=re.DOTALL)
    return dict(sections), outcome


def test_the_page_of_a_run_draws_how_training_went(page):
    section = page[0]["How training went"]
    assert len(re.findall(r'<img [^>]*src="data:image/png;base64,', section)) == 1
    losses = [step.loss for step in page[1].history.steps]
    assert f"{len(losses)} updates" in Parsed(section).text


def test_the_page_of_a_run_counts_every_confusion(page):
    counts = page[1].report.confusion()
    section = page[0]["Label by label"]
    matrix = section[section.index("Confusion matrix") :]
    matches = re.findall(r'<th scope="row"><bdi translate="no">(\w+)</bdi></th>(.*?)</tr>', matrix)
    shown = {label: list(map(int, re.findall(r">(\d+)</td>", row))) for label, row in matches}
    assert shown == {label: list(counts.loc[label]) for label in counts.index}
    assert sum(map(sum, shown.values())) == len(page[1].report.targets) > 20


def test_the_page_of_a_run_says_whether_its_confidence_can_be_believed(page):
    section, table = page[0]["Can its confidence be believed?"], page[1].report.table()
    assert len(re.findall(r'<img [^>]*src="data:image/png;base64,', section)) == 1
    error = f"{table.loc['calibration_error'].iloc[0]:.3f}"
    assert f"The expected calibration error is {error}" in Parsed(section).text


def test_the_page_of_a_run_shows_the_worst_errors_by_their_loss(page):
    report, section = page[1].report, page[0]["Worst errors"]
    wrong = [row for row in np.argsort(-report.example_losses) if not report.correct[row]]
    texts = [report.dataset["text"][int(row)] for row in wrong[:20]]
    shown = [Parsed(item).text for item in re.findall("<li>(.*?)</li>", section, flags=re.DOTALL)]
    assert len(shown) == len(texts) > 3
    for item, text in zip(shown, texts, strict=True):
        assert text.strip() in item


def test_refused_rows_are_named_by_line(plan, tmp_path):
    path = tmp_path / "broken.csv"
    rows = [f"{text},{label}" for text, label in notes(30)]
    rows[3], rows[9] = ",cold", "one,two,three"
    path.write_text("\n".join(["text,label", *rows]))
    workflows.fit(replace(plan, files=Files(train=path)))
    assert report(plan)["data"]["refused"] == [
        {"file": "broken.csv", "line": 5, "reason": "'text' is empty"},
        {"file": "broken.csv", "line": 11, "reason": "3 fields where the header has 2"},
    ]


def test_a_regression_is_compared_with_the_mean(plan, tmp_path):
    rows = [(text, 0.5 + 10 * len(text)) for text, _ in notes()]
    workflows.fit(replace(plan, files=Files(train=write(tmp_path / "numbers.jsonl", rows))))
    written = report(plan)
    assert (written["task"], written["labels"]) == ("regression", None)
    parts = read_parts(Files(train=tmp_path / "numbers.jsonl"), seed=0).data
    dummy = DummyRegressor().fit(parts["train"]["text"][:], parts["train"]["label"][:])
    error = mean_absolute_error(parts["test"]["label"][:], dummy.predict(parts["test"]["text"][:]))
    mean = written["baselines"]["mean of the training data"]
    assert mean["mae"]["value"] == pytest.approx(error)
    assert mean["pearson"] == {"value": None, "low": None, "high": None}


def test_task_regression_takes_whole_numbers_as_numbers(plan, tmp_path):
    rows = [(text, str(i % 5)) for i, (text, _) in enumerate(notes())]
    path = write(tmp_path / "stars.jsonl", rows)
    assert read_parts(Files(train=path), seed=0).data["train"].features["label"].names == list(
        "01234"
    )
    numbers = read_parts(Files(train=path, task="regression"), seed=0).data["train"]
    assert numbers.features["label"].dtype == "float32"


def test_texts_without_words_have_no_word_counts():
    rows = Dataset.from_dict({"text": ["a", "b"], "label": ["x", "y"]})
    task = classification(rows)
    with pytest.warns(UserWarning, match="no TF-IDF baseline"):
        reports = baseline_reports({"train": rows, "test": rows}, task)
    assert set(reports) == {"most frequent label"}


def test_pairs_of_texts_are_counted_together():
    rows = Dataset.from_dict(
        {"one": ["apple", "apple"], "two": ["green", "red"], "same": ["no", "yes"]}
    )
    task = classification(rows, text=("one", "two"), target="same")
    reports = baseline_reports({"train": rows, "test": rows}, task)
    assert reports["word counts (TF-IDF)"].scores["accuracy"] == 1


# Reading and cutting


def test_the_cut_is_stratified_and_keeps_equal_texts_together(tmp_path):
    rows = notes(300)
    rows += [(text.upper() + "  ", label) for text, label in rows[:60]]
    parts = read_parts(Files(train=write(tmp_path / "notes.jsonl", rows)), seed=1)
    assert {part: len(rows) for part, rows in parts.data.items()} == {
        "train": 288,
        "valid": 36,
        "test": 36,
    }
    assert parts.cut == ("valid", "test")
    assert parts.repeated == 120
    texts = [set(same_texts(part, ("text",))) for part in parts.data.values()]
    assert sum(map(len, texts)) == len(set().union(*texts)) == 300
    for part in parts.data.values():
        counts = Counter(part["label"])
        assert max(counts.values()) - min(counts.values()) <= 3
    assert all("ftlearn" not in name for name in parts.data["train"].column_names)


def test_the_cut_of_repeated_texts_is_the_same_for_any_order_of_the_rows(tmp_path):
    rows = notes(90)
    rows += [(text.upper(), label) for text, label in rows[:60]]
    splits = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(rows))
        path = write(tmp_path / f"{seed}.jsonl", [rows[row] for row in order])
        parts = read_parts(Files(train=path), seed=0)
        splits.append({name: set(part["text"]) for name, part in parts.data.items()})
    assert splits[0] == splits[1] == splits[2]


def test_a_given_test_file_is_the_test_part(tmp_path):
    train = write(tmp_path / "train.jsonl", notes(40))
    test = write(tmp_path / "test.jsonl", [("unseen", "mild"), ("seen", "cold")])
    parts = read_parts(Files(train=train, test=test), seed=0)
    assert parts.data["test"]["text"][:] == ["unseen", "seen"]
    assert (len(parts.data["train"]), len(parts.data["valid"])) == (36, 4)


# What does not fit together


def test_classes_are_those_of_train_and_rows_of_others_are_refused_by_line(tmp_path):
    train = write(tmp_path / "train.jsonl", notes(40))
    test = write(tmp_path / "test.jsonl", [("one", "cold"), ("two", "hot"), ("three", "Mild")])
    with pytest.warns(CompatibilityWarning) as caught:
        parts = read_parts(Files(train=train, test=test), seed=0)
    messages = [str(warning.message) for warning in caught]
    assert any("'Mild' may mean 'mild'" in message for message in messages)
    assert any("2 of 3 rows of test have labels that train does" in message for message in messages)
    names = [part.features["label"].names for part in parts.data.values()]
    assert names == [["cold", "mild", "warm"]] * 3
    assert parts.data["test"]["text"][:] == ["one"]
    assert parts.reports["test"].rows == 1
    assert parts.reports["test"].rejected == (
        (2, "'label' is 'hot', a label that train does not have"),
        (3, "'label' is 'Mild', a label that train does not have"),
    )


@pytest.mark.parametrize("part", ["valid", "test"])
@pytest.mark.parametrize("change", ["{} ", "{}.0", "Group {}"])
def test_a_file_without_a_label_of_train_is_refused(tmp_path, part: str, change: str):
    rows = [(text, str(at % 3)) for at, (text, _) in enumerate(notes(40))]
    train = write(tmp_path / "train.jsonl", rows[:30])
    other = [(text, change.format(label)) for text, label in rows[30:]]
    files = Files(train=train, **{part: write(tmp_path / f"{part}.jsonl", other)})
    with pytest.raises(
        data.DataError, match=f"no row of {part} has a label that train has"
    ) as error:
        read_parts(files, seed=0)
    assert ("may mean" in str(error.value)) == (change != "Group {}")


def test_the_kind_of_labels_is_that_of_train(tmp_path):
    train = write(tmp_path / "train.jsonl", [(text, "0.5") for text, _ in notes(30)])
    rows = [("a", "1.5"), ("b", "high"), ("c", "2")]
    parts = read_parts(Files(train=train, test=write(tmp_path / "test.jsonl", rows)), seed=0)
    assert parts.data["test"]["label"][:] == [1.5, 2.0]
    assert parts.reports["test"].rejected == ((2, "'label' is 'high', not a number as in train"),)
    only = write(tmp_path / "only.jsonl", rows[1:2])
    with pytest.raises(data.DataError, match="no row can be used"):
        read_parts(Files(train=train, test=only), seed=0)


def test_copies_with_two_labels_are_told_by_line_and_file(tmp_path):
    train = write(tmp_path / "train.jsonl", [*notes(30), (notes(1)[0][0].upper(), "warm")])
    test = write(tmp_path / "test.jsonl", [(notes(2)[1][0], "cold"), ("new", "mild")])
    with pytest.warns(CompatibilityWarning, match="2 texts stand there with two labels") as caught:
        read_parts(Files(train=train, test=test), seed=0)
    messages = [str(warning.message) for warning in caught]
    message = next(message for message in messages if "stand there" in message)
    assert "on line 1 of train.jsonl ('cold') and on line 31 of train.jsonl ('warm')" in message


@pytest.mark.filterwarnings("always::ftlearn.compatibility.CompatibilityWarning")
def test_what_was_found_is_in_the_report_and_its_page(plan, tmp_path):
    rows = [*notes(40), *((f"other {at}", "Warm") for at in range(5))]
    train = write(tmp_path / "train.jsonl", [(f"{text} 新的手机", label) for text, label in rows])
    workflows.fit(replace(plan, files=Files(train=train), max_length=4096))
    written, page = report(plan), (Path(plan.out) / "report.html").read_text(encoding="utf-8")
    for message in (
        "1 group of labels differs by spelling alone",
        "tokens of the texts of train are unknown",
        "max_length is 4096, and texts are read up to 128 tokens",
    ):
        assert any(message in note for note in written["notes"])
        assert message in page
    assert (written["window"], written["configuration"]["max_length"]) == (128, 4096)
    assert len(written["notes"]) == len(set(written["notes"])) == 3


def test_texts_that_the_model_cannot_read_are_refused_before_anything_is_written(plan, tmp_path):
    rows = [
        (f"{'新的手机电池更耐用'[at % 9]}{'比赛以平局结束'[at % 7]}" * 9, str(at % 2))
        for at in range(40)
    ]
    train = write(tmp_path / "chinese.jsonl", rows)
    with pytest.raises(data.DataError, match="100% of the tokens of the texts of train"):
        workflows.fit(replace(plan, files=Files(train=train)))
    assert not Path(plan.out).exists()


def test_a_classifier_of_other_labels_can_be_the_start(finished, plan, tmp_path):
    rows = [(text, {"cold": "bad"}.get(label, "good")) for text, label in notes(40)]
    train = write(tmp_path / "moods.jsonl", rows)
    model = Path(finished.plan.out) / "model"
    with pytest.warns(CompatibilityWarning, match=r"3 labels .* 2 labels \('bad', 'good'\)"):
        workflows.fit(replace(plan, files=Files(train=train), checkpoint=model))
    assert any("gets a new head" in note for note in report(plan)["notes"])


def test_texts_without_spaces_between_words_are_compared_by_characters():
    plus, minus = "质量很好非常喜欢", "质量太差不会再买"
    texts = [f"{at % 7}{(plus if at % 2 else minus)[at % 5 :]}" for at in range(60)]
    labels = ["good" if at % 2 else "bad" for at in range(60)]
    rows = Dataset.from_dict({"text": texts, "label": labels})
    task = classification(rows)
    reports = baseline_reports({"train": rows, "test": rows}, task)
    assert reports["character counts (TF-IDF)"].scores["accuracy"] > 0.95
    assert "word counts (TF-IDF)" not in reports


def test_texts_in_two_files_are_told(tmp_path):
    train = write(tmp_path / "train.jsonl", notes(40))
    test = write(tmp_path / "test.jsonl", [(notes(1)[0][0].upper(), "cold"), ("new", "mild")])
    with pytest.warns(UserWarning, match="1 of 2 texts of test also stand in train"):
        read_parts(Files(train=train, test=test), seed=0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (notes(6), "it has 6 rows, and at least 10 are needed"),
        ([*notes(30), ("odd", "rare")], r"1 label has fewer rows than the 3 parts .*'rare' \(1\)"),
        (
            [("same", label) for _, label in notes(30)],
            "cannot be cut into parts: 30 of its 30 rows hold the same text, 'same', and copies",
        ),
    ],
)
def test_too_few_rows_are_told_with_the_remedy(tmp_path, rows, message: str):
    with pytest.raises(ValueError, match=message):
        read_parts(Files(train=write(tmp_path / "few.jsonl", rows)), seed=0)


def test_rare_labels_are_left_out_of_every_file_and_told(plan, tmp_path):
    rare = [(f"odd {i}", f"rare {i}") for i in range(12)]
    train = write(tmp_path / "train.jsonl", [*notes(40), *rare])
    test = write(tmp_path / "test.jsonl", [("one", "cold"), ("two", "rare 3"), ("three", "mild")])
    files = Files(train=train, test=test, drop_rare=3)
    with pytest.warns(UserWarning, match=r"12 labels have fewer than 3 rows .* and 13 rows in all"):
        parts = read_parts(files, seed=0)
    assert {part: len(rows) for part, rows in parts.data.items()} == {
        "train": 36,
        "valid": 4,
        "test": 2,
    }
    names = [part.features["label"].names for part in parts.data.values()]
    assert names == [["cold", "mild", "warm"]] * 3
    with pytest.warns(UserWarning, match="12 labels"):
        workflows.fit(replace(plan, files=files))
    written = report(plan)
    assert written["data"]["left_out"] == {f"rare {i}": 2 if i == 3 else 1 for i in range(12)}
    assert "'rare 0' (1)" in written["notes"][0]
    assert written["configuration"]["drop_rare"] == 3
    with pytest.raises(data.DataError, match="'label' holds no classes"):
        read_parts(replace(files, task="regression", test=None, train=numbers(tmp_path)), seed=0)
    with pytest.raises(ValueError, match="drop_rare is -1"):
        replace(files, drop_rare=-1)


def numbers(folder: Path) -> Path:
    return write(folder / "n.jsonl", [(text, str(i)) for i, (text, _) in enumerate(notes())])


def test_how_a_file_was_read_is_in_the_report(plan, tmp_path):
    rows = [f"{text}\t{label}" for text, label in notes()]
    rows[4] = rows[4].replace("note", 'a 5" note')
    path = tmp_path / "notes.tsv"
    path.write_text("\n".join(["text\tlabel", *rows]))
    lines: list[str] = []
    workflows.fit(replace(plan, files=Files(train=path)), log=lines.append)
    assert "quoting none), 0 refused\n  note: quotes were read as characters" in lines[0]
    (note,) = [note for note in report(plan)["notes"] if "quotes" in note]
    assert note.startswith("notes.tsv: quotes were read as characters, since line 6 ")
    (scored,) = workflows.evaluate(Path(plan.out), [path], device="cpu")
    quotes = [note for note in scored.summary()["notes"] if "quotes" in note]
    assert quotes == list(scored.read.notes) != []
    (scored,) = workflows.evaluate(Path(plan.out), [path], device="cpu", quoting="csv")
    assert [line for line, _ in scored.read.rejected] == [6]


# Folders: never overwritten, resumed only by the same run


def test_a_run_is_never_overwritten(finished, tmp_path):
    plan = finished.plan
    with pytest.raises(RunError, match="a finished run, which is never overwritten: choose"):
        workflows.fit(plan)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(RunError, match="holds other files"):
        workflows.fit(replace(plan, out=tmp_path / "mine"))
    with pytest.raises(RunError, match="is a file"):
        workflows.fit(replace(plan, out=tmp_path / "mine" / "thesis.txt"))


def test_nothing_is_written_before_training_can_begin(plan, tmp_path):
    with pytest.raises(data.DataError):
        workflows.fit(replace(plan, files=Files(train=plan.files.train, label="topic")))
    with pytest.raises(ValueError, match="no model 'nowhere/none'"):
        workflows.fit(replace(plan, checkpoint="nowhere/none"))
    assert not Path(plan.out).exists()


def test_a_run_killed_as_it_wrote_its_record_can_start_again(plan):
    out = Path(plan.out)
    out.mkdir()
    (out / ".run.json.writing").write_text('{"half')
    assert workflows.fit(plan, resume=True).state == "done"
    assert (out / "report.json").is_file()


def test_the_remedy_for_too_little_memory_can_be_followed_in_the_same_folder(plan, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(runtime, "memory_available", lambda *_: 5)
        with pytest.raises(resources.TooLargeError):
            workflows.fit(plan)
    smaller = replace(plan, config=replace(plan.config, micro_batches=2))
    assert workflows.fit(smaller).state == "done"


def test_checkpoints_that_a_finished_run_left_go_when_it_is_resumed(finished):
    left = Path(finished.plan.out) / "checkpoints"
    left.mkdir()
    assert workflows.fit(finished.plan, resume=True).state == "finished before"
    assert not left.exists()


@pytest.mark.filterwarnings("ignore:training was interrupted")
def test_an_interrupted_run_resumes_to_the_same_end(plan, finished, monkeypatch):
    uninterrupted = finished.plan
    with monkeypatch.context() as patched:
        interrupt_after(patched, 5)
        outcome = workflows.fit(plan)
    assert (outcome.state, len(outcome.history.steps)) == ("interrupted", 5)
    assert not (Path(plan.out) / "report.json").exists()
    with pytest.raises(RunError, match=r"not finished.* continue it with resume=True"):
        workflows.fit(plan)
    assert workflows.fit(plan, resume=True).state == "done"
    assert report(plan)["training"]["resumed"] == 1
    assert report(plan)["test"] == report(uninterrupted)["test"]
    weights = [
        hashlib.sha256((Path(run.out) / "model" / "model.safetensors").read_bytes()).hexdigest()
        for run in (plan, uninterrupted)
    ]
    assert weights[0] == weights[1]
    assert workflows.fit(plan, resume=True).state == "finished before"
    assert report(plan)["training"]["resumed"] == 1


def test_resume_refuses_another_run(finished, plan):
    shutil.copytree(finished.plan.out, plan.out)
    other = replace(plan, config=replace(plan.config, epochs=3, seed=4))
    with pytest.raises(RunError, match="epochs was 2 and is 3; seed was 0 and is 4"):
        workflows.fit(other, resume=True)
    write(Path(plan.files.train), notes(41))
    with pytest.raises(RunError, match=r"the train data \(sha256\) was '.*' and is '"):
        workflows.fit(plan, resume=True)
    (Path(plan.out) / "run.json").write_text("{")
    with pytest.raises(RunError, match=r"run.json cannot be read"):
        workflows.fit(plan, resume=True)


def test_resume_of_nothing_begins_and_says_so(plan):
    with pytest.warns(UserWarning, match="there is no checkpoint"):
        assert workflows.fit(plan, resume=True).state == "done"


def test_plans_are_checked_at_birth(plan):
    with pytest.raises(
        ValueError, match="max_length is 2: it must be a whole number of at least 8"
    ):
        replace(plan, max_length=2)
    with pytest.raises(ValueError, match="patience is 0: it must be a whole number of at least 1"):
        replace(plan, patience=0)
    with pytest.raises(ValueError, match="there is no device 'mps' here"):
        replace(plan, device="mps")


# The disk: asked before training, and when it is full the scores are kept


def test_a_run_that_does_not_fit_on_the_disk_is_refused_before_training(plan, monkeypatch):
    with small_files(40_000), pytest.raises(RunError, match=r"does not fit .*\(ulimit -f\)"):
        workflows.fit(plan)
    usage = shutil.disk_usage(".")._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with pytest.raises(RunError, match=r"\(2 times 1 MB\) and a model of 1 MB: .* MB too few"):
        workflows.fit(plan)
    assert not Path(plan.out).exists()


def full_when(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Files can no longer grow once a run calls a function."""
    owner = fitting
    real = getattr(owner, name)

    def call(*args, **kwargs):
        with small_files(1_000):
            return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize(
    ("name", "files"), [("save", ["history.csv", "report.html", "report.json"]), ("_write", [])]
)
def test_a_full_disk_at_the_end_costs_the_model_and_no_training(
    plan, finished, monkeypatch, name: str, files: list[str]
):
    out = Path(plan.out)
    with monkeypatch.context() as patch:
        full_when(patch, name)
        with pytest.raises(RunError) as error:
            workflows.fit(plan)
    assert [path.name for path in sorted(out.glob("[hr]*.*")) if path.name != "run.json"] == files
    assert not (out / "model").exists()
    for part in (*files, "the checkpoint of update 8", "resume=True writes the model without"):
        assert part in str(error.value)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "backward", None)  # nothing is trained again
        assert workflows.fit(plan, resume=True).state == "done"
    other = Path(finished.plan.out)
    assert {path.name for path in out.iterdir()} == {path.name for path in other.iterdir()}
    weights = [(run / "model" / "model.safetensors").read_bytes() for run in (out, other)]
    assert weights[0] == weights[1]
    assert report(plan)["test"] == report(finished.plan)["test"]


def test_a_run_whose_model_was_moved_away_is_still_finished(finished, plan, tmp_path):
    shutil.copytree(finished.plan.out, plan.out)
    (Path(plan.out) / "model").rename(tmp_path / "in use")
    before = report(plan)
    assert workflows.fit(plan, resume=True).state == "finished before"
    assert report(plan) == before


def test_what_a_user_put_beside_the_checkpoints_is_kept(plan, monkeypatch):
    notes = Path(plan.out) / "checkpoints" / "notes.txt"
    real = training.train

    def train(*args, **kwargs):
        history = real(*args, **kwargs)
        notes.write_text("update 8 looks best")
        return history

    monkeypatch.setattr(fitting.training, "train", train)
    assert workflows.fit(plan).state == "done"
    assert [path.name for path in notes.parent.iterdir()] == ["notes.txt"]


# Scoring files with the saved model


def test_files_and_labels_are_checked_before_anything_is_measured(finished, tmp_path, monkeypatch):
    good = write(tmp_path / "good.jsonl", notes(9))
    odd = write(tmp_path / "odd.jsonl", [("a", "hot")])
    monkeypatch.setattr(evaluating.evaluation, "report_on", None)
    for second, message in ((tmp_path / "gone.jsonl", "no file"), (odd, "odd.jsonl has 'hot'")):
        with pytest.raises(ValueError, match=message):
            workflows.evaluate(finished.plan.out, [good, second])


def test_each_score_is_given_as_soon_as_it_is_measured(finished, tmp_path, monkeypatch):
    files = [write(tmp_path / f"{name}.jsonl", notes(9)) for name in "ab"]
    scores = scored_one_by_one(finished.plan.out, files, device="cpu")
    assert next(scores).path == files[0]
    monkeypatch.setattr(evaluating.evaluation, "report_on", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        next(scores)


def test_one_file_needs_no_list(finished, tmp_path):
    file = write(tmp_path / "new.jsonl", notes(9), ("body", "label"))
    for path in (file, str(file)):
        (scored,) = workflows.evaluate(finished.plan.out, path, text="body", device="cpu")
        assert scored.path == file


def test_evaluate_gives_the_scores_of_the_run(plan, tmp_path):
    train, test = write(tmp_path / "train.jsonl", notes(40)), notes(55)[40:]
    test = write(tmp_path / "test.jsonl", test)
    workflows.fit(replace(plan, files=Files(train=train, test=test)))
    (scored,) = workflows.evaluate(plan.out, [test], device="cpu")
    assert_alike(scored.summary()["test"], report(plan)["test"])


def test_evaluate_takes_columns_of_other_names_and_one_class(finished, tmp_path):
    plan = finished.plan
    rows = [row for row in notes(60)[40:] if row[1] == "mild"]
    path = write(tmp_path / "new.jsonl", rows, ("body", "topic"))
    (scored,) = workflows.evaluate(plan.out, [path], text=("body",), label="topic", device="cpu")
    assert scored.report.targets.tolist() == [1] * len(rows)
    with pytest.raises(data.DataError, match=r"no row of odd.jsonl has a label that the model has"):
        workflows.evaluate(plan.out, [write(tmp_path / "odd.jsonl", [("a", "hot")])])
    with pytest.raises(ValueError, match="reads 1 text column, and 2 were named"):
        workflows.evaluate(plan.out, [path], text=("body", "topic"))


def test_evaluate_refuses_rows_of_unknown_labels_by_line_and_says_so(finished, tmp_path):
    rows = [*notes(60)[40:], ("a heat wave", "hot"), (notes(60)[40][0], "warm")]
    path = write(tmp_path / "new.jsonl", rows)
    with pytest.warns(CompatibilityWarning):
        (scored,) = workflows.evaluate(finished.plan.out, [path], device="cpu")
    summary = scored.summary()
    assert summary["rows"] == len(rows) - 1 == len(scored.report.targets)
    assert summary["refused"] == [
        {"line": 21, "reason": "'label' is 'hot', a label that the model does not have"}
    ]
    for message in ("1 of 22 rows of new.jsonl have", "on line 1 of new.jsonl ('mild') and on"):
        assert any(message in note for note in summary["notes"])
