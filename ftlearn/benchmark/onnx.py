"""ONNX Runtime as a contender in prediction: its fused graph on ftlearn's sorted batches."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from transformers import AutoModelForSequenceClassification

from ftlearn.benchmark.contenders import Prepared
from ftlearn.benchmark.workload import Work
from ftlearn.data.batching import Encoded, by_length, collate
from ftlearn.evaluation import predicting

NEEDED = ("onnxruntime", "onnx")


def missing() -> list[str]:
    """The packages that are not installed; ``pip install "ftlearn[bench]"`` brings them."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def onnx_answers(
    work: Work, folder: Path, texts: list[str], kept: dict[str, np.ndarray], name: str
) -> Prepared:
    """Probabilities (N, C) by ONNX Runtime in fp32; texts are tokenised and sorted as ftlearn does.

    The graph is the one its optimiser for transformers makes, with fused attention and norms.
    """
    import onnxruntime

    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    file, cpu = exported(model, folder), ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(str(file), options, providers=cpu)

    def run() -> None:
        encoded = work.task.encode_texts(texts, work.tokenizer)
        kept[name] = softmax(_logits(session, encoded, work.tokenizer), -1)

    return Prepared(model, run)


def exported(model: Any, folder: Path) -> Path:
    """The model as an optimised ONNX file in its folder; made once."""
    from onnxruntime.transformers import optimizer

    raw, done = folder / "model.onnx", folder / "optimised.onnx"
    if done.is_file():
        return done
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
    graph.save_model_to_file(str(done))
    return done


def _logits(session: Any, encoded: Encoded, tokenizer: Any) -> np.ndarray:
    """Logits (N, C) in the order of the rows."""
    names = [given.name for given in session.get_inputs()]
    batches = by_length(encoded.lengths, predicting.POSITIONS["cpu"])
    inputs = [collate(encoded, rows, tokenizer).inputs for rows in batches]
    logits = [session.run(None, {name: one[name].numpy() for name in names})[0] for one in inputs]
    return np.concatenate(logits)[np.argsort([row for rows in batches for row in rows])]
