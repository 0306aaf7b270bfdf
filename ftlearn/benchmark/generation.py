"""Generated tokens per second: ftlearn beside ``transformers.pipeline``."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from transformers import pipeline
from transformers.utils import logging as transformers_logging

from ftlearn import data, models, tasks
from ftlearn.benchmark.contenders import Prepared
from ftlearn.benchmark.part_result import Part
from ftlearn.benchmark.timing import Log, Outcome, catch_errors, in_turn, silenced, spread
from ftlearn.benchmark.workload import Workload
from ftlearn.errors import ArgumentError
from ftlearn.fast import autotune
from ftlearn.generation import Decoding, generate
from ftlearn.generation.prompts import encode

CHECKPOINT = "smollm2"
NEW_TOKENS = 16
WORDS = (8, 16, 30)
"""The lengths of the texts that prompts are about."""
REQUESTS = ("Summarize in one sentence: ", "Give a title for this text: ", "What is this about? ")
PIPELINE_BATCHES = (4, 8)

OURS, OURS_EXACT = "ftlearn.generate", "ftlearn.generate, fp32"
THEIRS, THEIRS_EXACT = "pipeline, defaults", "pipeline, fp32"


def batched(name: str, size: int) -> str:
    """The name of a pipeline with a batch size.

    >>> batched("pipeline, fp32", 4)
    'pipeline, fp32, batch_size=4'
    """
    return f"{name.removesuffix(', defaults')}, batch_size={size}"


def at_its_best() -> dict[str, tuple[int, torch.dtype | str]]:
    """Batch size and format of the pipelines of which the fastest counts as its best, by name."""
    return {THEIRS_EXACT: (1, torch.float32)} | {
        batched(name, size): (size, dtype)
        for name, dtype in ((THEIRS, "auto"), (THEIRS_EXACT, torch.float32))
        for size in PIPELINE_BATCHES
    }


def generation_speed(work: Workload, count: int, *, rounds: int, log: Log) -> Part:
    """All on the same ``count`` dialogues, model and greedy decoding; texts in fp32 must be equal.

    Few and short texts: on a processor without instructions for bf16 the pipeline writes a handful
    of tokens per second in the format of the weights.

    The pipeline runs with its defaults, one prompt at a time and in the format of the weights, and
    in batches of several sizes and in fp32, of which the fastest counts as its best. Texts of the
    same prompt may differ between formats, so the number of tokens per second is that of each
    contender's own texts, and ratios are of tokens per second.
    """
    with silenced():
        folder = models.find(CHECKPOINT)
        model, tokenizer = models.load(folder, tasks.language_modelling(), device=work.device)
    prompts = dialogues(count)
    lengths = list(map(len, encode(model, tokenizer, prompts, NEW_TOKENS)))
    results: dict[str, list[str]] = {}
    ours = partial(_ftlearn, model, tokenizer, prompts, results)
    theirs = partial(_pipeline, str(folder), work.device, prompts, results)
    contenders = {
        THEIRS: partial(theirs, THEIRS),
        **{
            name: partial(theirs, name, size, dtype=dtype)
            for name, (size, dtype) in at_its_best().items()
        },
        OURS: partial(ours, OURS),
        OURS_EXACT: partial(ours, OURS_EXACT, "fp32"),
    }
    outcome = in_turn(
        {name: _run(prepare) for name, prepare in contenders.items()}, rounds, log=log
    )
    failures = dict(outcome.failures)
    notes = [f"ftlearn generates in {autotune.prediction(model, work.device)}"]
    with catch_errors(failures, "texts in fp32"):
        notes.append(same_texts(results[OURS_EXACT], results[THEIRS_EXACT]))
    return _part(outcome, list(contenders), lengths, failures, notes)


def dialogues(count: int) -> list[list[dict[str, str]]]:
    """Requests about bundled articles, of mixed length."""
    texts = data.load("topics")["train"]["text"][:count]
    return [
        [
            {
                "role": "user",
                "content": REQUESTS[number % len(REQUESTS)]
                + " ".join(text.split()[: WORDS[number % len(WORDS)]]),
            }
        ]
        for number, text in enumerate(texts)
    ]


def _run(prepare: Any) -> Any:
    return lambda: prepare().run


def _ftlearn(
    model: Any,
    tokenizer: Any,
    prompts: list[Any],
    results: dict[str, list[str]],
    name: str,
    precision: str = "auto",
) -> Prepared:
    """``generate``; ``run`` returns the number of new tokens."""
    decoding = Decoding(max_new_tokens=NEW_TOKENS)

    def run() -> int:
        answers = generate(model, tokenizer, prompts, decoding=decoding, precision=precision)
        results[name] = [answer.text for answer in answers]
        return sum(answer.tokens for answer in answers)

    return Prepared(model, run)


def _pipeline(
    folder: str,
    device: torch.device,
    prompts: list[Any],
    results: dict[str, list[str]],
    name: str,
    batch_size: int = 1,
    *,
    dtype: torch.dtype | str = "auto",
) -> Prepared:
    """``pipeline("text-generation")``, greedy; ``run`` returns the number of new tokens."""
    write = pipeline("text-generation", model=folder, device=device, dtype=dtype)
    transformers_logging.set_verbosity_error()
    settings = {"max_new_tokens": NEW_TOKENS, "do_sample": False, "return_full_text": False}
    tokenizer = write.tokenizer

    def run() -> int:
        answers = write(prompts, batch_size=batch_size, **settings)
        texts = [answer[0]["generated_text"] for answer in answers]
        results[name] = texts
        # The end token is counted, as ftlearn counts it.
        counts = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
        return sum(min(count + 1, NEW_TOKENS) for count in counts)

    return Prepared(write.model, run)


def same_texts(ours: list[str], theirs: list[str]) -> str:
    """One sentence on texts in fp32 that are equal; raises ArgumentError where they are not.

    >>> same_texts(["a", "b"], ["a", "b"])
    'texts in fp32 agree: 2 of 2 equal'
    """
    equal = sum(mine == other for mine, other in zip(ours, theirs, strict=True))
    if equal < len(ours):
        raise ArgumentError(f"texts in fp32 differ: {equal} of {len(ours)} are equal")
    return f"texts in fp32 agree: {equal} of {len(ours)} equal"


def _rates(outcome: Outcome, name: str) -> dict[int, float]:
    """Tokens per second by round."""
    runs = outcome.counted(name)
    return {number: timing.result / timing.seconds for number, timing in runs.items()}


def _part(
    outcome: Outcome,
    names: list[str],
    lengths: list[int],
    failures: dict[str, str],
    notes: list[str],
) -> Part:
    rates = {name: _rates(outcome, name) for name in names if outcome.counted(name)}
    bars = {name: spread(list(values.values())) for name, values in rates.items()}
    chosen = [name for name in at_its_best() if name in bars]
    best = max(chosen, key=lambda name: bars[name].median, default=THEIRS)
    pairs = {"generate_vs_pipeline_default": THEIRS, "generate_vs_pipeline_best": best}
    agree = "texts in fp32" not in failures  # a speed-up counts only for the same texts
    return Part(
        name="generate",
        title=f"Generation: {len(lengths)} dialogues of {min(lengths)} to {max(lengths)} tokens, "
        f"at most {NEW_TOKENS} new ones each, greedy",
        rows=[{"contender": name, **bar._asdict()} for name, bar in bars.items()],
        bars=bars,
        unit="generated tokens per second",
        rounds=[
            {
                "round": run.round,
                "contender": run.name,
                "seconds": run.seconds,
                "tokens_per_second": run.result / run.seconds,
            }
            for run in outcome.timings
        ],
        ratios={ratio: _ratios(rates, other) if agree else [] for ratio, other in pairs.items()},
        failures=failures,
        notes=notes,
    )


def _ratios(rates: dict[str, dict[int, float]], other: str) -> list[float]:
    """How many times faster ftlearn was, in each round that both ran."""
    ours, theirs = rates.get(OURS, {}), rates.get(other, {})
    return [ours[number] / theirs[number] for number in ours if number in theirs]
