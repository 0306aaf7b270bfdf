"""Examples per second of each contender, and how near that is to the machine's limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from ftlearn import runtime
from ftlearn.benchmark import contenders, peak
from ftlearn.benchmark.contenders import Prepared
from ftlearn.benchmark.part_result import Part
from ftlearn.benchmark.timing import Log, Outcome, Spread, Timing, in_turn, spread
from ftlearn.benchmark.workload import Workload
from ftlearn.data.batching import Encoded
from ftlearn.fast import autotune

PROBE_BATCHES = 4
"""Batches on which Trainer's faster number format is measured."""


class Entry(NamedTuple):
    """A contender with the number format of its matrix products."""

    prepare: Callable[[], Prepared]
    dtype: torch.dtype


class Amount(NamedTuple):
    """The useful work of one run: padding does not count."""

    examples: int
    tokens: int
    flops: float

    @classmethod
    def of(cls, work: Workload, encoded: Encoded, *, passes: int) -> Amount:
        """The work of ``passes`` passes over some texts, each worth a forward pass."""
        flops = passes * peak.forward_flops(work.model_config, encoded.lengths)
        return cls(len(encoded), sum(encoded.lengths), flops)


@dataclass
class Comparison:
    """The result of a comparison, with the machine's own rate measured in every round."""

    entries: Mapping[str, Entry]
    amount: Amount
    outcome: Outcome

    def rates(self, name: str) -> list[float]:
        """Examples per second in each round."""
        timings = self.outcome.counted(name).values()
        return [self.amount.examples / timing.seconds for timing in timings]

    def shares(self, name: str) -> list[float]:
        """Useful arithmetic over what matrix products reached in the same round and format."""
        limits = self.outcome.counted(_limit(self.entries[name].dtype))
        return [
            self.amount.flops / timing.seconds / limits[number].result
            for number, timing in self.outcome.counted(name).items()
            if number in limits
        ]

    def padding(self, name: str) -> float | None:
        """Share of the computed positions that hold no token; None if none was counted."""
        timings = self.outcome.counted(name).values()
        positions = sum(timing.result for timing in timings)
        return 1 - len(timings) * self.amount.tokens / positions if positions else None

    @property
    def measured(self) -> list[str]:
        """The contenders with at least one round that counts."""
        return [name for name in self.entries if self.outcome.counted(name)]

    def rows(self) -> list[dict[str, Any]]:
        """The table: one row per contender."""
        return [self._row(name) for name in self.measured]

    def _row(self, name: str) -> dict[str, Any]:
        rate, shares = spread(self.rates(name)), self.shares(name)
        return {
            "contender": name,
            **rate._asdict(),
            "padding": self.padding(name),
            "precision": runtime.name_of(self.entries[name].dtype),
            "share": spread(shares).median if shares else None,
        }

    def bars(self) -> dict[str, Spread]:
        """Median and range of examples per second."""
        return {name: spread(self.rates(name)) for name in self.measured}

    def raw(self) -> list[dict[str, Any]]:
        """Every run, the warm-up as round 0; matrix products in operations per second."""
        return [self._raw(timing) for timing in self.outcome.timings]

    def _raw(self, timing: Timing) -> dict[str, Any]:
        run = {"round": timing.round, "contender": timing.name, "seconds": timing.seconds}
        if timing.name not in self.entries:
            return run | {"flops_per_second": timing.result}
        rate = self.amount.examples / timing.seconds
        return run | {"examples_per_second": rate, "positions": timing.result}


def _limit(dtype: torch.dtype) -> str:
    return f"matrix products {runtime.name_of(dtype)}"


def compare(
    entries: Mapping[str, Entry], amount: Amount, device: torch.device, rounds: int, log: Log
) -> Comparison:
    """Run the contenders in turn, with a measurement of bare matrix products among them."""
    runs: dict[str, Callable] = {
        name: partial(counting_positions, entry.prepare) for name, entry in entries.items()
    }
    for dtype in {entry.dtype: None for entry in entries.values()}:
        runs[_limit(dtype)] = partial(partial, peak.product_rate, device, dtype)
    return Comparison(entries, amount, in_turn(runs, rounds, log=log))


def counting_positions(prepare: Callable[[], Prepared]) -> Callable[[], int]:
    """Prepare a contender; the function returned runs it and counts its positions (B × T)."""
    model, run = prepare()
    positions = 0

    def count(_: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        nonlocal positions
        positions += (args[0] if args else kwargs["input_ids"]).numel()

    model.register_forward_pre_hook(count, with_kwargs=True)

    def run_and_count() -> int:
        run()
        return positions

    return run_and_count


def faster_format(work: Workload, log: Log) -> tuple[torch.dtype, str]:
    """The number format in which Trainer at its best is faster here, measured, and a note on it."""
    few = work.sample(PROBE_BATCHES * work.batch_size, seed=work.seed)
    formats = {name: runtime.PRECISIONS[name] for name in ("fp32", "bf16")}
    runs = {
        name: lambda dtype=dtype: contenders.trainer_at_its_best(few, dtype).run
        for name, dtype in formats.items()
    }
    outcome = in_turn(runs, rounds=2)
    rates = {
        name: spread([len(few.train) / timing.seconds for timing in outcome.counted(name).values()])
        for name in formats
        if outcome.counted(name)
    }
    if not rates:
        return torch.float32, f"no number format could be tried: {outcome.failures['fp32']}"
    best = max(rates, key=lambda name: rates[name].median)
    listed = ", ".join(f"{name} {rate.median:.1f} examples/s" for name, rate in rates.items())
    note = f"Trainer at its best runs in {best}, the faster of: {listed}"
    log(f"  {note}")
    return formats[best], note


def training_speed(work: Workload, *, examples: int, rounds: int, log: Log) -> Part:
    """The article's loop, Trainer with defaults, Trainer at its best and ftlearn, in turn."""
    work = work.sample(examples, seed=work.seed)
    best, note = faster_format(work, log)
    arithmetic = autotune.training(work.model_config, work.device)
    entries = {
        "article": Entry(partial(contenders.article_loop, work), torch.float32),
        "Trainer, defaults": Entry(partial(contenders.trainer, work), torch.float32),
        "Trainer, at its best": Entry(partial(contenders.trainer_at_its_best, work, best), best),
        "ftlearn": Entry(partial(contenders.ftlearn_loop, work), arithmetic.dtype),
    }
    amount = Amount.of(work, work.encoded, passes=1 + peak.BACKWARD)
    comparison = compare(entries, amount, work.device, rounds, log)
    ratios = {
        "train_vs_article_loop": "article",
        "train_vs_trainer_default": "Trainer, defaults",
        "train_vs_trainer_best": "Trainer, at its best",
    }
    return Part(
        name="train",
        title=f"Training: {amount.examples} texts, {amount.tokens / amount.examples:.0f} tokens "
        f"on average, batch {work.batch_size}",
        rows=comparison.rows(),
        bars=comparison.bars(),
        unit="training examples per second",
        rounds=comparison.raw(),
        ratios={
            ratio: comparison.outcome.times_faster("ftlearn", other)
            for ratio, other in ratios.items()
        },
        failures=comparison.outcome.failures,
        notes=[note, f"ftlearn trains in {arithmetic}"],
    )
