"""The website and the decks as a reader without a network sees them, in a real browser."""

from __future__ import annotations

import functools
import re
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import toy

from course_lib import manifest
from course_lib.manifest import Course
from tools import book, slidecheck, vendor
from tools.chromium import PROGRAM, Chromium, Frame, chromium
from tools.executed import executed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine, so nothing looked at the pages"),
    pytest.mark.skipif(not vendor.ready(toy.ROOT / "build" / "npm"),
                       reason="no MathJax (`python -m tools.vendor` fetches it), so nothing looked at the pages"),
]
LECTURE = "lectures/01_toy.html"
CACHE = toy.ROOT / "build"  # packages of npm and executed lectures are kept between runs
ALT = "A bright square on a dark ground"


# What a page must keep ------------------------------------------------------------------------------------------------


def complaints(browser: Chromium, address: str, **window: int) -> list[str]:
    """Open a page and list what is wrong with it."""
    browser.open(address, **window)
    frames = [browser.page, *browser.inside("body")]
    undescribed = sum(frame.js(UNDESCRIBED) for frame in frames)
    empty = sum(frame.js("[...document.images].filter(i => i.complete && !i.naturalWidth).length") for frame in frames)
    return [*(f"error in the console: {error}" for error in browser.errors),
            *(f"request to another machine: {url}" for url in browser.external()),
            *([f"{undescribed} pictures without alt text"] if undescribed else []),
            *([f"{empty} pictures did not load"] if empty else []),
            *(f"mathematics not typeset: {text}" for text in browser.page.js(RAW_MATHEMATICS)),
            *(["wider than the window"] if browser.page.js(TOO_WIDE) else [])]


TOO_WIDE = "document.documentElement.scrollWidth > innerWidth"
UNDESCRIBED = r"[...document.images].filter(i => !i.alt.trim() || /^\S{8,}\.(png|svg|jpe?g)$/.test(i.alt)).length"
RAW_MATHEMATICS = r"""(() => {
  const walk = document.createTreeWalker(document.querySelector("article, .slides"), NodeFilter.SHOW_TEXT), found = [];
  while (walk.nextNode()) {
    const text = walk.currentNode, code = text.parentElement.closest("pre, code, script, style, mjx-container");
    if (!code && /\$\$|\\\(|\\\[|\\frac|\\sum|\\eta/.test(text.data)) found.push(text.data.trim().slice(0, 60));
  }
  return found;
})()"""


def players(browser: Chromium) -> list[Frame]:
    """The players of the page that is open: sliders that change a picture. (What draws without one is tested apart.)"""
    browser.page.js("document.querySelectorAll('details.more').forEach((folded) => { folded.open = true; })")
    pictures = "document.querySelector('.panels, img') !== null"
    return [frame for frame in browser.inside("input[type=range]") if frame.js(pictures)]


def moves(browser: Chromium, player: Frame) -> bool:
    """Whether the picture changes with a click on the slider and again with a key, as a reader would do it."""
    browser.show(player)
    before = steady(browser, player)
    x, y, width, height = player.rectangle("input[type=range]")
    place = player.js("(s => (s.value - s.min) / (s.max - s.min))(document.querySelector('input[type=range]'))")
    browser.click(x + width * (0.98 if place < 0.5 else 0.02), y + height / 2)
    after_click = steady(browser, player, other_than=before)
    browser.press("ArrowLeft" if place < 0.5 else "ArrowRight")
    return before != after_click != steady(browser, player, other_than=after_click)


def steady(browser: Chromium, player: Frame, *, other_than: bytes = b"", patience: float = 3) -> bytes:
    """The player's pictures once they stand still, after waiting a while for them to become others."""
    end = time.monotonic() + patience
    last, look = b"", browser.look_at(player.rectangle(".panels, img"))
    while last != look or (look == other_than and time.monotonic() < end):
        browser.rest(0.2)
        last, look = look, browser.look_at(player.rectangle(".panels, img"))
    return look


# The browser and the pages --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder and its address on this machine."""
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    folder = tmp_path_factory.mktemp("sites")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def site(served: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A small site: the real texts, one lecture with a real figure and a real player."""
    torch = pytest.importorskip("torch")
    from course_lib import figures
    from course_lib.widgets.player import Axis, Player

    def shade(gray: int) -> object:
        return torch.full((1, 64, 64), gray / 100)

    shown = Player(render=shade, axes=(Axis("gray", (0, 25, 50, 75, 100), "Gray level"),),
                   alt=lambda gray: f"A square of gray level {gray}", caption="Move the slider.")
    picture = torch.zeros(1, 48, 48)
    picture[:, 12:36, 12:36] = 1
    figure = figures.images({"a square": picture}, alt=ALT, caption="A square.")
    course = toy.course(tmp_path_factory.mktemp("course"))
    outputs = [each._repr_mimebundle_()["text/html"] for each in (figure, shown)]
    notebook = toy.lecture(*outputs, course=course)
    return _built(course, {"01_toy": notebook}, served, "toy")


def _built(course: Course, notebooks: dict[str, Path], served: tuple[Path, str], name: str) -> tuple[Path, str]:
    folder, address = served
    work = folder / f"{name}-work"
    work.mkdir()
    (work / "npm").symlink_to(CACHE / "npm")
    book.build(course, notebooks, statuses=[], out=folder / name, work=work)
    return folder / name, f"{address}/{name}"


def broken(site: tuple[Path, str], old: str, new: str) -> str:
    """The address of a copy of the lecture page in which one thing is replaced."""
    folder, address = site
    page = (folder / LECTURE).read_text()
    changed = re.sub(old, lambda _: new, page, count=1, flags=re.DOTALL)
    assert changed != page, f"{old} is not on the page"
    (folder / "lectures" / "broken.html").write_text(changed)
    return f"{address}/lectures/broken.html"


# Promises -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["index.html", LECTURE, "symbols.html"])
def test_a_page_is_whole_without_a_network(browser: Chromium, site: tuple[Path, str], page: str) -> None:
    assert complaints(browser, f"{site[1]}/{page}") == []
    if page != "index.html":
        assert browser.page.js("document.querySelectorAll('mjx-container').length") >= 2


def test_a_lecture_fits_a_telephone(browser: Chromium, site: tuple[Path, str]) -> None:
    assert complaints(browser, f"{site[1]}/{LECTURE}", width=390, height=844) == []


def test_a_players_slider_changes_its_picture(browser: Chromium, site: tuple[Path, str]) -> None:
    browser.open(f"{site[1]}/{LECTURE}")
    (player,) = players(browser)
    assert moves(browser, player)


def test_a_figures_alt_text_reaches_the_page(browser: Chromium, site: tuple[Path, str]) -> None:
    browser.open(f"{site[1]}/{LECTURE}")
    assert ALT in browser.page.js("[...document.images].map(i => i.alt)")


def test_a_deck_opens_without_a_network_and_a_key_moves_on(browser: Chromium, site: tuple[Path, str]) -> None:
    assert complaints(browser, f"{site[1]}/slides/01_toy.html") == []
    assert browser.page.js("document.querySelectorAll('mjx-container').length") >= 2
    before, look = browser.page.js("Reveal.getIndices().h"), browser.look()
    browser.press("ArrowRight")
    assert browser.page.js("Reveal.getIndices().h") == before + 1
    assert browser.look() != look


def test_a_slide_with_too_much_on_it_is_shown_smaller(browser: Chromium, site: tuple[Path, str]) -> None:
    browser.open(f"{site[1]}/slides/01_toy.html")
    browser.page.js("Reveal.getCurrentSlide().insertAdjacentHTML('beforeend', '<p>one more line</p>'.repeat(12))")
    too_much = "(s => s.scrollHeight > s.clientHeight + 1)(Reveal.getCurrentSlide())"
    assert browser.page.js(too_much)
    browser.press("ArrowRight")
    browser.press("ArrowLeft")
    assert not browser.page.js(too_much)


def test_a_player_works_on_a_slide(browser: Chromium, site: tuple[Path, str]) -> None:
    browser.open(f"{site[1]}/slides/01_toy.html")
    browser.page.js("Reveal.slide(Reveal.getTotalSlides() - 1)")
    browser.rest()
    (player,) = players(browser)
    assert moves(browser, player)


def test_the_real_lectures_are_whole_without_a_network(browser: Chromium, served: tuple[Path, str],
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slidecheck, "problems", lambda decks: [])  # test_slidecheck.py measures the decks
    course = manifest.load(toy.ROOT)
    if not all((course.root / "lectures" / f"{lecture.stem}.ipynb").is_file() for lecture in course.lectures):
        pytest.skip("not all lectures are written yet")
    notebooks = {lecture.stem: executed(course, lecture, profile="smoke", build=CACHE) for lecture in course.lectures}
    _, address = _built(course, notebooks, served, "real")
    for lecture in course.lectures:
        assert complaints(browser, f"{address}/lectures/{lecture.stem}.html") == []
        assert players(browser) or browser.inside("svg .mark"), f"{lecture.stem} has nothing to play with"
        assert all(moves(browser, player) for player in players(browser)[:1]), f"{lecture.stem}: a player stands still"
        assert complaints(browser, f"{address}/slides/{lecture.stem}.html") == []


def test_a_slide_that_is_not_seen_whole_fails_the_book(served: tuple[Path, str], tmp_path: Path) -> None:
    course = toy.course(tmp_path / "course")
    notebook = toy.lecture(toy.figure(), f"<div>{'<p>One more line.</p>' * 40}</div>", course=course)
    line = r"1 problem.*\n  01_toy, slide 4, 'One more line.': \d+ pixels too high"
    with pytest.raises(book.PagesBroken, match=line):
        _built(course, {"01_toy": notebook}, served, "overfull")


# What the promises catch ----------------------------------------------------------------------------------------------


def test_a_picture_without_alt_text_is_caught(browser: Chromium, site: tuple[Path, str]) -> None:
    assert complaints(browser, broken(site, f'alt="{ALT}"', "")) == ["1 pictures without alt text"]


def test_a_dead_slider_is_caught(browser: Chromium, site: tuple[Path, str]) -> None:
    browser.open(broken(site, "<iframe.*?</iframe>", toy.player(dead=True)))
    (player,) = players(browser)
    assert not moves(browser, player)
    browser.open(broken(site, "<iframe.*?</iframe>", toy.player()))
    (player,) = players(browser)
    assert moves(browser, player)


@pytest.mark.parametrize("culprit", [
    '<img alt="a picture from elsewhere" src="https://example.org/a.png">',
    "<script>fetch('https://example.org/data.json').catch(() => 0)</script>",
    "<style>@font-face {font-family: x; src: url(https://example.org/x.woff2)} main {font-family: x}</style>",
    toy.player(extra="new Image().src = 'https://example.org/from-a-frame.png';"),
])
def test_a_request_to_another_machine_is_caught(browser: Chromium, site: tuple[Path, str], culprit: str) -> None:
    found = complaints(browser, broken(site, "</article>", f"{culprit}</article>"))
    assert any(complaint.startswith("request to another machine: https://example.org/") for complaint in found)


def test_a_script_error_is_caught(browser: Chromium, site: tuple[Path, str]) -> None:
    found = complaints(browser, broken(site, "</article>", "<script>no_such_function()</script></article>"))
    assert any("no_such_function" in complaint for complaint in found)


def test_mathematics_that_stays_raw_is_caught(browser: Chromium, site: tuple[Path, str]) -> None:
    found = complaints(browser, broken(site, "<script[^>]*tex-mml-chtml.js[^>]*></script>", ""))
    assert any(complaint.startswith("mathematics not typeset") for complaint in found)
