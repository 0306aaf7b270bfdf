"""The promises of the course's plain reviews and minimal pairs, on the files themselves."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from importlib import resources
from itertools import combinations
from statistics import mean

import numpy as np
import pytest
from datasets import DatasetDict, Value
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from text_measures import ngrams, share_once, words

from ftlearn.data import leaks, load, near_duplicates, repair_text, split

SIZES = {"train": 300, "valid": 80, "test": 140}
RATINGS = (1.0, 2.0, 3.0, 4.0, 5.0)
ASPECTS = {"quality", "price", "service", "delivery", "ease", "taste_or_comfort"}
KINDS = {"negation", "double negation", "comparison", "expectation", "tense"}
MARKERS = (
    "not never no nothing nobody without won't less more better worse than used once still "
    "until before after always every expected hoped feared wrong right lower shorter stopped"
)
"""Words of negation, comparison, expectation and tense."""
CARD = (resources.files("ftlearn.data") / "files" / "CARD.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def parts() -> DatasetDict:
    """The three parts with reviews."""
    return DatasetDict({part: load("reviews")[part] for part in SIZES})


@pytest.fixture(scope="module")
def rows(parts) -> list[dict]:
    """The reviews of all parts."""
    return [row for part in parts.values() for row in part]


@pytest.fixture(scope="module")
def sentences() -> list[dict]:
    """The sentences of the minimal pairs."""
    return list(load("reviews")["pairs"])


@pytest.fixture(scope="module")
def pairs(sentences) -> dict[str, dict[bool, dict]]:
    """The favourable and the unfavourable sentence of each pair."""
    signs = defaultdict(dict)
    for row in sentences:
        signs[row["pair"]][row["positive"]] = row
    return dict(signs)


def word_distance(first: str, second: str) -> int:
    """The least number of words to insert, delete or replace (Levenshtein 1966)."""
    a, b = words(first), words(second)
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    table[:, 0], table[0] = range(len(a) + 1), range(len(b) + 1)
    for i, left in enumerate(a, 1):
        for j, right in enumerate(b, 1):
            change = table[i - 1, j - 1] + (left != right)
            table[i, j] = min(change, table[i - 1, j] + 1, table[i, j - 1] + 1)
    return int(table[-1, -1])


def quadratic_kappa(first: list[float], second: list[float]) -> float:
    """1 - (mean squared difference) / (the same over all pairs of rows): Cohen 1968."""
    observed = mean((a - b) ** 2 for a, b in zip(first, second, strict=True))
    chance = mean((a - b) ** 2 for a in first for b in second)
    return 1 - observed / chance


def test_columns(parts, sentences):
    assert list(load("reviews")) == [*SIZES, "pairs"]
    for part in parts.values():
        assert part.features == {
            **dict.fromkeys(("id", "text", "product", "aspect"), Value("string")),
            **dict.fromkeys(("label", "second"), Value("float32")),
            "irony": Value("bool"),
        }
    assert load("reviews")["pairs"].features == {
        **dict.fromkeys(("id", "pair", "text", "kind"), Value("string")),
        "positive": Value("bool"),
    }


def test_sizes_and_ids(parts, rows, sentences):
    assert {name: len(part) for name, part in parts.items()} == SIZES
    assert sorted(row["id"] for row in rows) == [f"v{n:04d}" for n in range(1, 521)]
    letters = [f"m{n:02d}{letter}" for n in range(1, 61) for letter in "ab"]
    assert [row["id"] for row in sentences] == letters
    assert all(row["id"][:3] == row["pair"] for row in sentences)


def test_ratings_are_balanced_in_every_part(parts):
    for part in parts.values():
        counts = Counter(part["label"])
        assert counts == dict.fromkeys(RATINGS, len(part) // 5)


def test_each_product_has_each_rating_once(rows):
    products = defaultdict(list)
    for row in rows:
        products[row["product"]].append(row["label"])
    assert len(products) == 104
    assert all(tuple(sorted(labels)) == RATINGS for labels in products.values())


def test_nothing_leaks_between_parts(parts):
    assert leaks(parts, group="product", threshold=0.5) == []
    for first, second in combinations(parts.values(), 2):
        assert not set(first["product"]) & set(second["product"])


def test_the_split_can_be_repeated(parts, rows):
    everything = load("reviews")["train"].from_list(rows)
    columns = everything.select_columns(["id", "product", "label"])
    sizes = tuple(SIZES.values())
    again = split(columns, sizes=sizes, stratify="label", group="product", seed=7)
    assert {name: sorted(part["id"]) for name, part in again.items()} == {
        name: sorted(part["id"]) for name, part in parts.items()
    }


def test_lengths_do_not_tell_the_rating(rows):
    lengths = defaultdict(list)
    for row in rows:
        lengths[row["label"]].append(len(row["text"].split()))
        assert 10 <= lengths[row["label"]][-1] <= 60, row["text"]
    means = [mean(values) for values in lengths.values()]
    assert max(means) - min(means) <= 5


def test_no_text_states_its_number_of_stars(rows):
    stated = r"\b(?:[0-5]|zero|one|two|three|four|five|half a)[ -]stars?\b|/ ?(?:5|10)\b|out of ten"
    assert [row["text"] for row in rows if re.search(stated, row["text"], re.IGNORECASE)] == []


def test_aspects_occur_in_every_part(parts):
    for part in parts.values():
        counts = Counter(part["aspect"])
        assert set(counts) == ASPECTS
        assert min(counts.values()) >= 0.05 * len(part)


def test_irony_is_rare_and_goes_with_good_and_bad_ratings(parts, rows):
    for part in parts.values():
        assert 0.04 <= mean(part["irony"]) <= 0.08
    ratings = Counter(row["label"] for row in rows if row["irony"])
    assert min(ratings[1.0], ratings[2.0], ratings[4.0] + ratings[5.0]) >= 5


def test_the_second_rating_differs_by_at_most_one_star(parts):
    for part in parts.values():
        differences = [abs(a - b) for a, b in zip(part["label"][:], part["second"][:], strict=True)]
        assert max(differences) <= 1
        assert 0.05 <= mean(differences) <= 0.2


def card(pattern: str) -> list[str]:
    """What the section of the card on reviews states."""
    section = CARD.split("\n## reviews\n")[1].split("\n## ")[0]
    return list(re.search(pattern, section).groups())


def test_the_card_states_the_agreement(rows):
    label, second = ([row[name] for row in rows] for name in ("label", "second"))
    differences = [abs(a - b) for a, b in zip(label, second, strict=True)]
    kappa = quadratic_kappa(label, second)
    as_strings = ([str(value) for value in ratings] for ratings in (label, second))
    assert kappa == pytest.approx(cohen_kappa_score(*as_strings, weights="quadratic"))
    assert card(r"agree on (\d+\.\d) %") == [f"{100 * differences.count(0) / len(rows):.1f}"]
    assert card(r"weights is (0\.\d+)") == [f"{kappa:.3f}"]
    assert card(r"absolute difference (0\.\d+)") == [f"{mean(differences):.3f}"]


def test_the_card_states_counts_and_lengths(parts, rows, sentences):
    texts, short = ([len(row["text"].split()) for row in data] for data in (rows, sentences))
    products = len({row["product"] for row in rows})
    stated = [len(rows), min(texts), max(texts), products, sum(row["irony"] for row in rows)]
    assert card(r"(\d+) reviews of (\d+) to (\d+) words") == list(map(str, stated[:3]))
    assert card(r"(\d+) kinds of goods") == [str(stated[3])]
    assert card(r"what is meant: (\d+) reviews") == [str(stated[4])]
    assert card(r"of (\d+) to (\d+) words. The two") == [str(min(short)), str(max(short))]
    irony = [str(sum(part["irony"])) for part in parts.values()]
    assert card(r"ironic reviews \((\d+), (\d+) and (\d+)\)") == irony
    other = [sum(row["label"] != row["second"] for row in part) for part in parts.values()]
    assert card(r"disagreements \((\d+), (\d+) and (\d+)\)") == list(map(str, other))
    found, rewritten = map(int, card(r"rated (\d+) otherwise .* rewrote (\d+) texts"))
    assert found + rewritten == sum(other)


def test_texts_are_written_one_by_one(rows):
    texts = [row["text"] for row in rows]
    assert share_once(texts) >= 0.97
    openings = Counter(tuple(words(text)[:3]) for text in texts)
    assert max(openings.values()) <= 3
    ends = Counter(ngrams(text, 3)[-1] for text in texts)
    assert max(ends.values()) <= 3


def test_there_are_no_near_duplicates_neither_here_nor_in_ratings(rows):
    texts = [row["text"] for row in rows]
    texts += [text for part in load("ratings").values() for text in part["text"]]
    groups = near_duplicates(texts, threshold=0.3)
    assert [[texts[i] for i in group] for group in groups] == []


def test_repair_leaves_them_unchanged(rows, sentences):
    texts = [row["text"] for row in [*rows, *sentences]]
    assert [text for text in texts if repair_text(text).changes] == []


def test_pairs_have_both_signs_and_one_kind(pairs):
    assert len(pairs) == 60
    for signs in pairs.values():
        assert set(signs) == {True, False}
        assert signs[True]["kind"] == signs[False]["kind"]
    kinds = Counter(signs[True]["kind"] for signs in pairs.values())
    assert kinds == dict.fromkeys(KINDS, 12)


def test_pairs_differ_in_one_to_four_words(pairs):
    for signs in pairs.values():
        distance = word_distance(signs[True]["text"], signs[False]["text"])
        assert 1 <= distance <= 4, signs[True]["text"]


def test_pairs_are_not_alike_and_in_no_order(pairs, sentences):
    texts = [signs[True]["text"] for signs in pairs.values()]
    assert near_duplicates(texts, threshold=0.5) == []
    first = [row["positive"] for row in sentences if row["id"].endswith("a")]
    assert sum(first) == len(first) / 2


def test_markers_occur_on_both_sides_about_equally_often(sentences):
    sides = {True: Counter(), False: Counter()}
    for row in sentences:
        sides[row["positive"]].update(set(words(row["text"])))
    uneven = {
        word: (sides[True][word], sides[False][word])
        for word in MARKERS.split()
        if abs(sides[True][word] - sides[False][word]) > 1
    }
    assert uneven == {}
    assert sides[True]["not"] >= 5
    lengths = [[len(words(r["text"])) for r in sentences if r["positive"] == s] for s in sides]
    assert abs(mean(lengths[0]) - mean(lengths[1])) <= 0.2


@pytest.mark.parametrize("ngram", [1, 2])
def test_words_of_other_pairs_do_not_tell_the_sign(sentences, ngram):
    texts, signs, groups = (
        [row[name] for row in sentences] for name in ("text", "positive", "pair")
    )
    model = make_pipeline(CountVectorizer(ngram_range=(1, ngram)), LogisticRegression(C=1.0))
    scores = cross_val_score(model, texts, signs, groups=groups, cv=GroupKFold(10))
    assert scores.mean() <= 0.6
