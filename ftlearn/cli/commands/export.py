"""``ftlearn export``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ftlearn.cli.options import DATA, MODEL, RUN, SavedModelOptions, grouped, option
from ftlearn.cli.output import Data, say, translated


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Which format, where to, and how it is compared with the model."""

    format: Annotated[str, option("onnx, int8 or gguf-ready.", MODEL, "NAME")]
    out: Annotated[
        Path | None, option("A new folder; by default DIR/formats/NAME.", RUN, "DIR")
    ] = None
    data: Annotated[
        Path | None,
        option(
            "A file with texts to compare the answers on. By default the validation part of the "
            "run, if its files are still here or beside it; else articles that come with ftlearn.",
            DATA,
            "FILE",
        ),
    ] = None
    parity: Annotated[
        float | None,
        option(
            "The share of answers that must be the model's: by default 0.999 for onnx, 0.99 for "
            "int8, and all texts for gguf-ready.",
            MODEL,
            "SHARE",
        ),
    ] = None


@grouped
def export(saved: SavedModelOptions, options: ExportOptions) -> None:
    """Write a fitted model in another format, if it answers there as it does here.

    `onnx` is fp32 for ONNX Runtime, `int8` a quarter of its size. `gguf-ready`, for a model that
    writes, is a plain folder from which llama.cpp's script makes a GGUF file. The answers of both
    are compared first; where too few are equal, nothing is written. `ftlearn predict` and `serve`
    take the exports of a run with `--model-format`, and the folder of one as it is.

    Example: `ftlearn export run --format onnx`
    """
    from ftlearn import formats
    from ftlearn.workflows.exporting import add_to_report
    from ftlearn.workflows.run_texts import texts_to_compare

    formats.check_export(saved.folder, options.format, options.out)
    task = formats.task_of(saved.folder)
    texts, described = texts_to_compare(saved.folder, task, options.data)
    say(f"comparing on {len(texts)} texts: {described} ...", err=True)
    exported = formats.export(
        saved.folder,
        options.format,
        texts,
        out=options.out,
        parity=options.parity,
        described=described,
    )
    add_to_report(saved.folder, exported.folder)
    parity = translated(str(exported.parity))
    say(Data(f"{exported.folder}: {options.format}, {parity}"))
