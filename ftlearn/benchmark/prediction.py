"""Texts per second from text to answer: ftlearn, ``transformers.pipeline``, ONNX Runtime."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import pipeline

from ftlearn import evaluation, models
from ftlearn.benchmark import contenders, onnx
from ftlearn.benchmark.contenders import Prepared
from ftlearn.benchmark.part import Part
from ftlearn.benchmark.throughput import Amount, Entry, compare
from ftlearn.benchmark.timing import Tell, caught, hushed
from ftlearn.benchmark.workload import Work
from ftlearn.errors import ArgumentError
from ftlearn.fast import autotune

EXACT, ROUGH = 1e-4, 2e-2
"""Differences of a probability that count as agreement, in fp32 and in half precision."""

TRAINED_ON = 64
"""Texts on which the model is trained first, so that it has answers to agree on."""

PIPELINE_BATCH = 32

THEIRS, OURS, OURS_EXACT = "transformers.pipeline", "ftlearn.predict", "ftlearn, fp32"
ONNX = "ONNX Runtime, fp32"


def prediction_speed(work: Work, *, examples: int, rounds: int, tell: Tell) -> Part:
    """All on the same list of texts and the same weights; their answers must agree.

    On a CPU ftlearn runs once as it is by default and, where that is not fp32, once in fp32, and
    ONNX Runtime in fp32 beside them, if it is installed.
    """
    texts, kept = _texts(work, examples), {}
    with hushed():
        folder = _trained(work)
    best = autotune.prediction(work.model_config, work.device)
    entries = _entries(work, folder, texts, kept, best.dtype)
    amount = Amount.of(work, work.task.encode_texts(texts, work.tokenizer), passes=1)
    found = compare(entries, amount, work.device, rounds, tell)
    failures, notes = dict(found.outcome.failures), [f"ftlearn predicts in {best}"]
    for name in [name for name in entries if name in kept and name != THEIRS and THEIRS in kept]:
        with caught(failures, f"agreement of {name}"):
            tolerance = EXACT if entries[name].dtype is torch.float32 else ROUGH
            notes.append(f"{name}: {agreement(kept[THEIRS], kept[name], tolerance=tolerance)}")
    if work.device.type == "cpu" and onnx.missing():
        notes.append(f"ONNX Runtime was left out: pip install {' '.join(onnx.missing())}")
    exact = OURS_EXACT if OURS_EXACT in entries else OURS
    pairs = {"predict_vs_pipeline": (OURS, THEIRS), "predict_fp32_vs_onnxruntime": (exact, ONNX)}
    # Answers that differ are no faster way to the same thing.
    wrong = {name for name in entries if f"agreement of {name}" in failures}
    return Part(
        name="predict",
        title=f"Prediction: {len(texts)} texts, {amount.tokens / len(texts):.0f} tokens on average",
        rows=found.rows(),
        bars=found.bars(),
        unit="predicted texts a second",
        rounds=found.raw(),
        ratios={
            ratio: [] if wrong & set(pair) else found.outcome.times_faster(*pair)
            for ratio, pair in pairs.items()
            if set(pair) <= set(entries)
        },
        failures=failures,
        notes=notes,
    )


def _entries(
    work: Work, folder: Path, texts: list[str], kept: dict[str, np.ndarray], dtype: torch.dtype
) -> dict[str, Entry]:
    """The contenders, by name; each keeps its probabilities in ``kept``."""
    given, fp32 = (work, folder, texts, kept), torch.float32
    entries = {
        THEIRS: Entry(partial(pipeline_answers, *given), fp32),
        OURS: Entry(partial(own_answers, *given), dtype),
    }
    if work.device.type == "cpu" and dtype is not fp32:
        entries[OURS_EXACT] = Entry(partial(own_answers, *given, precision="fp32"), fp32)
    if work.device.type == "cpu" and not onnx.missing():
        entries[ONNX] = Entry(partial(onnx.onnx_answers, *given, ONNX), fp32)
    return entries


def _texts(work: Work, count: int) -> list[str]:
    parts = [part for part in (work.test, work.train) if part is not None]
    return [text for part in parts for text in part[work.task.text]][:count]


def _trained(work: Work) -> Path:
    """The folder of a model that was trained a little."""
    model, run = contenders.ftlearn_loop(work.drawn(TRAINED_ON, seed=work.seed))
    run()
    folder = work.scratch / "trained"
    model.save_pretrained(folder)
    work.tokenizer.save_pretrained(folder)
    return folder


def pipeline_answers(
    work: Work, folder: Path, texts: list[str], kept: dict[str, np.ndarray]
) -> Prepared:
    """transformers' own way, with all probabilities; keeps them (N, C) for comparison."""
    ask = pipeline(
        "text-classification",
        model=str(folder),
        device=work.device,
        batch_size=PIPELINE_BATCH,
        top_k=None,
    )

    def run() -> None:
        answers = ask(texts, truncation=True, max_length=work.task.max_length)
        scores = [{each["label"]: each["score"] for each in answer} for answer in answers]
        kept[THEIRS] = np.array([[row[label] for label in work.task.labels] for row in scores])

    return Prepared(ask.model, run)


def own_answers(
    work: Work,
    folder: Path,
    texts: list[str],
    kept: dict[str, np.ndarray],
    *,
    precision: str = "auto",
) -> Prepared:
    """ftlearn's way, with all probabilities; keeps them (N, C) for comparison."""
    model, tokenizer = models.load(folder, work.task, device=work.device)

    def run() -> None:
        table = evaluation.predict(model, texts, work.task, tokenizer, precision=precision)
        name = OURS if precision == "auto" else OURS_EXACT
        kept[name] = table[list(work.task.labels)].to_numpy()

    return Prepared(model, run)


def agreement(theirs: np.ndarray, ours: np.ndarray, *, tolerance: float) -> str:
    """One sentence on two tables of probabilities (N, C) that agree.

    Raises ValueError where a probability differs by more than ``tolerance``, or a label does
    although the first answer leads by more than twice of it.

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
