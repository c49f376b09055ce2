"""What the build refuses to publish, without a browser."""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from tools import pagecheck

GOOD = """<h1 id="start">Title</h1><img src="data:," alt="a gray square">
<a href="#start">up</a> <a href="b.html#there">b</a>"""


def found(tmp_path: Path, body: str, **options: str) -> list[str]:
    (tmp_path / "a.html").write_text(f"<html><body>{body}</body></html>")
    (tmp_path / "b.html").write_text('<p id="there">here</p>')
    return pagecheck.problems(tmp_path, **options)


def test_a_whole_page_passes(tmp_path: Path) -> None:
    assert found(tmp_path, GOOD) == []


@pytest.mark.parametrize(("body", "words"), [
    ('<img src="x.png">', "no alt text"),
    ('<img src="x.png" alt="  ">', "no alt text"),
    ('<img src="x.png" alt="No description has been provided for this image">', "no alt text"),
    ('<img src="x.png" alt="../_images/0b4d5cd4d0ab3a1e0b6b62b7b0e83f5fbb79.png">', "a file name"),
    ('<img src="x.png" alt="2f6f7f0e9a1b2c3d4e5f60718293a4b5">', "a file name"),
    ('<iframe srcdoc="x"></iframe>', "without a title"),
    ('<script src="https://cdn.example.org/x.js"></script>', "loads https://cdn.example.org/x.js"),
    ('<link rel="stylesheet" href="//example.org/x.css">', "loads //example.org/x.css"),
    ("<style>@import 'https://example.org/x.css';</style>", "loads https://example.org/x.css"),
    ('<p style="background: url(https://example.org/x.png)">', "loads https://example.org/x.png"),
    ('<a href="c.html">c</a>', "links to c.html, which is not there"),
    ('<a href="b.html#nowhere">b</a>', "no such place"),
    ('<a href="#nowhere">b</a>', "no such place"),
])
def test_a_broken_page_is_refused_with_its_reason(tmp_path: Path, body: str, words: str) -> None:
    (complaint,) = found(tmp_path, GOOD + body)
    assert complaint.startswith("a.html: ") and words in complaint


def test_what_is_inside_a_frame_is_read_as_well(tmp_path: Path) -> None:
    inner = html.escape('<img src="x"><script src="https://example.org/x.js"></script>')
    assert len(found(tmp_path, f'<iframe title="player" srcdoc="{inner}"></iframe>')) == 2


def test_a_style_sheet_that_loads_a_font_from_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.css").write_text("@font-face { src: url('https://fonts.example.org/x.woff2') }")
    assert found(tmp_path, GOOD) == ["x.css: loads https://fonts.example.org/x.woff2 from elsewhere"]


def test_a_link_to_another_machine_is_no_load(tmp_path: Path) -> None:
    assert found(tmp_path, '<a href="https://example.org">there</a>') == []


def test_one_address_can_be_allowed(tmp_path: Path) -> None:
    script = '<script src="https://cdn.example.org/npm/mathjax.js"></script>'
    assert found(tmp_path, script, allowed="https://cdn.example.org/npm") == []
    assert len(found(tmp_path, script, allowed="https://cdn.example.org/other")) == 1
