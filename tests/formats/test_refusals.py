"""What is refused: other answers, taken names, damaged files, missing packages, wrong kinds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny_decoder import tiny_decoder

from ftlearn import formats, models, tasks
from ftlearn.errors import ExistsError
from ftlearn.formats import names, onnx_files
from ftlearn.formats.manifest import MANIFEST
from ftlearn.formats.names import FormatError, ParityError


@pytest.fixture(scope="module")
def export(saved, texts_of, tmp_path_factory) -> Path:
    """An export as ONNX of a classifier."""
    out = tmp_path_factory.mktemp("refusals") / "export"
    return formats.export(saved("classes"), "onnx", texts_of("classes"), out=out).folder


@pytest.fixture
def copied(export, tmp_path) -> Path:
    """A copy of the export, to be damaged."""
    return shutil.copytree(export, tmp_path / "copy")


def test_other_answers_are_refused_with_the_figures_and_nothing_is_written(
    saved, texts_of, tmp_path, monkeypatch
):
    plain = onnx_files.plain

    def scaled(model):
        changed = plain(model)
        weight = changed.bert.encoder.layer[1].output.dense.weight
        changed.bert.encoder.layer[1].output.dense.weight = torch.nn.Parameter(-4 * weight)
        return changed

    monkeypatch.setattr(onnx_files, "plain", scaled)
    out = tmp_path / "runs" / "export"
    with pytest.raises(ParityError, match=r"\d+ of 60 answers equal .*0\.999 is needed"):
        formats.export(saved("classes"), "onnx", texts_of("classes"), out=out)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_computes_otherwise_at_another_shape_is_refused(saved, export, tmp_path):
    model, tokenizer, _ = models.load_finetuned(saved("classes"), "cpu")
    exported, _, _ = formats.load(export)
    onnx_files.check_shapes(model, exported, tokenizer, 32, exact=True)
    model.classifier.bias.data += 0.5
    with pytest.raises(FormatError, match="1 x 1 tokens differ"):
        onnx_files.check_shapes(model, exported, tokenizer, 32, exact=True)


def test_a_name_that_is_taken_stays_as_it_is(saved, texts_of, tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    with pytest.raises(ExistsError, match="choose a new folder"):
        formats.export(saved("classes"), "onnx", texts_of("classes"), out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert mine.read_text() == "mine"


def test_the_manifest_says_what_was_exported_and_how_it_compares(export, saved):
    content = json.loads((export / MANIFEST).read_text())
    model, _, _ = models.load_finetuned(saved("classes"), "cpu")
    assert content["format"] == "onnx"
    assert content["source"] == {
        "folder": saved("classes").name,
        "fingerprint": models.fingerprints.fingerprint(model.named_parameters()),
    }
    assert (content["parity"]["equal"], content["parity"]["rows"]) == (60, 60)
    assert set(content["files"]) == {path.name for path in export.iterdir()} - {MANIFEST}


def _cut(folder: Path) -> None:
    file = folder / "model.onnx"
    file.write_bytes(file.read_bytes()[:-100])


def _change(folder: Path) -> None:
    file = folder / "model.onnx"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def _remove(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def _damage_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text('{"version": 1}')


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_cut, "model.onnx in .* has .* bytes, and .* were written"),
        (_change, "model.onnx in .* is not the file that was written"),
        (_remove, "tokenizer.json is missing"),
        (_damage_manifest, f"{MANIFEST} in .* cannot be read"),
    ],
)
def test_a_damaged_file_is_named(copied, damage, named):
    damage(copied)
    with pytest.raises(FormatError, match=named):
        formats.load(copied)


def test_a_missing_package_is_one_sentence_with_the_remedy(saved, texts_of, monkeypatch, tmp_path):
    monkeypatch.setitem(names.PACKAGES, "onnx", ("no_such_package",))
    with pytest.raises(FormatError, match=r"needs no_such_package: .* 'ftlearn\[onnx\]'"):
        formats.export(saved("classes"), "onnx", texts_of("classes"), out=tmp_path / "out")


def test_an_export_of_other_weights_is_not_taken_for_the_run(saved, texts_of, tmp_path):
    run = shutil.copytree(saved("classes"), tmp_path / "run")
    with pytest.raises(FormatError, match="has not been exported as onnx: run `ftlearn export"):
        formats.load(run, "onnx")
    formats.export(run, "onnx", texts_of("classes"))
    assert formats.load(run, "onnx")[0].name == "onnx"
    model, tokenizer, task = models.load_finetuned(run, "cpu")
    model.classifier.bias.data += 1
    models.save(model, tokenizer, task, run)
    with pytest.raises(FormatError, match="exported from other weights"):
        formats.load(run, "onnx")


def test_wrong_formats_are_refused_by_name(export, saved, texts_of, tmp_path):
    with pytest.raises(FormatError, match="unknown format 'onx'"):
        formats.load(export, "onx")
    with pytest.raises(FormatError, match="is an export as onnx, and fp32 is asked for"):
        formats.load(export, "fp32")
    with pytest.raises(FormatError, match="computed on the CPU, and device is meta"):
        formats.load(export, device="meta")
    with pytest.raises(FormatError, match="there are no texts"):
        formats.export(saved("classes"), "onnx", [], out=tmp_path / "none")
    with pytest.raises(FormatError, match="this one predicts"):
        formats.export(saved("classes"), "gguf-ready", ["a"], out=tmp_path / "gguf")


def test_a_model_that_writes_is_sent_to_its_own_format(tmp_path):
    model, tokenizer = models.load(tiny_decoder(tmp_path / "base"), tasks.chat(), device="cpu")
    models.save(model, tokenizer, tasks.chat(), tmp_path / "chat")
    for name in ("onnx", "int8"):
        with pytest.raises(FormatError, match=r"writes texts \(Chat\).*gguf-ready"):
            formats.export(tmp_path / "chat", name, ["a"], out=tmp_path / "out")
    with pytest.raises(FormatError, match="writes texts"):
        formats.load(tmp_path / "chat", "bf16")


def test_learned_tokens_cannot_be_exported(tiny_bert):
    model, _ = models.load(tiny_bert, tasks.Classification(labels=("a", "b")), device="cpu")
    prompted = models.with_adapter(model, "prompt", seed=0)
    with pytest.raises(FormatError, match="prompt adapter, which is part of no weight"):
        onnx_files.plain(prompted)
