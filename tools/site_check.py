"""What is wrong with built pages: dead links, images without a description, requests elsewhere."""

from __future__ import annotations

import posixpath
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path

LARGEST_PAGE = 1_000_000
"""Bytes of a page's HTML; images, styles and scripts are files of their own."""
FETCHED = {"audio": "src", "embed": "src", "iframe": "src", "img": "src", "link": "href"}
FETCHED |= {"script": "src", "source": "src", "video": "src"}
"""What a browser fetches without being asked, by element and attribute."""
NOT_FETCHED = {"alternate", "author", "canonical", "index", "next", "prev", "search"}
"""Relations of a `link` that a browser does not fetch."""
_PROSE = re.compile(r"<(p|li)\b[^>]*>(.*?)</\1>", re.DOTALL)
_NOT_PROSE = re.compile(
    r"<(code|pre|script)\b.*?</\1>|<span class=\"math.*?</span>|<[^>]*>", re.DOTALL
)
"""What stands in a paragraph and is no prose: code, formulas, tags."""
_MARKUP = re.compile(r".{0,20}(?:\*\*|\$\$|\\[A-Za-z]{2,}).{0,20}")
_STYLE_ADDRESS = re.compile(r"url\(\s*['\"]?((?:https?:)?//[^)'\"]+)")


@dataclass
class Page(HTMLParser):
    """A built page: its anchors, links, images and what it fetches."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    undescribed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what the checks need of an element."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        relations = set(values.get("rel", "").split())
        if tag in FETCHED and FETCHED[tag] in values and not relations & NOT_FETCHED:
            self.fetched.append(values[FETCHED[tag]])
        if tag == "img" and not values.get("alt", "").strip():
            self.undescribed.append(values.get("src", "")[:80])


def parsed(text: str) -> Page:
    """The page of an HTML text."""
    page = Page()
    page.feed(text)
    page.close()
    return page


class Site:
    """A folder of built pages, which stands at ``base`` on its host."""

    def __init__(self, folder: Path, base: str = "/") -> None:
        self.folder = folder
        self.base = base

    @cached_property
    def pages(self) -> dict[str, Page]:
        """Every page by its path in the site."""
        paths = sorted(self.folder.rglob("*.html"))
        return {self._name(path): parsed(path.read_text(encoding="utf-8")) for path in paths}

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def complaints(self) -> list[str]:
        """What is wrong, one sentence per case."""
        if not self.pages:
            return [f"{self.folder.name}: there are no pages"]
        found = (self._sizes(), self._images(), self._markup(), self._hosts(), self._dead_links())
        return [complaint for kind in found for complaint in kind]

    def _sizes(self) -> Iterator[str]:
        for name in self.pages:
            size = (self.folder / name).stat().st_size
            if size > LARGEST_PAGE:
                yield f"{name}: {size:,} bytes, more than {LARGEST_PAGE:,}"

    def _images(self) -> Iterator[str]:
        for name, page in self.pages.items():
            yield from (f"{name}: no description of the image {src}" for src in page.undescribed)

    def _markup(self) -> Iterator[str]:
        """Emphasis and formulas of Markdown that were not understood."""
        for name in self.pages:
            text = (self.folder / name).read_text(encoding="utf-8")
            for _, prose in _PROSE.findall(text):
                for raw in _MARKUP.findall(_NOT_PROSE.sub("", prose)):
                    yield f"{name}: markup is left in the text: {raw}"

    def _hosts(self) -> Iterator[str]:
        for name, page in self.pages.items():
            for address in page.fetched:
                if is_elsewhere(address):
                    yield f"{name}: fetches {address} from another host"
        for path in sorted(self.folder.rglob("*.css")):
            for address in _STYLE_ADDRESS.findall(path.read_text(encoding="utf-8")):
                yield f"{self._name(path)}: fetches {address} from another host"

    def _dead_links(self) -> Iterator[str]:
        for name, page in self.pages.items():
            for link in dict.fromkeys([*page.links, *page.fetched]):
                if not (is_elsewhere(link) or link.startswith(("data:", "mailto:"))):
                    yield from self._dead(name, link)

    def _dead(self, name: str, link: str) -> Iterator[str]:
        path, _, anchor = link.partition("#")
        path = urllib.parse.unquote(path.partition("?")[0])
        target = self._target(name, path) if path else name
        if not (self.folder / target).is_file():
            yield f"{name}: {link} leads to nothing"
        elif anchor and target in self.pages and not self._has(target, anchor):
            yield f"{name}: there is no place {link}"

    def _target(self, name: str, path: str) -> str:
        if path.startswith(self.base):  # from the host's root, as on the 404 page
            return posixpath.normpath(path.removeprefix(self.base) or "index.html")
        return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))

    def _has(self, page: str, anchor: str) -> bool:
        return urllib.parse.unquote(anchor) in self.pages[page].anchors

    def addresses(self) -> list[str]:
        """The addresses outside the site to which pages link."""
        links = {link.partition("#")[0] for page in self.pages.values() for link in page.links}
        return sorted(link for link in links if is_elsewhere(link))

    def summary(self) -> str:
        """How many pages there are, and how large the site is."""
        sizes = [path.stat().st_size for path in self.folder.rglob("*") if path.is_file()]
        largest = max(self.pages, key=lambda name: (self.folder / name).stat().st_size)
        kilobytes = (self.folder / largest).stat().st_size / 1000
        return (
            f"{len(self.pages)} pages, {sum(sizes) / 1e6:.1f} MB in {len(sizes)} files; the "
            f"largest is {largest} with {kilobytes:.0f} kB; {len(self.addresses())} outer links"
        )


def is_elsewhere(link: str) -> bool:
    """Whether an address is on another host."""
    return link.startswith(("http:", "https:", "//"))


def unreachable(addresses: Iterable[str], seconds: float = 20) -> list[str]:
    """The addresses that do not answer, or answer that there is nothing, each with the reason."""
    with ThreadPoolExecutor(8) as pool:
        reasons = pool.map(lambda address: reason(address, seconds), addresses)
        return [found for found in reasons if found]


def reason(address: str, seconds: float) -> str:
    """Why an address is dead, or nothing. A refusal (401, 403, 429) is an answer: it exists."""
    agent = {"User-Agent": "ftlearn link check"}
    try:
        with urllib.request.urlopen(  # noqa: S310 (is_elsewhere lets only http and https through)
            urllib.request.Request(address, headers=agent),  # noqa: S310
            timeout=seconds,
        ):
            return ""
    except urllib.error.HTTPError as error:
        return f"{address}: {error.code}" if error.code in (404, 410) else ""
    except OSError as error:
        return f"{address}: {error}"
