"""The pages in docs: their code runs, and their tables hold what it computes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tools.notebooks import ROOT

BY_README = ("teaching", "your_data")
"""Pages whose code needs files of the reader's own; test_readme.py runs it beside some."""
PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if page.stem not in BY_README]
EVERY_PAGE = pytest.mark.parametrize(
    "page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem
)
WIDTH = 88
"""So many characters of code fit beside the navigation of the website."""
MANY_DEVICES = ROOT / "docs" / "many_devices.md"


def computed(page: Path) -> dict[str, Any]:
    """The variables of a page's Python blocks, run one after the other."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        exec(block, names)
    return names


def rows(page: Path) -> list[list[str]]:
    """The cells of all rows of all tables of a page."""
    lines = [line for line in page.read_text("utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def number(cell: str) -> float:
    """A cell as a number; sizes in bytes."""
    units = {"MB": 1e6, "GB": 1e9}
    value, _, unit = cell.replace(",", "").partition(" ")
    return float(value) * units.get(unit, 1)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page: Path):
    computed(page)


@EVERY_PAGE
def test_code_names_its_language_and_fits_its_box(page: Path):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    assert all(language for language, _ in fenced)
    lines = [line for _, block in fenced for line in block.splitlines()]
    assert [line for line in lines if len(line) > WIDTH] == []


@EVERY_PAGE
def test_a_link_to_a_page_shows_its_title_not_its_file(page: Path):
    assert re.findall(r"\[\w+\.md\]", page.read_text("utf-8")) == []


def test_the_tables_on_many_devices_hold_what_the_code_computes():
    names, seen = computed(MANY_DEVICES), rows(MANY_DEVICES)
    plans = [(devices, *plan) for devices, plan in names["plans"].items()]
    traffic = [names["traffic"][name] + names["waits"][name] for name in names["MODELS"]]
    room = [names["room"][name] + [names["shared_traffic"][name]] for name in names["MODELS"]]
    tables = {
        "devices": plans,
        "sent per update by each of 2": traffic,
        "one device, or each of many under DDP": room,
        "frozen weights in": list(names["decoders"].values()),
    }
    for head, expected in tables.items():
        start = next(at for at, row in enumerate(seen) if head in row[:2]) + 1
        for cells, values in zip(seen[start : start + len(expected)], expected, strict=True):
            shown = [number(cell) for cell in cells[-len(values) :]]
            assert shown == pytest.approx(list(values), rel=0.06), cells


def test_the_sentences_on_many_devices_hold_what_the_code_computes():
    names, text = computed(MANY_DEVICES), MANY_DEVICES.read_text("utf-8")
    for value in names["checkpoint"].values():
        size = f"{value / 1e6:.0f} MB" if value < 1e9 else f"{value / 1e9:.2g} GB"
        assert size in text
    small = {"MiniLM": True, "BERT-base": True, "SmolLM2": True}
    assert names["fits_80_gb"] == {**small, "7B": False}
    for value in names["lora_checkpoint"].values():
        assert f"{value / 1e6:.0f} MB" in text
    for share in names["trained_share"].values():
        assert f"{100 * share:.2g}%" in text
    unfit = [key for key, fits in names["fits_24_gb"].items() if not fits]
    assert unfit == [("7B", 4)]
    for hours in names["one_second"].values():
        assert f"{hours:.1f}" in text
    assert f"{names['plans'][64][1]:,} updates are few" in text
