"""The format in which ``predict`` and ``serve`` compute."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ftlearn.cli.options import MODEL, option
from ftlearn.cli.output import say
from ftlearn.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class FormatOptions:
    """What computes the answers."""

    model_format: Annotated[
        str,
        option(
            "auto, fp32, bf16, onnx or int8 (which `ftlearn export` makes), or fastest: measure "
            "those that are possible here once, and take the fastest that answers as fp32 does.",
            MODEL,
            "NAME",
        ),
    ] = "auto"
    parity: Annotated[
        float | None,
        option(
            "With fastest: the share of answers that must be those of fp32, by default 0.999.",
            MODEL,
            "SHARE",
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.parity is not None and self.model_format != "fastest":
            raise ArgumentError(
                f"parity is {self.parity:g}, and the format is {self.model_format}: it is for "
                "model_format='fastest'; an export was compared when it was made"
            )

    def chosen(self, folder: Path, device: str | None) -> str:
        """The name of the format to load; what was measured for ``fastest`` is shown."""
        from ftlearn import formats
        from ftlearn.formats.names import FASTEST, check_name

        check_name(self.model_format, formats.CHOICES)
        if self.model_format != FASTEST:
            return self.model_format
        from ftlearn.workflows.run_texts import texts_to_compare

        texts, described = texts_to_compare(folder, formats.task_of(folder))
        least = {} if self.parity is None else {"parity": self.parity}
        choice = formats.fastest(folder, texts, device=device, **least)
        say(f"compared with fp32 on {described}:", err=True)
        for line in str(choice).splitlines():
            say(line, err=True)
        return choice.name

    def refuse(self, what: str) -> None:
        """Raise ArgumentError unless the format is the model's own."""
        if self.model_format != "auto":
            raise ArgumentError(
                f"model_format is {self.model_format!r}, and {what} are predicted in the model's "
                "own format: leave it out"
            )
