"""The fastest format: chosen by times, refused below the parity, measured once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from ftlearn import formats
from ftlearn.formats import choosing, onnx_files
from ftlearn.formats.choosing import GAIN

SLOW, QUICK = 1.0, 0.1


@pytest.fixture(scope="module")
def run(saved, texts_of, tmp_path_factory) -> Path:
    """A run with an honest export as ONNX, and one as int8 that answers otherwise."""
    run = shutil.copytree(saved("classes"), tmp_path_factory.mktemp("choosing") / "run")
    formats.export(run, "onnx", texts_of("classes"))
    plain = onnx_files.plain

    def scaled(model):
        changed = plain(model)
        changed.classifier.weight = torch.nn.Parameter(-changed.classifier.weight)
        return changed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_files, "plain", scaled)
        formats.export(run, "int8", texts_of("classes"), parity=0.0)
    return run


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> Path:
    """A cache folder for each test."""
    monkeypatch.setenv("FTLEARN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def times(**seconds):
    """A measurement with these results."""
    return lambda runs: {name: seconds.get(name, SLOW) for name in runs}


def test_the_fastest_is_chosen_by_the_times(run, texts_of):
    texts = texts_of("classes")
    choice = formats.fastest(run, texts, measure=times(onnx=QUICK))
    assert choice.name == "onnx"
    assert [trial.name for trial in choice.trials] == ["fp32", "onnx", "bf16", "int8"]
    assert choice.trials[1].texts_per_second == len(texts) / QUICK
    assert choice.trials[0].parity.share == 1
    for name in ("fp32", "onnx", "bf16", "int8"):
        assert f"{name}:" in str(choice)


def test_one_that_answers_otherwise_is_refused_however_fast(run, texts_of):
    choice = formats.fastest(run, texts_of("classes"), measure=times(int8=QUICK / 10, onnx=QUICK))
    assert choice.name == "onnx"
    assert choice.trials[3].parity.share < 0.9
    assert "refused" in str(choice)
    allowed = formats.fastest(
        run, texts_of("classes"), parity=0.0, measure=times(int8=QUICK / 10), again=True
    )
    assert allowed.name == "int8"


def test_noise_is_no_reason_to_round_more(run, texts_of):
    almost = SLOW / (GAIN - 0.01)
    assert formats.fastest(run, texts_of("classes"), measure=times(onnx=almost)).name == "fp32"


def test_it_is_measured_once_per_machine_model_and_texts(run, texts_of, own_cache):
    texts = texts_of("classes")
    first = formats.fastest(run, texts, measure=times(onnx=QUICK))

    def never(runs):
        raise AssertionError("measured twice")

    assert formats.fastest(run, texts, measure=never) == first
    with pytest.raises(AssertionError):
        formats.fastest(run, texts[1:], measure=never)
    with pytest.raises(AssertionError):
        formats.fastest(run, texts, measure=never, again=True)
    (cached,) = own_cache.glob("formats-*.json")
    cached.write_text("{")
    with pytest.raises(AssertionError):
        formats.fastest(run, texts, measure=never)


def test_formats_that_are_not_there_are_named(saved, texts_of):
    choice = formats.fastest(saved("classes"), texts_of("classes"), measure=times(bf16=2 * SLOW))
    assert choice.name == "fp32"
    assert [trial.name for trial in choice.trials] == ["fp32", "bf16"]
    assert "ftlearn export" in str(choice)


def test_the_real_measurement_times_every_format(run, texts_of, monkeypatch):
    monkeypatch.setattr(choosing, "SECONDS", 0.0)
    choice = formats.fastest(run, texts_of("classes")[:8])
    assert all(trial.texts_per_second > 0 for trial in choice.trials)
