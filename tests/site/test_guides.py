"""Guides in Chinese: their texts become catalogues, and translated texts become pages."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import polib
import pytest

from tools import notebooks, site, site_sources, translation_rules

pytestmark = pytest.mark.services

TITLE, TRANSLATION = "Teaching with the lessons", "用这些课教学"


@pytest.fixture(scope="module")
def catalogues(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogues")
    site.write_catalogues(folder / "build", folder / "locale")
    return folder / "locale"


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> dict[str, polib.POFile]:
    """The stored catalogue of each guide, after the guides' texts of today were written into it."""
    folder = tmp_path_factory.mktemp("current")
    shutil.copytree(site_sources.CATALOGUES, folder / "locale")
    site.write_catalogues(folder / "build", folder / "locale")
    return {path.stem: polib.pofile(str(path)) for path in (folder / "locale").rglob("*.po")}


WORDS = 3
"""So many words outside code and quotes are a text; fewer are numbers, names and values."""


def is_text(english: str) -> bool:
    words = re.sub(r"`[^`]*`|\"[^\"]*\"|\]\([^)]*\)", " ", english)
    return len(re.findall(r"(?<![\w.])[a-z]{2,}(?![\w.])", words)) >= WORDS


def test_every_text_of_the_guides_is_translated_as_it_is_today(current: dict[str, polib.POFile]):
    complaints = [
        f"{name}: {complaint}"
        for name, entries in current.items()
        for entry in entries
        if not entry.obsolete and (entry.msgstr or entry.fuzzy or is_text(entry.msgid))
        for complaint in translation_rules.of_entry(entry)
    ]
    assert complaints == []


def test_a_changed_sentence_of_a_guide_is_found(current: dict[str, polib.POFile]):
    entry = next(entry for entry in current["serving"] if is_text(entry.msgid) and entry.msgstr)
    gone = polib.POEntry(msgid=entry.msgid)
    changed = polib.POEntry(msgid=f"{entry.msgid} In 1999 too.", msgstr=entry.msgstr)
    assert is_text(changed.msgid)
    assert "no translation" in translation_rules.of_entry(gone)[0]
    assert "1999" in translation_rules.of_entry(changed)[0]


def guide(catalogues: Path, name: str) -> Path:
    return catalogues / "zh_CN" / "LC_MESSAGES" / "guides" / f"{name}.po"


def test_every_guide_has_a_catalogue_that_names_no_owner(catalogues: Path):
    owner = notebooks.settings()["repository"].partition("/")[0]
    for page in (notebooks.ROOT / "docs").glob("*.md"):
        entries = polib.pofile(str(guide(catalogues, page.stem)))
        assert entries
        assert not any(f"github.com/{owner}" in entry.msgid for entry in entries), page.stem


def test_a_translated_text_is_in_the_page_and_the_rest_stays_english(
    catalogues: Path, tmp_path: Path
):
    path = guide(catalogues, "teaching")
    entries = polib.pofile(str(path))
    entries.find(TITLE).msgstr = TRANSLATION
    entries.save(str(path))
    options = ["-t", "zh", "-D", f"locale_dirs={catalogues}"]
    site.build_guides("html", tmp_path / "site", tmp_path, options)
    text = (tmp_path / "site" / "guides" / "teaching.html").read_text("utf-8")
    assert f"<h1>{TRANSLATION}" in text.replace("<wbr>", "")  # where a heading may break
    assert "Handouts" in text
    assert 'lang="zh-CN"' in text
