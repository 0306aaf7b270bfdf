"""The manifest of an exported folder: what it was made from, how it compares, and its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftlearn.formats.comparing import Parity
from ftlearn.formats.names import EXPORTED, FormatError
from ftlearn.runtime.files import sha256, write_json
from ftlearn.runtime.versions import versions

MANIFEST = "ftlearn_format.json"
VERSION = 1
LIBRARIES = ("ftlearn", "torch", "transformers", "onnx", "onnxruntime")


@dataclass(frozen=True)
class Manifest:
    """What stands beside an exported model.

    name         the format
    source       the name of the folder that it was made from
    fingerprint  of the source's weights
    parity       how its answers compare with the source's
    least        the share of equal answers that was asked for
    texts        which texts they were compared on
    """

    name: str
    source: str
    fingerprint: str
    parity: Parity
    least: float
    texts: str

    def write(self, folder: Path) -> None:
        """Write the manifest, with the size and SHA-256 of every other file of the folder."""
        files = {
            str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": sha256(path)}
            for path in sorted(filter(Path.is_file, folder.rglob("*")))
        }
        content = {
            "version": VERSION,
            "format": self.name,
            "source": {"folder": self.source, "fingerprint": self.fingerprint},
            "parity": {**self.parity.record(), "least": self.least, "texts": self.texts},
            "made_with": versions(LIBRARIES),
            "files": files,
        }
        write_json(folder / MANIFEST, content)


def is_exported(folder: str | Path) -> bool:
    """Whether a folder holds an exported model.

    >>> is_exported("no such folder")
    False
    """
    return (Path(folder) / MANIFEST).is_file()


def read(folder: str | Path, *, thorough: bool = True) -> Manifest:
    """The manifest of an exported folder; ``thorough`` compares each file with it.

    Raises FormatError where the manifest cannot be read, or a file is missing, cut or another one.
    """
    folder = Path(folder)
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        manifest = _parsed(content)
        files = {str(name): (entry["bytes"], entry["sha256"]) for name, entry in _items(content)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{MANIFEST} in {str(folder)!r} cannot be read ({error}): copy the folder again, or "
            "export the model again"
        ) from error
    if thorough:
        for name, (size, digest) in files.items():
            _check_file(folder, name, size, digest)
    return manifest


def _items(content: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(content["files"].items())


def _parsed(content: dict[str, Any]) -> Manifest:
    if content["version"] != VERSION or content["format"] not in EXPORTED:
        raise FormatError(f"version {content['version']!r} of format {content['format']!r}")
    source, parity = content["source"], content["parity"]
    return Manifest(
        name=content["format"],
        source=str(source["folder"]),
        fingerprint=str(source["fingerprint"]),
        parity=Parity.of_record(parity),
        least=float(parity["least"]),
        texts=str(parity["texts"]),
    )


def _check_file(folder: Path, name: str, size: int, digest: str) -> None:
    path = folder / name
    remedy = "copy the folder again, or export the model again"
    if not path.is_file():
        raise FormatError(f"{name} is missing in {str(folder)!r}: {remedy}")
    if path.stat().st_size != size:
        raise FormatError(
            f"{name} in {str(folder)!r} has {path.stat().st_size:,} bytes, and {size:,} were "
            f"written: {remedy}"
        )
    if sha256(path) != digest:
        raise FormatError(f"{name} in {str(folder)!r} is not the file that was written: {remedy}")
