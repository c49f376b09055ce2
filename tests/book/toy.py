"""A small course with one short lecture, its outputs written by hand."""

from __future__ import annotations

import base64
import html
import shutil
import struct
import zlib
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib import manifest
from course_lib.manifest import Course
from tools.notebooks import header

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = """
[course]
title = "Without Ground Truth"
repository = "without-ground-truth/course"
release = "main"

[parts]
A = "Learning to compare"
B = "Learning from the data itself"
C = "Denoising with clean images"
D = "Denoising without clean images"
E = "Restoration without ground truth"

[[lecture]]
number = 1
name = "toy"
title = "Gray squares"
part = "C"
promise = "tell one gray from another"
"""
MATHEMATICS = r"""## The idea

An image $z = y + \eta$ has the error

$$
\mathrm{MSE} = \frac{1}{n} \sum_{i=1}^{n} (z_i - y_i)^2 .
$$

It costs \$5 to be wrong.
"""


def square(gray: int, *, side: int = 96) -> str:
    """A gray square as the address of a PNG."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([gray]) * side) * side
    data = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return "data:image/png;base64," + base64.b64encode(data).decode()


def figure(alt: str | None = "a middle gray square") -> str:
    """A figure as course_lib.figures shows it."""
    described = "" if alt is None else f' alt="{alt}"'
    return f'<figure><img src="{square(128)}"{described}><figcaption>A square.</figcaption></figure>'


def player(*, dead: bool = False, extra: str = "") -> str:
    """A player of its own: a slider that changes a picture, inside a sandboxed frame; a dead one does not."""
    script = "" if dead else "s.oninput = () => { i.src = frames[s.value]; i.alt = 'gray ' + s.value; };"
    frames = [square(gray) for gray in (0, 60, 120, 180, 240)]
    page = (f'<!DOCTYPE html><title>player</title><img id="i" alt="gray 0" src="{frames[0]}"><br>'
            f'<input id="s" type="range" min="0" max="4" value="0" style="width:90%"><script>const frames = {frames};'
            f"const s = document.getElementById('s'), i = document.getElementById('i'); {script}{extra}</script>")
    style = "width:100%;height:170px"
    return f'<iframe sandbox="allow-scripts" title="Five grays" style="{style}" srcdoc="{html.escape(page)}"></iframe>'


def lecture(*outputs: str, course: Course) -> Path:
    """An executed notebook of the course's one lecture, with these HTML outputs."""
    slide = {"slideshow": {"slide_type": "slide", "minutes": 2, "notes": "Ask what $y$ is."}}
    cells = [new_markdown_cell(header(course.lectures[0], course), metadata={"tags": ["header"]}),
             new_code_cell("import torch", metadata={"tags": ["setup"]}, execution_count=1),
             new_markdown_cell(MATHEMATICS, metadata=slide),
             new_code_cell("for gray in range(0, 256, 60):\n    show(gray)  # five of them", execution_count=2,
                           outputs=[new_output("stream", name="stdout", text="0 60 120 180 240\n")])]
    for number, output in enumerate(outputs, start=3):
        shown = new_output("display_data", data={"text/html": output, "text/plain": "<output>"})
        cells.append(new_code_cell(f"output_{number}", execution_count=number, outputs=[shown],
                                   metadata={"slideshow": {"slide_type": "slide"}, "tags": ["hide-input"]}))
    cells.append(new_markdown_cell("A cell that is on no slide."))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    notebook = new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    path = course.root / "executed.ipynb"
    nbformat.write(notebook, path)
    return path


def course(root: Path) -> Course:
    """A course of this one lecture with the real texts of the book."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "course.toml").write_text(MANIFEST)
    shutil.copytree(ROOT / "book", root / "book")
    student = root / "exercises" / "student" / "01_toy.ipynb"
    student.parent.mkdir(parents=True)
    cells = [new_markdown_cell("# Exercise 1: gray squares\n\nBack to the [lecture](../../lectures/01_toy.ipynb)."),
             new_code_cell("def gray():\n    ...")]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    nbformat.write(new_notebook(cells=cells), student)
    return manifest.load(root)
