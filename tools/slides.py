"""Slide decks of the lectures: reveal.js, one HTML file each, shown without a network.

`python -m tools.slides [LECTURE ...] [--profile lecture] [--out build/slides]`

Every slide is measured where there is a Chromium; one that is not seen whole at 1280 by 720 pixels fails the build.

A cell is on a slide when its metadata says so: `slideshow={"slide_type": "slide"}` begins a slide, "subslide" one
below, "fragment" appears on a key, "-" joins the slide before, "notes" is for the speaker; every other cell is left
out. On a cell that begins a slide, `"minutes": 3` and `"notes": "..."` give the speaker view its time and its text.
The slides of the core path come first, all others after a slide that says so. Long code and the code of figures and
tables are folded: a click shows them. The tags `hide-input`, `remove-input` and `remove-output` leave away what they
name. Of the generated header the title, the promise and the part are shown.
"""

from __future__ import annotations

import argparse
import sys
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib import manifest, profiles
from course_lib.arguments import UnknownName
from tools import form, slidecheck, vendor
from tools.executed import LectureFailed, executed

if TYPE_CHECKING:
    from nbformat import NotebookNode

TEMPLATES = Path(__file__).parent
LONG = 12  # lines of code from which a slide shows them folded
SHOWN = ("slide", "subslide", "fragment", "-", "notes")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.slides", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="LECTURE", help="a name or number; all of them if none is given")
    parser.add_argument("--profile", choices=profiles.PROFILES, default="lecture", help="how much the lectures compute")
    parser.add_argument("--out", type=Path, default=Path("build/slides"), help="folder of the decks")
    options = parser.parse_args(arguments)
    course = manifest.load()
    build = course.root / "build"
    try:
        notebooks = {lecture.stem: executed(course, lecture, profile=options.profile, build=build)
                     for lecture in [course.lecture(name) for name in options.names] or course.lectures}
    except (LectureFailed, UnknownName, OSError) as error:
        sys.exit(f"slides: {error}")
    decks = write(notebooks, options.out, cache=build / "npm")
    print(*decks, sep="\n")
    if found := slidecheck.problems(decks):
        sys.exit("\n".join([f"slides: {len(found)} are not seen whole", *(f"  {line}" for line in found)]))


def write(notebooks: dict[str, Path], out: Path, *, cache: Path) -> list[Path]:
    """Write a deck `out/<stem>.html` of each executed notebook, and the scripts they share beside them."""
    import nbformat

    offline = out / "offline"
    addresses = {"reveal": vendor.reveal(offline, cache=cache), "mathjax": vendor.mathjax(offline, cache=cache)}
    addresses = {name: address if "://" in address else f"offline/{address}" for name, address in addresses.items()}
    decks = []
    for stem, path in notebooks.items():
        deck = out / f"{stem}.html"
        deck.parent.mkdir(parents=True, exist_ok=True)
        deck.write_text(deck_of(nbformat.read(path, as_version=4), name=stem, addresses=addresses))
        decks.append(deck)
    return decks


def deck_of(notebook: NotebookNode, *, name: str, addresses: dict[str, str]) -> str:
    """The page of one deck; `addresses` says where reveal.js and MathJax are."""
    from nbconvert.exporters import SlidesExporter
    from traitlets.config import Config

    settings = Config()
    settings.TagRemovePreprocessor.enabled = True
    settings.TagRemovePreprocessor.remove_input_tags = {"hide-input", "remove-input"}
    settings.TagRemovePreprocessor.remove_all_outputs_tags = {"remove-output"}
    exporter = SlidesExporter(config=settings, template_name="deck", extra_template_basedirs=[str(TEMPLATES)],
                              exclude_input_prompt=True, exclude_output_prompt=True)
    page, _ = exporter.from_notebook_node(
        only_slides(notebook), resources={"metadata": {"name": name}, "deck": {"addresses": addresses}})
    return page


def only_slides(notebook: NotebookNode) -> NotebookNode:
    """A copy of the cells that are on slides, with notes and minutes where reveal.js looks for them."""
    from nbformat.v4 import new_markdown_cell

    if not any(_type(cell) in SHOWN for cell in notebook.cells):
        raise ValueError("no cell of this notebook is on a slide: give some `slideshow={\"slide_type\": \"slide\"}` "
                         "in the header of the cell in its source")
    deck = deepcopy(notebook)
    for cell in deck.cells:
        if "header" in cell.metadata.get("tags", []):
            cell.source, cell.metadata["slideshow"] = _title(cell.source), {"slide_type": "slide"}
    cells, deck.cells = _core_first([cell for cell in deck.cells if _type(cell) in SHOWN]), []
    for cell in cells:
        slideshow = cell.metadata["slideshow"]
        if minutes := slideshow.get("minutes"):
            slideshow["data"] = {"timing": str(round(60 * minutes))}
        cell.metadata["folded"] = cell.cell_type == "code" and (
            cell.source.count("\n") >= LONG or any(_drawn(output) for output in cell.outputs))
        deck.cells.append(cell)
        if notes := slideshow.get("notes"):
            deck.cells.append(new_markdown_cell(notes, metadata={"slideshow": {"slide_type": "notes"}}))
    return deck


def _title(header: str) -> str:
    """The generated header as the first slide: title, promise, part."""
    part = [line.removeprefix("- ") for line in header.splitlines() if line.startswith("- **Part")]
    return "\n\n".join(header.split("\n\n")[:2] + part)


def _core_first(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The cells of the core path, then a slide that says so, then all others, each part in its order.

    What joins a slide stays with it; a slide below one of the other part becomes a slide of its own.
    """
    from nbformat.v4 import new_markdown_cell

    core: list[NotebookNode] = []
    more: list[NotebookNode] = []
    part = core
    for cell in cells:
        if _type(cell) in form.BEGINS:
            before, part = part, more if "more" in cell.metadata.get("tags", []) else core
            if part is not before:
                cell.metadata["slideshow"]["slide_type"] = "slide"
        part.append(cell)
    divider = new_markdown_cell("# More\n\nThe lecture is complete without the slides that follow.",
                                metadata={"slideshow": {"slide_type": "slide"}, "tags": ["divider"]})
    return [*core, divider, *more] if core and more else core + more


def _type(cell: NotebookNode) -> str | None:
    return cell.metadata.get("slideshow", {}).get("slide_type")


def _drawn(output: NotebookNode) -> bool:
    """Whether an output is a figure or a table."""
    html = output.get("data", {}).get("text/html", "")
    return "<figure" in html or "<table" in html


if __name__ == "__main__":
    main()
