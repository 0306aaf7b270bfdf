"""The data card states the sizes, labels and word counts that the data have."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources

import pytest
from datasets import ClassLabel, Dataset

from ftlearn.data import load
from ftlearn.data.loading import BUNDLED

CARD = (resources.files("ftlearn.data") / "files" / "CARD.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\w+) \| (\w+) \| (\d+) \| (.+?) \|$", CARD, re.MULTILINE)
PARTS = [(name, part) for name, parts in BUNDLED.items() for part in parts]


def words(name: str) -> list[int]:
    """Words of every text of a data set."""
    return [len(text.split()) for part in load(name).values() for text in part["text"]]


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
    if part == "raw":
        return
    counts = Counter(names(dataset))
    per_rating = re.fullmatch(r"(\d+) of each rating from 1.0 to 5.0", labels)
    if per_rating:
        assert counts == {f"{stars}.0": int(per_rating[1]) for stars in range(1, 6)}
    else:
        assert counts == {label: int(n) for n, label in re.findall(r"(\d+) (\w+)", labels)}


@pytest.mark.parametrize(
    ("name", "rows", "shortest", "longest"),
    [
        (name, *map(int, re.search(pattern, CARD).groups()))
        for name, pattern in {
            "topics": r"(\d+) articles of (\d+) to (\d+) words",
            "topics_shift": r"(\d+) short messages of (\d+) to (\d+) words",
            "ratings": r"(\d+) product reviews of (\d+) to (\d+) words",
        }.items()
    ],
)
def test_lengths(name, rows, shortest, longest):
    counts = words(name)
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
