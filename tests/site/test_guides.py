"""Guides in Chinese: their texts become catalogues, and translated texts become pages."""

from __future__ import annotations

from pathlib import Path

import polib
import pytest

from tools import notebooks, site

pytestmark = pytest.mark.services

TITLE, TRANSLATION = "Teaching with the lessons", "用这些课教学"


@pytest.fixture(scope="module")
def catalogues(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogues")
    site.write_catalogues(folder / "build", folder / "locale")
    return folder / "locale"


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
    assert f"<h1>{TRANSLATION}" in text
    assert "Handouts" in text
    assert 'lang="zh-CN"' in text
