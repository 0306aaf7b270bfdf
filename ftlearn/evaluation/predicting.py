"""Forward passes over a data set in batches of similar length, and predictions for bare texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from scipy.special import softmax
from torch import nn

from ftlearn import compatibility, runtime
from ftlearn.data.batching import Batch, Encoded, by_length, collate
from ftlearn.fast import autotune
from ftlearn.fast.cls_only import cls_only
from ftlearn.fast.inference import fp32_head, inference_copy
from ftlearn.runtime import device_of, distributed, sharding
from ftlearn.runtime.arithmetic import computing
from ftlearn.runtime.progress import bar

POSITIONS = {"cpu": 3072, "cuda": 16_384}
"""Positions (B × T) of one batch, padding included: what a processor's cache likes was measured,
a GPU only has to be kept busy."""

LOGITS = 2**28
"""At most so many logits of a language model at once, 1 GB in fp32: vocabularies may be large."""

BF16_STEP = 8
"""Texts are padded to a multiple of so many tokens in bf16: torch's attention on a CPU takes half
the time where they are, and the padding costs less."""


def outputs(
    model: nn.Module,
    encoded: Encoded,
    task: Any,
    tokenizer: Any,
    *,
    precision: str = "auto",
    shared: bool = False,
    progress: bool = False,
) -> np.ndarray:
    """What the task keeps of the model's logits, (N, K), in the order of the rows.

    The model is put into evaluation mode and back. No random numbers are drawn, so evaluating
    in the middle of training changes nothing. ``shared`` and ``progress`` as in ``map_batches``.
    """
    on = device_of(model)
    model, arithmetic = inference_copy(model, autotune.prediction(model, on, precision))

    def kept(batch: Batch) -> torch.Tensor:
        with computing(on, arithmetic):
            return task.reduce_logits(model(**batch.inputs).logits.float(), batch.targets)

    options = {"positions": _positions(model, task), "shared": shared, "progress": progress}
    with cls_only(model), fp32_head(model):
        return map_batches(model, encoded, tokenizer, kept, **options)


def _positions(model: nn.Module, task: Any) -> int | None:
    """Positions of a batch whose logits have a reasonable size; None where they are few anyway."""
    if getattr(task, "head", None) != "causal lm" or not hasattr(model, "config"):
        return None
    return LOGITS // model.config.get_text_config().vocab_size


def map_batches(
    model: nn.Module,
    encoded: Encoded,
    tokenizer: Any,
    compute: Callable[[Batch], torch.Tensor],
    *,
    positions: int | None = None,
    shared: bool = False,
    progress: bool = False,
) -> np.ndarray:
    """What ``compute`` makes of each batch, (B, K), in the order of the rows, (N, K).

    Rows of like length go together, in batches of at most ``positions`` (B × T), if that is
    given, or of one row; gradients are off, and the model is in evaluation mode.
    With ``shared`` each of the ranks computes some of the batches and all get the whole: only
    where all ranks ask together, and with the same weights. With ``progress`` a bar is shown on a
    terminal and in a notebook.
    """
    was_training, weight = model.training, next(model.parameters())
    model.eval()
    most = POSITIONS.get(weight.device.type, POSITIONS["cuda"])
    batches = by_length(encoded.lengths, most if positions is None else min(most, positions))
    step, done = BF16_STEP if weight.dtype is torch.bfloat16 else 1, {}
    mine = distributed.rank_share(batches) if shared else list(enumerate(batches))
    numbered = bar(shown=progress, iterable=mine, desc="evaluating", unit="batch")
    with runtime.retain_freed_memory(), sharding.inference(model):
        for number, rows in numbered:
            batch = collate(encoded, rows, tokenizer, step=step).to(weight.device)
            done[number] = compute(batch).cpu().numpy()
    model.train(was_training)
    for others in distributed.all_gather(done) if shared else ():
        done |= others
    order = np.argsort([row for rows in batches for row in rows])
    return np.concatenate([done[number] for number in range(len(batches))])[order]


def predict(
    model: nn.Module, texts: Sequence[Any], task: Any, tokenizer: Any, *, precision: str = "auto"
) -> pd.DataFrame:
    """Predictions for bare texts, one row per text; in classification with all probabilities.

    Columns: text, prediction, and one per label, followed by " (label)" where its name is one of
    the other two. Warns where the tokenizer does not know what the texts are written with. Raises
    TypeError for a single bare string, and for a table of several columns.
    """
    if isinstance(texts, str):
        raise TypeError(f"texts is one string, {texts[:40]!r}: pass a list, [text]")
    if isinstance(texts, pd.DataFrame | Mapping | Dataset):
        raise TypeError(
            f"texts is a {type(texts).__name__}: pass one of its columns, such as table['text']"
        )
    texts = list(texts)
    encoded = task.encode_texts(texts, tokenizer)
    compatibility.settle(_of_bare_texts(model, texts, task, tokenizer), error=None)
    kept = outputs(model, encoded, task, tokenizer, precision=precision)
    table = pd.DataFrame({"text": texts, "prediction": task.decode(kept)})
    labels = getattr(task, "labels", ())
    if not labels:
        return table
    columns = [f"{label} (label)" if label in table.columns else label for label in labels]
    return table.join(pd.DataFrame(softmax(kept, -1), columns=columns))


def _of_bare_texts(
    model: nn.Module, texts: Sequence[Any], task: Any, tokenizer: Any
) -> list[compatibility.Finding]:
    """What does not fit together where there are texts alone."""
    chosen = [texts[row] for row in compatibility.sample(len(texts))]
    plain = [text for row in chosen for text in ([row] if isinstance(row, str) else row)]
    found = compatibility.tokenizer_and_model(tokenizer, model)
    found += compatibility.task_and_window(task, model, tokenizer)
    return found + compatibility.tokenizer_and_texts(tokenizer, plain)
