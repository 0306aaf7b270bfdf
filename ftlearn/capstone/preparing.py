"""A new submission: a raw file, cleaned by steps that count what they remove, and split."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from datasets import Dataset

from ftlearn import data
from ftlearn.capstone.checks import PRIVATE
from ftlearn.capstone.submission import CLAIMS, PARTS, CapstoneError, Submission, update
from ftlearn.data.bundled import TOPICS
from ftlearn.runtime.files import check_new_folder, write_json, write_text

SIZES = (0.3, 0.2, 0.5)
SENTENCES = {
    "purpose": "TODO what the model is for, and who uses its answers",
    "out_of_scope": "TODO what nobody should use it for",
    "cost_of_errors": "TODO what each kind of error costs, and whom",
    "limitations": "TODO where it fails, naming a measured label or slice",
    "licence": "TODO",
    "people": "TODO who wrote the texts, and whether they agreed",
    "origin": "TODO where the texts come from, and who labelled them how",
    "maintenance": "TODO who answers for it, and when it is measured again",
    "independence": "TODO without a source column: why rows are independent",
}
BUNDLED = {"text": "review", "label": "verdict", "source": "product", "slice": "aspect"}
ALIASES = {"pos": "positive", "neg": "negative", "good": "positive", "bad": "negative"}
CHINESE = "topics_zh"
"""The bundled articles in Chinese: the name that ``new`` takes in place of a file."""


def new(
    folder: str | Path,
    file: str | Path | None = None,
    *,
    text: str = "text",
    label: str = "label",
    source: str | None = None,
    slice: str | None = None,  # noqa: A002 - as in capstone.json
) -> Path:
    """Begin a submission: the raw file, and a ``capstone.json`` whose words are to be written.

    Without a ``file`` it is the bundled one, reviews as they would arrive; ``"topics_zh"`` stands
    for the bundled articles in Chinese. ``source`` names the column of what several rows share (a
    customer, a product), ``slice`` one whose values are measured apart. Raises ExistsError where
    the folder is not new.
    """
    folder = Path(folder)
    check_new_folder(folder)
    columns = {"text": text, "label": label, "source": source, "slice": slice}
    names: dict[str, Any] = {"labels": None, "aliases": {}}
    folder.mkdir(parents=True, exist_ok=True)
    if file is None:
        columns, names = BUNDLED, {"labels": ["negative", "positive"], "aliases": ALIASES}
        write_text(folder / "raw.csv", raw_reviews().to_csv(index=False, lineterminator="\n"))
    elif str(file) == CHINESE:
        columns = {"text": "text", "label": "label", "source": "event", "slice": "register"}
        names["labels"] = list(TOPICS)
        write_text(folder / "raw.csv", chinese_articles().to_csv(index=False, lineterminator="\n"))
    else:
        data.read(file, text=text, label=label)  # raises where there is nothing to learn from
        shutil.copyfile(file, folder / f"raw{Path(file).suffix}")
    settings = {"author": "", "words": SENTENCES, "columns": columns, **names}
    settings |= {"source": columns["source"], "slice": columns["slice"], "target": 0.9}
    write_json(folder / CLAIMS, {**settings, "served": None, "service": {}, "notes": {}})
    return folder


def prepare(folder: str | Path, *, sizes: Sequence[float] = SIZES, seed: int = 0) -> pd.DataFrame:
    """Clean the raw file of a submission and split it by source into ``data/``.

    Texts are repaired and labels brought to one spelling. Rows that cannot be read, have an unknown
    label, hold an address or a telephone number, or are copies, are removed and counted in
    ``capstone.json``. Returns the counts. Raises CapstoneError where ``data/`` exists.
    """
    folder = Path(folder)
    submission = Submission(folder)
    if (folder / "data").exists():
        raise CapstoneError(f"{folder / 'data'} exists: models may have been trained on it")
    columns = submission.setting("columns", dict)
    rows, report = data.read(_raw(folder), text=columns["text"])
    removed = {"could not be read": len(report.rejected)}
    table = _cleaned(rows.to_pandas(), columns, submission.settings)
    for reason, drop in (
        ("unknown label", lambda kept: kept["label"].isna()),
        ("address or number", lambda kept: kept["text"].str.contains(PRIVATE)),
        ("copies with two labels", lambda kept: _copies(kept, disagreeing=True)),
        ("copies", lambda kept: _copies(kept, disagreeing=False)),
    ):
        dropped = np.asarray(drop(table), dtype=bool)
        removed[reason] = int(dropped.sum())
        table = table[~dropped].reset_index(drop=True)
    _write(folder, table, columns["source"], sizes, seed)
    counts = {"read": len(rows) + len(report.rejected), "removed": removed}
    update(folder, rows=counts)
    kept = {"read": counts["read"], **{f"removed: {name}": n for name, n in removed.items()}}
    return pd.DataFrame({"rows": kept | {"kept": len(table)}})


def _raw(folder: Path) -> Path:
    paths = sorted(folder.glob("raw.*"))
    if len(paths) != 1:
        raise CapstoneError(f"{folder} holds {len(paths)} files named raw: it needs one")
    return paths[0]


def _cleaned(
    table: pd.DataFrame, columns: Mapping[str, str | None], settings: Mapping[str, Any]
) -> pd.DataFrame:
    """The columns text, label, and those of source and slice under their own names."""
    labels = [value and str(value).strip() for value in table[columns["label"]]]
    names = settings.get("labels") or sorted({label for label in labels if label})
    aliases = settings.get("aliases") or {}
    cleaned = {
        "text": [data.repair_text(text).text for text in table[columns["text"]]],
        "label": [data.normalise_label(label, names, aliases=aliases) for label in labels],
    }
    extra = [columns[name] for name in ("source", "slice") if columns[name]]
    return pd.DataFrame(cleaned | {name: table[name] for name in extra})


def _copies(table: pd.DataFrame, *, disagreeing: bool) -> np.ndarray:
    """Rows to remove: all near-duplicates with two labels, or all but the first of the others."""
    dropped = np.zeros(len(table), dtype=bool)
    for group in data.near_duplicates(list(table["text"])):
        differ = table["label"].iloc[group].nunique() > 1
        if differ and disagreeing:
            dropped[group] = True
        elif not disagreeing:
            dropped[group[1:]] = True
    return dropped


def _write(
    folder: Path, table: pd.DataFrame, source: str | None, sizes: Sequence[float], seed: int
) -> None:
    rows = Dataset.from_pandas(table, preserve_index=False)
    parts = data.split(rows, sizes=tuple(sizes), stratify="label", group=source, seed=seed)
    (folder / "data").mkdir()
    for part in PARTS:
        text = parts[part].to_pandas().to_csv(index=False, lineterminator="\n")
        write_text(folder / "data" / f"{part}.csv", text)


def raw_reviews(seed: int = 25) -> pd.DataFrame:
    """The bundled reviews of one, two, four and five stars as they might arrive: with copies, HTML,
    broken encodings, labels as typed by hand, and rows that nobody can use.

    >>> raw_reviews().shape
    (452, 4)
    """
    random = np.random.default_rng(seed)
    clean = [
        {
            "review": row["text"],
            "verdict": "positive" if row["label"] > 3 else "negative",
            "product": row["product"],
            "aspect": row["aspect"],
        }
        for part in data.load("reviews").values()
        if "aspect" in part.column_names
        for row in part
        if row["label"] != 3
    ]
    rows = [dict(clean[i]) for i in random.permutation(len(clean))]
    copied = random.choice(len(rows), 24, replace=False)
    rows += [{**rows[i], "review": rows[i]["review"] + ("" if i % 2 else " ")} for i in copied[:12]]
    rows += [{**rows[i], "review": re.sub(r"\.$", "!", rows[i]["review"])} for i in copied[12:]]
    rows += [{**rows[int(i)], "review": ""} for i in random.choice(len(clean), 6)]
    rows += [{**rows[int(i)], "verdict": "?"} for i in random.choice(len(clean), 6)]
    rows = [rows[i] for i in random.permutation(len(rows))]
    for row in rows[:30]:
        row["review"] = f"<p>{row['review']}</p>".replace("'", "&#39;")
    for row in rows[30:60]:
        row["review"] = row["review"].replace("é", "Ã©").replace("'", "â€™")
    for row in rows[60:64]:
        row["review"] += " Write to me at ada@example.org."
    spellings = {"positive": ("Positive", "pos", "good"), "negative": ("NEGATIVE ", "neg", "bad")}
    for number, row in enumerate(rows[64:160]):
        row["verdict"] = spellings.get(row["verdict"], ("?",) * 3)[number % 3]
    return pd.DataFrame(rows)


def chinese_articles() -> pd.DataFrame:
    """The bundled articles in Chinese; pieces on one event share a value of the column event.

    >>> chinese_articles().shape
    (480, 4)
    """
    rows = pd.concat([part.to_pandas() for part in data.load(CHINESE).values()])
    topics = [TOPICS[label] for label in rows["label"]]
    events = rows["story"].where(rows["story"] != "", rows["id"])
    columns = {"text": rows["text"], "label": topics, "event": events, "register": rows["register"]}
    return pd.DataFrame(columns).sample(frac=1, random_state=25)
