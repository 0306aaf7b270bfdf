"""Data sets of the Hugging Face Hub, with the columns and splits that the course uses."""

from __future__ import annotations

from dataclasses import dataclass

import datasets
from datasets import DatasetDict

from ftlearn.data.errors import DataError, close_match, need_columns
from ftlearn.data.part_names import split_to_part
from ftlearn.data.splitting import split

VALID_SHARE = 0.1


@dataclass(frozen=True)
class HubSet:
    """Where a data set is on the Hub, and what its columns and splits are called there.

    `valid=None`: the Hub has no validation split, so a tenth of the training rows is set aside.
    """

    path: str
    config: str | None = None
    text: tuple[str, ...] = ("text",)
    label: str = "label"
    valid: str | None = None
    test: str = "test"
    stratify: bool = True


KNOWN = {
    "ag_news": HubSet("fancyzhx/ag_news"),
    "imdb": HubSet("stanfordnlp/imdb"),
    "rotten_tomatoes": HubSet("cornell-movie-review-data/rotten_tomatoes", valid="validation"),
    "sst2": HubSet("stanfordnlp/sst2", text=("sentence",), test="validation"),
    "stsb": HubSet(
        "nyu-mll/glue", "stsb", text=("sentence1", "sentence2"), test="validation", stratify=False
    ),
}


def load_hub(name: str, local: tuple[str, ...]) -> DatasetDict:
    """A Hub data set: a known one with the course's columns and splits, any other unchanged.

    `local` names the data sets that need no network, for the error message.
    """
    known = KNOWN.get(name)
    if known is None:
        return _rename_splits(_fetch(name, HubSet(name), local))
    parts = _fetch(name, known, local)
    parts = DatasetDict({part: _rename(parts[part], known) for part in _sources(known)})
    if known.valid is None:
        stratify = "label" if known.stratify else None
        held_out = split(
            parts["train"], sizes=(1 - VALID_SHARE, VALID_SHARE, 0.0), stratify=stratify
        )
        train = held_out["train"]
        valid = held_out["valid"]
    else:
        train = parts["train"]
        valid = parts[known.valid]
    return DatasetDict({"train": train, "valid": valid, "test": parts[known.test]})


def _sources(known: HubSet) -> list[str]:
    return [part for part in ("train", known.valid, known.test) if part]


def _fetch(name: str, known: HubSet, local: tuple[str, ...]) -> DatasetDict:
    arguments = (known.path,) if known.config is None else (known.path, known.config)
    try:
        return datasets.load_dataset(*arguments)
    except OSError as error:
        raise DataError(
            f"cannot load {name!r} from the Hub (data set {known.path!r}: {error})."
            + close_match(name, (*local, *KNOWN))
            + f" Use a bundled name ({', '.join(local)}), the path of your own file, or go online "
            "once: the data set then stays in the local cache."
        ) from error


def _rename(part: datasets.Dataset, known: HubSet) -> datasets.Dataset:
    """Rename the columns to text (and text_pair) and label; the others keep their names."""
    names = dict(zip(known.text, ("text", "text_pair"), strict=False)) | {known.label: "label"}
    need_columns(names, part.column_names, f"the Hub data set {known.path!r}")
    return part.rename_columns({old: new for old, new in names.items() if old != new})


def _rename_splits(parts: DatasetDict) -> DatasetDict:
    names = split_to_part(parts)
    return DatasetDict({names[name]: part for name, part in parts.items()})
