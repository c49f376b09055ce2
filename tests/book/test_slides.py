"""What goes on a slide, and what a deck loads."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
import toy
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import slides

HERE = {"reveal": "offline/reveal", "mathjax": "offline/mathjax/x.js"}


@pytest.fixture
def notebook(tmp_path: Path) -> nbformat.NotebookNode:
    return nbformat.read(toy.lecture(toy.figure(), toy.player(), course=toy.course(tmp_path / "course")), as_version=4)


def test_only_cells_that_say_so_are_on_slides(notebook: nbformat.NotebookNode) -> None:
    deck = slides.deck_of(notebook, name="01_toy", addresses=HERE)
    assert deck.count("<section") == 2 * 4  # each slide is a stack of one: title, idea, figure, player
    assert "a middle gray square" in deck and "Five grays" in deck and "The idea" in deck
    assert "on no slide" not in deck and "import torch" not in deck


def test_of_the_header_the_title_the_promise_and_the_part_are_shown(notebook: nbformat.NotebookNode) -> None:
    deck = slides.deck_of(notebook, name="01_toy", addresses=HERE)
    assert "01 · Gray squares" in deck and "tell one gray from another" in deck
    assert "<strong>Part C:</strong> Denoising with clean images" in deck
    assert "colab" not in deck and "to teach it" not in deck


def test_notes_and_minutes_reach_the_speaker_view(notebook: nbformat.NotebookNode) -> None:
    deck = slides.deck_of(notebook, name="01_toy", addresses=HERE)
    assert 'data-timing="120"' in deck
    assert '<aside class="notes">' in deck and "Ask what $y$ is." in deck


def test_a_deck_loads_nothing_but_its_own_scripts(notebook: nbformat.NotebookNode) -> None:
    deck = slides.deck_of(notebook, name="01_toy", addresses=HERE)
    assert 'src="https://' not in deck and 'href="https://' not in deck and "url(http" not in deck
    assert "require(" not in deck and "mermaid" not in deck and "jquery" not in deck


def test_hidden_code_stays_hidden(notebook: nbformat.NotebookNode) -> None:
    assert "output_3" not in slides.deck_of(notebook, name="01_toy", addresses=HERE)
    for cell in notebook.cells:
        cell.metadata.pop("tags", None)
    assert "output_3" in slides.deck_of(notebook, name="01_toy", addresses=HERE)


def test_long_code_and_the_code_of_a_figure_are_folded() -> None:
    def folded(lines: int, shown: str = "<p>text</p>") -> bool:
        output = new_output("display_data", data={"text/html": shown})
        cell = new_code_cell("x = 1\n" * lines, outputs=[output], metadata={"slideshow": {"slide_type": "slide"}})
        return "<details>" in slides.deck_of(new_notebook(cells=[cell]), name="x", addresses=HERE)

    assert [folded(3), folded(30), folded(3, toy.figure())] == [False, True, True]


@pytest.mark.parametrize("tag", ["hide-input", "remove-input"])
def test_of_a_cell_that_only_shows_or_quizzes_no_source_is_on_a_slide(tag: str) -> None:
    cell = new_code_cell("secret = 1", outputs=[new_output("stream", text="shown")],
                         metadata={"slideshow": {"slide_type": "slide"}, "tags": [tag]})
    deck = slides.deck_of(new_notebook(cells=[cell]), name="x", addresses=HERE)
    assert "secret" not in deck and "shown" in deck


# Core and more --------------------------------------------------------------------------------------------------------


def order(*cells: str) -> str:
    """The slides made of cells such as "a slide" or "b subslide more", as "a, b; c": stacks of slides."""
    made = []
    for cell in cells:
        name, kind, *path = cell.split()
        made.append(new_markdown_cell(name, metadata={"slideshow": {"slide_type": kind}, "tags": path}))
    kept = slides.only_slides(new_notebook(cells=made)).cells
    signs = {"slide": "; ", "subslide": ", ", "fragment": "+", "-": "-", "notes": "!"}
    return "".join(signs[cell.metadata.slideshow.slide_type] + cell.source.split()[-1] for cell in kept)[2:]


def test_the_core_comes_first_then_a_slide_that_says_so_then_more() -> None:
    assert order("a slide", "b slide more", "c slide", "d slide more") == "a; c; follow.; b; d"


def test_what_joins_a_slide_goes_with_it() -> None:
    assert order("a slide", "b slide more", "c - more", "d fragment more", "e notes more", "f slide", "g -") == (
        "a; f-g; follow.; b-c+d!e")
    assert order("a slide", "b skip more", "c - more", "d slide more") == "a-c; follow.; d"


def test_a_slide_below_one_of_the_other_part_stands_by_itself() -> None:
    assert order("a slide", "b subslide", "c subslide more", "d subslide more", "e slide", "f subslide more") == (
        "a, b; e; follow.; c, d; f")
    assert order("a slide", "b slide more", "c subslide") == "a; c; follow.; b"


def test_a_lecture_that_is_all_core_is_not_divided() -> None:
    assert order("a slide", "b subslide", "c slide") == "a, b; c"


def test_a_notebook_without_slides_is_explained() -> None:
    with pytest.raises(ValueError, match="no cell of this notebook is on a slide"):
        slides.only_slides(new_notebook(cells=[new_markdown_cell("text")]))


def test_the_notebook_itself_is_not_changed(notebook: nbformat.NotebookNode) -> None:
    before = nbformat.writes(notebook)
    slides.deck_of(notebook, name="01_toy", addresses=HERE)
    assert nbformat.writes(notebook) == before
