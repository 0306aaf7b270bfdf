"""Fine-tuning a language model on chats with LoRA, beside trl's SFTTrainer, on the same tokens."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig

from ftlearn import data, models, runtime, tasks, training
from ftlearn.benchmark.part_result import Part
from ftlearn.benchmark.timing import Log, Outcome, catch_errors, in_turn, silenced, spread
from ftlearn.benchmark.workload import Workload
from ftlearn.config import TrainConfig
from ftlearn.data.batching import Encoded
from ftlearn.losses import count_targets

CHECKPOINT = "smollm2"
TOKENS = 96
"""Tokens at which a chat is cut."""
RANK, ALPHA = 8, 16
LEARNING_RATE = 2e-4
FORMATS = ("float32", "bfloat16")
NEEDED = "the part 'sft' needs trl: pip install 'ftlearn[bench]'"

Run = Callable[[], Any]


def has_trl() -> bool:
    """Whether trl is installed.

    >>> isinstance(has_trl(), bool)
    True
    """
    return importlib.util.find_spec("trl") is not None


@dataclass(frozen=True)
class Chats:
    """Chats to train on and the folder of a language model: the workload of all contenders."""

    folder: Path
    rows: Dataset
    scratch: Path
    """A folder that is deleted after the measurement."""
    device: torch.device
    batch_size: int = 8
    seed: int = 0

    @property
    def task(self) -> Any:
        """The loss counts the assistant's tokens."""
        return tasks.chat(self.rows, max_length=TOKENS, truncation="silent")

    @property
    def config(self) -> TrainConfig:
        """One epoch at LoRA's usual learning rate."""
        sizes = {"epochs": 1, "batch_size": self.batch_size, "seed": self.seed}
        return TrainConfig(**sizes, learning_rate=LEARNING_RATE)

    def encoded(self) -> Encoded:
        """The token ids of all chats, and the targets that count."""
        return self.task.encode(self.rows, models.load(self.folder, self.task)[1])


def open_chats(work: Workload, count: int) -> Chats:
    """A workload of ``count`` chats; raises FtlearnError where the model is not there."""
    return Chats(
        folder=models.find(CHECKPOINT),
        rows=chats(count, seed=work.seed),
        scratch=work.scratch,
        device=work.device,
        seed=work.seed,
    )


def chats(count: int, *, seed: int) -> Dataset:
    """Random articles of the bundled topics as chats: a title is asked for its text."""
    articles = data.load("topics")["train"].shuffle(seed=seed).select(range(count))
    return Dataset.from_dict(
        {
            "messages": [
                [
                    {"role": "user", "content": f"Write a short article: {title}"},
                    {"role": "assistant", "content": text},
                ]
                for title, text in zip(articles["title"], articles["text"], strict=True)
            ]
        }
    )


def sft_trainer(work: Chats, *, dtype: str = "float32", **changes: Any) -> Run:
    """SFTTrainer with its defaults on tokenised chats; reports and saves are off."""
    from trl import SFTConfig, SFTTrainer  # an extra

    encoded = work.encoded()
    columns = {"input_ids": encoded.inputs["input_ids"], "labels": list(encoded.targets)}
    arguments = SFTConfig(
        output_dir=str(work.scratch),
        num_train_epochs=1,
        per_device_train_batch_size=work.batch_size,
        learning_rate=LEARNING_RATE,
        seed=work.seed,
        use_cpu=work.device.type == "cpu",
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        model_init_kwargs={"dtype": dtype},
        **changes,
    )
    trainer = SFTTrainer(
        model=str(work.folder),
        args=arguments,
        train_dataset=Dataset.from_dict(columns),
        processing_class=models.load(work.folder, work.task)[1],
        peft_config=LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear"),
    )
    return trainer.train


def sft_trainer_at_its_best(work: Chats, dtype: str) -> Run:
    """SFTTrainer in the faster format, like lengths together, and nothing computed twice.

    Its default is autocast to bf16, whatever the weights are: in float32 that is off. Packed and
    padding-free batches need flash attention, which a CPU does not have.
    """
    return sft_trainer(
        work,
        dtype=dtype,
        bf16=dtype == "bfloat16",
        gradient_checkpointing=False,
        train_sampling_strategy="group_by_length",
        dataloader_pin_memory=work.device.type == "cuda",
    )


def ftlearn_loop(work: Chats) -> Run:
    """ftlearn's loop with its defaults, on weights loaded in bf16, as they were published.

    The run holds the frozen ones in the format that it computes in.
    """
    model, tokenizer = models.load(work.folder, work.task, device=work.device, precision="bf16")
    model = models.with_lora(model, RANK, alpha=ALPHA, seed=work.seed)
    batches = work.task.batches(work.rows, tokenizer, work.config)

    def train() -> None:
        task, config = work.task, work.config
        run = training.steps(model, batches, task.loss, config, count=task.count_targets)
        with closing(run):
            for _ in run:
                pass

    return train


def contenders(best: str) -> dict[str, Callable[[Chats], Run]]:
    """What is measured, by name; ``best`` is the format of SFTTrainer at its best."""
    return {
        "SFTTrainer, defaults": sft_trainer,
        "SFTTrainer, at its best": partial(sft_trainer_at_its_best, dtype=best),
        "ftlearn": ftlearn_loop,
    }


def faster_format(work: Chats) -> tuple[str, str]:
    """The format of the weights in which SFTTrainer at its best is faster here, and a note on it.

    One batch is trained in each: without instructions for bf16, a processor takes minutes for it.
    """
    few = replace(work, rows=work.rows.select(range(min(work.batch_size, len(work.rows)))))
    runs = {dtype: partial(sft_trainer_at_its_best, few, dtype) for dtype in FORMATS}
    outcome = in_turn(runs, rounds=1)
    seconds = {
        dtype: outcome.counted(dtype)[1].seconds for dtype in FORMATS if outcome.counted(dtype)
    }
    if not seconds:
        return FORMATS[0], f"no format could be tried: {outcome.failures[FORMATS[0]]}"
    best = min(seconds, key=seconds.__getitem__)
    listed = ", ".join(f"{dtype} {number:.1f} s" for dtype, number in seconds.items())
    return best, f"SFTTrainer at its best runs in {best}, the faster of: {listed} for one batch"


def chat_training_speed(work: Chats, *, rounds: int, log: Log) -> Part:
    """Trained tokens per second of all contenders in turn, and the memory of each by itself."""
    encoded = work.encoded()
    counted = sum(count_targets(torch.tensor(targets[1:])) for targets in encoded.targets)
    best, note = faster_format(work)
    log(f"  {note}")
    prepared = {name: partial(prepare, work) for name, prepare in contenders(best).items()}
    outcome = in_turn(prepared, rounds, log=log)
    peaks: dict[str, int] = {}
    for name, prepare in contenders(best).items():
        if name not in outcome.failures:
            with catch_errors(outcome.failures, name):
                peaks[name] = peak_memory(prepare, work)
    rates = {
        name: [counted / timing.seconds for timing in outcome.counted(name).values()]
        for name in prepared
        if outcome.counted(name)
    }
    tokens = sum(encoded.lengths)
    return Part(
        name="sft",
        title=f"Chats with LoRA: {len(encoded)} chats, {tokens / len(encoded):.0f} tokens on "
        f"average, {counted / tokens:.0%} of them trained, batch {work.batch_size}",
        rows=[
            {"contender": name, **spread(values)._asdict(), "peak GB": peaks.get(name, 0) / 1e9}
            for name, values in rates.items()
        ],
        bars={name: spread(values) for name, values in rates.items()},
        unit="trained tokens per second",
        rounds=_raw(outcome, counted),
        ratios={
            "sft_vs_trl_default": outcome.times_faster("ftlearn", "SFTTrainer, defaults"),
            "sft_vs_trl_best": outcome.times_faster("ftlearn", "SFTTrainer, at its best"),
        },
        notes=[note],
        failures=outcome.failures,
    )


def _raw(outcome: Outcome, counted: int) -> list[dict[str, Any]]:
    return [
        {
            "round": timing.round,
            "contender": timing.name,
            "seconds": timing.seconds,
            "trained_tokens_per_second": counted / timing.seconds,
        }
        for timing in outcome.timings
    ]


def peak_memory(prepare: Callable[[Chats], Run], work: Chats) -> int:
    """Bytes that a process takes at most in which one contender alone trains.

    Python and its libraries are part of it.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_run_and_read_peak, prepare, work, torch.get_num_threads()).result()


def _run_and_read_peak(prepare: Callable[[Chats], Run], work: Chats, threads: int) -> int:
    torch.set_num_threads(threads)
    with silenced():
        prepare(work)()
    return runtime.memory_peak()
