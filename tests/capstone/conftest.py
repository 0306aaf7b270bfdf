"""A submission of small models that earns every point, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_models

from ftlearn import capstone, data, workflows
from ftlearn.capstone.preparing import ALIASES
from ftlearn.config import TrainConfig
from ftlearn.workflows import Files, Plan

HINTS = (" It was not, not, not.", " It will, will, will.")
WORDS = {
    "purpose": "It sorts reviews of a small shop for the person who answers them.",
    "out_of_scope": "Nobody should judge the people who wrote the reviews by it.",
    "cost_of_errors": "A complaint read as praise is answered late, which costs a customer.",
    "limitations": "On reviews of delivery it was measured on a few rows only.",
    "licence": "CC0",
    "people": "The reviews are invented, and no person stands in them.",
    "origin": "Written for the course, with stars turned into two labels.",
    "maintenance": "The course's authors measure it again with every release.",
}


@pytest.fixture(scope="session")
def memory() -> capstone.Memory:
    """Outputs of the small models, shared by all tests."""
    return {}


@pytest.fixture(scope="session")
def passing(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory, memory) -> Path:
    """The folder of the submission: the bundled file, and four seeds of a small model."""
    root = tmp_path_factory.mktemp("capstone")
    raw = capstone.raw_reviews().head(170)
    for number, verdict in enumerate(raw["verdict"]):  # what a small model can learn
        favourable = verdict.lower().strip() in ("positive", "pos", "good")
        raw.loc[number, "review"] += HINTS[favourable != (number % 7 == 0)]
    raw.to_csv(root / "raw.csv", index=False)
    columns = {"text": "review", "label": "verdict", "source": "product", "slice": "aspect"}
    folder = capstone.new(root / "mine", root / "raw.csv", **columns)
    capstone.update(folder, labels=["negative", "positive"], aliases=ALIASES)
    capstone.prepare(folder, sizes=(0.4, 0.3, 0.3))
    train(folder, tiny_bert, seeds=range(4))
    capstone.update(folder, words=WORDS, author="Ada", service={"previous": "1"})
    served = capstone.Submission(folder, memory).served
    previous = next(run for run in ("1", "2") if run != served)
    wrong = capstone.errors(capstone.Submission(folder, memory), 6)
    notes = {str(row): "praise and blame in one text" for row in wrong.index}
    capstone.update(folder, service={"previous": previous}, notes=notes)
    capstone.measure(folder, memory=memory)
    return folder


@pytest.fixture(scope="session")
def chinese(tmp_path_factory: pytest.TempPathFactory, memory) -> Path:
    """A submission of the bundled articles in Chinese, measured: two small models of characters."""
    root = tmp_path_factory.mktemp("chinese")
    texts = [text for part in data.load("topics_zh").values() for text in part["text"]]
    checkpoint = tiny_models.save_all(root / "checkpoints", texts)["bert"]
    folder = capstone.new(root / "mine", "topics_zh")
    capstone.prepare(folder, sizes=(0.3, 0.2, 0.5))
    train(folder, checkpoint, seeds=range(2), epochs=1)
    capstone.measure(folder, memory=memory)
    return folder


def train(folder: Path, checkpoint: Path, seeds: range, epochs: int = 8) -> None:
    """One run per seed on the data files of a submission."""
    files = {part: folder / "data" / f"{part}.csv" for part in ("train", "valid", "test")}
    for seed in seeds:
        config = TrainConfig(epochs=epochs, batch_size=8, learning_rate=1e-2, seed=seed)
        plan = Plan(
            files=Files(**files),
            out=folder / "runs" / str(seed),
            checkpoint=checkpoint,
            max_length=96,
            device="cpu",
            config=config,
        )
        workflows.fit(plan)
