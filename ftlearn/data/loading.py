"""Load any data set: the course's own corpus, your own file or folder, the Hub."""

from __future__ import annotations

import warnings
from pathlib import Path

from datasets import ClassLabel, DatasetDict, Value

from ftlearn.data.bundled import BUNDLED, load_bundled
from ftlearn.data.columns import Columns
from ftlearn.data.errors import DataError
from ftlearn.data.hub import load_hub
from ftlearn.data.labels import label_feature
from ftlearn.data.part_names import PART_NAMES, part_of
from ftlearn.data.reading import SUFFIXES, Table, read_table, to_dataset


def load(
    name_or_path: str | Path,
    *,
    text: str | tuple[str, str] = "text",
    label: str | None = None,
    kind: str = "auto",
    delimiter: str | None = None,
    encoding: str | None = None,
    quoting: str = "auto",
) -> DatasetDict:
    """Load a data set by name or path as a `DatasetDict`; raises `DataError`.

    name_or_path : first match of
        the name of a bundled data set, such as topics, reviews or service (CARD.md lists all);
        the path of a .csv, .tsv, .jsonl or .parquet file (one part, "train"), or of a folder with
        such files named train and, if wanted, valid (or validation, val, dev, eval) and test;
        a known Hub name: "ag_news", "imdb", "rotten_tomatoes", "sst2", "stsb", with columns text
        (stsb also text_pair) and label, and parts train, valid, test: a tenth of train where the
        Hub has no validation part, and the validation part as test where test labels are secret;
        any other Hub id, with its own columns
    text, label, kind, delimiter, encoding, quoting : for files, as in `ftlearn.data.read`; columns
        keep their names, classes are those of all parts. A `UserWarning` reports rejected rows,
        notes and unused files

    >>> load("topics_shift").keys()
    dict_keys(['test'])
    """
    name = str(name_or_path)
    path = Path(name_or_path)
    if name in BUNDLED:
        return load_bundled(name)
    if path.is_dir():
        files = _part_files(path)
    elif path.suffix.lower() in SUFFIXES or path.is_file():
        files = {"train": path}
    else:
        return load_hub(name, tuple(BUNDLED))
    wanted = Columns.of(text, label, kind)
    return _read_parts(files, wanted, delimiter=delimiter, encoding=encoding, quoting=quoting)


def _part_files(folder: Path) -> dict[str, Path]:
    """The file of each part in a folder; a warning names the files that are not used."""
    files: dict[str, list[Path]] = {part: [] for part in PART_NAMES}
    others = []
    for path in sorted(folder.iterdir()):
        part = part_of(path.stem)
        if part and path.is_file() and path.suffix.lower() in SUFFIXES:
            files[part].append(path)
        elif not path.name.startswith(".") and path.suffix.lower() != ".md":
            others.append(path.name)
    for part, paths in files.items():
        if len(paths) > 1:
            names = [path.name for path in paths]
            raise DataError(f"{folder} has {names} for {part}; keep one of them.")
    if not files["train"]:
        raise DataError(
            f"the folder {folder} has no train file; name one train.csv, .tsv, .jsonl or .parquet."
            + (f" It holds {', '.join(others)}." if others else "")
        )
    if others:
        warnings.warn(
            f"not used of the folder {folder}: {', '.join(others)}. Its parts are files named "
            f"train, valid (or {', '.join(PART_NAMES['valid'][1:])}) and test, with the suffix "
            f"{', '.join(SUFFIXES)}",
            stacklevel=3,
        )
    return {part: paths[0] for part, paths in files.items() if paths}


def _read_parts(files: dict[str, Path], wanted: Columns, **file_format: str | None) -> DatasetDict:
    tables = {part: read_table(file, wanted, **file_format) for part, file in files.items()}
    for table in tables.values():
        if table.report.rejected or table.report.notes:
            warnings.warn(str(table.report), UserWarning, stacklevel=3)
    feature = _shared_label(tables, wanted)
    return DatasetDict({part: to_dataset(table, wanted, feature) for part, table in tables.items()})


def _shared_label(tables: dict[str, Table], wanted: Columns) -> ClassLabel | Value | None:
    if wanted.label is None:
        return None
    values = [value for table in tables.values() for value in table.columns[wanted.label]]
    return label_feature(values, wanted.kind, next(iter(tables.values())).lines)
