"""Known data sets of the Hugging Face Hub, brought to the names that the course uses."""

from __future__ import annotations

from dataclasses import dataclass

import datasets
from datasets import DatasetDict

from ftlearn.data.errors import DataError, close_match, need_columns
from ftlearn.data.parts import renamed
from ftlearn.data.splitting import split

VALID_SHARE = 0.1


@dataclass(frozen=True)
class HubSet:
    """Where a data set lives and how its columns and splits are called there.

    `valid=None` means that a tenth of the training rows is set aside for it.
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
    """A Hub data set: a known name with the course's columns and splits, any other as it is.

    `local` are the names that need no network; an error message offers them.
    """
    known = KNOWN.get(name)
    if known is None:
        return _rename_splits(_fetch(name, HubSet(name), local))
    parts = _fetch(name, known, local)
    parts = DatasetDict({part: _rename(parts[part], known) for part in _sources(known)})
    if known.valid is None:
        stratify = "label" if known.stratify else None
        carved = split(parts["train"], sizes=(1 - VALID_SHARE, VALID_SHARE, 0.0), stratify=stratify)
        train, valid = carved["train"], carved["valid"]
    else:
        train, valid = parts["train"], parts[known.valid]
    return DatasetDict({"train": train, "valid": valid, "test": parts[known.test]})


def _sources(known: HubSet) -> list[str]:
    return [part for part in ("train", known.valid, known.test) if part]


def _fetch(name: str, known: HubSet, local: tuple[str, ...]) -> DatasetDict:
    where = (known.path,) if known.config is None else (known.path, known.config)
    try:
        return datasets.load_dataset(*where)
    except OSError as error:
        raise DataError(
            f"cannot load {name!r} from the Hub (data set {known.path!r}: {error})."
            + close_match(name, (*local, *KNOWN))
            + f" Use a bundled name ({', '.join(local)}), the path of your own file, or go online "
            "once: the data set then stays in the local cache."
        ) from error


def _rename(part: datasets.Dataset, known: HubSet) -> datasets.Dataset:
    """The columns text (and text_pair) and label, others as they are."""
    names = dict(zip(known.text, ("text", "text_pair"), strict=False)) | {known.label: "label"}
    need_columns(names, part.column_names, f"the Hub data set {known.path!r}")
    return part.rename_columns({old: new for old, new in names.items() if old != new})


def _rename_splits(parts: DatasetDict) -> DatasetDict:
    names = renamed(parts)
    return DatasetDict({names[name]: part for name, part in parts.items()})
