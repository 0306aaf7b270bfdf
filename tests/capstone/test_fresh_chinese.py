"""The fresh draw of the Chinese articles: what its texts promise, and when it is taken."""

from __future__ import annotations

import json
import re
from collections import Counter
from types import SimpleNamespace

import pytest

from ftlearn import capstone
from ftlearn.capstone import fresh
from ftlearn.data import repair_text
from ftlearn.data.bundled import TOPICS

CHINESE = re.compile("[\u4e00-\u9fff]")
REVIEWED = ("negative", "positive")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return fresh.ARTICLES.rows()


@pytest.fixture(scope="module")
def certificate(chinese, memory, tmp_path_factory):
    file = tmp_path_factory.mktemp("certificate") / "mine.json"
    return capstone.certify(chinese, file, memory=memory), file


def submission(texts: list[str], labels: tuple[str, ...]) -> SimpleNamespace:
    """What decides on the pool: the training texts, and the labels of the task."""
    return SimpleNamespace(task=SimpleNamespace(labels=labels), texts=lambda part: texts)


def test_texts_are_chinese_of_70_to_240_characters(rows):
    for row in rows:
        text = row["text"]
        assert 70 <= len(text) <= 240
        assert len(CHINESE.findall(text)) > 0.65 * len(text), text
        assert not re.search(f"{CHINESE.pattern}[,;:?!]", text), text
        assert text.count("“") == text.count("”")
        assert repair_text(text).changes == ()


def test_registers_are_even_and_differ_at_each_place(rows):
    registers = Counter((row["label"], row["register"]) for row in rows)
    assert set(registers.values()) == {5}
    assert len(registers) == 18
    assert len({(row["place"], row["register"]) for row in rows}) == 90
    assert all(row["near"] in ("", *TOPICS) and row["near"] != row["label"] for row in rows)


def test_texts_share_no_template(rows):
    """Runs of eight characters, openings and endings hardly recur."""
    texts = [row["text"] for row in rows]
    grams = Counter(gram for text in texts for gram in {text[i : i + 8] for i in range(len(text))})
    assert sum(count == 1 for count in grams.values()) > 0.99 * len(grams)
    for piece in (slice(4), slice(-5, None)):
        assert max(Counter(text[piece] for text in texts).values()) <= 2


def test_no_word_gives_the_topic_away(rows):
    """The names of the topics stand in few of their articles."""
    for topic, word in zip(TOPICS, ("科技", "健康", "体育"), strict=True):
        assert sum(word in row["text"] for row in rows if row["label"] == topic) <= 3


@pytest.mark.parametrize(
    ("texts", "labels", "name"),
    [
        (["The kettle leaks."], REVIEWED[::-1], "reviews"),
        (["缆车停了，他才上山。"], TOPICS[::-1], "topics_zh"),
        (["水壶漏水，退了两回。"], REVIEWED, None),
        (["The cable car stopped."], TOPICS, None),
        (["缆车停了，他才上山。"], TOPICS[:2], None),
    ],
)
def test_labels_and_script_of_the_data_choose_the_pool(texts, labels, name):
    submitted = submission(texts, labels)
    if name:
        assert fresh.pool_of(submitted).name == name
    else:
        with pytest.raises(capstone.CapstoneError, match=f"labels {', '.join(labels)} and the"):
            fresh.pool_of(submitted)


def test_a_chinese_submission_is_scored_on_twenty_places(certificate):
    drawn = certificate[0].fresh
    assert drawn.pool == "topics_zh"
    assert drawn.accuracy["rows"] == 60
    assert drawn.seen == 0
    assert drawn.baseline > 1 / 3
    assert str(drawn).startswith(f"fresh draw {drawn.seed}: accuracy ")


def test_its_certificate_names_the_pool_and_holds(chinese, certificate, memory, tmp_path):
    file = certificate[1]
    content = json.loads(file.read_text())
    assert content["fresh"]["pool"] == "topics_zh"
    assert capstone.verify(chinese, file, memory=memory) == []
    content["fresh"] |= {"pool": "reviews", "seed": 3}
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(content))
    found = capstone.verify(chinese, forged, memory=memory)
    assert "fresh pool is claimed to be reviews, and measured as topics_zh" in found
