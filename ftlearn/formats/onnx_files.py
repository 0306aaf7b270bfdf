"""ONNX files of a model: in fp32 by torch.onnx, and in int8 by ONNX Runtime's dynamic quantisation.

The file takes any batch and any length up to the model's window, which `check_shapes` tries: an
exporter may take what it saw in its example, such as a length or a batch of 1, for a constant.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ftlearn.data.batching import Encoded, collate
from ftlearn.fast.inference import inference_copy
from ftlearn.fast.packed_bert import FAMILIES
from ftlearn.formats.names import FormatError
from ftlearn.formats.onnx_model import FILE
from ftlearn.formats.prepared import PreparedModel
from ftlearn.models import lora
from ftlearn.models.architecture import last_linear
from ftlearn.models.outputs import logits as logits_of
from ftlearn.models.verbosity import quiet
from ftlearn.models.wrapping import method_of, virtual_token_count
from ftlearn.runtime.arithmetic import Arithmetic

EXAMPLE = (5, 8)
"""Tokens of the two texts with which the model is traced: neither batch nor length is 1."""
OPSET = 17
ROUNDING = 1e-3
"""The largest difference of logits, by the largest of them, that is rounding in fp32."""
FP32 = Arithmetic(attention="eager")
"""Attention in plain operations, which ONNX Runtime recognises and fuses."""


class _Logits(nn.Module):
    """A model with the inputs in the order of ``names``, and its logits alone."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return logits_of(self.model(**dict(zip(self.names, inputs, strict=True))))


def plain(model: nn.Module) -> nn.Module:
    """The model in fp32 with its adapters merged; FormatError where they are part of no weight."""
    if virtual_token_count(model):
        raise FormatError(
            f"the model has a {method_of(model)} adapter, which is part of no weight and cannot be "
            "exported: predict with the format auto, or train with adapter='lora'"
        )
    if lora.can_be_merged(model):
        return lora.merged_view(model)
    return lora.fp32_copy(model)


def write_fp32(model: nn.Module, tokenizer: Any, folder: Path) -> None:
    """Write ``model.onnx`` in fp32; FormatError where torch.onnx cannot translate the model."""
    _write(plain(model), tokenizer, folder)


def _write(model: nn.Module, tokenizer: Any, folder: Path) -> None:
    """Write ``model.onnx`` of a model in fp32 without adapters."""
    kind = model.config.model_type
    model, _ = inference_copy(model.eval(), FP32)
    inputs = batch(tokenizer, EXAMPLE)
    axes = {name: {0: "batch", 1: "tokens"} for name in inputs}
    try:
        with torch.no_grad(), warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore")  # of tracing: `check_shapes` tries what they fear
            # Without dynamo: that takes three times as long, and a further package, onnxscript.
            torch.onnx.export(
                _Logits(model, list(inputs)),
                tuple(inputs.values()),
                str(folder / FILE),
                input_names=list(inputs),
                output_names=["logits"],
                dynamic_axes=axes | {"logits": {0: "batch"}},
                opset_version=OPSET,
                dynamo=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, TypeError, ValueError) as error:
        message = " ".join(str(error).split())[:200]
        raise FormatError(
            f"torch.onnx cannot export a model of kind {kind} ({type(error).__name__}: {message}): "
            "predict with the format auto"
        ) from error


def write_int8(model: nn.Module, tokenizer: Any, folder: Path) -> None:
    """Write ``model.onnx`` with weights in int8, one scale per column; activations follow suit.

    The last layer of a head stays fp32, as in bf16: a regression holds the mean of its data there.
    Weights have 7 of the 8 bits: without VNNI a processor adds two products in 16 bits, which
    saturate with 8 (onnxruntime #6004, #14642), and the file may be used on such a one.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = plain(model)
    with tempfile.TemporaryDirectory() as scratch:
        _write(model, tokenizer, Path(scratch))
        fuse(Path(scratch) / FILE, model.config)
        with _silenced():
            quantize_dynamic(
                Path(scratch) / FILE,
                folder / FILE,
                weight_type=QuantType.QInt8,
                per_channel=True,
                reduce_range=True,
                nodes_to_exclude=_head_nodes(model, Path(scratch) / FILE),
                extra_options={"DefaultTensorType": 1},  # fp32, where the graph does not say
            )


def _head_nodes(model: nn.Module, file: Path) -> list[str]:
    """The names of the products in a head's last layer, with those that the quantiser gives."""
    import onnx

    try:
        head = last_linear(model)
    except ValueError:  # vectors of texts have no head
        return []
    name = next(name for name, module in model.named_modules() if module is head)
    path = f"/model/{name.replace('.', '/')}/"
    names = [node.name for node in onnx.load(file).graph.node if node.name.startswith(path)]
    return [*names, *(f"{name}_MatMul" for name in names)]


def fuse(file: Path, config: Any) -> None:
    """Fuse attention, GELU and norms of BERT's family in a file, in place.

    ONNX Runtime does that by itself when it opens a file in fp32, but finds less to fuse in one
    that is quantised. The file is for ONNX Runtime alone then. Other models are left as they are.
    """
    if config.model_type not in FAMILIES:
        return
    from onnxruntime.transformers import optimizer

    with _silenced():
        graph = optimizer.optimize_model(
            str(file),
            model_type="bert",
            num_heads=config.num_attention_heads,
            hidden_size=config.hidden_size,
        )
        graph.save_model_to_file(str(file))


@contextmanager
def _silenced() -> Iterator[None]:
    """A context without the logged advice of ONNX Runtime's quantiser."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def batch(tokenizer: Any, lengths: Sequence[int], *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Inputs (B, T) of random tokens, padded as texts of these lengths are."""
    random = np.random.default_rng(seed)
    special = set(tokenizer.all_special_ids)
    ids = [number for number in tokenizer.get_vocab().values() if number not in special]
    values = {
        "input_ids": [random.choice(ids, length).tolist() for length in lengths],
        "attention_mask": [[1] * length for length in lengths],
        "token_type_ids": [[0] * length for length in lengths],
    }
    inputs = {name: values[name] for name in tokenizer.model_input_names}
    return collate(
        Encoded(inputs, [0] * len(lengths), max(lengths)), list(range(len(lengths))), tokenizer
    ).inputs


def check_shapes(
    source: nn.Module, exported: PreparedModel, tokenizer: Any, longest: int, *, exact: bool
) -> None:
    """Raise FormatError where the file fails at other shapes than that of its example.

    One token, one text of the longest length, several of different lengths; with ``exact`` the
    logits must be the source's.
    """
    source = plain(source).eval()
    for lengths in ((1,), (longest,), (1, 3, min(11, longest))):
        inputs = batch(tokenizer, lengths)
        with torch.no_grad():
            ours = logits_of(source(**inputs)).float()
        theirs = exported.logits(inputs)
        shape = f"{len(lengths)} x {max(lengths)} tokens"
        if ours.shape != theirs.shape or not theirs.isfinite().all():
            raise FormatError(
                f"the exported file gives {tuple(theirs.shape)} instead of {tuple(ours.shape)} "
                f"logits for {shape}, or some that are not finite: predict with the format auto"
            )
        difference = float((ours - theirs).abs().max() / ours.abs().max().clamp_min(1e-6))
        if exact and difference > ROUNDING:
            raise FormatError(
                f"the exported file's logits for {shape} differ from the model's by "
                f"{difference:.2g} of the largest: predict with the format auto"
            )
