"""ONNX Runtime as a contender for prediction: its fused graph on ftlearn's sorted batches."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from transformers import AutoModelForSequenceClassification

from ftlearn.benchmark.contenders import Prepared
from ftlearn.benchmark.workload import Workload
from ftlearn.data.batching import Encoded, by_length, collate
from ftlearn.evaluation import predicting

NEEDED = ("onnxruntime", "onnx")


def missing() -> list[str]:
    """The packages that are not installed; ``pip install "ftlearn[bench]"`` brings them."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def onnx_predictions(
    work: Workload, folder: Path, texts: list[str], results: dict[str, np.ndarray], name: str
) -> Prepared:
    """Predicts with ONNX Runtime in fp32; texts are tokenised and sorted as ftlearn does.

    ``run`` puts the probabilities (N, C) into ``results[name]``. The graph is the one that ONNX
    Runtime's optimizer for transformers makes, with fused attention and norms.
    """
    import onnxruntime

    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        str(export(model, folder)), options, providers=["CPUExecutionProvider"]
    )

    def run() -> None:
        encoded = work.task.encode_texts(texts, work.tokenizer)
        results[name] = softmax(_logits(session, encoded, work.tokenizer), -1)

    return Prepared(model, run)


def export(model: Any, folder: Path) -> Path:
    """The model as an optimised ONNX file in its folder; written once."""
    from onnxruntime.transformers import optimizer

    raw, optimised = folder / "model.onnx", folder / "optimised.onnx"
    if optimised.is_file():
        return optimised
    ids = torch.ones(2, 8, dtype=torch.long)
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        model,
        (ids, torch.ones_like(ids)),
        str(raw),
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes},
        dynamo=False,
    )
    config = model.config
    graph = optimizer.optimize_model(
        str(raw),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
    )
    graph.save_model_to_file(str(optimised))
    return optimised


def _logits(session: Any, encoded: Encoded, tokenizer: Any) -> np.ndarray:
    """Logits (N, C) in the order of the rows."""
    names = [argument.name for argument in session.get_inputs()]
    batches = by_length(encoded.lengths, predicting.POSITIONS["cpu"])
    logits = []
    for rows in batches:
        inputs = collate(encoded, rows, tokenizer).inputs
        logits += session.run(None, {name: inputs[name].numpy() for name in names})
    order = [row for rows in batches for row in rows]
    return np.concatenate(logits)[np.argsort(order)]
