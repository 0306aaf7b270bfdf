"""The logits of a model's output, whatever its head calls them."""

from __future__ import annotations

from typing import Any

import torch


def logits(output: Any) -> torch.Tensor:
    """The logits of an output; of a head for spans those of start and end together, (B, T, 2).

    >>> from transformers.modeling_outputs import QuestionAnsweringModelOutput
    >>> ones = torch.ones(1, 5)
    >>> logits(QuestionAnsweringModelOutput(start_logits=ones, end_logits=ones)).shape
    torch.Size([1, 5, 2])
    """
    starts = getattr(output, "start_logits", None)
    return output.logits if starts is None else torch.stack((starts, output.end_logits), dim=-1)
