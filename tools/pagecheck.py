"""What every page must keep: pictures are described, links lead somewhere, nothing is fetched from elsewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FILE_NAME = re.compile(r"^(\S*/)?[\w-]{8,}\.(png|jpe?g|svg|gif|webp)$|^(\S*/)?[0-9a-f]{16,}\S*$", re.IGNORECASE)
CSS_ADDRESS = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src",
         "embed": "src", "object": "data", "input": "src"}
LOADING_LINKS = {"stylesheet", "preload", "prefetch", "modulepreload", "icon", "manifest", "preconnect", "dns-prefetch"}
NO_DESCRIPTION = ("", "no description has been provided for this image")


@dataclass
class Page(HTMLParser):
    """What one page shows, loads and links to; pages inside frames (srcdoc) are read as well."""

    where: str
    images: list[str | None] = field(default_factory=list)
    untitled_frames: int = 0
    loads: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._style = tag == "style"
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        if tag == "img":
            self.images.append(given.get("alt"))
        if tag == "iframe":
            self.untitled_frames += not given.get("title", "").strip()
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in LOADS and given.get(LOADS[tag]):
            self.loads.append(given[LOADS[tag]])
        if tag == "link" and LOADING_LINKS & set(given.get("rel", "").lower().split()):
            self.loads.append(given.get("href", ""))
        self.loads += CSS_ADDRESS.findall(given.get("style", ""))
        if given.get("srcdoc"):
            self._read_frame(given["srcdoc"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            self.loads += CSS_ADDRESS.findall(data)

    def _read_frame(self, content: str) -> None:
        inner = Page(where=self.where)
        inner.feed(content)
        self.images += inner.images
        self.loads += inner.loads
        self.untitled_frames += inner.untitled_frames


def problems(site: Path, *, allowed: str | None = None) -> list[str]:
    """Everything wrong with the pages below a folder, one sentence each; `allowed` is the one address they may load."""
    pages = {path: _read(path, site) for path in sorted(site.rglob("*.html"))}
    found = [f"{page.where}: {complaint}" for path, page in pages.items()
             for complaint in (*_pictures(page), *_loads(page, allowed), *_links(path, page, pages))]
    for sheet in sorted(site.rglob("*.css")):
        found += [f"{sheet.relative_to(site)}: loads {address} from elsewhere"
                  for address in CSS_ADDRESS.findall(sheet.read_text(errors="replace"))]
    return found


def _read(path: Path, site: Path) -> Page:
    page = Page(where=path.relative_to(site).as_posix())
    page.feed(path.read_text())
    return page


def _pictures(page: Page) -> Iterator[str]:
    for alt in page.images:
        if alt is None or alt.strip().lower() in NO_DESCRIPTION:
            yield "a picture has no alt text; draw it with course_lib.figures, or describe it in its Markdown"
        elif FILE_NAME.match(alt.strip()):
            yield f"a picture's alt text is a file name ({alt.strip()[:40]}); draw it with course_lib.figures"
    if page.untitled_frames:
        yield f"{page.untitled_frames} frame(s) without a title, which is what a screen reader announces"


def _loads(page: Page, allowed: str | None) -> Iterator[str]:
    for address in page.loads:
        if re.match(r"(https?:)?//", address) and not (allowed and address.startswith(allowed)):
            yield f"loads {address} from elsewhere"


def _links(path: Path, page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc or not (parts.path or parts.fragment):
            continue
        target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
        if not target.exists():
            yield f"links to {link}, which is not there"
        elif parts.fragment and target in pages and parts.fragment not in pages[target].anchors | {"top"}:
            yield f"links to {link}, but that page has no such place"
