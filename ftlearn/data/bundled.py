"""The course's own data sets, which come with the package; `files/CARD.md` describes them."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

TOPICS = ("technology", "health", "sports")
INTENTS = (
    *("delivery", "track_order", "cancel_order", "change_address", "return_item"),
    *("refund_status", "exchange_item", "damaged_item", "missing_parcel", "warranty_claim"),
    *("payment", "gift_card", "discount", "account", "stock"),
)
OUT_OF_SCOPE = "out_of_scope"
FOLLOW_UP = "follow_up"
"""The intent of a message that only goes on with what was asked; never that of the first one."""

INTERESTS = (
    *("running", "gadgets", "cooking", "sleep"),
    *("travel", "gardening", "music", "money"),
)
"""What readers and advertisements of impressions may be about."""

VIRTUES = ("direct", "concrete", "brief", "plain")
"""What the score of a single answer in preferences counts."""

BUNDLED = {
    "topics": ("train", "valid", "test"),
    "topics_shift": ("test",),
    "topics_raw": ("raw", "verdicts"),
    "topics_zh": ("train", "valid", "test"),
    "ratings": ("train", "valid", "test"),
    "reviews": ("train", "valid", "test", "pairs"),
    "questions": ("train", "valid", "test"),
    "summaries": ("train", "valid", "test"),
    "service": ("train", "valid", "test", "rules"),
    "impressions": ("ads", "readers", "train", "valid", "test"),
    "preferences": ("train", "valid", "test", "ratings"),
}
Row = dict[str, Any]


def _strings(*names: str) -> dict[str, Value]:
    return dict.fromkeys(names, Value("string"))


TOPIC = {"label": ClassLabel(names=list(TOPICS))}
ARTICLE = _strings("id", "title", "text") | TOPIC | _strings("register", "near", "story")
RECORD = _strings("id", "title", "text", "register", "near", "story")
TYPED = _strings("annotator_a", "annotator_b", "editor")
SQUAD = {"text": [Value("string")], "answer_start": [Value("int32")]}
SPAN = _strings("answer") | {"start": Value("int32"), "answers": SQUAD}
INTENT = {"label": ClassLabel(names=[*INTENTS, OUT_OF_SCOPE])}
DIALOGUE = {
    "intents": [Value("string")],
    "messages": [_strings("role", "content")],
    "facts": [[Value("string")]],
    "rules": [[Value("string")]],
    "actions": [Value("string")],
}
IMPRESSION = _strings("reader", "ad") | {
    "position": Value("int32"),
    "propensity": Value("float64"),
    "click": Value("int32"),
    "time": Value("int32"),
}
HIDDEN = {"interests": dict.fromkeys(INTERESTS, Value("float64"))}
"""What only the law of the clicks may use: never features of a model."""
PAIR = _strings("id", "theme", "kind", "prompt", "first", "second")
VERDICTS = _strings("rater_a", "reason_a", "rater_b", "reason_b", "chosen", "rejected")
SCORED = dict.fromkeys(VIRTUES, Value("bool")) | {"score": Value("int32")}
COLUMNS = {
    "topics": ARTICLE,
    "topics_shift": ARTICLE,
    "topics_zh": ARTICLE,
    "topics_raw": RECORD | TYPED,
    "topics_raw/verdicts": _strings("id", "label"),
    "ratings": _strings("id", "text", "product") | {"label": Value("float32")},
    "reviews": _strings("id", "text", "product", "aspect")
    | dict.fromkeys(("label", "second"), Value("float32"))
    | {"irony": Value("bool")},
    "reviews/pairs": _strings("id", "pair", "text", "kind") | {"positive": Value("bool")},
    "questions": _strings("id", "article", "title", "context", "question", "wording")
    | SPAN
    | TOPIC,
    "summaries": _strings("id", "article", "title", "text", "summary") | TOPIC,
    "service": _strings("id", "customer") | INTENT | DIALOGUE,
    "service/rules": _strings("rule", "says"),
    "impressions": IMPRESSION,
    "impressions/ads": _strings("ad", "text", "kind")
    | {"new": Value("bool"), "bid": Value("int32"), "appeal": Value("float64")}
    | HIDDEN,
    "impressions/readers": _strings("reader", "text") | HIDDEN,
    "preferences": PAIR | VERDICTS | {"agree": Value("bool")},
    "preferences/ratings": _strings("id", "kind", "prompt", "answer") | SCORED,
}
"""The features of each data set, and of a part where they differ."""


def load_bundled(name: str) -> DatasetDict:
    """The parts of one of the `BUNDLED` data sets.

    >>> load_bundled("questions")["train"].column_names[:5]
    ['id', 'article', 'title', 'context', 'question']
    """
    return DatasetDict({part: _load_part(name, part) for part in BUNDLED[name]})


def _load_part(name: str, part: str) -> Dataset:
    features = Features(COLUMNS.get(f"{name}/{part}", COLUMNS[name]))
    rows = _read(name, part)
    if "article" in features:
        rows = _with_articles(rows, part)
    if "answers" in features:
        rows = [{**row, "answers": _answers(row)} for row in rows]
    if "intents" in features:
        rows = [{**row, "label": row["intents"][0]} for row in rows]
    if "chosen" in features:
        rows = [{**row, **_verdict(row)} for row in rows]
    if "score" in features:
        rows = [{**row, "score": sum(row[virtue] for virtue in VIRTUES)} for row in rows]
    columns = {column: [row[column] for row in rows] for column in features}
    return Dataset.from_dict(columns, features=features)


def _read(name: str, part: str) -> list[Row]:
    file = resources.files(__package__) / "files" / name / f"{part}.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


def _with_articles(rows: list[Row], part: str) -> list[Row]:
    """Rows with the columns of their article, which stands in the same part of topics."""
    articles = {article["id"]: article for article in _read("topics", part)}
    joined = []
    for row in rows:
        article = articles[row["article"]]
        joined.append({**article, "context": article["text"], **row})
    return joined


def _verdict(row: Row) -> Row:
    """The answers as rater A prefers them, and whether rater B does so too."""
    other = {"first": "second", "second": "first"}[row["rater_a"]]
    agree = row["rater_a"] == row["rater_b"]
    return {"chosen": row[row["rater_a"]], "rejected": row[other], "agree": agree}


def _answers(row: Row) -> dict[str, list]:
    """The answer in the shape of SQuAD, as `tasks.question_answering` reads it."""
    if not row["answer"]:
        return {"text": [], "answer_start": []}
    return {"text": [row["answer"]], "answer_start": [row["start"]]}
