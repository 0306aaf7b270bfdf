"""A saved model predicts the same for every reader, and is written completely or not at all."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from rounding import assert_alike
from tiny_models import CLASSES, SHAPES
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from ftlearn import evaluation, models, tasks
from ftlearn.models import ModelError, saving
from ftlearn.tasks import classification, language_modelling, regression

# Tiny tokenizers stand in for those of the models.
pytestmark = pytest.mark.filterwarnings("ignore::ftlearn.compatibility.CompatibilityWarning")

TEXTS = [
    "The new phone lasts longer.",
    "比赛以平局结束。",
    "Sleep well, run far & eat <b>less</b>!",
]
LONG = " ".join(["the team won the long match"] * 60)
NUMBERS = regression(Dataset.from_dict({"text": ["a", "b"], "label": [100.0, 500.0]}))
ODD = classification(
    Dataset.from_dict({"text": list("abcde"), "label": ["10", "2", "NA", "健康", "1"]})
)

each_shape = pytest.mark.parametrize("shape", SHAPES)


def loaded(folder: Path, task: tasks.Task, **options):
    model, tokenizer = models.load(folder, task, device="cpu", seed=3, **options)
    with torch.no_grad():  # heads whose answers differ, and are not near zero
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval(), tokenizer


def probabilities(answers: list[dict], labels: tuple[str, ...]) -> list[float]:
    scores = {answer["label"]: answer["score"] for answer in answers}
    assert set(scores) == set(labels)
    return [scores[label] for label in labels]


@each_shape
@pytest.mark.parametrize("task", [CLASSES, ODD], ids=["three", "odd"])
def test_a_pipeline_gives_the_same_labels_and_probabilities(
    tiny_checkpoints, tmp_path, shape: str, task
):
    model, tokenizer = loaded(tiny_checkpoints[shape], task)
    ours = evaluation.predict(model, TEXTS, task, tokenizer)
    models.save(model, tokenizer, task, tmp_path / "model")
    pipe = pipeline("text-classification", str(tmp_path / "model"), device="cpu")
    assert [answer["label"] for answer in pipe(TEXTS)] == list(ours["prediction"])
    theirs = [probabilities(answers, task.labels) for answers in pipe(TEXTS, top_k=None)]
    np.testing.assert_allclose(theirs, ours[list(task.labels)], atol=1e-5)


@each_shape
def test_the_model_class_of_transformers_gives_the_same_scores(
    tiny_checkpoints, tmp_path, shape: str
):
    model, tokenizer = loaded(tiny_checkpoints[shape], CLASSES)
    models.save(model, tokenizer, CLASSES, tmp_path / "model")
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    inputs = AutoTokenizer.from_pretrained(tmp_path / "model")(TEXTS[0], return_tensors="pt")
    with torch.no_grad():
        assert_alike(theirs(**inputs).logits, model(**inputs).logits)
    assert theirs.config.id2label == dict(enumerate(CLASSES.labels))


def test_a_pipeline_cuts_long_texts_where_the_task_does(tiny_bert, tmp_path):
    task = tasks.Classification(labels=CLASSES.labels, max_length=16)
    model, tokenizer = loaded(tiny_bert, task)
    models.save(model, tokenizer, task, tmp_path / "model")
    assert tokenizer.model_max_length == 128
    pipe = pipeline("text-classification", str(tmp_path / "model"), device="cpu", truncation=True)
    theirs = probabilities(pipe([LONG], top_k=None)[0], task.labels)
    with pytest.warns(UserWarning, match="longer than 16 tokens"):
        ours = evaluation.predict(model, [LONG], task, tokenizer)
    with pytest.warns(UserWarning, match="longer than 128 tokens"):
        full = evaluation.predict(model, [LONG], CLASSES, tokenizer)
    np.testing.assert_allclose(theirs, ours[list(task.labels)].iloc[0], atol=1e-5)
    assert abs(ours["cold"][0] - full["cold"][0]) > 1e-4  # the cut matters


@each_shape
@pytest.mark.parametrize("task", [CLASSES, NUMBERS], ids=["classes", "numbers"])
@pytest.mark.filterwarnings("ignore:the head of this model has no bias")
def test_load_gives_the_same_model_and_task_back(tiny_checkpoints, tmp_path, shape: str, task):
    model, tokenizer = loaded(tiny_checkpoints[shape], task)
    ours = evaluation.predict(model, TEXTS, task, tokenizer)
    models.save(model, tokenizer, task, tmp_path / "model")
    again, its_tokenizer, its_task = models.load_finetuned(tmp_path / "model", "cpu")
    assert not again.training
    answers = evaluation.predict(again, TEXTS, its_task, its_tokenizer)
    if task is CLASSES:
        assert its_task == task
        assert_alike(answers[list(task.labels)].to_numpy(), ours[list(task.labels)].to_numpy())
    else:
        np.testing.assert_allclose(answers["prediction"], ours["prediction"], rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES[:4])
def test_a_saved_regression_answers_in_the_datas_units(tiny_checkpoints, tmp_path, shape: str):
    model, tokenizer = loaded(tiny_checkpoints[shape], NUMBERS)
    ours = evaluation.predict(model, TEXTS, NUMBERS, tokenizer)["prediction"]
    assert min(abs(ours)) > 10
    models.save(model, tokenizer, NUMBERS, tmp_path / "model")
    pipe = pipeline("text-classification", str(tmp_path / "model"), device="cpu")
    np.testing.assert_allclose([answer["score"] for answer in pipe(TEXTS)], ours, rtol=1e-5)
    task = models.load_finetuned(tmp_path / "model", "cpu")[2]
    assert (task.center, task.scale) == (0.0, 1.0)


def test_a_head_without_a_bias_keeps_the_units_in_the_note(tiny_checkpoints, tmp_path):
    model, tokenizer = loaded(tiny_checkpoints["gpt2"], NUMBERS)
    with pytest.warns(UserWarning, match="no bias to hold the mean"):
        models.save(model, tokenizer, NUMBERS, tmp_path / "model")
    assert models.load_finetuned(tmp_path / "model", "cpu")[2] == NUMBERS


@pytest.mark.parametrize("task", [CLASSES, NUMBERS], ids=["classes", "numbers"])
def test_a_pooled_model_comes_back(tiny_bert, tmp_path, task):
    model, tokenizer = loaded(tiny_bert, task, pooling="mean")
    ours = evaluation.predict(model, TEXTS, task, tokenizer)
    models.save(model, tokenizer, task, tmp_path / "model")
    again, its_tokenizer, its_task = models.load_finetuned(tmp_path / "model", "cpu")
    answers = evaluation.predict(again, TEXTS, its_task, its_tokenizer)
    numeric = list(ours.select_dtypes("number"))
    np.testing.assert_allclose(answers[numeric], ours[numeric], rtol=1e-5)


def test_saving_changes_no_weight(tiny_bert, tmp_path):
    model, tokenizer = loaded(tiny_bert, NUMBERS)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    identities = [id(parameter) for parameter in model.parameters()]
    models.save(model, tokenizer, NUMBERS, tmp_path / "model")
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert [id(parameter) for parameter in model.parameters()] == identities


def test_a_task_that_cuts_silently_is_kept_and_a_note_of_before_that_choice_warns(
    tiny_bert, tmp_path
):
    task = replace(CLASSES, truncation="silent")
    model, tokenizer = loaded(tiny_bert, task)
    folder = models.save(model, tokenizer, task, tmp_path / "model")
    assert models.load_finetuned(folder, "cpu")[2].truncation == "silent"
    note = json.loads((folder / saving.TASK_FILE).read_text())
    del note["truncation"]
    (folder / saving.TASK_FILE).write_text(json.dumps(note))
    assert models.load_finetuned(folder, "cpu")[2].truncation == "warn"


def test_a_pair_of_texts_is_kept(tiny_bert, tmp_path):
    task = tasks.Classification(labels=("no", "yes"), text=("one", "other"), target="same")
    model, tokenizer = loaded(tiny_bert, task)
    models.save(model, tokenizer, task, tmp_path / "model")
    assert models.load_finetuned(tmp_path / "model", "cpu")[2] == task


def test_a_language_model_is_kept(tiny_checkpoints, tmp_path):
    task = language_modelling(max_length=32)
    model, tokenizer = loaded(tiny_checkpoints["gpt2"], task)
    models.save(model, tokenizer, task, tmp_path / "model")
    again, _, its_task = models.load_finetuned(tmp_path / "model", "cpu")
    assert its_task == task
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)


# Folders of others


@pytest.mark.parametrize(("task", "outputs"), [(CLASSES, 3), (NUMBERS, 1)])
def test_a_folder_without_a_note_is_understood(tiny_bert, tmp_path, task, outputs: int):
    model, tokenizer = loaded(tiny_bert, task)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again, _, its_task = models.load_finetuned(tmp_path, "cpu")
    assert type(its_task) is type(task)
    assert (its_task.text, its_task.target, its_task.max_length) == ("text", "label", 128)
    assert getattr(its_task, "labels", None) == getattr(task, "labels", None)
    assert again.config.num_labels == outputs


def test_a_folder_whose_task_cannot_be_known_is_refused(tiny_bert, tmp_path):
    with pytest.raises(ModelError, match="has no classification head"):
        models.load_finetuned(tiny_bert)
    with pytest.raises(ModelError, match="there is no folder"):
        models.load_finetuned(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"holds no model .*has its training finished\?"):
        models.load_finetuned(tmp_path)
    model, _ = loaded(tiny_bert, CLASSES)
    model.config.problem_type = "multi_label_classification"
    model.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="several labels to one text"):
        models.load_finetuned(tmp_path)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "[]",
        "{}",
        '{"format": 1, "kind": "sorcery"}',
        '{"format": 2, "kind": "regression"}',
        '{"format": 1, "kind": "classification"}',
        '{"format": 1, "kind": "regression", "odd": 1}',
    ],
)
def test_a_spoilt_note_is_told(tiny_bert, tmp_path, note: str):
    model, tokenizer = loaded(tiny_bert, CLASSES)
    models.save(model, tokenizer, CLASSES, tmp_path / "model")
    (tmp_path / "model" / saving.TASK_FILE).write_text(note)
    with pytest.raises(ModelError, match=r"ftlearn_task.json .* cannot be read"):
        models.load_finetuned(tmp_path / "model")


def test_the_folder_of_a_run_is_as_good_as_its_model(tiny_bert, tmp_path):
    model, tokenizer = loaded(tiny_bert, CLASSES)
    models.save(model, tokenizer, CLASSES, tmp_path / "model")
    assert models.load_finetuned(tmp_path, "cpu")[2] == CLASSES


# Whole or not there at all


class Failing:
    """A tokenizer whose writing breaks off."""

    model_max_length = 128

    def save_pretrained(self, folder: Path) -> None:
        (folder / "tokenizer.json").write_text("half")
        raise OSError(28, "No space left on device")


def test_a_save_that_fails_leaves_nothing(tiny_bert, tmp_path):
    model, _ = loaded(tiny_bert, NUMBERS)
    before = model.classifier.weight.clone()
    with pytest.raises(OSError, match="No space left"):
        models.save(model, Failing(), NUMBERS, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(model.classifier.weight, before)


@pytest.mark.parametrize("where", ["writing", "renaming"])
def test_the_old_model_stays_until_the_new_one_is_there(
    tiny_bert, tmp_path, where: str, monkeypatch: pytest.MonkeyPatch
):
    model, tokenizer = loaded(tiny_bert, CLASSES)
    models.save(model, tokenizer, CLASSES, tmp_path / "model")
    rename = Path.rename

    def breaks(path: Path, to: Path) -> Path:
        if path.name.endswith(".writing"):
            raise OSError(5, "Input/output error")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", breaks)
    other = tasks.Classification(labels=CLASSES.labels, max_length=7)
    with pytest.raises(OSError, match=r"error|No space"):
        models.save(
            model, Failing() if where == "writing" else tokenizer, other, tmp_path / "model"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert models.load_finetuned(tmp_path / "model", "cpu")[2] == CLASSES


def test_a_newer_model_replaces_the_older_one_whole(tiny_bert, tmp_path):
    model, tokenizer = loaded(tiny_bert, CLASSES, pooling="mean")
    models.save(model, tokenizer, CLASSES, tmp_path / "model")
    model, tokenizer = loaded(tiny_bert, NUMBERS)
    (tmp_path / ".model.writing").mkdir()  # left by a killed process
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        models.save(model, tokenizer, NUMBERS, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert not (tmp_path / "model" / "pooled_head.safetensors").exists()
    assert json.loads((tmp_path / "model" / saving.TASK_FILE).read_text())["kind"] == "regression"


def test_other_peoples_files_are_never_replaced(tiny_bert, tmp_path):
    model, tokenizer = loaded(tiny_bert, CLASSES)
    (tmp_path / "thesis.txt").write_text("four years")
    with pytest.raises(ModelError, match="holds other things than a model"):
        models.save(model, tokenizer, CLASSES, tmp_path)
    with pytest.raises(ModelError, match="is a file"):
        models.save(model, tokenizer, CLASSES, tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "four years"


def test_a_folder_that_transformers_saved_is_not_replaced(tiny_bert, tmp_path):
    model, tokenizer = loaded(tiny_bert, CLASSES)
    model.save_pretrained(tmp_path / "model")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ModelError, match=r"it has no ftlearn_task.json\): choose a new folder"):
        models.save(model, tokenizer, CLASSES, tmp_path / "model")
    assert sorted(tmp_path.rglob("*")) == before


def add_own_files(folder: Path) -> dict[str, bytes]:
    """A model card, a repository, a link and a file that nobody may write, as users have them."""
    (folder / ".git" / "refs").mkdir(parents=True)
    (folder / ".git" / "refs" / "head").write_text("0123")
    (folder / "README.md").write_text("my model card")
    (folder / "metrics.json").write_text("{}")
    (folder / "metrics.json").chmod(0o444)
    (folder / "latest").symlink_to("README.md")
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    foreign = {"README.md", "metrics.json", "latest", ".git"}
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if path.relative_to(folder).parts[0] in foreign
    }


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "of an older version"])
def test_files_that_save_did_not_write_stay(tiny_bert, tmp_path, listed: bool):
    folder = tmp_path / "model"
    models.save(*loaded(tiny_bert, CLASSES, pooling="mean"), CLASSES, folder)
    if not listed:
        note = json.loads((folder / saving.TASK_FILE).read_text())
        del note["files"]
        (folder / saving.TASK_FILE).write_text(json.dumps(note))
    before = add_own_files(folder)
    models.save(*loaded(tiny_bert, NUMBERS), NUMBERS, folder)
    assert contents(folder) == before
    assert (folder / "latest").is_symlink()
    assert not (
        folder / "pooled_head.safetensors"
    ).exists()  # of the older model, and not its user's
    assert models.load_finetuned(folder, "cpu")[2].max_length == NUMBERS.max_length
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_users_file_that_a_new_model_would_replace_is_refused(tiny_bert, tmp_path):
    folder = tmp_path / "model"
    models.save(*loaded(tiny_bert, CLASSES), CLASSES, folder)
    (folder / "pooled_head.safetensors").write_text("mine")
    with pytest.raises(ModelError, match=r"'pooled_head.safetensors' in .* is not of the model"):
        models.save(*loaded(tiny_bert, CLASSES, pooling="mean"), CLASSES, folder)
    assert (folder / "pooled_head.safetensors").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_a_killed_save_had_moved_away_comes_back(tiny_bert, tmp_path):
    folder = tmp_path / "model"
    models.save(*loaded(tiny_bert, CLASSES), CLASSES, folder)
    before = add_own_files(folder)
    folder.rename(tmp_path / ".model.replaced")  # the kill came right after this
    models.save(*loaded(tiny_bert, CLASSES), CLASSES, folder)
    assert contents(folder) == before


def test_a_tokenizers_folder_of_chat_templates_is_saved_and_replaced(tiny_bert, tmp_path):
    model, tokenizer = loaded(tiny_bert, CLASSES)
    tokenizer.chat_template = {"default": "{{ messages }}", "rag": "{{ documents }}"}
    for _ in range(2):
        models.save(model, tokenizer, CLASSES, tmp_path / "model")
    assert (tmp_path / "model" / "additional_chat_templates" / "rag.jinja").is_file()
    assert (
        models.load_finetuned(tmp_path / "model", "cpu")[1].chat_template == tokenizer.chat_template
    )


def test_every_file_is_flushed_in_a_way_that_windows_has(tiny_bert, tmp_path, monkeypatch):
    fcntl, real, writable = pytest.importorskip("fcntl"), os.fsync, []

    def fsync(handle: int) -> None:
        writable.append(fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR)
        real(handle)

    model, tokenizer = loaded(tiny_bert, CLASSES)
    monkeypatch.setattr(os, "fsync", fsync)
    models.save(model, tokenizer, CLASSES, tmp_path / "model")
    assert writable == [True] * len(list((tmp_path / "model").iterdir()))
