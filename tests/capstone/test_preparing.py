"""A submission is begun and prepared: nothing is lost uncounted, and nothing leaks."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from ftlearn import capstone, data
from ftlearn.capstone import checks
from ftlearn.errors import ExistsError

HEADER = "body,kind,customer\n"


@pytest.fixture
def bundled(tmp_path):
    folder = capstone.new(tmp_path / "mine")
    return folder, capstone.prepare(folder)["rows"]


def parts(folder) -> dict[str, pd.DataFrame]:
    return {part: pd.read_csv(folder / "data" / f"{part}.csv") for part in capstone.PARTS}


def test_rows_of_the_bundled_file_add_up(bundled):
    folder, counts = bundled
    assert counts["read"] == len(pd.read_csv(folder / "raw.csv")) == counts.iloc[1:].sum()
    assert counts["kept"] == sum(map(len, parts(folder).values()))
    assert counts["removed: copies"] == 24
    assert counts["removed: could not be read"] == counts["removed: unknown label"] == 6
    settings = json.loads((folder / "capstone.json").read_text())
    assert settings["rows"]["read"] == counts["read"]


def test_the_cleaned_texts_are_those_that_the_dirt_was_put_on(bundled):
    clean = {text for part in data.load("reviews").values() for text in part["text"]}
    kept = [text for part in parts(bundled[0]).values() for text in part["text"]]
    kept = [text.replace("\u2019", "'") for text in kept]  # a repaired apostrophe is a curly one
    unlike = [text for text in kept if text not in clean and text[:-1] + "." not in clean]
    assert unlike == []


def test_products_stay_whole_and_labels_are_balanced(bundled):
    tables = parts(bundled[0])
    products = [set(table["product"]) for table in tables.values()]
    assert sum(map(len, products)) == len(set.union(*products)) == 104
    for table in tables.values():
        assert set(table["label"]) == {"negative", "positive"}
        assert 0.45 < (table["label"] == "positive").mean() < 0.55


def test_a_file_of_ones_own_is_cleaned_by_its_own_columns(tmp_path):
    file = tmp_path / "letters.csv"
    rows = [
        f"Letter {n} about {'bills' if n % 2 else 'keys'} {n * 7},{'ab'[n % 2]},c{n // 4}"
        for n in range(60)
    ]
    rows += ["Call me at +49 30 1234567 please,a,c1", "Letter 3 about bills 21,a,c0", ",b,c9"]
    file.write_text(HEADER + "\n".join(rows) + "\n")
    folder = tmp_path / "mine"
    capstone.new(folder, file, text="body", label="kind", source="customer")
    counts = capstone.prepare(folder)["rows"]
    assert counts["removed: address or number"] == 1
    assert counts["removed: copies with two labels"] == 2
    assert counts["removed: could not be read"] == 1
    assert all(list(table) == ["text", "label", "customer"] for table in parts(folder).values())


def test_the_chinese_articles_are_taken_by_their_name(tmp_path):
    folder = capstone.new(tmp_path / "mine", "topics_zh")
    counts = capstone.prepare(folder)["rows"]
    assert counts["read"] == counts["kept"] == 480
    tables = parts(folder).values()
    clean = {text for part in data.load("topics_zh").values() for text in part["text"]}
    assert {text for table in tables for text in table["text"]} == clean
    events = [set(table["event"]) for table in tables]
    assert sum(map(len, events)) == len(set.union(*events)) == 480 - 32  # 32 pairs of one event
    for table in tables:
        assert set(table["label"]) == {"technology", "health", "sports"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It sorts reviews, for a shop.", 6),
        ("它把评论分给店员。", 4),
        ("用 BERT 把稿件分类", 4),
        ("。，！", 0),
    ],
)
def test_words_are_counted_in_chinese_too(text: str, words: int):
    assert checks._words(text) == words


def test_nothing_that_exists_is_replaced(bundled, tmp_path):
    with pytest.raises(ExistsError, match="exists already"):
        capstone.new(bundled[0])
    with pytest.raises(capstone.CapstoneError, match="models may have been trained on it"):
        capstone.prepare(bundled[0])


def test_a_folder_without_a_submission_names_the_command(tmp_path):
    with pytest.raises(capstone.CapstoneError, match="begin with `ftlearn capstone new`"):
        capstone.grade(tmp_path)


def test_a_new_submission_earns_no_point_that_needs_a_run(tmp_path):
    grade = capstone.grade(capstone.new(tmp_path / "mine"))
    assert grade.points == 0
    assert grade.fresh is None
