"""The plans for a course: minutes that add up, and lessons, sections and exercises that exist."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import polib
import pytest
from markdown_it import MarkdownIt

from ftlearn.course import exercises
from tools import notebooks, rules, site_links, site_sources

MINUTES = 90
PAGE = notebooks.ROOT / "docs" / "plans.md"
TEXT = PAGE.read_text(encoding="utf-8")
SESSIONS = dict(re.findall(r"^### (\S+ \w) · .+?\n(.*?)(?=^##|\Z)", TEXT, re.M | re.S))
ROW = re.compile(r"^\| (\d+) \| (\w+) \| \[(\d\d)\]\((\S+)\) \| (.+) \|$", re.MULTILINE)
ROWS = [(name, row) for name, text in SESSIONS.items() for row in ROW.findall(text)]
ORIGINAL = re.compile(r"[\d:–, ]+|\[\d\d\]\(\S+\)")
"""Numbers, times and links that read the same in both languages."""


@cache
def sections(number: str) -> list[str]:
    (path,) = notebooks.find([number])
    return [title for cell in notebooks.read(path).cells for title in rules.headings(cell)]


@cache
def minutes_of(number: str) -> dict[str, int]:
    sheet = exercises.load(number, record=False)
    return {name: item.minutes for name, item in sheet.items() if name[1:].isdigit()}


def test_there_are_eight_sessions_and_two_days():
    assert [name for name in SESSIONS if name.startswith("Session")] == [
        f"Session {number}" for number in range(1, 9)
    ]
    blocks = re.findall(r"(?:Session|Block) \w(?= ·)", TEXT.partition("| time |")[2])
    assert len(set(blocks[:8])) == 8
    assert set(blocks[:8]) <= set(SESSIONS)


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_fills_ninety_minutes(name):
    assert sum(int(minutes) for minutes, *_ in ROW.findall(SESSIONS[name])) == MINUTES


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_says_shows_tries_and_discusses(name):
    assert {how for _, how, *_ in ROW.findall(SESSIONS[name])} == {"say", "show", "try", "discuss"}
    for part in ("**Aim:**", "- **If you are late, skip:**", "- **Before:**", "- **Homework:**"):
        assert SESSIONS[name].count(part) == 1


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_lessons_sections_and_exercises_exist_and_have_their_minutes(name, row):
    minutes, how, number, link, what = row
    assert (PAGE.parent / link).resolve() == notebooks.find([number])[0]
    for title in re.findall(r"\*([^*]+)\*", what):
        assert title in sections(number)
    asked = re.findall(r"\bq\d+", what)
    assert sum(minutes_of(number)[exercise] for exercise in asked) <= int(minutes)
    assert how == "try" or not asked


@pytest.mark.parametrize("name", SESSIONS)
def test_what_may_be_skipped_is_taught_and_homework_is_new(name):
    text = SESSIONS[name]
    (skipped,) = re.findall(r"skip:\*\* \*(.+?)\*(?:\.| \(|$)", text, re.MULTILINE)
    assert any(f"*{skipped}*" in what for *_, what in ROW.findall(text))
    for number, asked in re.findall(
        r"(\d\d), exercises? (q\d.*?)\.", text.partition("Homework")[2]
    ):
        in_class = {
            exercise
            for _, _, lesson, _, what in ROW.findall(text)
            if lesson == number
            for exercise in re.findall(r"q\d+", what)
        }
        home = set(re.findall(r"q\d+", asked)) & set(minutes_of(number))
        assert home
        assert not home & in_class or name == "Session 1"


@pytest.mark.parametrize("guide", ["plans", "placement"])
def test_all_of_it_is_translated(guide):
    path = site_sources.CATALOGUES / "zh_CN" / "LC_MESSAGES" / "guides" / f"{guide}.po"
    translated = {entry.msgid for entry in polib.pofile(str(path)).translated_entries()}
    source = f"docs/{guide}.md"
    text = (notebooks.ROOT / source).read_text(encoding="utf-8")
    tokens = (
        MarkdownIt().enable("table").parse(site_links.rewrite(text, source, site_links.pages()))
    )
    texts = {token.content for token in tokens if token.type == "inline" and token.content}
    assert {text for text in texts if not ORIGINAL.fullmatch(text)} == translated


@pytest.mark.parametrize("language", site_sources.LANGUAGES)
def test_what_unfolds_the_answers_is_in_the_language_of_the_page(language: str, tmp_path: Path):
    site_sources.write_guides(tmp_path, language)
    text = (tmp_path / "guides" / "placement.md").read_text("utf-8")
    shown = re.findall("<summary>(.*)</summary>", text)
    assert shown == [site_sources.words(language)["answers"]]
