"""Fine-tune one model on several devices or machines, evaluate it, and save it.

Launch one process for each device; each does its share, and the result is that of one process
with the same batch size, up to rounding.

One machine with 8 GPUs:

    torchrun --standalone --nproc-per-node 8 examples/train_many.py --out model --batch-size 128

Several machines, here 4 with 8 GPUs each. Run this on each of them; HOST is the name or address
of one of them, and the folder of ``--checkpoints`` must be one that all see:

    torchrun --nnodes 4 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \
        examples/train_many.py --out model --batch-size 512 --checkpoints /shared/run --resume

With accelerate instead of torchrun:

    accelerate launch --num_processes 8 examples/train_many.py --out model

A model too large for one device: add ``--shard``.

A trial on a laptop, with two processes on the CPU:

    torchrun --standalone --nproc-per-node 2 examples/train_many.py --out model --rows 64
"""

from __future__ import annotations

import argparse

from ftlearn import TrainConfig, data, evaluate, fit, models
from ftlearn import models
from ftlearn.runtime import device, distributed, sharding
from ftlearn.tasks import classification


def main(options: argparse.Namespace) -> None:
    """Train, evaluate and save; every process calls everything, the main one prints and writes."""
    with distributed.process_group():
        articles = data.load("topics")
        articles["train"] = articles["train"].select(range(options.rows or len(articles["train"])))
        task = classification(articles)
        # A sharded model is loaded beside the devices, whose memory may not hold all of it.
        place = "cpu" if options.shard else device()
        model, tokenizer = models.load(options.model, task, device=place)
        if options.shard:
            sharding.shard(model)
        config = TrainConfig(
            epochs=options.epochs,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
        )
        run = {"checkpoints": options.checkpoints, "resume": options.resume}
        history = fit(model, articles, task, tokenizer, config, **run)
        report = evaluate(model, articles["test"], task, tokenizer, shared=True)
        whole = sharding.unsharded_copy(model)
        if distributed.is_main():
            print(f"{distributed.world_size()} processes: {history}\n{report}")
            models.save(whole, tokenizer, task, options.out)


def read_options() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="minilm", help="a name, a Hub id or a folder")
    parser.add_argument("--out", required=True, help="the folder for the trained model")
    parser.add_argument("--rows", type=int, help="so many training articles instead of all")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument(
        "--batch-size", type=int, default=16, help="rows, of all processes together"
    )
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--shard", action="store_true", help="spread the weights (FSDP2)")
    parser.add_argument("--checkpoints", help="a folder for checkpoints that all machines see")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")
    return parser.parse_args()


if __name__ == "__main__":
    main(read_options())
