"""Texts per second in each format: torch and ONNX Runtime, in fp32 and in int8.

Number format, texts and threads are the same on both sides of a ratio. ftlearn's onnx and int8 are
ONNX Runtime inside, so those ratios say what batches sorted by length and the quantisation are
worth, not another library.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch

from ftlearn import formats, models
from ftlearn.benchmark import contenders
from ftlearn.benchmark.contenders import Prepared
from ftlearn.benchmark.part_result import Part
from ftlearn.benchmark.prediction import TRAINED_ON
from ftlearn.benchmark.throughput import Amount, Entry, compare
from ftlearn.benchmark.timing import Log, silenced
from ftlearn.benchmark.workload import Workload
from ftlearn.data.batching import collate
from ftlearn.errors import ArgumentError
from ftlearn.evaluation import outputs
from ftlearn.formats import names, onnx_files
from ftlearn.formats.onnx_model import FILE, OnnxModel

AS_THEY_COME = 32
"""Texts of a batch that is not sorted by length."""
TORCH, ONNX, INT8 = "ftlearn, fp32", "ONNX Runtime fp32, sorted", "ftlearn, int8, sorted"
ONNX_UNSORTED = f"ONNX Runtime fp32, {AS_THEY_COME} as they come"
INT8_DEFAULT = "ONNX Runtime int8 by default, sorted"
INT8_UNSORTED = f"ONNX Runtime int8, {AS_THEY_COME} as they come"
RATIOS = {
    "formats_fp32_vs_onnxruntime": (TORCH, ONNX),
    "formats_onnx_sorted_vs_unsorted": (ONNX, ONNX_UNSORTED),
    "formats_int8_vs_onnxruntime": (INT8, INT8_DEFAULT),
    "formats_int8_sorted_vs_unsorted": (INT8, INT8_UNSORTED),
}


def format_speeds(work: Workload, *, examples: int, rounds: int, log: Log) -> Part:
    """All formats on the same texts and weights, on the CPU, with their parity to fp32.

    Raises ArgumentError where ONNX Runtime is not installed.
    """
    if absent := names.missing(names.ONNX):
        raise ArgumentError(
            f"--only formats needs {' and '.join(absent)}: pip install 'ftlearn[onnx]'"
        )
    texts = [text for part in (work.test, work.train) if part for text in part[work.task.text]]
    texts = texts[:examples]
    with silenced():
        loaded = _loaded(work, texts)
    source = loaded[TORCH]
    notes = [
        f"{name}: {formats.parity(source, loaded[name], texts)}"
        for name in (ONNX, INT8, INT8_DEFAULT)
    ]
    entries = {name: Entry(partial(_sorted, loaded[name], texts), torch.float32) for name in loaded}
    for name, files_of in ((ONNX_UNSORTED, ONNX), (INT8_UNSORTED, INT8)):
        prepare = partial(_as_they_come, loaded[files_of], texts)
        entries[name] = Entry(prepare, torch.float32)
    amount = Amount.of(work, work.task.encode_texts(texts, work.tokenizer), passes=1)
    comparison = compare(entries, amount, torch.device("cpu"), rounds, log)
    return Part(
        name="formats",
        title=f"Formats: {len(texts)} texts, {amount.tokens / len(texts):.0f} tokens on average, "
        f"{torch.get_num_threads()} threads",
        rows=[_without_share(row) for row in comparison.rows()],
        bars=comparison.bars(),
        unit="predicted texts per second",
        rounds=comparison.raw(),
        ratios={ratio: comparison.outcome.times_faster(*pair) for ratio, pair in RATIOS.items()},
        failures=comparison.outcome.failures,
        notes=notes,
    )


def _without_share(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table without the share of fp32's arithmetic, which int8 does not do."""
    precision = "int8" if "int8" in row["contender"] else "fp32"
    return {**row, "precision": precision, "share": None if precision == "int8" else row["share"]}


def _loaded(work: Workload, texts: list[str]) -> dict[str, formats.comparing.Loaded]:
    """A model that was trained for a few updates, in each format."""
    model, run = contenders.ftlearn_loop(work.sample(TRAINED_ON, seed=work.seed))
    run()
    folder = models.save(model, work.tokenizer, work.task, work.scratch / "formats")
    for name in (names.ONNX, names.INT8):
        formats.export(folder, name, texts[:TRAINED_ON], parity=0.0)
    loaded = {
        TORCH: formats.load(folder, names.FP32, "cpu"),
        ONNX: formats.load(folder, names.ONNX),
        INT8: formats.load(folder, names.INT8),
    }
    model, tokenizer, task = models.load_finetuned(folder, "cpu")
    file = _by_default(model, tokenizer, work.scratch)
    loaded[INT8_DEFAULT] = (
        OnnxModel(file, names.INT8, loaded[INT8][0].fingerprint),
        tokenizer,
        task,
    )
    return loaded


def _by_default(model: Any, tokenizer: Any, scratch: Path) -> Path:
    """The fused graph in int8 with one scale per matrix, as ``quantize_dynamic`` does by default.

    Its seven bits (``reduce_range``) are what a processor without VNNI needs.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    onnx_files.write_fp32(model, tokenizer, scratch)
    onnx_files.fuse(scratch / FILE, model.config)
    file = scratch / "by_default.onnx"
    settings = {"weight_type": QuantType.QInt8, "reduce_range": True}
    quantize_dynamic(scratch / FILE, file, **settings, extra_options={"DefaultTensorType": 1})
    return file


def _sorted(loaded: formats.comparing.Loaded, texts: list[str]) -> Prepared:
    """Predicts with batches of similar length, as ftlearn does."""
    model, tokenizer, task = loaded

    def run() -> None:
        outputs(model, task.encode_texts(texts, tokenizer), task, tokenizer)

    return Prepared(model, run)


def _as_they_come(loaded: formats.comparing.Loaded, texts: list[str]) -> Prepared:
    """Predicts with batches of a fixed size in the order of the texts."""
    model, tokenizer, task = loaded

    def run() -> None:
        encoded = task.encode_texts(texts, tokenizer)
        for start in range(0, len(texts), AS_THEY_COME):
            rows = list(range(start, min(start + AS_THEY_COME, len(texts))))
            model(**collate(encoded, rows, tokenizer).inputs)

    return Prepared(model, run)
