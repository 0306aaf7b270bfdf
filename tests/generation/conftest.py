"""A tiny model that chats, and prompts of several lengths."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from tiny_decoder import tiny_decoder
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer


@pytest.fixture(scope="session")
def decoder_folder(tmp_path_factory: pytest.TempPathFactory):
    """The folder of the tiny model."""
    return tiny_decoder(tmp_path_factory.mktemp("decoder"))


@pytest.fixture(scope="session")
def loaded(decoder_folder) -> tuple[nn.Module, Any]:
    """The tiny model and its tokenizer, which no test changes."""
    model = AutoModelForCausalLM.from_pretrained(decoder_folder, dtype=torch.float32)
    return model.eval(), AutoTokenizer.from_pretrained(decoder_folder)


@pytest.fixture
def writer(loaded: tuple[nn.Module, Any]) -> tuple[nn.Module, Any]:
    """The tiny model and its tokenizer, to be changed as a test likes."""
    return copy.deepcopy(loaded)
