"""What every slide must keep: on a screen of 1280 by 720 pixels all of it is seen, and nothing covers it.

The decks are opened in Chromium, one slide after the other with everything on it that a key makes appear, and their
boxes are measured. A slide is first shown as small as its deck makes it (`fit` in `deck/index.html.j2`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tools.chromium import PROGRAM, Chromium, chromium

WIDTH, HEIGHT = 1280, 720
SLIDES = "Reveal.getSlides().map((slide) => Object.values(Reveal.getIndices(slide)).slice(0, 2))"
# What is seen on the slide in front: boxes of text, pictures and frames, less what MathJax and figures hide.
MEASURE = """(() => {
  const slide = Reveal.getCurrentSlide(), room = slide.getBoundingClientRect();
  const named = slide.querySelector("h1, h2, h3, h4") ?? slide;
  const marks = [...document.querySelectorAll(".controls button.enabled, .slide-number, .progress")];
  const visible = (e) => e.checkVisibility() && e.getClientRects().length;
  const bottom = Math.min(room.bottom, ...marks.filter(visible).map((mark) => mark.getBoundingClientRect().top));
  const mathematics = "mjx-assistive-mml, mjx-math *";
  const seen = [...slide.querySelectorAll("*")].filter((e) => visible(e) && !e.closest(mathematics));
  const texts = seen.flatMap((e) => [...e.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE));
  const letters = texts.map((node) => {  // they may stand outside of the box of their paragraph
    const range = new Range();
    range.selectNodeContents(node);
    return range;
  });
  const boxes = [...seen, ...letters].map((e) => e.getBoundingClientRect()).filter((box) => box.width && box.height);
  const cut = seen.filter((e) => e.tagName !== "IFRAME" && getComputedStyle(e).overflow !== "visible");
  return {
    name: (named.innerText.trim() || slide.querySelector("iframe")?.title || "").split("\\n")[0].slice(0, 60),
    zoom: Number(slide.style.getPropertyValue("--zoom") || 1),
    below: Math.max(0, ...boxes.map((box) => box.bottom - bottom)),
    beside: Math.max(0, ...boxes.map((box) => Math.max(box.right - room.right, room.left - box.left))),
    inside: Math.max(0, ...cut.map((e) => Math.max(e.scrollHeight - e.clientHeight, e.scrollWidth - e.clientWidth))),
  };
})()"""
INSIDE_A_FRAME = """innerWidth && Math.max(...[document.body, document.documentElement].map(
  (e) => Math.max(e.scrollHeight - e.clientHeight, e.scrollWidth - e.clientWidth)))"""
SLACK = 2  # pixels, for rounding


def problems(decks: Sequence[Path]) -> list[str]:
    """Everything on slides that is not seen whole, a line for each slide. What cannot be measured is said to be so."""
    if lacking := _lacking(decks):
        print(f"note: {lacking}, so nobody measured whether every slide is seen whole")
        return []
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as browser:
        return [line for deck in decks for line in complaints(browser, deck)]


def complaints(browser: Chromium, deck: Path) -> list[str]:
    """What is not seen whole on the slides of one deck."""
    return [f"{deck.stem}, slide {number}, {seen['name']!r}: {', '.join(wrong)}"
            for number, seen in enumerate(slides(browser, deck), start=1) if (wrong := list(_wrong(seen)))]


def slides(browser: Chromium, deck: Path) -> Iterator[dict[str, Any]]:
    """What is measured on each slide of a deck, in pixels of the screen."""
    browser.open(deck.resolve().as_uri(), width=WIDTH, height=HEIGHT)
    for column, row in browser.page.js(SLIDES):
        browser.page.js(f"Reveal.slide({column}, {row}, 99)")  # with all its fragments
        browser.page.js("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
        frames = [frame.js(INSIDE_A_FRAME) for frame in browser.inside("body")]
        yield browser.page.js(MEASURE) | {"frame": max(frames, default=0)}


def _lacking(decks: Sequence[Path]) -> str:
    """What is missing to measure these decks, in words, or nothing."""
    if PROGRAM is None:
        return "there is no Chromium on this machine"
    if not all((deck.parent / "offline" / name).is_dir() for deck in decks for name in ("reveal", "mathjax")):
        return "the slides load scripts from the network"
    return ""


def _wrong(seen: dict[str, Any]) -> Iterator[str]:
    for place, words in (("below", "too high"), ("beside", "too wide"), ("inside", "hidden in a box that scrolls"),
                         ("frame", "hidden in a player that scrolls")):
        if seen[place] > SLACK:
            yield f"{seen[place]:.0f} pixels {words}"
