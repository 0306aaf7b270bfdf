"""``ftlearn interpolate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ftlearn.cli.options import DATA, RUN, DeviceOptions, ReadingOptions, grouped, option
from ftlearn.cli.output import say


@dataclass(frozen=True, kw_only=True)
class EndpointOptions:
    """The two models at the ends of the line."""

    start: Annotated[
        Path, typer.Argument(metavar="DIR_A", help="The model at α = 0, such as the older one.")
    ]
    end: Annotated[
        Path, typer.Argument(metavar="DIR_B", help="The model at α = 1, fine-tuned from the same.")
    ]


@dataclass(frozen=True, kw_only=True)
class ChoiceOptions:
    """How a point on the line is chosen."""

    valid: Annotated[
        Path | None,
        option("Labelled texts on which every α is measured and the best one chosen.", DATA),
    ] = None
    alpha: Annotated[
        list[float] | None,
        option("An α to try; give it several times. Below 0 and above 1 extrapolates.", RUN),
    ] = None
    by: Annotated[
        str | None, option("The metric that chooses, by default the validation loss.", RUN, "NAME")
    ] = None
    out: Annotated[
        Path, option("A new folder for path.csv, path.png and the merged model/.", RUN, "DIR")
    ]


@grouped
def interpolate(
    ends: EndpointOptions,
    choice: ChoiceOptions,
    reading: ReadingOptions,
    device: DeviceOptions,
) -> None:
    """Mix the weights of two models of the same architecture: (1 − α) · A + α · B.

    With --valid the whole path is measured, written as a table and a figure, and the best point
    saved as a model. Without it, give one --alpha.

    Example: `ftlearn interpolate old/model new/model --valid dev.csv --out mixed`
    """
    from ftlearn.interpolation import landscape
    from ftlearn.workflows.plan_checks import check_device

    check_device(device.device)
    merged = landscape.interpolate_folders(
        ends.start,
        ends.end,
        choice.valid,
        choice.out,
        choice.alpha or landscape.ALPHAS,
        by=choice.by,
        reading=vars(reading),
        device=device.device,
    )
    if merged.line is not None:
        say(merged.line.table.round(4).to_string(index=False))
    say(f"the model at α = {merged.alpha:g} is in {merged.folder!s}")
