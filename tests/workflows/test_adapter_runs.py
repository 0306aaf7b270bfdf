"""Runs that train adapters by name: what they write, open and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_decoder import tiny_decoder
from transformers import AutoModelForCausalLM

from ftlearn import cli, models, workflows
from ftlearn.config import TrainConfig
from ftlearn.errors import ArgumentError
from ftlearn.workflows import Files, Plan


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Path:
    return tiny_decoder(tmp_path_factory.mktemp("decoder"))


@pytest.fixture
def rows(tmp_path) -> Path:
    """Texts to continue."""
    lines = [json.dumps({"text": f"Parcel {number} went to Oslo."}) for number in range(30)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "rows.jsonl"


def plan_of(rows: Path, decoder: Path, **settings) -> Plan:
    return Plan(
        files=Files(train=rows, task="language-modelling"),
        out=rows.parent / "out",
        checkpoint=decoder,
        device="cpu",
        config=TrainConfig(epochs=1, batch_size=8, learning_rate=1e-2),
        **settings,
    )


@pytest.mark.parametrize("method", ["dora", "prefix"])
def test_a_run_writes_its_adapter_and_what_was_trained(rows, decoder, method):
    plan = plan_of(rows, decoder, adapter=method)
    lines: list[str] = []
    assert workflows.fit(plan, log=lines.append).state == "done"
    out = rows.parent / "out"
    assert (out / "adapter" / "adapter_config.json").is_file()
    assert (out / "model").is_dir() == (method == "dora")  # a prefix is part of no weight
    report = json.loads((out / "report.json").read_text())
    assert report["configuration"]["adapter"] == method
    assert report["trained"].startswith(f"{method}, ")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert report["trained"] in page
    model, _, _ = models.load_finetuned(out, device="cpu")
    if method == "prefix":
        assert models.method_of(model) == "prefix"
        count = 16 * 2 * 2 * 16  # tokens, layers, keys and values, two heads of 8
        assert f"{count:,} of" in report["trained"]
        return
    opened = AutoModelForCausalLM.from_pretrained(out / "model", dtype=torch.float32).eval()
    ids = torch.tensor([[5, 60, 7]])
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, opened(ids).logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"adapter": "doro"}, "adapter is 'doro': use lora"),
        ({"adapter": "ia3", "lora": 4}, "lora is 4, and ia3 has no rank"),
        ({"adapter": "prompt", "lora_layers": 2}, "prompt is in no layer"),
    ],
)
def test_settings_that_do_not_belong_together_are_refused(rows, decoder, settings, message):
    with pytest.raises(ArgumentError, match=message):
        plan_of(rows, decoder, **settings)


def test_the_command_line_speaks_of_its_options(rows, capsys):
    command = ["fit", str(rows), "--adapter", "ia3", "--lora", "4", "--out", str(rows.parent / "o")]
    assert cli.main(command) == 2
    assert "--lora is 4, and ia3 has no rank" in " ".join(capsys.readouterr().err.split())
    assert not (rows.parent / "o").exists()
