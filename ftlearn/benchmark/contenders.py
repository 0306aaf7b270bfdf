"""The loops to compare. Each prepares its model, and returns it with the function to time.

All start from the same pretrained weights and see the same texts, tokenised beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

from ftlearn import models, training
from ftlearn.benchmark.workload import Workload
from ftlearn.data.batching import Batches
from ftlearn.training import linear_probe

FEW_SHOT_EXAMPLES = 144
"""Rows that the few-shot recipe trains on in total, but at least three passes."""


class Prepared(NamedTuple):
    """A model that is ready to train or predict, and the function that does it."""

    model: nn.Module
    run: Callable[[], Any]


def article_loop(work: Workload) -> Prepared:
    """The source article's loop: all padded to the full length, AdamW at 2e-5, nothing else."""
    model = work.plain_model().to(work.device)
    padded = work.tokenizer.pad(
        work.encoded.inputs,
        padding="max_length",
        max_length=work.task.max_length,
        return_tensors="pt",
    )
    rows = TensorDataset(
        padded["input_ids"], padded["attention_mask"], torch.tensor(work.encoded.targets)
    )
    loader = DataLoader(rows, batch_size=work.batch_size, shuffle=True)

    def run() -> None:
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5)
        model.train()
        for _ in range(work.epochs):
            for batch in loader:
                ids, mask, labels = (tensor.to(work.device) for tensor in batch)
                model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
                optimizer.step()
                optimizer.zero_grad()

    return Prepared(model, run)


def trainer(work: Workload, **changes: Any) -> Prepared:
    """Hugging Face's Trainer with its defaults and dynamic padding; reports and saves are off."""
    model = work.plain_model()
    arguments = TrainingArguments(
        output_dir=str(work.scratch),
        num_train_epochs=work.epochs,
        per_device_train_batch_size=work.batch_size,
        seed=work.seed,
        use_cpu=work.device.type == "cpu",
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        **changes,
    )
    columns = {
        **work.encoded.inputs,
        "labels": work.encoded.targets,
        "length": work.encoded.lengths,
    }
    huggingface_trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict(columns),
        data_collator=DataCollatorWithPadding(work.tokenizer),
        processing_class=work.tokenizer,
    )
    return Prepared(model, huggingface_trainer.train)


def trainer_at_its_best(work: Workload, dtype: torch.dtype) -> Prepared:
    """Trainer with texts of similar length together, fused AdamW, and the faster number format."""
    return trainer(
        work,
        train_sampling_strategy="group_by_length",
        optim="adamw_torch_fused",
        bf16=dtype is torch.bfloat16,
        dataloader_pin_memory=work.device.type == "cuda",
    )


def ftlearn_loop(
    work: Workload,
    *,
    precision: str = "auto",
    dropout: float = 0.0,
    without: Collection[str] = (),
    change_model: Callable[[nn.Module], Any] = lambda model: None,
    change_batches: Callable[[Batches], Batches] = lambda batches: batches,
    change_run: Callable[[training.Run], Any] = lambda run: None,
) -> Prepared:
    """ftlearn's loop with its defaults; the arguments switch one thing each for the ablation.

    ``without`` names speed-ups that are left out, as ``training.steps`` takes them.
    """
    model, tokenizer = models.load(
        work.folder, work.task, seed=work.seed, dropout=dropout, device=work.device
    )
    change_model(model)
    batches = change_batches(work.task.batches(work.train, tokenizer, work.config))

    def train() -> None:
        run = training.steps(
            model, batches, work.task.loss, work.config, precision=precision, without=without
        )
        change_run(run)
        # Closed even after an error: the allocator's setting must not stay on for the others.
        with closing(run):
            for _ in run:
                pass

    return Prepared(model, train)


def ftlearn_updates(work: Workload) -> tuple[nn.Module, Iterator[Any]]:
    """ftlearn's loop at the default learning rate of Trainer, one update per ``next``."""
    config = replace(work.config, learning_rate=5e-5)
    model, tokenizer = models.load(work.folder, work.task, seed=work.seed, device=work.device)
    batches = work.task.batches(work.train, tokenizer, config)
    return model, training.steps(model, batches, work.task.loss, config)


def few_shot_recipe(work: Workload) -> tuple[nn.Module, Iterator[Any]]:
    """ftlearn's recipe for few labels: fit the head, fine-tune everything, fit the head again.

    The vectors of all tokens are averaged. The iterator does one step per ``next``, fitting the
    head first and last; all of it is timed.
    """
    config = replace(work.config, epochs=max(3, FEW_SHOT_EXAMPLES // len(work.train)))
    model, tokenizer = models.load(
        work.folder, work.task, seed=work.seed, pooling="mean", device=work.device
    )
    batches = work.task.batches(work.train, tokenizer, config)

    def stages() -> Iterator[Any]:
        yield linear_probe.initialize_head(model, work.train, work.task, tokenizer)
        yield from training.steps(model, batches, work.task.loss, config)
        # The features have changed, and the head has followed only a little.
        yield linear_probe.initialize_head(model, work.train, work.task, tokenizer)

    return model, stages()
