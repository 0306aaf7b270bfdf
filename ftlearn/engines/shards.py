"""Input shards and the output shards that belong to them."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ftlearn.data import DataError

SUFFIX = ".parquet"
PATTERN_CHARACTERS = frozenset("*?[")


class Shard(NamedTuple):
    """A Parquet file to be read, and the one that is made of it."""

    source: Path
    target: Path


def is_sharded(source: str, target: str) -> bool:
    """Whether a source is a folder or a pattern of files, or a target is a folder.

    >>> is_sharded("new.csv", "answers.jsonl"), is_sharded("new/*.parquet", "answers")
    (False, True)
    """
    if "-" in (source, target):
        return False
    folder = Path(target).is_dir() or target.endswith(("/", os.sep))
    return folder or Path(source).is_dir() or _is_pattern(source)


def find_shards(source: str | Path, folder: str | Path) -> list[Shard]:
    """The shards of a folder, a pattern such as ``"new/*.parquet"``, or a file, in order of names.

    Hidden files, and those whose names begin with an underscore, are left out. Raises DataError
    where there is no shard, two have the same name, or the output would replace the input.
    """
    files = _files(str(source))
    if not files:
        raise DataError(
            f"{source} names no Parquet file: give a folder with files *{SUFFIX}, a pattern such "
            f"as 'new/*{SUFFIX}' in quotes, or a file"
        )
    twice = [name for name, count in Counter(file.name for file in files).items() if count > 1]
    if twice:
        raise DataError(
            f"{source} names {twice[0]} twice, in different folders, and an output shard has the "
            "name of its input: predict one folder at a time"
        )
    folder = Path(folder).absolute()
    for file in files:
        if file.parent.resolve() == folder.resolve():
            raise DataError(
                f"{folder} holds the input {file.name}, which would be replaced: name another "
                "output folder"
            )
    return [Shard(file, folder / file.name) for file in files]


def _files(source: str) -> list[Path]:
    path = Path(source)
    if path.is_file():
        if path.suffix.lower() != SUFFIX:
            raise DataError(
                f"{source} is no Parquet file, and shards are: write its rows as {SUFFIX}, or name "
                "an output file that ends in .jsonl"
            )
        return [path.absolute()]
    if path.is_dir():
        found: Sequence[Path] = list(path.iterdir())
    else:
        found = [Path(name) for name in glob.glob(source)] if _is_pattern(source) else []
    shown = (file for file in found if not file.name.startswith((".", "_")))
    return sorted(
        (file.absolute() for file in shown if file.is_file() and file.suffix.lower() == SUFFIX),
        key=lambda file: file.name,
    )


def _is_pattern(source: str) -> bool:
    return not PATTERN_CHARACTERS.isdisjoint(source)
