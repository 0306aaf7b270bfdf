"""The names of the formats, what is asked of each, and the errors about them."""

from __future__ import annotations

import importlib.util

from ftlearn.data.errors import close_match
from ftlearn.errors import FtlearnError

AUTO, FP32, BF16, ONNX, INT8, FASTEST = "auto", "fp32", "bf16", "onnx", "int8", "fastest"
GGUF_READY = "gguf-ready"
LOADABLE = (AUTO, FP32, BF16, ONNX, INT8)
"""What ``load`` takes."""
CHOICES = (*LOADABLE, FASTEST)
"""What ``predict`` and ``serve`` take."""
EXPORTED = (ONNX, INT8, GGUF_READY)
"""Those that are files of their own."""
LEAST = {ONNX: 0.999, INT8: 0.99, GGUF_READY: 1.0}
"""The share of answers that must be the source's for an export to be written.

In ONNX the numbers stay fp32, so only an answer between two equally probable ones may change. With
int8 at most one answer in a hundred may be another, which costs at most 0.01 of an accuracy. A text
changes as a whole if one token does, so all greedy texts must be the same."""
PACKAGES = {ONNX: ("onnx", "onnxruntime"), INT8: ("onnx", "onnxruntime"), GGUF_READY: ()}


class FormatError(FtlearnError, ValueError):
    """A format that a model cannot be written or read in; the message holds the remedy."""


class ParityError(FtlearnError, ValueError):
    """A model in another format does not answer as its source does."""


def check_name(name: str, allowed: tuple[str, ...]) -> None:
    """Raise FormatError for an unknown format.

    >>> check_name("onx", EXPORTED)
    Traceback (most recent call last):
    ftlearn.formats.names.FormatError: unknown format 'onx': use onnx, int8, gguf-ready. Did you
    mean 'onnx'?
    """
    if name not in allowed:
        hint = close_match(name, allowed)
        raise FormatError(f"unknown format {name!r}: use {', '.join(allowed)}.{hint}")


def missing(name: str) -> list[str]:
    """The packages that a format needs and that are not installed.

    >>> missing("gguf-ready")
    []
    """
    return [
        package for package in PACKAGES.get(name, ()) if importlib.util.find_spec(package) is None
    ]


def check_packages(name: str) -> None:
    """Raise FormatError where a package that a format needs is not installed."""
    if absent := missing(name):
        raise FormatError(
            f"the format {name} needs {' and '.join(absent)}: install it with "
            "pip install 'ftlearn[onnx]'"
        )
