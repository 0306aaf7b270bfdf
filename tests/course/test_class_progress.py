"""A class on one page: every count right, every name harmless, and no fault passed over."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from html_parsing import HOSTILE, Parsed

from ftlearn.course import class_page, class_progress, exercises
from ftlearn.course.class_page import ORDERS
from ftlearn.language.catalogue import LanguageError
from ftlearn.markup import visible
from tools import class_progress as tool

START = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)


def hand_in(folder: Path, file: str, name: str, items: dict, day: int = 1) -> Path:
    """A file as `exercises.export` writes it."""
    last = (START + timedelta(days=day)).isoformat()
    content = {"version": 1, "name": name}
    content["items"] = {key: {"last": last} | counts for key, counts in items.items()}
    path = folder / file
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def tables(page: str) -> list[list[list[str]]]:
    """The tables of a page, each a list of rows of texts."""

    class Tables(Parsed):
        found: list[list[list[str]]]

        def handle_starttag(self, name, attributes):
            super().handle_starttag(name, attributes)
            if name == "table":
                self.__dict__.setdefault("found", []).append([])
            elif name == "tr":
                self.found[-1].append([])
            elif name in ("td", "th"):
                self.found[-1][-1].append("")
            elif name == "small":
                self.found[-1][-1][-1] += " "

        def handle_data(self, data):
            super().handle_data(data)
            if self.open and set(self.open) & {"td", "th"}:
                self.found[-1][-1][-1] += data

    return Tables(page).found


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Three learners, of whom one has done nothing."""
    folder = tmp_path / "handed-in"
    folder.mkdir()
    hand_in(
        folder,
        "ada.json",
        "Ada",
        {
            "00/q1": {"passed": 2, "not_yet": 1},
            "00/quiz1": {"passed": 1},
            "02/q4": {"errors": 2, "hints": 3, "solutions": 1},
        },
        day=3,
    )
    hand_in(folder, "bela.json", "Béla", {"00/q1": {"not_yet": 1}}, day=9)
    hand_in(folder, "carl.json", "", {})
    return folder


def test_each_learner_has_the_counts_of_each_lesson(desk: Path):
    progress = class_progress.read(desk)
    page = class_page.class_page(progress)
    overview = tables(page)[list(ORDERS).index("name")]
    sheets = {number: len(list(exercises.load(number).items())) for number in exercises.numbers()}
    total = sum(sheets.values())
    assert overview[0] == ["learner", "solved", "tries", "hints", "last active", *sheets]
    rows = {row[0]: dict(zip(overview[0], row, strict=True)) for row in overview[1:]}
    assert list(rows) == ["Ada", "Béla", "carl"]
    ada, bela, carl = rows.values()
    assert (ada["00"], ada["02"], ada["05"]) == (
        f"2/{sheets['00']} 4t",
        f"0/{sheets['02']} 2t 4h",
        "–",
    )
    assert [ada[name] for name in overview[0][1:5]] == [f"2/{total}", "6", "4", "2026-09-04"]
    assert (bela["00"], bela["solved"]) == (f"0/{sheets['00']} 1t", f"0/{total}")
    assert [carl[name] for name in overview[0][1:5]] == [f"0/{total}", "0", "0", "–"]


def test_each_lesson_says_who_solved_what(desk: Path):
    page = class_page.class_page(class_progress.read(desk))
    zero, _, two, *_ = tables(page)[len(ORDERS) :]
    head, ada, bela, _, solved_by = zero
    assert dict(zip(head, ada, strict=True))["q1"] == "✔ 3t"
    assert dict(zip(head, bela, strict=True))["q1"] == "✎ 1t"
    assert dict(zip(head, solved_by, strict=True))["q1"] == "1"
    assert dict(zip(two[0], two[1], strict=True))["q4"] == "✎ 2t 4h"
    assert len(tables(page)) == len(ORDERS) + len(exercises.numbers())


def test_every_order_shows_all_learners(desk: Path):
    page = class_page.class_page(class_progress.read(desk))
    overviews = tables(page)[: len(ORDERS)]
    names = {
        name: [row[0] for row in table[1:]] for name, table in zip(ORDERS, overviews, strict=True)
    }
    assert names == {
        "hints": ["Ada", "Béla", "carl"],
        "solved": ["Béla", "carl", "Ada"],
        "inactive": ["carl", "Ada", "Béla"],
        "name": ["Ada", "Béla", "carl"],
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "cannot be read: Expecting"),
        (b"\xff\xfe", "cannot be read: 'utf-8' codec"),
        (b"[" * 100_000, "cannot be read: its brackets are nested too deeply"),
        (b'{"version": 2, "items": {}}', "cannot be read: no version 1"),
        (b'{"version": 1, "items": {"00/q1": {"passed": -1}}}', "cannot be read: its items"),
        (b'{"version": 1, "name": "Eve", "items": {"99/q1": {}}}', "are not counted: 99/q1"),
        (None, "cannot be read: [Errno"),
    ],
)
def test_a_file_that_does_not_count_is_named(desk: Path, content: bytes | None, reason: str):
    broken = desk / "eve.json"
    broken.mkdir() if content is None else broken.write_bytes(content)
    progress = class_progress.read(desk)
    ((file, said),) = progress.faults
    assert file == "eve.json"
    assert reason in said
    assert visible(said) in Parsed(class_page.class_page(progress)).text
    assert "Ada" in [learner.name for learner in progress.learners]


def test_of_two_files_of_a_learner_the_later_counts_and_the_other_is_named(desk: Path):
    hand_in(desk, "a-later.json", " ADA ", {"00/q2": {"passed": 1}}, day=8)
    hand_in(desk, "z-earlier.json", "Ada", {"00/q3": {"passed": 1}}, day=2)
    progress = class_progress.read(desk)
    (ada,) = [learner for learner in progress.learners if learner.name.casefold() == "ada"]
    assert ada.file == "a-later.json"
    assert {file for file, _ in progress.faults} == {"ada.json", "z-earlier.json"}
    assert all("a-later.json, counts" in reason for _, reason in progress.faults)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_text_and_nothing_else(tmp_path: Path, name: str):
    hand_in(tmp_path, "one.json", name, {"00/q1": {"passed": 1, "last": name}, name: {}})
    page = class_page.class_page(class_progress.read(tmp_path))
    parsed = Parsed(page)
    assert visible(name).strip() in parsed.text
    assert {element for element, _ in parsed.elements} <= {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "bdi", "p", "section"),
        *("h2", "ul", "li", "nav", "a", "div", "table", "caption", "thead", "tr", "th", "tbody"),
        *("td", "small", "details", "summary", "tfoot"),
    }
    links = [attributes["href"] for _, attributes in parsed.elements if "href" in attributes]
    assert all(link.startswith("#by-") for link in links)


def test_a_table_can_be_read_aloud_and_every_link_leads_somewhere(desk: Path):
    page = class_page.class_page(class_progress.read(desk))
    elements = Parsed(page).elements
    assert all(attributes.get("scope") for name, attributes in elements if name == "th")
    captions = [name for name, _ in elements if name in ("table", "caption")]
    assert captions == ["table", "caption"] * (len(captions) // 2)
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    links = [attributes["href"] for _, attributes in elements if "href" in attributes]
    assert sorted(links) == sorted(f"#{name}" for name in ids)


def test_the_command_writes_the_page_and_says_what_does_not_count(desk: Path, capsys):
    (desk / "eve.json").write_text("{")
    output = desk.parent / "class.html"
    assert tool.main([str(desk), "--output", str(output)]) == 0
    said = capsys.readouterr()
    assert "3 learners" in said.out
    assert said.err.startswith("eve.json cannot be read")
    assert tool.main([str(desk), "--output", str(output)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert tool.main([str(desk), "--output", str(output), "--overwrite"]) == 0
    assert tool.main([str(desk.parent), "--output", str(output), "--overwrite"]) == 1
    assert "no .json files" in capsys.readouterr().err


def chinese_page(folder: Path) -> str:
    return class_page.class_page(class_progress.read(folder), language="zh")


def test_the_chinese_page_says_the_same_in_chinese(desk: Path):
    hand_in(desk, "eve.json", "Eve", {f"99/q{number}": {} for number in range(5)})
    (desk / "fay.json").write_text("{")
    english = tables(class_page.class_page(class_progress.read(desk)))
    page = chinese_page(desk)
    chinese = tables(page)
    assert page.count(' lang="') == page.count(' lang="zh-CN"') == 1
    assert chinese[0][0][:5] == ["学员", "做对", "尝试", "提示", "最近活动"]
    # rows of learners are equal, counts and names included; heads and the last line are words
    assert [table[1 : len(english[0])] for table in chinese] == [
        table[1 : len(english[0])] for table in english
    ]
    assert chinese[-1][-1][0] == "做对人数"
    assert "无法读取：Expecting property name" in Parsed(page).text  # Python's own words
    assert "不计入：99/q0, 99/q1, 99/q2，另有 2 个" in Parsed(page).text
    ours = re.sub(r"Expecting .*?\)|Ada|Béla|carl|Eve|\w+\.json|quiz", "", Parsed(page).text)
    style = ours.index("全班进度", ours.index("全班进度") + 1)  # behind title and style
    assert re.findall("[A-Za-z]{2,}", ours[style:]) == []


def test_names_stay_what_they_are_in_chinese(tmp_path: Path):
    for number, name in enumerate(("solved", "learner", "by name", "Lesson 02: 50% solved")):
        hand_in(tmp_path, f"{number}.json", name, {"00/q1": {"passed": 1}})
    shown = {row[0] for row in tables(chinese_page(tmp_path))[0][1:]}
    assert shown == {"solved", "learner", "by name", "Lesson 02: 50% solved"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_text_in_chinese_too(tmp_path: Path, name: str):
    hand_in(tmp_path, "one.json", name, {"00/q1": {"passed": 1}})
    page = chinese_page(tmp_path)
    assert visible(name).strip() in Parsed(page).text
    english = Parsed(class_page.class_page(class_progress.read(tmp_path)))
    assert [element for element, _ in Parsed(page).elements] == [
        element for element, _ in english.elements
    ]


def test_the_setting_or_the_option_chooses_the_language(desk: Path, monkeypatch):
    page = desk.parent / "class.html"
    monkeypatch.setenv("FTLEARN_LANG", "zh")
    assert tool.main([str(desk), "--output", str(page)]) == 0
    assert "全班进度" in page.read_text("utf-8")
    assert tool.main([str(desk), "--output", str(page), "--overwrite", "--language", "en"]) == 0
    assert "Progress of a class" in page.read_text("utf-8")
    class_page.write_page(desk, page, overwrite=True, language="zh")
    assert '<html lang="zh-CN">' in page.read_text("utf-8")
    with pytest.raises(LanguageError, match="no language 'xx'"):
        class_page.write_page(desk, page, overwrite=True, language="xx")
    assert "全班进度" in page.read_text("utf-8")


def test_the_tool_says_that_the_setting_names_no_language(desk: Path, monkeypatch, capsys):
    monkeypatch.setenv("FTLEARN_LANG", "xx")
    assert tool.main([str(desk), "--output", str(desk.parent / "class.html")]) == 1
    assert "FTLEARN_LANG is 'xx'" in capsys.readouterr().err


def test_a_large_class_stays_one_small_file(tmp_path: Path):
    progress = class_page.write_page(_invented(tmp_path, 30), tmp_path / "class.html")
    page = (tmp_path / "class.html").read_text("utf-8")
    assert len(progress.keys) > 200
    assert len(page.encode()) < 2_000_000
    assert len(tables(page)[0]) == 31


def _invented(folder: Path, learners: int) -> Path:
    """A class of invented learners: later lessons are done by fewer of them."""
    generator = random.Random(7)
    for number in range(learners):
        items = {}
        for lesson in exercises.numbers()[: generator.randint(3, 26)]:
            for name, _ in exercises.load(lesson, record=False).items():
                if generator.random() < 0.8:
                    items[f"{lesson}/{name}"] = {
                        "passed": int(generator.random() < 0.75),
                        "not_yet": generator.randint(0, 4),
                        "hints": max(0, generator.randint(-3, 2)),
                    }
        hand_in(folder, f"{number}.json", f"Learner {number:02}", items, generator.randint(1, 60))
    return folder
