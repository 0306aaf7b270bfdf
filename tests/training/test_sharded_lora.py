"""LoRA on a decoder that two processes shard (FSDP2) ends as in one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharded_lora
import torch
from lora_models import PARTS, TASK
from tiny_decoder import tiny_decoder
from waiting import HANG

from ftlearn import evaluation, models
from tools.notebooks import ROOT

CLOSE = {"auto": 1e-5, "fp32": 1e-5, "bf16": 0.05}
"""Sums in another order, and in bf16, whose numbers near 6 are 0.03 apart."""


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return tiny_decoder(tmp_path_factory.mktemp("base") / "decoder")


@pytest.fixture(scope="module")
def two(base, tmp_path_factory) -> Path:
    """The folder that two processes have written."""
    out = tmp_path_factory.mktemp("two")
    loopback = {"linux": {"GLOO_SOCKET_IFNAME": "lo"}, "darwin": {"GLOO_SOCKET_IFNAME": "lo0"}}
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        sharded_lora.__file__, str(base), str(out),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environment |= loopback.get(sys.platform, {"USE_LIBUV": "0"})
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=HANG, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return out


@pytest.fixture(scope="module")
def seen(two) -> dict[str, Any]:
    """What the main one of them saw, by the format of the frozen weights."""
    return json.loads((two / "seen.json").read_text("utf-8"))


each_format = pytest.mark.parametrize("frozen", sharded_lora.FORMATS)


@each_format
def test_two_processes_train_evaluate_and_resume_as_one(base, seen, tmp_path, frozen):
    one = sharded_lora.run(base, tmp_path, frozen)
    assert seen[frozen]["arithmetic"] == one["arithmetic"]
    np.testing.assert_allclose(seen[frozen]["losses"], one["losses"], atol=CLOSE[frozen])
    before, after = (scores["loss"] for scores in one["evaluations"])
    assert after < before - 0.01, "a run that stands still would agree with anything"
    assert seen[frozen]["scores"]["loss"] == pytest.approx(one["scores"]["loss"], abs=CLOSE[frozen])
    assert len(seen[frozen]["evaluations"]) == 2
    for run in (one, seen[frozen]):
        assert (run["begun at"], run["resumed alike"]) == (5, True)


@each_format
def test_what_is_saved_is_whole(base, two, seen, frozen):
    """The adapter on its base, and the merged model, answer as the sharded one did."""
    for kind in ("adapter", "merged"):
        model, tokenizer, task = models.load_finetuned(two / f"{frozen} {kind}", "cpu")
        scores = evaluation.evaluate(model, PARTS["valid"], task, tokenizer).scores
        assert scores["loss"] == pytest.approx(seen[frozen]["scores"]["loss"], abs=CLOSE[frozen])


def test_sharded_weights_keep_the_format_in_which_they_were_loaded(base, monkeypatch):
    """Where a run would hold frozen weights in bf16, shards must stay as torch made them."""
    from ftlearn.models import lora
    from ftlearn.runtime import sharding

    model, _ = models.load(base, TASK, device="cpu")
    for weight in model.parameters():
        weight.data = weight.data.bfloat16().float()  # rounding to bf16 changes nothing
    adapted = models.with_lora(model, rank=4)
    with monkeypatch.context() as patch:
        patch.setattr(sharding, "is_sharded", lambda model: True)
        lora.settle_frozen(adapted, torch.bfloat16)
    assert not lora.holds_bf16(adapted)
    lora.settle_frozen(adapted, torch.bfloat16)
    assert lora.holds_bf16(adapted)
