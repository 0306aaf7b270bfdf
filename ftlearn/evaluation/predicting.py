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
from ftlearn.errors import ArgumentTypeError
from ftlearn.fast import autotune
from ftlearn.fast.cls_only import cls_only
from ftlearn.fast.counted_logits import counted_logits, output_embeddings, without_cache
from ftlearn.fast.inference import fp32_head, inference_copy
from ftlearn.losses import IGNORED, accepts_counted_logits
from ftlearn.models.outputs import logits as logits_of
from ftlearn.models.virtual_tokens import shorten_window
from ftlearn.runtime import device_of, distributed, sharding
from ftlearn.runtime.arithmetic import computing
from ftlearn.runtime.progress import bar
from ftlearn.tasks import Joint

POSITIONS = {"cpu": 3072, "cuda": 16_384}
"""Positions (B × T) of one batch, padding included. On a CPU that many were fastest, as measured;
a GPU only has to be kept busy."""

LOGITS = 2**25
"""The most logits of a language model at once, 0.13 GB in fp32: vocabularies may be large."""

BF16_STEP = 8
"""In bf16 texts are padded to a multiple of this many tokens: torch's attention on a CPU then takes
half the time, which is more than the padding costs."""


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
    """The model's logits, reduced by ``task.reduce_logits`` to (N, K), in the order of the rows.

    ``task.reduce_windows`` makes one output per row of windows, and ``task.join_sequences`` of
    several sequences (S, N, K). The model is put into evaluation mode and back, and no random
    number is drawn: training goes on unchanged. ``shared``, ``progress`` as in ``map_batches``.
    """
    rows, encoded = encoded, encoded.apart()
    device = device_of(model)
    model, arithmetic = inference_copy(model, autotune.prediction(model, device, precision))

    def reduced_logits(batch: Batch) -> torch.Tensor:
        reduce = task.reduce_logits
        with computing(device, arithmetic), counted_logits(model, batch.targets, reduce):
            logits = logits_of(model(**batch.inputs))
            # Those of a language model are many, and are converted row by row.
            return reduce(
                logits if accepts_counted_logits(reduce) else logits.float(), batch.targets
            )

    with cls_only(model), fp32_head(model), without_cache(model):
        reduced = map_batches(
            model,
            encoded,
            tokenizer,
            reduced_logits,
            positions=_positions(model, encoded, task),
            shared=shared,
            progress=progress,
        )
    return _by_row(reduced, rows, task)


def _by_row(reduced: np.ndarray, rows: Encoded, task: Any) -> np.ndarray:
    """One output per row, (N, K), of those of its windows or sequences."""
    if rows.sequences > 1:
        return task.join_sequences(reduced.reshape(rows.sequences, len(rows), -1), rows)
    return task.reduce_windows(reduced, rows.windows) if rows.windows else reduced


def _positions(model: nn.Module, encoded: Encoded, task: Any) -> int | None:
    """The most positions of a batch whose logits still fit; None where logits are few anyway."""
    if getattr(task, "head", None) != "causal lm" or not hasattr(model, "config"):
        return None
    fitting = LOGITS // model.config.get_text_config().vocab_size
    if not accepts_counted_logits(task.reduce_logits) or output_embeddings(model) is None:
        return fitting
    # A batch of B × T positions has at most this share of positions that count.
    shares = [(len(row) - row.count(IGNORED)) / len(row) for row in encoded.targets if len(row) > 0]
    return int(fitting / max(shares, default=1.0)) if any(shares) else fitting


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

    Rows of similar length go together, in batches of one row or of at most ``positions`` (B × T),
    if given; gradients are off, and the model is in evaluation mode. With ``shared`` each rank
    computes some of the batches and all get all results: all ranks must call it, with the same
    weights. With ``progress`` a bar is shown on a terminal and in a notebook.
    """
    was_training = model.training
    model.eval()
    weight = next(model.parameters())
    limit = POSITIONS.get(weight.device.type, POSITIONS["cuda"])
    batches = by_length(encoded.lengths, limit if positions is None else min(limit, positions))
    step = BF16_STEP if weight.dtype is torch.bfloat16 else 1
    share = distributed.rank_share(batches) if shared else list(enumerate(batches))
    results = {}
    with runtime.retain_freed_memory(), sharding.inference(model):
        for number, rows in bar(shown=progress, iterable=share, desc="evaluating", unit="batch"):
            batch = collate(encoded, rows, tokenizer, step=step).to(weight.device)
            results[number] = compute(batch).cpu().numpy()
    model.train(was_training)
    if shared:
        for results_of_rank in distributed.all_gather(results):
            results |= results_of_rank
    order = np.argsort([row for rows in batches for row in rows])
    return np.concatenate([results[number] for number in range(len(batches))])[order]


def predict(
    model: nn.Module, texts: Sequence[Any], task: Any, tokenizer: Any, *, precision: str = "auto"
) -> pd.DataFrame:
    """Predictions for bare texts, one row per text; in classification with all probabilities.

    Columns: text, prediction, and one per label, followed by " (label)" where its name is one of
    the other two; of a joint task a group per task, such as topic and "topic: health". Warns where
    the tokenizer does not know what the texts are written with. Raises TypeError for a single bare
    string, and for a table of several columns.
    """
    if isinstance(texts, str):
        raise ArgumentTypeError(f"texts is one string, {texts[:40]!r}: pass a list, [text]")
    if isinstance(texts, pd.DataFrame | Mapping | Dataset):
        raise ArgumentTypeError(
            f"texts is a {type(texts).__name__}: pass one of its columns, such as table['text']"
        )
    texts = list(texts)
    shorten_window(model, tokenizer)
    encoded = task.encode_texts(texts, tokenizer)
    compatibility.settle(_check_texts(model, texts, task, tokenizer), error=None)
    logits = outputs(model, encoded, task, tokenizer, precision=precision)
    if isinstance(task, Joint):
        return pd.DataFrame({"text": texts}).join(_joint_predictions(logits, task))
    table = pd.DataFrame({"text": texts, "prediction": task.predictions(logits, texts)})
    labels = getattr(task, "labels", ())
    if not labels:
        return table
    columns = [f"{label} (label)" if label in table.columns else label for label in labels]
    return table.join(pd.DataFrame(softmax(logits, -1), columns=columns))


def _joint_predictions(logits: np.ndarray, task: Joint) -> pd.DataFrame:
    """The prediction of each task in the column of its name, and its probabilities after it."""
    columns = {}
    for name, part in task.outputs_of(logits).items():
        single = task.task(name)
        columns[name] = single.decode(part)
        labels = getattr(single, "labels", ())
        shares = softmax(part, -1).T if labels else ()
        columns |= {f"{name}: {label}": share for label, share in zip(labels, shares, strict=True)}
    return pd.DataFrame(columns)


def embed_texts(
    model: nn.Module, texts: Sequence[str], task: Any, tokenizer: Any, *, precision: str = "auto"
) -> np.ndarray:
    """The vector of each text, (N, D), of length 1, by a model of ``tasks.ranking``."""
    encoded = task.encode_alone(list(texts), tokenizer)
    return outputs(model, encoded, task, tokenizer, precision=precision)


def _check_texts(
    model: nn.Module, texts: Sequence[Any], task: Any, tokenizer: Any
) -> list[compatibility.Finding]:
    """What does not fit together, as far as texts without labels tell."""
    sample = [texts[row] for row in compatibility.sample(len(texts))]
    strings = [text for row in sample for text in ([row] if isinstance(row, str) else row)]
    return [
        *compatibility.tokenizer_and_model(tokenizer, model),
        *compatibility.task_and_window(task, model, tokenizer),
        *compatibility.tokenizer_and_texts(tokenizer, strings),
    ]
