"""The exports of a run in its report page."""

from __future__ import annotations

from pathlib import Path

from ftlearn.formats import export_folder, manifest
from ftlearn.formats.names import EXPORTED
from ftlearn.runtime.files import write_text
from ftlearn.workflows.html import formats

PAGE = "report.html"
END = "</main>"
"""Where the section goes: the end of what ``html.page`` writes."""


def add_to_report(run: str | Path, *others: str | Path) -> bool:
    """Show the exports of a run, and other folders with exports of it, in its page.

    The section is the last of the page; an earlier one is replaced. Returns False for a folder
    without such a page, such as a saved model.
    """
    page = Path(run) / PAGE
    if not page.is_file():
        return False
    content = page.read_text(encoding="utf-8")
    start = content.find(f'<section id="{formats.SECTION}"')
    end = content.rfind(END) if start < 0 else content.index("</section>", start)
    if end < 0:  # no page of ours
        return False
    rest = content[end:] if start < 0 else content[end + len("</section>") :]
    places = [export_folder(run, name) for name in EXPORTED]
    places += [Path(folder) for folder in others]
    found = {path.resolve(): path for path in places if manifest.is_exported(path)}
    exports = [manifest.read(path, thorough=False) for path in found.values()]
    before = content[: end if start < 0 else start]
    write_text(page, f"{before}{formats.section_of(exports)}{rest}")
    return True
