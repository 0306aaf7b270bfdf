"""The three parts of a run: read strictly, cut where a file is missing, checked for leaks."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from datasets import ClassLabel, Dataset, DatasetDict

from ftlearn.compatibility.texts import same_texts
from ftlearn.data import DataError, ReadReport, split
from ftlearn.data.columns import Columns
from ftlearn.data.labels import label_feature, own_labels
from ftlearn.data.rare import drop_rare, listed
from ftlearn.data.reading import read_table, to_dataset
from ftlearn.workflows.agreeing import against_train
from ftlearn.workflows.folder import RunError
from ftlearn.workflows.plan import KINDS, Files

SHARE = 0.1
"""Of the training file, for each part that has no file of its own."""
GROUP = "ftlearn same text"


@dataclass(frozen=True)
class Parts:
    """The rows by part, and what each file gave.

    ``cut`` names the parts that were cut from the training file; ``repeated`` counts its rows
    whose text stands in it more than once; ``left_out`` has the rows of each rare label.
    """

    data: DatasetDict
    reports: dict[str, ReadReport]
    cut: tuple[str, ...]
    repeated: int
    left_out: dict[str, int]


def read_parts(files: Files, *, seed: int) -> Parts:
    """Read the files and cut off what is missing; the classes are those of the training file.

    The cut is stratified by class, the same for any order of the rows, and equal texts (case and
    white space aside) stay in one part. Rows of the other files with a label that the training
    file does not have are refused. Warns of what may not fit together (``runs.agreeing``). Raises
    DataError for files that cannot be read or have no label in common, and RunError where there
    are too few rows.
    """
    wanted = Columns.of(files.text, files.label, KINDS[files.task])
    tables = {part: read_table(path, wanted, **files.reading) for part, path in files.given.items()}
    train = tables["train"]
    feature = label_feature(train.columns[files.label], wanted.kind, train.lines)
    tables = against_train(tables, wanted, feature)
    data = {part: to_dataset(table, wanted, feature) for part, table in tables.items()}
    data, left_out = _without_rare(data, files) if files.drop_rare else (data, {})
    together = _repeated(same_texts(data["train"], files.text))
    cut = tuple(part for part in ("valid", "test") if part not in data)
    if cut:
        data = {**_cut(data["train"], together, cut, files, seed=seed), **_without(data, "train")}
    order = [part for part in ("train", "valid", "test") if part in data]
    return Parts(
        DatasetDict({part: data[part] for part in order}),
        {part: table.report for part, table in tables.items()},
        cut,
        sum(text is not None for text in together),
        left_out,
    )


def _without_rare(
    data: dict[str, Dataset], files: Files
) -> tuple[dict[str, Dataset], dict[str, int]]:
    """The parts without the labels that have too few rows, which a warning names."""
    kept, left_out = drop_rare(DatasetDict(data), rows=files.drop_rare, label=files.label)
    if left_out:
        labels = "1 label has" if len(left_out) == 1 else f"{len(left_out)} labels have"
        warnings.warn(
            f"{labels} fewer than {files.drop_rare} rows in the training file and "
            f"{sum(left_out.values())} rows in all, which are left out: {listed(left_out)}",
            stacklevel=4,
        )
    return dict(kept), left_out


def _repeated(texts: list[str]) -> list[str | None]:
    """The texts that stand there more than once, and None for the others.

    A group has the name of its text, not of a row: the cut goes by what a row holds, so with a
    number it would change with the order of the rows.

    >>> _repeated(["a", "b", "a"])
    ['a', None, 'a']
    """
    times = Counter(texts)
    return [text if times[text] > 1 else None for text in texts]


def _without(data: dict[str, Dataset], name: str) -> dict[str, Dataset]:
    return {part: rows for part, rows in data.items() if part != name}


def _cut(
    dataset: Dataset, together: list[str | None], cut: tuple[str, ...], files: Files, *, seed: int
) -> dict[str, Dataset]:
    stratify = files.label if isinstance(dataset.features[files.label], ClassLabel) else None
    _check_enough(dataset, cut, files, stratify)
    sizes = [1 - SHARE * len(cut), *(SHARE * (part in cut) for part in ("valid", "test"))]
    rows, how = dataset.add_column(GROUP, together), {"stratify": stratify, "seed": seed}
    try:
        parts = split(rows, sizes=tuple(sizes), group=GROUP, **how)
    except DataError as error:
        if not any(together):
            raise
        raise RunError(_copies(together, files)) from error
    chosen = {part: parts[part].remove_columns(GROUP) for part in ("train", *cut)}
    empty = [part for part, rows in chosen.items() if len(rows) == 0]
    if empty:
        raise RunError(_too_few(files, f"the part {empty[0]!r} cut from its rows would be empty"))
    return chosen


def _check_enough(
    dataset: Dataset, cut: tuple[str, ...], files: Files, stratify: str | None
) -> None:
    if len(dataset) < 10:
        raise RunError(_too_few(files, f"it has {len(dataset)} rows, and at least 10 are needed"))
    if stratify is None:
        return
    names, counts = dataset.features[stratify].names, Counter(dataset[stratify])
    least = len(cut) + 1
    rare = {names[label]: count for label, count in counts.items() if count < least}
    if rare:
        raise RunError(_too_rare(files, rare, cut, own_labels(counts)))


def _too_rare(files: Files, rare: dict[str, int], cut: tuple[str, ...], own: str | None) -> str:
    """Why labels cannot be cut into parts, all of them, and what to do."""
    least = len(cut) + 1
    labels = "1 label has" if len(rare) == 1 else f"{len(rare)} labels have"
    reason = (
        f"{labels} fewer rows than the {least} parts (train, {', '.join(cut)}), which need one "
        f"each: {listed(rare)}"
    )
    if own:
        return _too_few(
            files,
            f"{own}; {reason}. Is {files.label!r} the right column? For numbers use "
            "task='regression' (--task regression)",
        )
    return _too_few(
        files, f"{reason}. Leave such labels out with drop_rare={least} (--drop-rare {least})"
    )


def _copies(together: list[str | None], files: Files) -> str:
    """Why no part can take the copies of one text, which stay together."""
    text, count = Counter(text for text in together if text is not None).most_common(1)[0]
    shown = text if len(text) <= 40 else f"{text[:40]}..."
    return (
        f"{Path(files.train)} cannot be cut into parts: {count} of its {len(together)} rows hold "
        f"the same text, {shown!r}, and copies of a text stay in one part. Remove copies, or "
        f"{_own_files(files)}"
    )


def _too_few(files: Files, reason: str) -> str:
    return (
        f"{Path(files.train)} is too small to be cut into parts: {reason}. Add rows, or "
        f"{_own_files(files)}"
    )


def _own_files(files: Files) -> str:
    missing = [f"`{part}`" for part in ("valid", "test") if part not in files.given]
    kind = "files of their own" if len(missing) > 1 else "a file of its own"
    return f"give {' and '.join(missing)} as {kind}"
