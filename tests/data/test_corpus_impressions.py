"""The promises of the advertisements, readers and stored logs of impressions, on the files."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from datasets import Dataset, DatasetDict, Value
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_predict
from text_measures import share_once, words

from ftlearn.data import leaks, load, near_duplicates, repair_text
from ftlearn.data.bundled import INTERESTS

SENTENCE_END = re.compile(r"[.!?](?= [A-Z]|$)")
LOGS = ("train", "valid", "test")


@pytest.fixture(scope="module")
def parts() -> DatasetDict:
    """All parts."""
    return load("impressions")


def interests(rows: Dataset) -> np.ndarray:
    """Hidden interests, of shape (N, 8)."""
    return np.array([[weights[name] for name in INTERESTS] for weights in rows["interests"]])


def test_columns(parts):
    hidden = {"interests": dict.fromkeys(INTERESTS, Value("float64"))}
    text = Value("string")
    assert list(parts) == ["ads", "readers", *LOGS]
    assert parts["readers"].features == {"reader": text, "text": text, **hidden}
    assert parts["ads"].features == {
        "ad": text,
        "text": text,
        "kind": text,
        "new": Value("bool"),
        "bid": Value("int32"),
        "appeal": Value("float64"),
        **hidden,
    }
    columns = ["reader", "ad", "position", "propensity", "click", "time"]
    assert [parts[part].column_names for part in LOGS] == [columns] * 3


def test_sizes_and_ids(parts):
    assert parts["ads"]["ad"][:] == [f"d{number:02}" for number in range(1, 81)]
    assert parts["readers"]["reader"][:] == [f"u{number:03}" for number in range(1, 241)]
    assert [len(parts[part]) for part in LOGS] == [6000, 1500, 4000]


def test_there_are_ten_kinds_of_eight_ads_of_which_two_are_new(parts):
    ads = parts["ads"]
    assert len(set(ads["kind"])) == 10
    assert set(Counter(ads["kind"]).values()) == {8}
    new = Counter(ad["kind"] for ad in ads if ad["new"])
    assert new == dict.fromkeys(ads["kind"], 2)


def test_bids_differ_and_say_nothing_of_appeal(parts):
    bids = parts["ads"]["bid"][:]
    assert len(set(bids)) == len(bids)
    assert min(bids) > 0
    assert abs(np.corrcoef(bids, parts["ads"]["appeal"][:])[0, 1]) < 0.25


def test_lengths(parts):
    for part, shortest, longest in (("ads", 15, 40), ("readers", 20, 60)):
        lengths = {text: len(text.split()) for text in parts[part]["text"]}
        assert {text: n for text, n in lengths.items() if not shortest <= n <= longest} == {}


def test_an_ad_is_a_headline_and_two_sentences(parts):
    for text in parts["ads"]["text"]:
        assert len(SENTENCE_END.findall(text)) == 3, text
        headline = text[: SENTENCE_END.search(text).end()]
        assert 2 <= len(headline.split()) <= 11, headline


def test_texts_are_written_one_by_one(parts):
    for part in ("ads", "readers"):
        texts = parts[part]["text"][:]
        assert near_duplicates(texts, threshold=0.3) == []
        assert share_once(texts) >= 0.99
        openings = {tuple(words(text)[:3]) for text in texts}
        assert len(openings) >= 0.98 * len(texts)
        assert [text for text in texts if repair_text(text).changes] == []


def test_texts_from_a_template_would_fail(parts):
    frame = "I like to read about {} and about {}, and in the evenings I care about not much else."
    pairs = [np.array(INTERESTS)[row.argsort()[:-3:-1]] for row in interests(parts["readers"])]
    assert share_once([frame.format(*pair) for pair in pairs]) < 0.2


def test_no_ad_repeats_a_reader(parts):
    assert leaks({part: parts[part] for part in ("ads", "readers")}, threshold=0.3) == []


def test_interests_are_few_and_of_all_sorts(parts):
    for part, smallest in (("ads", 0), ("readers", -0.5)):
        weights = interests(parts[part])
        assert weights.min() >= smallest
        assert weights.max() <= 0.9
        used = (weights != 0).sum(axis=1)
        assert used.min() >= 1
        assert used.max() <= 4
        assert (weights.max(axis=1) >= 0.4).all()
        strong = (weights >= 0.5).sum(axis=0)
        assert strong.min() >= len(weights) / 10
        assert strong.max() <= 2.5 * strong.min()
    dislikes = (interests(parts["readers"]) < 0).any(axis=1).mean()
    assert 0.2 <= dislikes <= 0.4


def agreement(texts: list[str], weights: np.ndarray) -> float:
    """Correlation of interests with what a ridge regression on words says of unseen texts."""
    features = TfidfVectorizer(stop_words="english", sublinear_tf=True).fit_transform(texts)
    predicted = cross_val_predict(Ridge(0.3), features, weights, cv=10)
    return np.corrcoef(predicted.ravel(), weights.ravel())[0, 1]


def test_texts_express_the_interests(parts):
    """Even words alone tell; shuffled interests do not."""
    texts = [*parts["ads"]["text"], *parts["readers"]["text"]]
    weights = np.concatenate([interests(parts["ads"]), interests(parts["readers"])])
    order = np.random.default_rng(0).permutation(len(texts))
    texts, weights = [texts[i] for i in order], weights[order]
    assert agreement(texts, weights) >= 0.35
    assert agreement(texts, np.random.default_rng(1).permutation(weights)) < 0.15


def test_the_parts_follow_each_other_in_time(parts):
    times = [time for part in LOGS for time in parts[part]["time"]]
    assert times == sorted(times)
    assert times == [number for number in range(2300) for _ in range(5)]


def test_a_slate_has_one_reader_and_five_ads(parts):
    for part in LOGS:
        readers, ads = parts[part]["reader"][:], parts[part]["ad"][:]
        assert parts[part]["position"][:] == [1, 2, 3, 4, 5] * (len(ads) // 5)
        for first in range(0, len(ads), 5):
            assert len(set(readers[first : first + 5])) == 1
            assert len(set(ads[first : first + 5])) == 5


def test_new_ads_occur_in_test_only(parts):
    new = {ad["ad"] for ad in parts["ads"] if ad["new"]}
    assert new.isdisjoint(parts["train"]["ad"])
    assert new.isdisjoint(parts["valid"]["ad"])
    assert new <= set(parts["test"]["ad"])
    assert set(parts["ads"]["ad"]) - new == set(parts["train"]["ad"])


def test_one_impression_in_ten_is_clicked(parts):
    for part in LOGS:
        assert set(parts[part]["click"]) == {0, 1}
        assert 0.08 <= np.mean(parts[part]["click"]) <= 0.12
