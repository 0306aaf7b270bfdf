"""Files of a model that are not what their names say are named, with a remedy, everywhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_models import CLASSES, copied
from transformers import AutoModel

from ftlearn import models
from ftlearn.compatibility import files_of
from ftlearn.interpolation.weights import on_disk
from ftlearn.models import ModelError

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 90868376\n"
SHARD, OTHER = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def pointer(path: Path) -> None:
    path.write_text(POINTER.format("5" * 64))


def page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html><body>Too many requests</body></html>")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def brace(path: Path) -> None:
    path.write_text("{")


def foreign(path: Path) -> None:
    path.write_bytes('{"größe": 1}'.encode("utf-16"))


BROKEN = [
    ("model.safetensors", pointer, "Git LFS pointer.*git lfs pull"),
    ("model.safetensors", cut, "cut off: it has .* bytes, and should have .*again"),
    ("model.safetensors", longer, "damaged"),
    ("model.safetensors", empty, "is empty"),
    ("model.safetensors", page, "web page"),
    ("model.safetensors", brace, "no safetensors file"),
    ("tokenizer.json", pointer, "Git LFS pointer"),
    ("tokenizer.json", brace, "not readable JSON"),
    ("tokenizer.json", cut, "not readable JSON"),
    ("tokenizer.json", empty, "is empty"),
    ("tokenizer_config.json", brace, "not readable JSON"),
    ("tokenizer_config.json", page, "web page"),
    ("config.json", cut, "not readable JSON"),
    ("config.json", empty, "is empty"),
    ("config.json", foreign, "not readable JSON"),
]


@pytest.mark.parametrize(("name", "damage", "message"), BROKEN)
def test_a_broken_file_is_named_with_the_remedy(
    tiny_bert, tmp_path, name: str, damage: Callable[[Path], None], message: str
):
    folder = copied(tiny_bert, tmp_path / "copy")
    assert files_of(folder) == []
    damage(folder / name)
    with pytest.raises(ModelError, match=f"{name} in .*{message}"):
        models.load(folder, CLASSES, device="cpu")


@pytest.mark.parametrize(("name", "damage", "message"), BROKEN)
def test_a_broken_file_of_a_saved_model_is_named(
    tiny_bert, tmp_path, name: str, damage: Callable[[Path], None], message: str
):
    model, tokenizer = models.load(tiny_bert, CLASSES, device="cpu")
    models.save(model, tokenizer, CLASSES, tmp_path / "run" / "model")
    damage(tmp_path / "run" / "model" / name)
    with pytest.raises(ModelError, match=f"{name} in .*{message}"):
        models.load_finetuned(tmp_path / "run", "cpu")


@pytest.mark.parametrize("damage", [pointer, cut, empty])
def test_merging_names_a_broken_file(tiny_bert, tmp_path, damage: Callable[[Path], None]):
    one, other = (copied(tiny_bert, tmp_path / name) for name in ("one", "other"))
    damage(other / "model.safetensors")
    with pytest.raises(ValueError, match=r"model.safetensors in .*other"):
        on_disk.interpolate(one, other, 0.5, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_large_tokenizer_is_read_only_where_reading_it_has_failed(tiny_bert, tmp_path):
    folder = copied(tiny_bert, tmp_path / "copy")
    (folder / "tokenizer.json").write_text("[" + "1, " * 500_000)
    assert files_of(folder) == []
    (finding,) = files_of(folder, thorough=True)
    assert "not readable JSON" in finding.message


@pytest.fixture
def sharded(tiny_bert, tmp_path) -> Path:
    """A model whose weights are in two files."""
    folder = copied(tiny_bert, tmp_path / "sharded", without="*.safetensors")
    AutoModel.from_pretrained(tiny_bert).save_pretrained(folder, max_shard_size="60KB")
    files = sorted(path.name for path in folder.glob("*.safetensors"))
    for number, name in enumerate(files, 1):
        assert f"{number:05d}-of-{len(files):05d}" in name
    assert len(files) == 2
    assert models.load(folder, CLASSES, device="cpu")
    return folder


def test_a_missing_shard_is_named(sharded):
    (sharded / OTHER).unlink()
    with pytest.raises(ModelError, match=rf"lacks 1 of the 2 files .*{OTHER}"):
        models.load(sharded, CLASSES)


def test_shards_without_their_index_are_an_error(sharded):
    (sharded / INDEX).unlink()
    with pytest.raises(ModelError, match=rf"{SHARD}, but no {INDEX}"):
        models.load(sharded, CLASSES)


@pytest.mark.parametrize("content", ['{"weight_map": {}}', "[]", '{"weight_map": 3}', "{}"])
def test_an_index_that_lists_nothing_is_an_error(sharded, content: str):
    (sharded / INDEX).write_text(content)
    with pytest.raises(ModelError, match=rf"{INDEX} in .* has no list of weights"):
        models.load(sharded, CLASSES)


def test_an_index_of_another_model_is_an_error(sharded):
    content = json.loads((sharded / INDEX).read_text())
    name = next(key for key, file in content["weight_map"].items() if file == SHARD)
    content["weight_map"][name] = OTHER
    (sharded / INDEX).write_text(json.dumps(content))
    with pytest.raises(ModelError, match=rf"says that {name} is in {OTHER}, which does not"):
        models.load(sharded, CLASSES)


def test_a_cut_shard_is_named(sharded):
    cut(sharded / OTHER)
    with pytest.raises(ModelError, match=f"{OTHER} in .* is cut off"):
        models.load(sharded, CLASSES)


# Tokenizers


@pytest.mark.parametrize("shape", ["bert", "distilbert", "roberta", "modernbert", "gpt2"])
def test_a_model_without_a_tokenizer_is_refused(tiny_checkpoints, tmp_path, shape: str):
    folder = copied(tiny_checkpoints[shape], tmp_path / "copy", without="token*")
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".safetensors"]
    with pytest.raises(ModelError, match=r"tokenizer.json.*tokenizer.save_pretrained"):
        models.load(folder, CLASSES, device="cpu")


def test_a_tokenizer_with_more_tokens_than_the_model_has_rows_is_refused(tiny_bert, tmp_path):
    folder = copied(tiny_bert, tmp_path / "copy")
    _, tokenizer = models.load(folder, CLASSES, device="cpu")
    tokenizer.add_tokens([f"word{number}" for number in range(1000)])
    tokenizer.save_pretrained(folder)
    largest = len(tokenizer) - 1
    with pytest.raises(ModelError, match=rf"ids up to {largest}, and .* has 1000 rows"):
        models.load(folder, CLASSES, device="cpu")


def test_an_unknown_model_type_is_an_error(tiny_bert, tmp_path):
    folder = copied(tiny_bert, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "sorcery"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"configuration in .* cannot be read .*sorcery"):
        models.load(folder, CLASSES)


def test_a_tokenizer_of_another_format_is_an_error(tiny_bert, tmp_path):
    folder = copied(tiny_bert, tmp_path / "copy")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"the tokenizer in .* cannot be read"):
        models.load(folder, CLASSES)


def test_other_files_in_the_folder_may_be_empty(tiny_bert, tmp_path):
    folder = copied(tiny_bert, tmp_path / "copy")
    (folder / "requirements.txt").touch()
    shutil.copy(folder / "config.json", folder / "notes.json")
    assert models.load(folder, CLASSES, device="cpu")
