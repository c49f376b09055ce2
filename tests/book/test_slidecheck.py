"""Every slide is seen whole: a real browser measures decks, those of the lectures too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import toy
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib import manifest
from tools import slidecheck, slides, vendor
from tools.chromium import PROGRAM, Chromium, chromium
from tools.executed import executed

CACHE = toy.ROOT / "build"
measured = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine, so no slide was measured"),
    pytest.mark.skipif(not vendor.ready(CACHE / "npm"),
                       reason="no MathJax (`python -m tools.vendor` fetches it), so no slide was measured"),
]
LINE = "A line of text that says something about images, and takes no more than one line.\n\n"
LOOKED_AT = ("siamese", "bias_free", "nonlocality")  # by `make test`; by `make test-all` all


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("decks")


def text(source: str, kind: str = "slide") -> nbformat.NotebookNode:
    return new_markdown_cell(source, metadata={"slideshow": {"slide_type": kind}})


def shown(html: str, kind: str = "-") -> nbformat.NotebookNode:
    output = new_output("display_data", data={"text/html": html})
    return new_code_cell("", outputs=[output], metadata={"slideshow": {"slide_type": kind}, "tags": ["hide-input"]})


def deck(folder: Path, *cells: nbformat.NotebookNode) -> Path:
    notebook = folder / "deck.ipynb"
    nbformat.write(new_notebook(cells=list(cells)), notebook)
    return slides.write({"deck": notebook}, folder, cache=CACHE / "npm")[0]


def picture(width: int = 7, height: int = 4) -> str:
    """A figure of so many inches, as `figures` draws it."""
    from matplotlib.figure import Figure

    from course_lib import figures

    def draw(figure: Figure) -> None:
        figure.subplots().plot([0, 1])

    return figures._picture(draw, width, height, alt="a line", caption="A line.").html


def player(inner: str, *, height: int) -> str:
    from course_lib.widgets import sandbox

    html = sandbox.document(title="Player", style="", body=inner, script="")
    return sandbox.embed(html, title="Player", still="", heights={0: f"{height}px"}, max_width=700, caption="Move it.")


# What is measured -----------------------------------------------------------------------------------------------------


class TestOneDeck:
    pytestmark = measured

    def test_a_slide_that_is_seen_whole_is_not_listed(self, browser: Chromium, folder: Path) -> None:
        whole = [text("# A title\n\n" + LINE * 5), text("## A table\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n$$x^2$$"),
                 text("## A figure\n\n" + LINE * 3), shown(picture()),
                 text("## A player\n\n" + LINE), shown(player("<p>Choose.</p>", height=420)),
                 text("## Folded\n\n" + LINE), shown(f"<details><summary>code</summary>{'<p>x</p>' * 50}</details>")]
        assert slidecheck.complaints(browser, deck(folder, *whole)) == []

    def test_what_is_too_high_is_listed_with_its_slide_and_by_how_much(self, browser: Chromium, folder: Path) -> None:
        (found,) = slidecheck.complaints(browser, deck(folder, text("# Title"), text("## Long\n\n" + LINE * 30)))
        assert found.startswith("deck, slide 2, 'Long': ") and found.endswith(" pixels too high")
        assert 30 * 0.6 * (1.4 * 28 + 18) - 632 < float(found.split()[4]) < 30 * 0.6 * (1.4 * 28 + 18) - 632 + 60

    def test_what_a_key_makes_appear_counts(self, browser: Chromium, folder: Path) -> None:
        (found,) = slidecheck.complaints(browser, deck(folder, text("## Short"), text(LINE * 30, "fragment")))
        assert "slide 1, 'Short'" in found

    @pytest.mark.parametrize(("wide", "complaint"), [
        ("$$" + "x + y + " * 80 + "z$$", "too wide"),
        ("<p style='white-space: nowrap'>" + LINE.strip() * 5 + "</p>", "too wide"),
        ("<div style='overflow: auto'><p style='white-space: nowrap'>" + LINE.strip() * 5 + "</p></div>",
         "hidden in a box that scrolls"),
        ("<div style='overflow: auto; height: 50px'>" + "<p>one</p>" * 5 + "</div>", "hidden in a box that scrolls"),
    ])
    def test_what_is_too_wide_or_hidden_is_listed(self, browser: Chromium, folder: Path, wide: str,
                                                   complaint: str) -> None:
        (found,) = slidecheck.complaints(browser, deck(folder, text(f"## Wide\n\n{wide}")))
        assert complaint in found

    def test_a_player_whose_inside_scrolls_is_listed(self, browser: Chromium, folder: Path) -> None:
        (found,) = slidecheck.complaints(browser, deck(folder, shown(player("<p>line</p>" * 40, height=300), "slide")))
        assert "hidden in a player that scrolls" in found

    def test_what_arrows_and_page_number_cover_is_listed(self, browser: Chromium, folder: Path) -> None:
        path = deck(folder, text("## Full\n\n<div style='height: 580px'></div>\n"), text("## Next"))
        assert slidecheck.complaints(browser, path) == []
        path.write_text(path.read_text().replace("height: calc(632px", "height: calc(684px").replace("580px", "632px"))
        (found,) = slidecheck.complaints(browser, path)
        assert "slide 1, 'Full'" in found and "too high" in found


class TestRoom:
    """What `fit` of the deck does where room is short."""

    pytestmark = measured
    SIZE = "(i => i.getBoundingClientRect().height / i.naturalHeight)(Reveal.getCurrentSlide().querySelector('img'))"
    BOX = "Reveal.getCurrentSlide().querySelector('iframe').getBoundingClientRect().height"
    ZOOM = "Number(Reveal.getCurrentSlide().style.getPropertyValue('--zoom'))"

    def seen(self, browser: Chromium, path: Path, *expressions: str) -> list[float]:
        browser.open(path.as_uri(), width=1280, height=720)
        return [browser.page.js(expression) for expression in expressions]

    def test_a_figure_takes_what_is_left_before_the_text_becomes_small(self, browser: Chromium, folder: Path) -> None:
        size, zoom = self.seen(browser, deck(folder, text("## Few words"), shown(picture())), self.SIZE, self.ZOOM)
        assert zoom == 1 and 0.7 <= size < 1

    def test_a_figures_letters_keep_twelve_pixels(self, browser: Chromium, folder: Path) -> None:
        path = deck(folder, text("## Many words\n\n" + LINE * 20), shown(picture()))
        size, zoom = self.seen(browser, path, self.SIZE, self.ZOOM)
        assert zoom == 0.6 and size == pytest.approx(0.5, abs=0.01)
        (found,) = slidecheck.complaints(browser, path)
        assert "too high" in found

    def test_a_player_becomes_lower_and_a_quiz_does_not(self, browser: Chromium, folder: Path) -> None:
        lower, zoom = self.seen(browser, deck(folder, text("## Play\n\n" + LINE), shown(player("", height=450))),
                                self.BOX, self.ZOOM)
        assert zoom == 1 and 0.7 * 1.3 * 450 <= lower < 1.3 * 450
        quiz = player("", height=450).replace('title="Player"', 'title="Quiz: check yourself"')
        same, zoom = self.seen(browser, deck(folder, text("## Play\n\n" + LINE), shown(quiz)), self.BOX, self.ZOOM)
        assert zoom < 1 and same == pytest.approx(zoom * 1.3 * 450, abs=2)

    def test_a_printed_deck_has_one_page_for_each_slide(self, browser: Chromium, folder: Path) -> None:
        path = deck(folder, text("# Title"), text("## Long\n\n" + LINE * 14), text(LINE, "subslide"), text(LINE))
        browser.open(f"{path.as_uri()}?print-pdf", width=1280, height=720)
        browser.wait("Reveal.getSlides()[1].style.getPropertyValue('--zoom') < 1")
        pages = browser.page.js("[...document.querySelectorAll('.pdf-page')].map(page => page.clientHeight)")
        assert len(pages) == 4 and max(pages) <= 720


def test_without_a_chromium_it_says_that_it_did_not_measure(monkeypatch: pytest.MonkeyPatch,
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(slidecheck, "PROGRAM", None)
    assert slidecheck.problems([Path("deck.html")]) == []
    assert "no Chromium on this machine, so nobody measured" in capsys.readouterr().out


def test_a_deck_with_scripts_from_the_network_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(slidecheck, "PROGRAM", "chromium")
    assert slidecheck.problems([tmp_path / "deck.html"]) == []
    assert "scripts from the network, so nobody measured" in capsys.readouterr().out


# The command and the lectures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["toy", "1"])
def test_the_command_fails_with_the_list(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = toy.course(tmp_path / "course")
    notebook = toy.lecture(toy.figure(), course=course)
    monkeypatch.setattr(manifest, "load", lambda: course)
    monkeypatch.setattr(slides, "executed", lambda *_, **__: notebook)
    monkeypatch.setattr(slidecheck, "problems", lambda decks: [f"{decks[0].stem}, slide 3: 7 pixels too high"])
    (course.root / "build").mkdir()
    (course.root / "build" / "npm").symlink_to(CACHE / "npm")
    with pytest.raises(SystemExit, match="slides: 1 are not seen whole\n  01_toy, slide 3: 7 pixels too high"):
        slides.main([name, "--out", str(tmp_path / "slides")])
    assert (tmp_path / "slides" / "01_toy.html").is_file()
    with pytest.raises(SystemExit, match="slides: .*toi"):
        slides.main(["toi"])


class TestLectures:
    pytestmark = measured

    @pytest.mark.parametrize("lecture", [
        pytest.param(each, id=each.stem, marks=[] if each.name in LOOKED_AT else pytest.mark.full)
        for each in manifest.load(toy.ROOT).lectures])
    def test_every_slide_of_a_lecture_is_seen_whole(self, lecture: manifest.Lecture, browser: Chromium,
                                                    folder: Path) -> None:
        notebook = executed(manifest.load(toy.ROOT), lecture, profile="smoke", build=CACHE)
        path = slides.write({lecture.stem: notebook}, folder, cache=CACHE / "npm")[0]
        assert slidecheck.complaints(browser, path) == []
