"""Links that put the lessons into a learner's home and open one, for a hub with nbgitpuller.

    python deploy/jupyterhub/links.py https://class.example.com
    python deploy/jupyterhub/links.py https://class.example.com \\
        --repository https://git.example.com/class/handouts.git --branch main --folder ""

One line per lesson. Whoever opens a link logs in, gets what is new in the repository, and keeps
what they have changed.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[2]


def link(hub: str, repository: str, branch: str, path: str) -> str:
    """The address under which a hub pulls a repository and opens one of its files.

    >>> link("https://hub.org/", "https://git.org/class/handouts.git", "main", "00.ipynb")
    'https://hub.org/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgit.org%2Fclass%2Fhandouts.git&branch=main&urlpath=lab%2Ftree%2Fhandouts%2F00.ipynb'
    """
    folder = repository.rstrip("/").rpartition("/")[2].removesuffix(".git")
    query = {"repo": repository, "branch": branch, "urlpath": f"lab/tree/{folder}/{path}"}
    return f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(query)}"


def main(words: list[str] | None = None) -> None:
    """Print a link per lesson."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ftlearn"]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("hub", help="the address of the hub")
    parser.add_argument("--repository", default=f"https://github.com/{settings['repository']}")
    parser.add_argument("--branch", default=settings["branch"])
    parser.add_argument("--folder", default="notebooks", help="where in it the lessons are")
    options = parser.parse_args(words)
    for lesson in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        path = f"{options.folder}/{lesson.name}".lstrip("/")
        print(link(options.hub, options.repository, options.branch, path))


if __name__ == "__main__":
    main()
