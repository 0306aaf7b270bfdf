"""LoRA on a sharded decoder: what each process of ``tests/training/test_sharded_lora.py`` runs.

python -m torch.distributed.run --nproc-per-node 2 tests/helpers/sharded_lora.py BASE OUT
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from lora_models import PARTS, TASK
from torch import nn

from ftlearn import evaluation, models, training
from ftlearn.runtime import distributed, sharding
from ftlearn.training import TrainConfig
from ftlearn.training.checkpoints import Store
from ftlearn.training.weights import trained_weights

CONFIG = TrainConfig(
    epochs=2, batch_size=3, optimizer="momentum", learning_rate=0.05, max_grad_norm=0.1
)
"""Batches of 3 rows: 2 and 1 per process, and a last one of 2."""
FORMATS = ("auto", "fp32", "bf16")


def load(base: Path, frozen: str) -> tuple[nn.Module, Any]:
    """A sharded decoder with adapters; each process draws its own, and the main one's count."""
    model, tokenizer = models.load(base, TASK, device="cpu")
    adapted = models.with_lora(model, rank=4, seed=distributed.rank(), frozen=frozen)
    return sharding.shard(adapted), tokenizer


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """The whole trained weights on the main process; nothing on the others."""
    return {name: w.clone() for name, w in sharding.full_state_dict(trained_weights(model)).items()}


def run(base: Path, out: Path, frozen: str) -> dict[str, Any]:
    """Train, evaluate, save and resume from the middle; what was seen."""
    model, tokenizer = load(base, frozen)
    store = Store(out / f"{frozen} checkpoints", keep=9)
    history = training.fit(model, PARTS, TASK, tokenizer, CONFIG, checkpoints=store)
    report = evaluation.evaluate(model, PARTS["valid"], TASK, tokenizer, shared=True)
    trained = weights(model)
    whole = sharding.unsharded_copy(model)
    if distributed.is_main():
        models.save_adapter(whole, tokenizer, TASK, out / f"{frozen} adapter")
        models.save(models.merged(whole), tokenizer, TASK, out / f"{frozen} merged")
        for folder in (path for path in store.folder.iterdir() if path.name.startswith("00000010")):
            shutil.rmtree(folder)  # as if the run had ended after its first epoch
    distributed.barrier()
    begun_at = store.newest().state["number"]
    again, tokenizer = load(base, frozen)
    training.fit(again, PARTS, TASK, tokenizer, CONFIG, checkpoints=store, resume=True)
    resumed = weights(again)
    return {
        "losses": [step.loss for step in history.steps],
        "evaluations": history.evaluations,
        "scores": report.scores,
        "begun at": begun_at,
        "resumed alike": all(torch.equal(resumed[name], trained[name]) for name in trained),
        "arithmetic": str(history.arithmetic),
    }


def main(base: Path, out: Path) -> None:
    """All formats of frozen weights; the main process writes what it saw."""
    with distributed.process_group():
        seen = {frozen: run(base, out, frozen) for frozen in FORMATS}
        if distributed.is_main():
            (out / "seen.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
