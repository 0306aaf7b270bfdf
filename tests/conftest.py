"""What all tests share: the bundled articles, small checkpoints, and even-handed settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pytest
import tiny_models
from datasets import DatasetDict
from hypothesis import settings
from matplotlib import pyplot as plt
from torch import nn

from ftlearn import data, models

mpl.use("Agg")
settings.register_profile("ftlearn", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("ftlearn")
os.environ["FTLEARN_PROGRESS"] = ""  # tests keep no progress where learners keep theirs


@pytest.fixture(scope="session", autouse=True)
def same_arithmetic_everywhere() -> Iterator[None]:
    """Tests compute in fp32 by default, whatever is fastest here, and so do their processes.

    What other number formats change is tested where they are named.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FTLEARN_COMPUTE", "fp32")
        yield


@pytest.fixture(autouse=True)
def no_figures_left() -> Iterator[None]:
    """Closes the figures that a test drew."""
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def topics() -> DatasetDict:
    """The bundled articles on technology, health and sports."""
    return data.load("topics")


@pytest.fixture(scope="session")
def tiny_checkpoints(
    topics: DatasetDict, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Folders of random models with 3 layers of width 16, and a tokenizer of some 1,000 words.

    Keys: bert, distilbert, roberta, modernbert, gpt2.
    """
    texts = list(topics["train"]["text"])
    return tiny_models.save_all(tmp_path_factory.mktemp("checkpoints"), texts)


@pytest.fixture(scope="session")
def tiny_bert(tiny_checkpoints: dict[str, Path]) -> Path:
    """The folder of the small BERT."""
    return tiny_checkpoints["bert"]


@pytest.fixture
def shape() -> str:
    """The architecture of ``model``; a test that is parametrised by it names others."""
    return "bert"


@pytest.fixture
def model(tiny_checkpoints: dict[str, Path], shape: str) -> nn.Module:
    """A small model with a new head for three labels."""
    return models.load(tiny_checkpoints[shape], tiny_models.CLASSES, device="cpu")[0].eval()
