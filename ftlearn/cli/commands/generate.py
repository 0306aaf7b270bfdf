"""``ftlearn generate``, and the options that it shares with ``ftlearn chat``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ftlearn.cli.options import DATA, RUN, DeviceOptions, grouped, option
from ftlearn.cli.output import say

if TYPE_CHECKING:
    from ftlearn.generation import Decoding

DECODING = "How it writes"


@dataclass(frozen=True, kw_only=True)
class WriterOptions:
    """A model that writes."""

    model: Annotated[
        str,
        typer.Argument(
            metavar="DIR|NAME",
            help="What `ftlearn fit` wrote (its --out), a folder with a language model, or the "
            "name of one, such as smollm2.",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class DecodingOptions:
    """How the next token is chosen."""

    max_new_tokens: Annotated[
        int, option("Tokens (about 3/4 of a word) of an answer at most.", DECODING)
    ] = 256
    sample: Annotated[
        bool,
        option(
            "Draw the next token at random, instead of taking the most probable one.",
            DECODING,
            flag="--sample",
        ),
    ] = False
    temperature: Annotated[
        float, option("With --sample: below 1 fewer surprises, above 1 more.", DECODING)
    ] = 1.0
    top_k: Annotated[
        int, option("With --sample: among so many most probable tokens; 0 is all.", DECODING)
    ] = 0
    top_p: Annotated[
        float,
        option("With --sample: among the fewest tokens of this probability together.", DECODING),
    ] = 1.0
    min_p: Annotated[
        float,
        option(
            "With --sample: among tokens with at least this share of the largest probability.",
            DECODING,
        ),
    ] = 0.0
    repetition_penalty: Annotated[
        float, option("Above 1, such as 1.2: tokens are less often repeated.", DECODING)
    ] = 1.0
    seed: Annotated[int, option("Determines what is drawn.", DECODING)] = 0

    def decoding(self, **more: float) -> Decoding:
        """The same as a value of the package; raises ValueError for settings that contradict."""
        from ftlearn.generation import Decoding

        settings = {name: value for name, value in vars(self).items() if name != "seed"}
        return Decoding(**settings, **more)


@dataclass(frozen=True, kw_only=True)
class PromptOptions:
    """Where the prompts come from, and where the answers go."""

    input: Annotated[
        str,
        option(
            'The prompts: .jsonl with one object per line, {"messages": [{"role": "user", '
            '"content": "..."}]} or {"prompt": "..."}, or - for standard input.',
            DATA,
            "FILE|-",
        ),
    ]
    output: Annotated[
        str,
        option("A new .jsonl file for the answers; - for standard output.", DATA, "FILE|-"),
    ]
    encoding: Annotated[
        str | None,
        option("The encoding of the prompts; by default utf-8, or utf-16.", DATA, "NAME"),
    ] = None
    overwrite: Annotated[
        bool, option("Replace the --output file where it exists.", RUN, flag="--overwrite")
    ] = False


@dataclass(frozen=True, kw_only=True)
class BeamOptions:
    """Beam search."""

    beams: Annotated[
        int, option("Partial texts that a beam search keeps; 1 is none.", DECODING)
    ] = 1
    length_penalty: Annotated[
        float, option("With --beams: above 1 longer answers, below 1 shorter ones.", DECODING)
    ] = 1.0


@grouped
def generate(
    writer: WriterOptions,
    prompts: PromptOptions,
    decoding: DecodingOptions,
    beams: BeamOptions,
    device: DeviceOptions,
) -> None:
    """Let a language model answer the prompts of a file, in the order in which they come.

    Line k of the output is row k of the input with two keys more: `text`, the answer, and `ended`,
    whether the model ended it by itself. A row that cannot be read gives its error in its place.
    The same prompts get the same answers, unless --seed changes with --sample.

    Example: `ftlearn generate run --input prompts.jsonl --output said.jsonl`
    """
    from ftlearn.evaluation.prediction_file import check_target
    from ftlearn.workflows import generating

    settings = decoding.decoding(**vars(beams))
    check_target(prompts.input, prompts.output, overwrite=prompts.overwrite)
    counts = generating.generate_file(
        generating.open_model(writer.model, device.device),
        prompts.input,
        prompts.output,
        decoding=settings,
        seed=decoding.seed,
        overwrite=prompts.overwrite,
        encoding=prompts.encoding,
    )
    answered = counts.rows - counts.rejected
    if counts.rejected:
        line = (
            f"{answered} of {counts.rows} prompts answered; the others have their error in their "
            "place"
        )
    else:
        line = f"{answered} of {counts.rows} prompts answered"
    say(line, err=True)
