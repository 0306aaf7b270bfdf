"""What each process of ``tests/runtime/test_distributed.py`` runs: many scenarios in one launch.

    python -m torch.distributed.run --nproc-per-node 2 tests/helpers/parallel_worker.py FOLDER

FOLDER holds the checkpoints ``bert`` and ``gpt2``, and ``one`` with those of an interrupted run
of one process. The main process leaves each scenario's final weights in ``NAME.safetensors``,
and each process what it saw in ``seen-RANK.json``.
"""

from __future__ import annotations

import copy
import json
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict
from safetensors.torch import save_file
from torch import nn

from ftlearn import evaluation, models, training
from ftlearn.evaluation import predicting
from ftlearn.runtime import distributed, sharding
from ftlearn.tasks import classification, language_modelling
from ftlearn.training import TrainConfig, checkpoints
from ftlearn.training.history import History

WORDS = ["ball", "code", "heart", "run", "chip", "pulse", "team", "server", "sleep"]
TEXTS = [" ".join(WORDS[(row + at) % 9] for at in range(2 + row % 7)) for row in range(80)]
ROWS = Dataset.from_dict({"text": TEXTS, "label": [f"label {row % 3}" for row in range(80)]})
PARTS = DatasetDict(train=ROWS.select(range(22)), valid=ROWS.select(range(22, 80)))
LABELS = classification(PARTS, max_length=32)
TOKENS = language_modelling(max_length=32)
PLAIN = {"optimizer": "momentum", "learning_rate": 0.05}
"""Adam divides by the size of the gradient: where that is zero but for rounding, as for the bias
of attention's keys, it would turn the rounding into whole steps."""

EXACT: dict[str, dict[str, Any]] = {
    # 22 rows in sixes: a last batch of 4. Then in threes: 2 and 1 per rank, a last batch of one.
    "whole": {"settings": {"batch_size": 6}},
    "pieces": {"settings": {"batch_size": 3, "micro_batches": 2}},
    "one row": {"settings": {"batch_size": 3}},
    "tokens": {"settings": {"batch_size": 3}, "task": TOKENS, "folder": "gpt2"},
    "pooled": {"settings": {"batch_size": 3}, "pooling": "mean"},
    "recomputed": {"settings": {"batch_size": 3, "micro_batches": 2}, "recomputed": True},
    # The default optimiser. It takes equal steps whatever all gradients are multiplied by, but not
    # where one row alone on its rank counted for as much as the two of the other.
    "adamw": {"settings": {"batch_size": 3, "optimizer": "adamw", "learning_rate": 0.005}},
}
OVERFIT = TrainConfig(epochs=12, batch_size=4, learning_rate=2e-2, schedule="constant")
RESUMED = TrainConfig(epochs=2, batch_size=4)


def load(
    root: Path, task: Any = LABELS, folder: str = "bert", pooling: str = "pretrained", **more: Any
) -> tuple[nn.Module, Any]:
    """A model on the CPU, and its tokenizer."""
    return models.load(root / folder, task, pooling=pooling, device="cpu", **more)


def exact(root: Path, name: str, prepare: Callable[[nn.Module], nn.Module]) -> tuple:
    """One epoch of a case of ``EXACT``: the model, and its losses and gradient norms."""
    case = dict(EXACT[name])
    config = TrainConfig(epochs=1, **{**PLAIN, **case.pop("settings")})
    task = case.get("task", LABELS)
    recomputed = case.pop("recomputed", False)
    model, tokenizer = load(root, **case)
    models.checkpoint_activations(model, recomputed)
    batches = task.batches(PARTS["train"], tokenizer, config)
    run = list(training.steps(prepare(model), batches, task.loss, config, count=task.count_targets))
    return model, [[step.loss, step.gradient_norm, step.examples] for step in run]


def interrupted(task: Any, number: int) -> Any:
    """The task, with Ctrl-C pressed while the given piece of a batch is at work."""
    left = [number]

    class Interrupting(type(task)):
        def loss(self, logits: Any, targets: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                signal.raise_signal(signal.SIGINT)
            return super().loss(logits, targets)

    return Interrupting(**asdict(task))


def resumable(
    root: Path, folder: Path, prepare: Callable[[nn.Module], nn.Module], **how: Any
) -> tuple[nn.Module, History]:
    """A run of ``RESUMED`` with dropout and a checkpoint each epoch; ``task`` as it may be."""
    config, task = how.pop("config", RESUMED), how.pop("task", LABELS)
    model, tokenizer = load(root, dropout=how.pop("dropout", 0.1))
    prepare(model)
    history = training.fit(model, PARTS, task, tokenizer, config, checkpoints=folder, **how)
    return model, history


def clockless(history: History) -> dict[str, Any]:
    """The parts of a history that do not depend on the clock."""
    losses = [step.loss for step in history.steps]
    return {"losses": losses, "evaluations": history.evaluations, "stopped": history.stopped}


class Scenarios:
    """All scenarios for one way of distributing a model; ``seen`` is what this rank saw."""

    def __init__(self, root: Path, way: str) -> None:
        self.root, self.way, self.seen = root, way, {}
        self.prepare = sharding.shard if way == "fsdp" else lambda model: model

    def keep(self, name: str, model: nn.Module, seen: Any) -> None:
        """Note what was seen, and have the main process write the weights."""
        self.seen[name] = seen
        whole = sharding.unsharded_copy(model)
        if distributed.is_main():
            weights = {key: tensor.clone() for key, tensor in whole.state_dict().items()}
            save_file(weights, self.root / f"{self.way} {name}.safetensors")

    def exact(self) -> None:
        for name in EXACT:
            self.keep(name, *exact(self.root, name, self.prepare))

    def twice(self) -> None:
        """A second run of the same model must not trip over what the first left on it.

        The processes come with heads of their own, of which that of the main one counts.
        """
        model, tokenizer = load(self.root, seed=distributed.rank())
        self.prepare(model)
        config = TrainConfig(epochs=1, batch_size=6, **PLAIN)
        for _ in range(2):
            training.fit(model, PARTS["train"], LABELS, tokenizer, config)
        self.keep("twice", model, None)

    def best(self) -> None:
        """Evaluation inside ``fit``, early stopping, and the best weights at the end.

        Checkpoints are written after evaluations that were not the best, too.
        """
        model, tokenizer = load(self.root)
        self.prepare(model)
        more = {"patience": 2, "checkpoints": self.root / f"{self.way} best"}
        history = training.fit(model, PARTS, LABELS, tokenizer, OVERFIT, **more)
        report = evaluation.evaluate(model, PARTS["valid"], LABELS, tokenizer)
        self.keep("best", model, {**clockless(history), "at the end": report.scores})

    def evaluated(self) -> None:
        """58 rows are two batches; 80 are three, which do not divide between two ranks."""
        model, tokenizer = load(self.root)
        self.prepare(model)
        calls: list[int] = []
        model.register_forward_hook(lambda *_: calls.append(1))
        predicting.POSITIONS["cpu"] = 300
        for name, part in (("two", PARTS["valid"]), ("three", ROWS)):
            calls.clear()
            alone = evaluation.evaluate(model, part, LABELS, tokenizer).outputs
            forwards = [len(calls)]
            calls.clear()
            ours = evaluation.evaluate(model, part, LABELS, tokenizer, shared=True).outputs
            same = np.array_equal(alone, ours)
            self.seen[f"evaluated {name}"] = {"same": same, "forwards": [*forwards, len(calls)]}
            np.save(self.root / f"{self.way} {name} {distributed.rank()}.npy", ours)

    def resumed(self) -> None:
        """Undisturbed; then with Ctrl-C on rank 1 in the eighth update, and taken up again."""
        folder = self.root / f"{self.way} checkpoints"
        model, history = resumable(self.root, folder / "undisturbed", self.prepare)
        self.keep("undisturbed", model, clockless(history))
        task = interrupted(LABELS, 8) if distributed.rank() == 1 else LABELS
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            _, history = resumable(self.root, folder / "cut", self.prepare, task=task)
        warned = [str(warning.message) for warning in caught]
        self.seen["cut"] = {"updates": len(history.steps), **clockless(history), "warned": warned}
        model, history = resumable(self.root, folder / "cut", self.prepare, resume=True)
        self.keep("resumed", model, clockless(history))

    def taken_over(self) -> None:
        """A run that one process began; the folder is copied, for a run writes into its own."""
        folder = self.root / f"{self.way} one"
        config = TrainConfig(epochs=2, batch_size=4, **PLAIN)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model, history = resumable(
                self.root, folder, self.prepare, config=config, dropout=0.0, resume=True
            )
        warned = [str(warning.message) for warning in caught]
        self.keep("taken over", model, {**clockless(history), "warned": warned})

    def handed_over(self) -> None:
        """A run that one process will go on with."""
        config = TrainConfig(epochs=2, batch_size=4, **PLAIN)
        resumable(
            self.root, self.root / f"{self.way} handed", self.prepare, config=config, dropout=0.0,
            task=interrupted(LABELS, 8),
        )  # fmt: skip

    def refused(self) -> None:
        """A file in the way on one machine must end the run on all, and none may hang."""
        for name, folder in (
            ("file in the way", self.root / "bert" / "config.json"),
            ("not shared", self.root / f"{self.way} checkpoints" / f"private {distributed.rank()}"),
        ):
            if name == "not shared" and distributed.is_main():
                checkpoints.Store(folder).write(1, {}, {})
            try:
                resumable(self.root, folder, self.prepare, resume=True)
            except checkpoints.CheckpointError as error:
                self.seen[name] = str(error)

    def written(self) -> None:
        """The whole model, tied weights and pooled heads included, as a plain folder."""
        for name, more in (("bert", {}), ("gpt2", {"task": TOKENS, "folder": "gpt2"}),
                           ("pooled", {"pooling": "mean"})):  # fmt: skip
            model, tokenizer = load(self.root, **more)
            self.prepare(model)
            task = more.get("task", LABELS)
            report = evaluation.evaluate(model, PARTS["valid"], task, tokenizer, shared=True)
            whole = sharding.unsharded_copy(model)
            if distributed.is_main():
                # The copy answers by itself: the other process does not take part.
                again = evaluation.evaluate(whole, PARTS["valid"], task, tokenizer)
                np.testing.assert_allclose(again.outputs, report.outputs, atol=1e-5)
                copy.deepcopy(whole)  # as prediction in bf16 does: nothing of FSDP may be left
                models.save(whole, tokenizer, task, self.root / f"{self.way} written {name}")
                np.save(self.root / f"{self.way} written {name}.npy", report.outputs)


def main(root: Path) -> None:
    """Carry out every scenario in both ways."""
    seen = {}
    with distributed.process_group():
        for way in ("ddp", "fsdp"):
            scenarios = Scenarios(root, way)
            for name in ("exact", "twice", "best", "evaluated", "resumed", "taken_over",
                         "handed_over", "refused", "written"):  # fmt: skip
                getattr(scenarios, name)()
            seen[way] = scenarios.seen
        (root / f"seen-{distributed.rank()}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
