"""Small models of BERT's family with weights large enough that a wrong input shows."""

from __future__ import annotations

import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    CamembertConfig,
    CamembertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

KINDS = {
    "bert": (BertForSequenceClassification, BertConfig),
    "roberta": (RobertaForSequenceClassification, RobertaConfig),
    "xlm-roberta": (XLMRobertaForSequenceClassification, XLMRobertaConfig),
    "camembert": (CamembertForSequenceClassification, CamembertConfig),
    "electra": (ElectraForSequenceClassification, ElectraConfig),
}
IDS = torch.tensor([[0, 7, 9, 5, 2], [0, 8, 2, 1, 1], [0, 2, 1, 1, 1]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]])


def built(kind: str, attention: str = "eager", **changes) -> nn.Module:
    """A small model with weights large enough that a wrong input shows."""
    model, config = KINDS[kind]
    size = {"vocab_size": 12, "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2}
    size |= {"intermediate_size": 32, "initializer_range": 0.4, "num_labels": 3, "pad_token_id": 1}
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    torch.manual_seed(0)
    return model(config(**size | off | changes, attn_implementation=attention))
