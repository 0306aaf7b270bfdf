"""Texts per second from text to prediction: ftlearn, ``transformers.pipeline``, ONNX Runtime."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import pipeline

from ftlearn import evaluation, models
from ftlearn.benchmark import contenders, onnx
from ftlearn.benchmark.contenders import Prepared
from ftlearn.benchmark.part_result import Part
from ftlearn.benchmark.throughput import Amount, Entry, compare
from ftlearn.benchmark.timing import Log, catch_errors, silenced
from ftlearn.benchmark.workload import Workload
from ftlearn.errors import ArgumentError
from ftlearn.fast import autotune

EXACT, ROUGH = 1e-4, 2e-2
"""Largest differences of a probability that count as agreement, in fp32 and in half precision."""

TRAINED_ON = 64
"""Texts on which the model is trained first: an untrained one would predict nothing to compare."""

PIPELINE_BATCH = 32

THEIRS, OURS, OURS_EXACT = "transformers.pipeline", "ftlearn.predict", "ftlearn, fp32"
ONNX = "ONNX Runtime, fp32"


def prediction_speed(work: Workload, *, examples: int, rounds: int, log: Log) -> Part:
    """All on the same list of texts and the same weights; their predictions must agree.

    On a CPU ftlearn runs once with its defaults and, where these are not fp32, once in fp32; ONNX
    Runtime runs in fp32 beside them, if it is installed.
    """
    texts = _texts(work, examples)
    results: dict[str, np.ndarray] = {}
    with silenced():
        folder = _trained(work)
    best = autotune.prediction(work.model_config, work.device)
    entries = _entries(work, folder, texts, results, best.dtype)
    amount = Amount.of(work, work.task.encode_texts(texts, work.tokenizer), passes=1)
    comparison = compare(entries, amount, work.device, rounds, log)
    notes, disagreements = _agreements(entries, results)
    notes.insert(0, f"ftlearn predicts in {best}")
    if work.device.type == "cpu" and onnx.missing():
        notes.append(f"ONNX Runtime was left out: pip install {' '.join(onnx.missing())}")
    exact = OURS_EXACT if OURS_EXACT in entries else OURS
    pairs = {"predict_vs_pipeline": (OURS, THEIRS), "predict_fp32_vs_onnxruntime": (exact, ONNX)}
    # A speed-up counts only where the predictions are the same.
    wrong = {name for name in entries if _agreement_of(name) in disagreements}
    return Part(
        name="predict",
        title=f"Prediction: {len(texts)} texts, {amount.tokens / len(texts):.0f} tokens on average",
        rows=comparison.rows(),
        bars=comparison.bars(),
        unit="predicted texts per second",
        rounds=comparison.raw(),
        ratios={
            ratio: [] if wrong & set(pair) else comparison.outcome.times_faster(*pair)
            for ratio, pair in pairs.items()
            if set(pair) <= set(entries)
        },
        failures=comparison.outcome.failures | disagreements,
        notes=notes,
    )


def _agreements(
    entries: dict[str, Entry], results: dict[str, np.ndarray]
) -> tuple[list[str], dict[str, str]]:
    """A sentence on each contender that agrees with the pipeline, and an error on each other."""
    sentences: list[str] = []
    disagreements: dict[str, str] = {}
    if THEIRS not in results:
        return sentences, disagreements
    for name in [name for name in entries if name in results and name != THEIRS]:
        with catch_errors(disagreements, _agreement_of(name)):
            tolerance = EXACT if entries[name].dtype is torch.float32 else ROUGH
            sentence = agreement(results[THEIRS], results[name], tolerance=tolerance)
            sentences.append(f"{name}: {sentence}")
    return sentences, disagreements


def _agreement_of(name: str) -> str:
    """What is recorded as failed where a contender's predictions differ."""
    return f"agreement of {name}"


def _entries(
    work: Workload,
    folder: Path,
    texts: list[str],
    results: dict[str, np.ndarray],
    dtype: torch.dtype,
) -> dict[str, Entry]:
    """The contenders by name; each puts its probabilities into ``results``."""
    fp32, on_cpu = torch.float32, work.device.type == "cpu"
    theirs = partial(pipeline_predictions, work, folder, texts, results)
    ours = partial(ftlearn_predictions, work, folder, texts, results)
    entries = {THEIRS: Entry(theirs, fp32), OURS: Entry(ours, dtype)}
    if on_cpu and dtype is not fp32:
        entries[OURS_EXACT] = Entry(partial(ours, precision="fp32"), fp32)
    if on_cpu and not onnx.missing():
        onnx_run = partial(onnx.onnx_predictions, work, folder, texts, results, ONNX)
        entries[ONNX] = Entry(onnx_run, fp32)
    return entries


def _texts(work: Workload, count: int) -> list[str]:
    parts = [part for part in (work.test, work.train) if part is not None]
    return [text for part in parts for text in part[work.task.text]][:count]


def _trained(work: Workload) -> Path:
    """The folder of a model that was trained for a few updates."""
    model, run = contenders.ftlearn_loop(work.sample(TRAINED_ON, seed=work.seed))
    run()
    folder = work.scratch / "trained"
    model.save_pretrained(folder)
    work.tokenizer.save_pretrained(folder)
    return folder


def pipeline_predictions(
    work: Workload, folder: Path, texts: list[str], results: dict[str, np.ndarray]
) -> Prepared:
    """``transformers.pipeline`` with all probabilities (N, C), which ``run`` puts into results."""
    classify = pipeline(
        "text-classification",
        model=str(folder),
        device=work.device,
        batch_size=PIPELINE_BATCH,
        top_k=None,
    )

    def run() -> None:
        predictions = classify(texts, truncation=True, max_length=work.task.max_length)
        rows = [{score["label"]: score["score"] for score in scores} for scores in predictions]
        results[THEIRS] = np.array([[row[label] for label in work.task.labels] for row in rows])

    return Prepared(classify.model, run)


def ftlearn_predictions(
    work: Workload,
    folder: Path,
    texts: list[str],
    results: dict[str, np.ndarray],
    *,
    precision: str = "auto",
) -> Prepared:
    """``ftlearn.predict`` with all probabilities (N, C), which ``run`` puts into results."""
    model, tokenizer = models.load(folder, work.task, device=work.device)

    def run() -> None:
        table = evaluation.predict(model, texts, work.task, tokenizer, precision=precision)
        name = OURS if precision == "auto" else OURS_EXACT
        results[name] = table[list(work.task.labels)].to_numpy()

    return Prepared(model, run)


def agreement(theirs: np.ndarray, ours: np.ndarray, *, tolerance: float) -> str:
    """One sentence on two tables of probabilities (N, C) that agree.

    Raises ArgumentError where a probability differs by more than ``tolerance``, or a label differs
    although the probability of the first leads by more than twice the tolerance.

    >>> agreement(np.array([[0.9, 0.1]]), np.array([[0.8, 0.2]]), tolerance=0.2)
    'answers agree: 1 of 1 labels equal, probabilities differ by at most 1.0e-01'
    """
    largest = float(np.abs(theirs - ours).max())
    equal = theirs.argmax(-1) == ours.argmax(-1)
    low, high = np.sort(theirs, -1)[:, -2:].T
    if largest > tolerance or not equal[high - low > 2 * tolerance].all():
        raise ArgumentError(
            f"answers differ: {equal.sum()} of {len(equal)} labels equal, probabilities differ by "
            f"up to {largest:.1e}, more than {tolerance:.0e}"
        )
    return (
        f"answers agree: {equal.sum()} of {len(equal)} labels equal, "
        f"probabilities differ by at most {largest:.1e}"
    )
