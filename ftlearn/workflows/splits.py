"""Train, valid and test of a run: read strictly, split off where missing, checked for leaks."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from datasets import ClassLabel, Dataset, DatasetDict

from ftlearn.compatibility.texts import same_texts
from ftlearn.data import DataError, ReadReport, split
from ftlearn.data.adding_columns import add_columns
from ftlearn.data.columns import Columns
from ftlearn.data.labels import label_feature, unique_labels_message
from ftlearn.data.rare_labels import drop_rare, listed
from ftlearn.data.reading import read_table, to_dataset
from ftlearn.workflows.folder import RunError
from ftlearn.workflows.plan import LABEL_KINDS, Files
from ftlearn.workflows.row_checks import against_train

SHARE = 0.1
"""Share of the training file for each part that has no file of its own."""
GROUP = "ftlearn same text"
"""Name of the column that holds equal texts together in the split; removed afterwards."""


@dataclass(frozen=True)
class Parts:
    """The rows by part, and how each file was read.

    ``cut`` names the parts that were split off the training file; ``repeated`` counts its rows
    whose text stands in it more than once; ``left_out`` counts the rows of each rare label.
    """

    data: DatasetDict
    reports: dict[str, ReadReport]
    cut: tuple[str, ...]
    repeated: int
    left_out: dict[str, int]


def read_parts(files: Files, *, seed: int) -> Parts:
    """Read the files and split off what is missing; the classes are those of the training file.

    The split is stratified by class, the same for any order of the rows, and equal texts (case
    and white space aside) stay in one part. Rows of the other files with a label that the training
    file does not have are refused. Warns of rows that do not fit together
    (``workflows.row_checks``). Raises DataError for files that cannot be read or have no label in
    common, and RunError where there are too few rows.
    """
    columns = Columns.of(files.text, files.label, LABEL_KINDS[files.task])
    tables = {
        part: read_table(path, columns, **files.reading) for part, path in files.paths.items()
    }
    train = tables["train"]
    feature = label_feature(train.columns[files.label], columns.kind, train.lines)
    tables = against_train(tables, columns, feature)
    data = {part: to_dataset(table, columns, feature) for part, table in tables.items()}
    left_out: dict[str, int] = {}
    if files.drop_rare:
        data, left_out = _without_rare(data, files)
    reports = {part: table.report for part, table in tables.items()}
    texts = same_texts(data["train"], files.text)
    return split_off(data, reports, texts, files, left_out, seed=seed)


def split_off(
    data: dict[str, Dataset],
    reports: dict[str, ReadReport],
    texts: list[str],
    files: Files,
    left_out: dict[str, int],
    *,
    seed: int,
) -> Parts:
    """The parts of a run, those without a file of their own cut from the training rows.

    ``texts`` tells which of the training rows are the same.
    """
    groups = _repeated(texts)
    cut = tuple(part for part in ("valid", "test") if part not in data)
    if cut:
        data = data | _cut(data["train"], groups, cut, files, seed=seed)
    return Parts(
        data=DatasetDict({part: data[part] for part in ("train", "valid", "test")}),
        reports=reports,
        cut=cut,
        repeated=sum(text is not None for text in groups),
        left_out=left_out,
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
    """Each text that occurs more than once, and None in place of the others.

    A group is named by its text, not by a number: the split depends on what a row holds, so with
    a number it would change with the order of the rows.

    >>> _repeated(["a", "b", "a"])
    ['a', None, 'a']
    """
    times = Counter(texts)
    return [text if times[text] > 1 else None for text in texts]


def _cut(
    dataset: Dataset, groups: list[str | None], cut: tuple[str, ...], files: Files, *, seed: int
) -> dict[str, Dataset]:
    """The training file's rows as train and the parts to cut; equal texts stay in one part."""
    is_class = isinstance(dataset.features.get(files.label), ClassLabel)
    stratify = files.label if is_class else None
    _check_enough(dataset, cut, files, stratify)
    shares = {part: SHARE if part in cut else 0.0 for part in ("valid", "test")}
    sizes = (1 - SHARE * len(cut), shares["valid"], shares["test"])
    rows = add_columns(dataset, {GROUP: groups})
    try:
        parts = split(rows, sizes=sizes, group=GROUP, stratify=stratify, seed=seed)
    except DataError as error:
        if not any(groups):
            raise
        raise RunError(_copies(groups, files)) from error
    data = {part: parts[part].remove_columns(GROUP) for part in ("train", *cut)}
    empty = [part for part, rows in data.items() if len(rows) == 0]
    if empty:
        raise RunError(_too_few(files, f"the part {empty[0]!r} cut from its rows would be empty"))
    return data


def _check_enough(
    dataset: Dataset, cut: tuple[str, ...], files: Files, stratify: str | None
) -> None:
    if len(dataset) < 10:
        raise RunError(_too_few(files, f"it has {len(dataset)} rows, and at least 10 are needed"))
    if stratify is None:
        return
    names, counts = dataset.features[stratify].names, Counter(dataset[stratify][:])
    least = len(cut) + 1
    rare = {names[label]: count for label, count in counts.items() if count < least}
    if rare:
        raise RunError(_too_rare(files, rare, cut, unique_labels_message(counts)))


def _too_rare(
    files: Files, rare: dict[str, int], cut: tuple[str, ...], unique_labels: str | None
) -> str:
    """Why the rows of some labels cannot be split, naming all such labels, and what to do."""
    least = len(cut) + 1
    labels = "1 label has" if len(rare) == 1 else f"{len(rare)} labels have"
    reason = (
        f"{labels} fewer rows than the {least} parts (train, {', '.join(cut)}), which need one "
        f"each: {listed(rare)}"
    )
    if unique_labels:
        return _too_few(
            files,
            f"{unique_labels}; {reason}. Is {files.label!r} the right column? For numbers use "
            "task='regression' (--task regression)",
        )
    return _too_few(
        files, f"{reason}. Leave such labels out with drop_rare={least} (--drop-rare {least})"
    )


def _copies(groups: list[str | None], files: Files) -> str:
    """Why no part can take the copies of one text, which stay together."""
    text, count = Counter(text for text in groups if text is not None).most_common(1)[0]
    shown = text if len(text) <= 40 else f"{text[:40]}..."
    return (
        f"{Path(files.train)} cannot be cut into parts: {count} of its {len(groups)} rows hold "
        f"the same text, {shown!r}, and copies of a text stay in one part. Remove copies, or "
        f"{_own_files(files)}"
    )


def _too_few(files: Files, reason: str) -> str:
    return (
        f"{Path(files.train)} is too small to be cut into parts: {reason}. Add rows, or "
        f"{_own_files(files)}"
    )


def _own_files(files: Files) -> str:
    missing = [f"`{part}`" for part in ("valid", "test") if part not in files.paths]
    kind = "files of their own" if len(missing) > 1 else "a file of its own"
    return f"give {' and '.join(missing)} as {kind}"
