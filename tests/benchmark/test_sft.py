"""Training of chats beside SFTTrainer: the same tokens count, and peaks are those of processes."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny_decoder import tiny_decoder

from ftlearn.benchmark import measure, sft, timing
from ftlearn.benchmark.settings import Settings
from ftlearn.errors import ArgumentError
from ftlearn.losses import IGNORED

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.skipif(not sft.has_trl(), reason="needs trl, an extra"),
]

TRL_DEFAULTS = "SFTTrainer, defaults"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> sft.Chats:
    """Six chats and the small decoder."""
    folder = tiny_decoder(tmp_path_factory.mktemp("decoder"))
    scratch = tmp_path_factory.mktemp("scratch")
    return sft.Chats(folder, sft.chats(6, seed=0), scratch, torch.device("cpu"), batch_size=2)


def test_chats_ask_for_articles_and_answers_alone_count(work: sft.Chats):
    assert [message["role"] for message in work.rows[0]["messages"]] == ["user", "assistant"]
    encoded = work.encoded()
    assert max(encoded.lengths) <= sft.TOKENS
    assert all(targets[0] == IGNORED for targets in encoded.targets)
    assert all(any(target != IGNORED for target in targets) for targets in encoded.targets)


def test_the_trainers_see_the_tokens_and_targets_of_ftlearn(work: sft.Chats, monkeypatch):
    from trl import SFTTrainer

    seen: list[tuple[list[int], list[int]]] = []
    plain = SFTTrainer.compute_loss

    def recorded(self, model, inputs, **options):
        seen.extend(zip(inputs["input_ids"].tolist(), inputs["labels"].tolist(), strict=True))
        return plain(self, model, inputs, **options)

    monkeypatch.setattr(SFTTrainer, "compute_loss", recorded)
    encoded = work.encoded()
    expected = sorted(
        [target for target in targets if target != IGNORED] for targets in encoded.targets
    )
    for prepare in (sft.sft_trainer, partial(sft.sft_trainer_at_its_best, dtype="float32")):
        seen.clear()
        prepare(work)()
        trained = [[label for label in labels if label != IGNORED] for _, labels in seen]
        assert sorted(trained) == expected


def test_every_contender_trains_its_adapter(work: sft.Chats, monkeypatch):
    """From the same weights, with as many trained parameters."""
    sizes: list[int] = []
    step = torch.optim.AdamW.step

    def recorded(self, *args, **kwargs):
        weights = [weight for group in self.param_groups for weight in group["params"]]
        sizes.append(sum(weight.numel() for weight in weights))
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", recorded)
    contenders = sft.contenders("bfloat16").values()
    for prepare in contenders:
        prepare(work)()
    assert len(sizes) == 3 * len(contenders)  # six chats in batches of two
    assert len(set(sizes)) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_trl_at_its_best_multiplies_in_the_format_of_its_weights(work, monkeypatch, dtype):
    """Its default is autocast to bf16, which takes minutes without instructions for it."""
    formats: set[torch.dtype] = set()
    multiply = torch.nn.functional.linear

    def recorded(*args, **kwargs):
        product = multiply(*args, **kwargs)
        formats.add(product.dtype)
        return product

    monkeypatch.setattr(torch.nn.functional, "linear", recorded)
    sft.sft_trainer_at_its_best(work, str(dtype).removeprefix("torch."))()
    assert formats == {dtype}


def broken(work: sft.Chats, dtype: str = "float32") -> sft.Run:
    raise RuntimeError(f"{dtype} is broken on purpose")


def fake_times(monkeypatch, times: dict[str, float]) -> None:
    """SFTTrainer at its best takes these seconds in each format."""
    clock = [0.0]

    def prepare(work: sft.Chats, dtype: str) -> sft.Run:
        return lambda: clock.__setitem__(0, clock[0] + times[dtype])

    monkeypatch.setattr(sft, "sft_trainer_at_its_best", prepare)
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])


@pytest.mark.parametrize(("fp32", "bf16"), [(3.0, 60.0), (3.0, 2.0)])
def test_trl_at_its_best_runs_in_the_faster_format(work, monkeypatch, fp32: float, bf16: float):
    fake_times(monkeypatch, {"float32": fp32, "bfloat16": bf16})
    best, note = sft.faster_format(work)
    assert best == ("float32" if fp32 < bf16 else "bfloat16")
    assert f"float32 {fp32:.1f} s, bfloat16 {bf16:.1f} s" in note


def test_a_format_that_cannot_be_tried_is_not_the_best(work: sft.Chats, monkeypatch):
    plain = sft.sft_trainer

    def without_fp32(work: sft.Chats, *, dtype: str, **changes: object) -> sft.Run:
        return broken(work) if dtype == "float32" else plain(work, dtype=dtype, **changes)

    monkeypatch.setattr(sft, "sft_trainer", without_fp32)
    assert sft.faster_format(work)[0] == "bfloat16"
    monkeypatch.setattr(sft, "sft_trainer_at_its_best", broken)
    best, note = sft.faster_format(work)
    assert best == "float32"
    assert "no format could be tried: RuntimeError: float32 is broken on purpose" in note


def test_the_part_has_rates_ratios_and_failures(work: sft.Chats, monkeypatch):
    chosen = sft.contenders
    monkeypatch.setattr(sft, "contenders", lambda best: chosen(best) | {TRL_DEFAULTS: broken})
    monkeypatch.setattr(sft, "faster_format", lambda work: ("float32", "chosen"))
    monkeypatch.setattr(sft, "peak_memory", lambda prepare, work: 1_500_000_000)
    part = sft.chat_training_speed(work, rounds=1, log=lambda line: None)
    assert part.notes == ["chosen"]
    assert part.failures == {TRL_DEFAULTS: "RuntimeError: float32 is broken on purpose"}
    assert [row["contender"] for row in part.rows] == ["SFTTrainer, at its best", "ftlearn"]
    assert all(row["peak GB"] == 1.5 and row["median"] > 0 for row in part.rows)
    assert part.ratios["sft_vs_trl_default"] == []
    seconds = {run["contender"]: run["seconds"] for run in part.rounds if run["round"]}
    ratio = seconds["SFTTrainer, at its best"] / seconds["ftlearn"]
    assert part.ratios["sft_vs_trl_best"] == [pytest.approx(ratio)]


def test_the_peak_is_that_of_a_process_of_its_own(work: sft.Chats):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = sft.peak_memory(sft.ftlearn_loop, replace(work, rows=sft.chats(2, seed=0)))
    assert 2e8 < small < 2e9


def test_without_trl_the_part_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(sft, "has_trl", lambda: False)
    with pytest.raises(ArgumentError, match=r"ftlearn\[bench\]"):
        measure.parts_to_measure(Settings(only="sft"), log=lambda line: None)
    assert "sft" not in measure.parts_to_measure(Settings(), log=lambda line: None)


def test_the_workload_is_the_courses_model(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(sft.models, "find", lambda name: tmp_path / name)
    other = sft.Chats(tmp_path, None, tmp_path, torch.device("cpu"), seed=3)
    opened = sft.open_chats(other, 2)
    assert (opened.folder.name, len(opened.rows), opened.seed) == ("smollm2", 2, 3)
