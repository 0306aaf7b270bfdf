"""What a model is for, told from its class alone."""

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
)
from transformers.models.auto import auto_factory

from ftlearn.fast import autotune
from ftlearn.models import places

KINDS = {
    "CAUSAL_LM": (AutoModelForCausalLM, "gpt2"),
    "SEQ_CLS": (AutoModelForSequenceClassification, "bert"),
    "QUESTION_ANS": (AutoModelForQuestionAnswering, "bert"),
}


@pytest.fixture
def no_imports(monkeypatch):
    """Fails where transformers would import the modules of all architectures."""

    def values(mapping):
        raise AssertionError("this imports every architecture")

    monkeypatch.setattr(auto_factory._LazyAutoMapping, "values", values)


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_own_models_are_told_apart(kind, tiny_checkpoints, no_imports):
    auto, shape = KINDS[kind]
    model = auto.from_pretrained(tiny_checkpoints[shape])
    assert places.task_type(model) == kind
    autotune.prediction(model, torch.device("cpu"))


def test_others_have_no_task_even_with_the_same_name(no_imports):
    class GPT2LMHeadModel(nn.Module):
        pass

    assert places.task_type(GPT2LMHeadModel()) is None
    assert places.task_type(nn.Linear(2, 2)) is None
