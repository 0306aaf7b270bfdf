"""What tests of adapters share; as a script, the processes of the test with two ranks.

python -m torch.distributed.run --nproc-per-node 2 tests/helpers/lora_models.py BASE OUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from datasets import Dataset, DatasetDict
from safetensors.torch import save_file
from torch import nn

from ftlearn import models, training
from ftlearn.runtime import distributed
from ftlearn.tasks import chat
from ftlearn.training import TrainConfig
from ftlearn.training.weights import trained_weights

TASK = chat(max_length=96)
DAYS = ("Monday", "Tuesday", "Friday")
CHATS = Dataset.from_dict(
    {
        "messages": [
            [
                {"role": "user", "content": f"Where is order {17 * row}?"},
                {"role": "assistant", "content": f"It comes on {DAYS[row % 3]}."},
            ]
            for row in range(20)
        ]
    }
)
PARTS = DatasetDict(train=CHATS.select(range(14)), valid=CHATS.select(range(14, 20)))
CONFIG = TrainConfig(epochs=2, batch_size=4, learning_rate=0.02)


def trained(model: nn.Module, seed: int = 0) -> nn.Module:
    """The adapted model with random numbers for B, as if it had learnt."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(weight, std=0.1)
    return model.eval()


def one_epoch(base: Path) -> tuple[nn.Module, list[float]]:
    """An adapter trained for an epoch by as many processes as there are, and its losses."""
    model, tokenizer = models.load(base, TASK, device="cpu")
    adapted = models.with_lora(model, seed=distributed.rank())  # that of the main process counts
    config = TrainConfig(
        epochs=1, batch_size=4, optimizer="momentum", learning_rate=0.05, max_grad_norm=0.1
    )
    history = training.fit(adapted, PARTS["train"], TASK, tokenizer, config)
    return adapted, [step.loss for step in history.steps]


def main(base: Path, out: Path) -> None:
    """Train on two ranks; the main one writes weights and losses."""
    with distributed.process_group():
        adapted, losses = one_epoch(base)
        if distributed.is_main():
            weights = {name: tensor.clone() for name, tensor in trained_weights(adapted).items()}
            save_file(weights, out / "two.safetensors")
            (out / "two.json").write_text(json.dumps(losses))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
