"""Makes a release: checks everything, shows what will happen, and asks once.

    python -m tools.release 0.5.0              # needs: pip install -e ".[release]"
    python -m tools.release 0.5.0 --dry-run    # checks and shows, and ends before the question

The version stands already in pyproject.toml, ``ftlearn/__init__.py``, CITATION.cff and, with its
date, in CHANGELOG.md, in a commit on main that is on GitHub. Tests, wheel and source distribution
are made in a fresh clone of that commit. Before the answer nothing leaves this machine.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parent.parent
BRANCH, REMOTE = "main", "origin"
VERSIONS = {
    "pyproject.toml": r'^version = "(.*)"$',
    "ftlearn/__init__.py": r'^__version__ = "(.*)"$',
    "CITATION.cff": r'^version: "?([^"\n]*)"?$',
    "CHANGELOG.md": r"^## \[(\d[^\]]*)\]",
}
"""Where the version stands, the newest first in the changelog."""
LESSON = "02"
"""The quickest lesson, which is run from the wheel."""

Runner = Callable[..., str]
"""Runs a command in a folder, and returns what it prints."""


class ReleaseError(Exception):
    """The release cannot be made; the message says why, and what to do."""


def run(*command: str | Path, folder: Path = ROOT, shown: bool = False) -> str:
    """Run a command; its output is returned or, with ``shown``, goes to the terminal as it comes.

    Raises ReleaseError where it fails.
    """
    words = list(map(str, command))
    pipe = None if shown else subprocess.PIPE
    done = subprocess.run(words, cwd=folder, stdout=pipe, stderr=pipe, text=True, check=False)
    if done.returncode:
        reason = (done.stderr or "see above").strip()
        raise ReleaseError(f"`{' '.join(words)}` ended with {done.returncode}: {reason}")
    return (done.stdout or "").strip()


@dataclass(frozen=True)
class Release:
    """One release of the repository in ``root``; ``run`` and ``say`` are replaced in tests."""

    version: str
    root: Path = ROOT
    run: Runner = run
    say: Callable[[str], None] = field(default=print)

    @property
    def tag(self) -> str:
        """The tag of the release."""
        return f"v{self.version}"

    def git(self, *words: str) -> str:
        """What git prints in the repository."""
        return self.run("git", *words, folder=self.root)


def check_versions(release: Release) -> None:
    """The version is newer than all tags, the same in all files, and dated in the changelog."""
    try:
        version = Version(release.version)
    except InvalidVersion:
        raise ReleaseError(f"{release.version!r} is no version: name one such as 0.5.0") from None
    if str(version) != release.version:
        raise ReleaseError(f"{release.version!r} is written {version} on PyPI: use that")
    tags = [tag.removeprefix("v") for tag in release.git("tag", "--list", "v[0-9]*").split()]
    newest = max(map(Version, tags), default=None)
    if newest is not None and version <= newest:
        raise ReleaseError(f"{version} is not newer than {newest}, which is tagged: name another")
    for name, pattern in VERSIONS.items():
        match = re.search(pattern, (release.root / name).read_text(encoding="utf-8"), re.MULTILINE)
        there = match[1] if match else "none"
        if there != release.version:
            raise ReleaseError(f"{name} has version {there}: write {release.version}, and commit")
    heading = rf"^## \[{re.escape(release.version)}\] - \d{{4}}-\d\d-\d\d$"
    if not re.search(heading, (release.root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE):
        raise ReleaseError(
            f"CHANGELOG.md gives {release.version} no date: write `## [{release.version}] - "
            "YYYY-MM-DD`, and commit"
        )


def check_tree(release: Release) -> str:
    """The tree is clean, on main, and its commit is on GitHub; returns that commit."""
    changes = release.git("status", "--porcelain")
    if changes:
        raise ReleaseError(f"the tree is not clean: commit, or remove\n{changes}")
    branch = release.git("rev-parse", "--abbrev-ref", "HEAD")
    if branch != BRANCH:
        raise ReleaseError(f"the branch is {branch}: releases are made from {BRANCH}")
    release.git("fetch", "--tags", REMOTE, BRANCH)
    commit = release.git("rev-parse", "HEAD")
    if commit != release.git("rev-parse", "FETCH_HEAD"):
        raise ReleaseError(f"{BRANCH} here and on {REMOTE} differ: pull, push, and call again")
    return commit


def build(release: Release, folder: Path) -> list[Path]:
    """Test a fresh clone and build wheel and source distribution in it; returns their paths."""
    clone = folder / "clone"
    release.run("git", "clone", "--quiet", release.root, clone, folder=folder)
    release.run("make", "test", folder=clone, shown=True)
    changes = release.run("git", "status", "--porcelain", folder=clone)
    if changes:
        raise ReleaseError(f"`make test` changed files of the repository:\n{changes}")
    release.run(sys.executable, "-m", "build", "--outdir", folder / "dist", folder=clone)
    files = sorted((folder / "dist").iterdir())
    if [path.suffix for path in files] != [".whl", ".gz"]:
        raise ReleaseError(f"the build made {[path.name for path in files]}, no wheel and sdist")
    release.run(sys.executable, "-m", "twine", "check", "--strict", *files, folder=folder)
    return files


def try_wheel(release: Release, wheel: Path, folder: Path) -> None:
    """Install the wheel with its libraries in a clean environment, and run a lesson from it."""
    binaries = folder / "environment" / ("Scripts" if os.name == "nt" else "bin")
    release.run(sys.executable, "-m", "venv", folder / "environment", folder=folder)
    constraints = ("--constraint", release.root / "constraints.txt")
    install = ("install", "--quiet", *constraints, f"{wheel}[notebooks]")
    release.run(binaries / "python", "-m", "pip", *install, folder=folder, shown=True)
    installed = "import ftlearn; print(ftlearn.__version__)"
    version = release.run(binaries / "python", "-c", installed, folder=folder)
    if version != release.version:
        raise ReleaseError(f"the wheel holds version {version}, not {release.version}")
    release.run(binaries / "ftlearn", "doctor", folder=folder, shown=True)
    release.run(binaries / "ftlearn", "lessons", "lessons", LESSON, folder=folder)
    (lesson,) = (folder / "lessons").glob(f"{LESSON}_*.ipynb")
    release.run(binaries / "jupyter", "execute", lesson, folder=folder)


def steps(release: Release, commit: str, files: Sequence[Path]) -> list[tuple[str | Path, ...]]:
    """The commands that publish, in order. Only the last two leave this machine."""
    return [
        ("git", "tag", "--annotate", release.tag, "--message", release.tag, commit),
        (sys.executable, "-m", "twine", "upload", *files),
        ("git", "push", REMOTE, release.tag),
    ]


def publish(release: Release, commands: Sequence[tuple[str | Path, ...]]) -> None:
    """Tag, upload and push; where the upload fails, the tag is removed, and nothing has left."""
    tag, upload, push = commands
    release.run(*tag, folder=release.root)
    try:
        release.run(*upload, folder=release.root, shown=True)
    except BaseException:
        release.git("tag", "--delete", release.tag)
        raise
    release.run(*push, folder=release.root)


def make(release: Release, ask: Callable[[str], str], *, dry_run: bool = False) -> bool:
    """Check, build, show, ask and publish; returns whether it was published."""
    commit = check_tree(release)
    check_versions(release)
    with tempfile.TemporaryDirectory(prefix="ftlearn-release-") as name:
        folder = Path(name)
        files = build(release, folder)
        try_wheel(release, next(path for path in files if path.suffix == ".whl"), folder)
        commands = steps(release, commit, files)
        release.say(f"\nAll checks passed. Release {release.version} of commit {commit[:12]}:")
        for path in files:
            release.say(f"  {path.name}, {path.stat().st_size / 1e6:.1f} MB")
        for command in commands:
            release.say(f"  {' '.join(map(str, command))}")
        if dry_run:
            release.say("Dry run: nothing was tagged, uploaded or pushed.")
            return False
        if ask(f"Type {release.version} to publish: ").strip() != release.version:
            release.say("Nothing was tagged, uploaded or pushed.")
            return False
        publish(release, commands)
    release.say(f"Published {release.version}.")
    return True


def main() -> int:
    """Make the release that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("version")
    parser.add_argument("--dry-run", action="store_true")
    arguments = parser.parse_args()
    try:
        published = make(Release(arguments.version), input, dry_run=arguments.dry_run)
    except ReleaseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return int(not published and not arguments.dry_run)


if __name__ == "__main__":
    sys.exit(main())
