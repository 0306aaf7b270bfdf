"""The last layer of a BERT, trained alone on hidden states that were computed once.

While all lower layers are frozen, each text enters the last layer as the same vectors in every
epoch. They can be computed once and kept. What remains of an epoch is this layer, for the first
token, and a linear head.

The first token has one query q per head, which saves the keys and values as well. A score is
q · (W_k h) = (W_kᵀ q) · h, so q is multiplied by W_kᵀ instead of every h by W_k. The weighted mean
of the values W_v h is W_v times the weighted mean of the h. The bias of the keys adds the same
number to all scores of a head, which softmax ignores. The results are those of the whole model, to
rounding.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional as F

from ftlearn.errors import ArgumentError
from ftlearn.fast.cls_only import is_bert_layer
from ftlearn.models.architecture import layers
from ftlearn.models.pooling import fresh_linear


class LastLayer(nn.Module):
    """A copy of a model's last layer, and a fresh head on the first token: (B, T, D) to (B, C).

    The input is what leaves the layer below. ``dropout`` replaces the layer's own rates, after
    attention and in it. The head is the one that ``models.load(..., pooling="cls", seed=seed)``
    draws. Raises ArgumentError for a model whose layers are not those of BERT.

    >>> from transformers import BertConfig, BertModel
    >>> bert = BertModel(BertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=2))
    >>> LastLayer(bert, 3, seed=0)(torch.zeros(5, 7, 8)).shape
    torch.Size([5, 3])
    """

    def __init__(self, model: nn.Module, outputs: int, *, seed: int, dropout: float = 0.0) -> None:
        super().__init__()
        layer = layers(model)[-1]
        if not is_bert_layer(layer):
            raise ArgumentError(f"{type(layer).__name__} is no layer of BERT's family")
        self.layer = copy.deepcopy(layer)
        for module in self.layer.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
        self.head = fresh_linear(model.config.hidden_size, outputs, seed=seed)

    def forward(
        self, hidden: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        return self.head(self.features(hidden, attention_mask))

    def features(
        self, hidden: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The first token's vector as it leaves the layer, (B, T, D) to (B, D).

        ``attention_mask`` (B, T) is 0 at padding; without it every position is read.
        """
        first = hidden[:, 0]
        context = self._attend(first, hidden, attention_mask)
        return self.layer.feed_forward_chunk(self.layer.attention.output(context, first))

    def _attend(
        self, first: torch.Tensor, hidden: torch.Tensor, attention_mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Attention of the first token to all, (B, D) and (B, T, D) to (B, D)."""
        attention = self.layer.attention.self
        by_head = (attention.num_attention_heads, attention.attention_head_size)
        query = attention.query(first).unflatten(-1, by_head)
        key_weight = attention.key.weight.unflatten(0, by_head)
        value_weight = attention.value.weight.unflatten(0, by_head)
        # W_kᵀ q of each head, (B, H, D), is compared with the hidden states themselves.
        scores = torch.einsum("bhk,hkd->bhd", query, key_weight) @ hidden.mT * attention.scaling
        if attention_mask is not None:
            scores = scores.masked_fill(attention_mask[:, None] == 0, float("-inf"))
        weights = F.dropout(scores.softmax(-1), attention.dropout.p, self.training)
        # W_v of the weighted mean, (B, H, D) to (B, H, D/H); dropped weights do not sum to 1.
        context = torch.einsum("bhd,hkd->bhk", weights @ hidden, value_weight)
        bias = attention.value.bias.unflatten(0, by_head) * weights.sum(-1, keepdim=True)
        return (context + bias).flatten(1)
