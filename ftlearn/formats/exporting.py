"""Writing a fitted model in another format, if it answers there as it does here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftlearn import models
from ftlearn.formats import comparing, gguf_ready, onnx_files
from ftlearn.formats.comparing import Loaded, Parity
from ftlearn.formats.loading import check_predicts, export_folder
from ftlearn.formats.manifest import Manifest
from ftlearn.formats.names import (
    EXPORTED,
    GGUF_READY,
    LEAST,
    ONNX,
    ParityError,
    check_name,
    check_packages,
)
from ftlearn.formats.onnx_model import FILE, OnnxModel
from ftlearn.models import folders
from ftlearn.models.fingerprints import fingerprint
from ftlearn.runtime.arguments import number
from ftlearn.runtime.files import check_new_folder, written_folder


@dataclass(frozen=True)
class Exported:
    """An export that was written: its folder, and how its answers compare with the source's."""

    folder: Path
    parity: Parity


def export(
    folder: str | Path,
    name: str,
    texts: Sequence[Any],
    *,
    out: str | Path | None = None,
    parity: float | None = None,
    described: str = "texts of the caller",
) -> Exported:
    """Write a fitted model in another format, after comparing it with the source on some texts.

    ``name`` is ``"onnx"``, ``"int8"`` or, for a model that writes, ``"gguf-ready"``. ``texts`` are
    texts, or pairs; for gguf-ready prompts. ``out`` is a new folder, by default ``formats/name`` in
    that of the run. ``parity`` is the share of equal answers that is needed, by default that of
    ``LEAST``. ``described`` says in the manifest which texts they are. The model is read and
    compared in fp32 on the CPU.

    Raises ParityError, and writes nothing, where too few answers are equal; FormatError where the
    model cannot be exported or a package is missing; ExistsError; ModelError as
    ``models.load_finetuned``.
    """
    out = check_export(folder, name, out)
    least = LEAST[name] if parity is None else number("parity", parity, 0.0, 1.0)
    model, tokenizer, task = models.load_finetuned(folder, "cpu")
    source = (model.eval(), tokenizer, task)
    digest = fingerprint(model.named_parameters())
    if name != GGUF_READY:
        check_predicts(task, Path(folder), name)
    with written_folder(out) as fresh:
        if name == GGUF_READY:
            gguf_ready.write(source, fresh)
            result = gguf_ready.compare(source, fresh, texts)
        else:
            exported = _write_onnx(source, name, digest, fresh)
            result = comparing.parity(source, exported, texts)
        _check(result, least, name, described)
        Manifest(name, Path(folder).resolve().name, digest, result, least, described).write(fresh)
    return Exported(out, result)


def check_export(folder: str | Path, name: str, out: str | Path | None = None) -> Path:
    """The new folder of an export, by default in that of the run.

    Raises FormatError for an unknown format or where a package is missing, and ExistsError where
    the folder's name is taken: before the work.
    """
    check_name(name, EXPORTED)
    check_packages(name)
    out = export_folder(folder, name) if out is None else Path(out)
    check_new_folder(out)
    return out


def _write_onnx(source: Loaded, name: str, digest: str, folder: Path) -> Loaded:
    """Write model, tokenizer and task; returns what a reader of the folder gets."""
    model, tokenizer, task = source
    make = onnx_files.write_fp32 if name == ONNX else onnx_files.write_int8
    make(model, tokenizer, folder)
    tokenizer.save_pretrained(folder)
    folders.write_task(folder, task)
    exported = OnnxModel(folder / FILE, name, digest)
    onnx_files.check_shapes(model, exported, tokenizer, task.window(tokenizer), exact=name == ONNX)
    return exported, tokenizer, task


def _check(result: Parity, least: float, name: str, described: str) -> None:
    if result.share < least:
        raise ParityError(
            f"the model does not answer in {name} as it does in fp32: {result}, on {described}, "
            f"and a share of {least:g} is needed. Nothing was written: ask for less with "
            f"parity={math.floor(1000 * result.share) / 1000:g}, or keep the format fp32"
        )
