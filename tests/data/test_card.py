"""The data card states the sizes, labels and word counts that the data have."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources

import pytest
from datasets import ClassLabel, Dataset
from text_measures import question_alone_auc

from ftlearn.data import load
from ftlearn.data.bundled import BUNDLED

CARD = (resources.files("ftlearn.data") / "files" / "CARD.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\w+) \| (\w+) \| (\d+) \| (.+?) \|$", CARD, re.MULTILINE)
INTENT_ROWS = re.findall(r"^\| (\w+) \| [^|]+ \| (\d+) \| (\d+) \| (\d+) \|$", CARD, re.MULTILINE)
PARTS = [(name, part) for name, parts in BUNDLED.items() for part in parts]


def words(name: str, column: str = "text") -> list[int]:
    """Words of every text of a data set."""
    return [len(text.split()) for part in load(name).values() for text in part[column]]


def names(part: Dataset) -> list[str]:
    """The labels of a part by name."""
    feature = part.features["label"]
    values = part["label"][:]
    return feature.int2str(values) if isinstance(feature, ClassLabel) else list(map(str, values))


def test_every_part_is_in_the_table_once():
    assert sorted((name, part) for name, part, _, _ in ROWS) == sorted(PARTS)


@pytest.mark.parametrize(("name", "part", "rows", "labels"), ROWS)
def test_sizes_and_label_counts(name, part, rows, labels):
    dataset = load(name)[part]
    assert len(dataset) == int(rows)
    if name in ("service", "impressions", "preferences") or part in ("raw", "pairs"):
        return
    counts = Counter(names(dataset))
    per_rating = re.fullmatch(r"(\d+) of each rating from 1.0 to 5.0", labels)
    if per_rating:
        assert counts == {f"{stars}.0": int(per_rating[1]) for stars in range(1, 6)}
    else:
        assert counts == {label: int(n) for n, label in re.findall(r"(\d+) (\w+)", labels)}


@pytest.mark.parametrize(
    ("name", "column", "rows", "shortest", "longest"),
    [
        (name, column, *map(int, re.search(f"{pattern} of (\\d+) to (\\d+) words", CARD).groups()))
        for name, column, pattern in (
            ("topics", "text", r"(\d+) articles"),
            ("topics_shift", "text", r"(\d+) short messages"),
            ("ratings", "text", r"(\d+) product reviews"),
            ("questions", "question", r"(\d+) questions"),
            ("summaries", "summary", r"(\d+) summaries"),
        )
    ],
)
def test_lengths(name, column, rows, shortest, longest):
    counts = words(name, column)
    assert (len(counts), min(counts), max(counts)) == (rows, shortest, longest)


def test_registers_stories_and_borderline_pieces():
    parts = load("topics").values()
    registers = Counter(value for part in parts for value in part["register"])
    stories = Counter(value for part in parts for value in part["story"] if value)
    near = [value for part in parts for value in part["near"] if value]
    stated = re.search(r"registers, (\d+) articles each: ([\w, ]+)\.", CARD)
    assert registers == dict.fromkeys(stated[2].split(", "), int(stated[1]))
    assert f"{len(stories)} stories of two articles" in CARD
    assert set(stories.values()) == {2}
    assert f"({len(near)} articles)" in CARD


def test_registers_of_the_shift():
    stated = re.search(r"(\d+) of each register (\w+), (\w+) and (\w+)", CARD)
    assert Counter(load("topics_shift")["test"]["register"]) == dict.fromkeys(
        stated.groups()[1:], int(stated[1])
    )


def test_records_of_the_delivery_add_up():
    pattern = r"has (\d+) records: the (\d+) articles, (\d+) exact copies and (\d+) reprints"
    total, *kinds = map(int, re.search(pattern, CARD).groups())
    junk = int(re.search(r"and (\d+) records that do not belong", CARD)[1])
    raw = load("topics_raw")
    assert total == sum(kinds) + junk == len(raw["raw"])
    assert kinds[0] == len(raw["verdicts"])


def test_wrong_labels_with_both_annotators_behind_them():
    typed = {row["id"]: row for row in load("topics_raw")["raw"]}
    wrong = 0
    for verdict in load("topics_raw")["verdicts"]:
        row = typed[verdict["id"]]
        letters = verdict["label"][:4]
        labels = [row[name].strip().lower() for name in ("annotator_a", "annotator_b")]
        wrong += not row["editor"] and not any(label.startswith(letters) for label in labels)
    assert f"On {wrong} articles both annotators agree on a wrong label" in CARD


def stated_numbers(pattern: str) -> list[int]:
    """The whole numbers that the card states."""
    return list(map(int, re.search(pattern, CARD).groups()))


def test_questions_articles_spans_and_wordings():
    rows = [row for part in load("questions").values() for row in part]
    lengths = [len(row["answer"].split()) for row in rows if row["answer"]]
    wordings = Counter(row["wording"] for row in rows if row["answer"])
    articles = len({row["article"] for row in rows})
    assert stated_numbers(r"words on (\d+) articles of `topics`") == [articles]
    assert stated_numbers(r"of (\d+) to (\d+) words, letter by letter") == [
        min(lengths),
        max(lengths),
    ]
    assert stated_numbers(r"has no answer \((\d+) questions\)") == [len(rows) - len(lengths)]
    assert stated_numbers(r"with the answer \((\d+) questions\)") == [wordings["other"]]
    assert stated_numbers(r"words, one sentence each, of the same (\d+) articles") == [articles]


def test_how_short_summaries_are():
    rows = [row for part in load("summaries").values() for row in part]
    ratios = [len(row["summary"].split()) / len(row["text"].split()) for row in rows]
    assert f"{sum(ratios) / len(rows):.2f} times as many words as its article" in CARD


def test_dialogues():
    parts = load("service")
    rows = [row for part in ("train", "valid", "test") for row in parts[part]]
    lengths = [len(row["messages"]) for row in rows]
    visits = Counter(row["customer"] for row in rows)
    twice = sum(count == 2 for count in visits.values())
    facts = sum(len(facts) for row in rows for facts in row["facts"])
    thanks = sum(row["messages"][-1]["role"] == "user" for row in rows)
    declined = sum("out_of_scope" in row["intents"] for row in rows)
    handed_over = sum("hand_over" in row["actions"] for row in rows)
    dialogues = r"(\d+) dialogues of (\d+) to (\d+) messages"
    assert stated_numbers(dialogues) == [len(rows), min(lengths), max(lengths)]
    assert stated_numbers(r"(\d+) of the (\d+) customers come twice") == [twice, len(visits)]
    assert stated_numbers(r"(\d+) dialogues end with the user's thanks") == [thanks]
    assert stated_numbers(r"prices \((\d+) in all\)") == [facts]
    assert stated_numbers(
        r"(\d+) dialogues have a request out of scope, (\d+) are handed over"
    ) == [
        declined,
        handed_over,
    ]


def test_intents():
    parts = load("service")
    counts = {part: Counter(names(parts[part])) for part in ("train", "valid", "test")}
    assert [intent for intent, *_ in INTENT_ROWS] == parts["train"].features["label"].names
    for intent, *rows in INTENT_ROWS:
        assert [counter[intent] for counter in counts.values()] == list(map(int, rows))
    intents = Counter(intent for part in counts for row in parts[part]["intents"] for intent in row)
    assert stated_numbers(r"says yes or thanks \((\d+) messages\)") == [intents["follow_up"]]
    assert stated_numbers(r"nothing to do with the shop \((\d+) messages\)") == [
        intents["out_of_scope"]
    ]


def test_how_much_a_question_alone_tells():
    number = float(re.search(r"area under the curve of (0\.\d+) on test", CARD)[1])
    assert question_alone_auc(load("questions")) == pytest.approx(number, abs=0.015)
