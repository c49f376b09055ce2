"""Reads the HTML of a widget: as a list of elements with their attributes and text, or in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

VOID = {"img", "input", "meta", "br", "link", "hr"}
PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SAY = """
const out = document.createElement("pre");
out.id = "said";
out.textContent = JSON.stringify(said);
document.body.append(out);
"""


@dataclass
class Element:
    """One element: its name, attributes and all text within it."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    inside: tuple[str, ...] = ()


@dataclass
class Page(HTMLParser):
    """A document as a flat list of its elements, in order."""

    source: str
    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[Element] = []
        self.feed(self.source)
        self.close()
        assert not self._open, f"never closed: {[element.name for element in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, inside=tuple(e.name for e in self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop().name == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, name: str, **attributes: str) -> list[Element]:
        """The elements of a name with these attributes (aria_live stands for aria-live, class_ for class)."""
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
        return [e for e in self.elements if e.name == name and wanted.items() <= e.attributes.items()]

    def one(self, name: str, **attributes: str) -> Element:
        """The only such element."""
        found = self.all(name, **attributes)
        assert len(found) == 1, f"{len(found)} elements {name} {attributes}"
        return found[0]


def frame(html: str) -> Page:
    """The document inside the one frame of a widget."""
    return Page(Page(html).one("iframe").attributes["srcdoc"])


def in_a_browser(tmp_path: Path, html: str, script: str) -> Any:
    """What a script finds out about widgets and leaves in `said`; their sandbox is opened for it."""
    opened = html.replace('sandbox="allow-scripts"', "")
    page = tmp_path / "page.html"
    page.write_text(f'<!DOCTYPE html><meta charset="utf-8">{opened}'
                    f'<script>addEventListener("load",()=>{{{script}{SAY}}})</script>')
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    flags += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=10000", "--dump-dom"]
    done = subprocess.run([str(PROGRAM), *flags, page.as_uri()], capture_output=True, text=True, timeout=120)
    match = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match, done.stderr[-2000:]
    return json.loads(Page(f"<pre>{match.group(1)}</pre>").one("pre").text)


def addresses(html: str) -> list[str]:
    """What a page would fetch: every address in it that is not written into it as data."""
    page = Page(html)
    found = re.findall(r"(?:https?:)?//[\w.-]+\.\w+|@import|url\([^)]*\)", html)
    for element in page.elements:
        for name in ("src", "href", "srcset", "data", "poster", "action"):
            value = element.attributes.get(name, "data:")
            if not value.startswith("data:"):
                found.append(value)
        if "srcdoc" in element.attributes:
            found += addresses(element.attributes["srcdoc"])
    return found
