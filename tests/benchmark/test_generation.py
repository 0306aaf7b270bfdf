"""The part of the benchmark that measures generation: the same texts, and honest ratios."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_decoder import tiny_decoder

from ftlearn.benchmark import generation, report
from ftlearn.benchmark.settings import Settings, Source
from ftlearn.benchmark.workload import Workload, open_workload
from ftlearn.errors import ArgumentError


@pytest.fixture
def work(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workload:
    """A workload whose language model is tiny, and few short prompts."""
    monkeypatch.setattr(generation, "CHECKPOINT", str(tiny_decoder(tmp_path / "decoder")))
    monkeypatch.setattr(generation, "NEW_TOKENS", 4)
    monkeypatch.setattr(generation, "PIPELINE_BATCHES", (1, 2))
    settings = Settings(checkpoint=str(tiny_bert), device="cpu")
    return open_workload(Source(), settings, tmp_path)


def test_all_contenders_write_and_texts_in_fp32_are_compared(work: Workload):
    part = generation.generation_speed(work, 3, rounds=1, log=lambda line: None)
    assert part.failures == {}
    assert part.title.startswith("Generation: 3 dialogues of ")
    assert part.title.endswith("at most 4 new ones each, greedy")
    names = ["pipeline, defaults", "pipeline, fp32"]
    names += ["pipeline, batch_size=1", "pipeline, batch_size=2"]
    names += ["pipeline, fp32, batch_size=1", "pipeline, fp32, batch_size=2"]
    names += ["ftlearn.generate", "ftlearn.generate, fp32"]
    assert [row["contender"] for row in part.rows] == names
    assert "texts in fp32 agree: 3 of 3 equal" in part.notes
    medians = {row["contender"]: row["median"] for row in part.rows}
    best = max(medians[name] for name in names[1:6])
    ours = medians["ftlearn.generate"]
    assert part.ratios["generate_vs_pipeline_default"] == [pytest.approx(ours / medians[names[0]])]
    assert part.ratios["generate_vs_pipeline_best"] == [pytest.approx(ours / best)]
    assert "generated tokens per second" in report.text(part)


def test_other_texts_count_as_no_speed(work: Workload, monkeypatch: pytest.MonkeyPatch):
    def differ(*_: object) -> str:
        raise ArgumentError("texts in fp32 differ: 1 of 3 are equal")

    monkeypatch.setattr(generation, "same_texts", differ)
    part = generation.generation_speed(work, 3, rounds=1, log=lambda line: None)
    assert set(part.failures) == {"texts in fp32"}
    assert set(map(len, part.ratios.values())) == {0}


def test_texts_that_differ_are_counted():
    with pytest.raises(ArgumentError, match="texts in fp32 differ: 1 of 2 are equal"):
        generation.same_texts(["a", "b"], ["a", "c"])


def test_prompts_are_of_mixed_length():
    prompts = generation.dialogues(12)
    lengths = {len(messages[0]["content"].split()) for messages in prompts}
    assert len(prompts) == 12
    assert max(lengths) > 2 * min(lengths)
