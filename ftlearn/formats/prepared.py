"""A model prepared once for predicting in one format, which stands in a plain model's place.

``evaluation`` sorts and pads the texts and asks for logits; which library computes them, and in
which number format, is decided here once instead of for each batch.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from ftlearn.evaluation.predicting import BF16_STEP
from ftlearn.fast import autotune
from ftlearn.fast.cls_only import cls_only
from ftlearn.fast.counted_logits import without_cache
from ftlearn.fast.inference import fp32_head, inference_copy
from ftlearn.models.fingerprints import fingerprint
from ftlearn.models.outputs import logits as logits_of
from ftlearn.models.wrapping import unwrapped
from ftlearn.runtime import device_of
from ftlearn.runtime.arithmetic import computing


class PreparedModel(nn.Module):
    """A model that computes logits in the format ``name``; it has no weights to train or change.

    ``fingerprint`` is that of the weights that it was made from. Copies are the model itself.
    """

    def __init__(self, name: str, fingerprint: str, device: torch.device) -> None:
        super().__init__()
        self.name = name
        self.fingerprint = fingerprint
        # evaluation reads the device from a parameter, and would convert one that is not fp32
        self.place = nn.Parameter(torch.zeros(1, device=device), requires_grad=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> PreparedModel:
        return self

    def forward(self, **inputs: torch.Tensor) -> SequenceClassifierOutput:
        return SequenceClassifierOutput(logits=self.logits(inputs))

    def logits(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logits (B, K), or of a head for spans (B, T, 2), of inputs (B, T)."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it computes")


class TorchModel(PreparedModel):
    """A model that torch computes in fp32 or bf16; see ``fast.inference`` for the last layer.

    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> size = {"hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1}
    >>> model = BertForSequenceClassification(BertConfig(**size))
    >>> ids = torch.tensor([[2, 7, 9]])
    >>> mask = torch.ones_like(ids)
    >>> TorchModel(model, "bf16")(input_ids=ids, attention_mask=mask).logits.shape
    torch.Size([1, 2])
    """

    def __init__(self, model: nn.Module, name: str) -> None:
        device = device_of(model)
        super().__init__(name, fingerprint(model.named_parameters()), device)
        copy, self.arithmetic = inference_copy(
            model.eval(), autotune.prediction(model, device, name)
        )
        self._copy = (copy,)  # in a tuple, so that its weights are not this module's
        self._step = BF16_STEP if name == "bf16" and device.type == "cpu" else 1
        self._padding = getattr(unwrapped(model).config, "pad_token_id", None) or 0

    def logits(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        model = self._copy[0]
        tokens = inputs["input_ids"].shape[1]
        inputs = {name: self._padded(name, ids) for name, ids in inputs.items()}
        with (
            torch.no_grad(),
            computing(self.place.device, self.arithmetic),
            cls_only(model),
            fp32_head(model),
            without_cache(model),
        ):
            logits = logits_of(model(**inputs)).float()
        return logits[:, :tokens] if logits.ndim == 3 else logits

    def _padded(self, name: str, ids: torch.Tensor) -> torch.Tensor:
        """Inputs (B, T) padded to the multiple of tokens that is fast in the number format."""
        more = -ids.shape[1] % self._step
        return F.pad(ids, (0, more), value=self._padding if name == "input_ids" else 0)
