"""A certificate: a grade with all hashes, which anyone verifies by grading the folder again.

It is signed by nobody and needs no account. What it proves is what the verification recomputes:
that this folder, unchanged, earns these points. It does not prove who made the folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftlearn.capstone import measures
from ftlearn.capstone.comparing import differences
from ftlearn.capstone.grading import Grade, grade
from ftlearn.capstone.submission import CapstoneError, Memory, Submission, read_object
from ftlearn.runtime.files import check_writable, sha256, write_json
from ftlearn.runtime.versions import versions
from ftlearn.workflows.summary import LIBRARIES

KIND = "ftlearn capstone certificate"


def certify(
    folder: str | Path,
    file: str | Path,
    *,
    draw: int | None = None,
    memory: Memory | None = None,
    overwrite: bool = False,
) -> Grade:
    """Grade a folder and write its certificate.

    Raises ExistsError for a file that exists, unless ``overwrite``, and CapstoneError for one
    inside the folder, which would change what it certifies.
    """
    folder, file = Path(folder), Path(file)
    check_writable(file, overwrite=overwrite)
    if folder.resolve() in file.resolve().parents:
        raise CapstoneError(f"{file} lies in the folder that it certifies: write it beside")
    memory = {} if memory is None else memory
    before = hashes(folder)
    result = grade(folder, draw=draw, memory=memory)
    write_json(file, _content(folder, before, result, memory))
    return result


def verify(folder: str | Path, file: str | Path, *, memory: Memory | None = None) -> list[str]:
    """Grade a folder again and return what differs from its certificate; nothing if it holds.

    Scores may differ by ``comparing.TOLERANCE``, the rounding of another processor. Raises
    CapstoneError for a file that is no certificate, and where a file of the folder was changed,
    added or removed, naming it.
    """
    folder, certificate = Path(folder), read_object(Path(file))
    if certificate.get("kind") != KIND or not isinstance(certificate.get("files"), dict):
        raise CapstoneError(f"{file} is no certificate of `ftlearn capstone grade --certificate`")
    now = hashes(folder)
    _check_files(certificate["files"], now)
    memory = {} if memory is None else memory
    drawn = certificate.get("fresh") or {}
    result = grade(folder, draw=drawn.get("seed"), memory=memory)
    content = _content(folder, now, result, memory)
    compared = ("points", "checks", "measured", "fresh")
    return [
        difference
        for name in compared
        for difference in differences(certificate.get(name), content[name], name)
    ]


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of a folder by its name in it; hidden ones are left out."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: sha256(path) for name, path in names.items() if "/." not in f"/{name}"}


def _content(
    folder: Path, files: Mapping[str, str], result: Grade, memory: Memory
) -> dict[str, Any]:
    submission = Submission(folder, memory)
    return {
        "kind": KIND,
        "author": submission.settings.get("author", ""),
        "points": result.points,
        "checks": {check.name: check.passed for check in result.results},
        "measured": {
            name: measures.once(submission, name) for name in ("accuracy", "seeds", "threshold")
        },
        "fresh": result.fresh and result.fresh.summary(),
        "files": dict(files),
        "versions": versions(LIBRARIES),
    }


def _check_files(certified: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raise CapstoneError naming the first file that is another one."""
    words = {True: "was changed", False: "was removed"}
    for name, digest in certified.items():
        if now.get(name) != digest:
            raise CapstoneError(f"{name} {words[name in now]} after the certificate was written")
    added = sorted(set(now) - set(certified))
    if added:
        raise CapstoneError(f"{added[0]} was added after the certificate was written")
