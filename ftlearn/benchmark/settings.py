"""What to measure: the options of ``ftlearn bench`` as dataclasses, without a heavy import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from ftlearn.errors import ArgumentError

PARTS = ("train", "predict", "accuracy", "few", "levers", "sft", "generate", "formats")
DEFAULT_PARTS = PARTS[:4]


@dataclass(frozen=True)
class Source:
    """Where the texts come from."""

    train: Annotated[
        Path | None, Option(help="File to train on; by default the bundled 'topics'.")
    ] = None
    test: Annotated[Path | None, Option(help="File to measure accuracy on, with --train.")] = None
    text: Annotated[str, Option(help="Column with the texts.")] = "text"
    label: Annotated[str, Option(help="Column with the labels.")] = "label"
    max_length: Annotated[int, Option(min=8, help="Tokens at which texts are cut.")] = 128
    tokens: Annotated[
        int,
        Option(
            min=0,
            help="Cut and join texts to this many tokens on average, distributed as in short news. "
            "0 leaves them as they are.",
        ),
    ] = 0


@dataclass(frozen=True)
class Settings:
    """How much is measured, and with which model.

    >>> Settings(only="train,predict").parts, Settings().per_class
    (('train', 'predict'), (8, 32))
    """

    only: Annotated[
        str,
        Option(
            help=f"Parts to measure, with commas: {', '.join(PARTS)}. "
            f"Default: {', '.join(DEFAULT_PARTS)}."
        ),
    ] = ""
    checkpoint: Annotated[str, Option(help="Name or folder of the model.")] = "minilm"
    rounds: Annotated[int, Option(min=1, help="Rounds that count; one before them warms up.")] = 5
    examples: Annotated[
        int,
        Option(
            min=1,
            help="Texts per round and contender; 'accuracy' trains on twice as many, 'predict' "
            "asks for four times as many, 'formats' for twice as many, 'sft' trains on a "
            "quarter, and 'generate' writes for a 32nd.",
        ),
    ] = 256
    batch_size: Annotated[int, Option(min=1, help="Texts in one update.")] = 16
    shots: Annotated[str, Option(help="Labels per class in 'few', with commas.")] = "8,32"
    seeds: Annotated[int, Option(min=1, help="Runs of 'accuracy' and 'few', one per seed.")] = 3
    seed: Annotated[int, Option(min=0, help="The first seed.")] = 0
    device: Annotated[str, Option(help="cpu or cuda; by default the best one here.")] = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts to measure, in their fixed order.

        Raises ValueError for an unknown one.
        """
        names = {name.strip() for name in self.only.split(",") if name.strip()}
        unknown = sorted(names - set(PARTS))
        if unknown:
            raise ArgumentError(f"--only has no part {unknown[0]!r}: use {', '.join(PARTS)}")
        return tuple(part for part in PARTS if part in (names or DEFAULT_PARTS))

    @property
    def per_class(self) -> tuple[int, ...]:
        """Labels per class, each at least one; raises ValueError for anything else."""
        counts = self.shots.split(",")
        if not all(count.strip().isdecimal() and int(count) for count in counts):
            raise ArgumentError(f"--shots is {self.shots!r}: give whole numbers, such as 8,32")
        return tuple(int(count) for count in counts)

    @property
    def run_seeds(self) -> range:
        """The seeds of the parts that train whole models."""
        return range(self.seed, self.seed + self.seeds)


@dataclass(frozen=True)
class Outputs:
    """Where the results go, apart from the screen."""

    figure: Annotated[Path | None, Option(help="Picture to write: bars with their ranges.")] = None
    output: Annotated[Path | None, Option(help="JSON file to write: all raw values.")] = None
    overwrite: Annotated[
        bool, Option("--overwrite", help="Replace the files of --output and --figure.")
    ] = False
