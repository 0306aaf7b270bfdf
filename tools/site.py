"""Builds the website in both languages from stored notebooks, guides, docstrings and commands.

    python -m tools.site                # build/site (Chinese in build/site/zh), checked
    python -m tools.site --links        # and ask for every address outside the site
    python -m tools.site --catalogues   # write the guides' texts into docs/locale, to translate

Nothing is executed and nothing is fetched, except with `--links`. To read the result:
`python -m http.server --directory build/site`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import notebooks, site_check, site_sources
from tools.site_sources import LANGUAGES, SITE

BUILD = notebooks.ROOT / "build"


def build(folder: Path = BUILD) -> Path:
    """Builds both languages and returns the site's folder.

    Raises CalledProcessError if Sphinx warns.
    """
    source, output, doctrees = (folder / name for name in ("site_source", "site", "site_doctrees"))
    for old in (source, output, doctrees):
        shutil.rmtree(old, ignore_errors=True)
    site_sources.copy_catalogues(source / "locale")
    for language in LANGUAGES:
        site_sources.assemble(language, source / language)
        target = output / site_sources.words(language)["prefix"]
        options = ["-j", "auto", "-d", str(doctrees / language), "-t", language]
        options += ["-D", f"locale_dirs={source / 'locale'}"]
        sphinx("html", source / language, target, options)
    (output / ".nojekyll").touch()  # GitHub Pages leaves out _static otherwise
    return output


def sphinx(builder: str, source: Path, target: Path, options: list[str]) -> None:
    """Runs Sphinx; a warning is an error."""
    command = [sys.executable, "-m", "sphinx", "-b", builder, "-c", str(SITE), "-W", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(notebooks.ROOT), "PYTHONWARNINGS": "ignore"}
    command += ["--keep-going", *options, str(source), str(target)]
    subprocess.run(command, check=True, cwd=notebooks.ROOT, env=environment)


def write_catalogues(folder: Path = BUILD, catalogues: Path = site_sources.CATALOGUES) -> None:
    """Writes new and changed texts of the guides into ``catalogues``, for translators."""
    templates = folder / "site_gettext"
    shutil.rmtree(templates, ignore_errors=True)
    build_guides("gettext", templates, folder, [])
    command = [Path(sys.executable).with_name("sphinx-intl"), "update", "-l", "zh_CN"]
    command += ["-p", templates, "-d", catalogues, "--line-width", "-1"]
    subprocess.run(command, check=True)


def build_guides(builder: str, target: Path, folder: Path, options: list[str]) -> None:
    """Runs Sphinx on the guides alone: links to lessons have no page, and nothing navigates."""
    source = folder / "site_guides"
    shutil.rmtree(source, ignore_errors=True)
    site_sources.write_guides(source)
    options += ["-D", "suppress_warnings=myst.xref_missing,toc.not_included"]
    options += ["-D", "master_doc=guides/installation", "-d", str(folder / f"doctrees_{builder}")]
    sphinx(builder, source, target, options)


def main() -> int:
    """Builds and checks the site, or writes catalogues."""
    parser = argparse.ArgumentParser(prog="python -m tools.site")
    parser.add_argument("--links", action="store_true", help="ask for addresses outside the site")
    parser.add_argument("--catalogues", action="store_true", help="write texts to translate")
    chosen = parser.parse_args()
    if chosen.catalogues:
        write_catalogues()
        return 0
    site = site_check.Site(build(), site_sources.base())
    complaints = site.complaints()
    if chosen.links:
        complaints += site_check.unreachable(site.addresses())
    print("\n".join(complaints or [site.summary()]))
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
