"""A course of one small lecture, for the tests of the generator and of the runner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from course_lib import manifest
from course_lib.manifest import Course

MANIFEST = """\
[course]
title = "Toys"
repository = "someone/toys"
release = "v1"

[parts]
A = "Playing"

[[lecture]]
number = 7
name = "toy"
title = "Toys: how they fall"
part = "A"
promise = "say how a toy falls"
prerequisites = ["gravity"]
"""

SOURCE = """\
# %% [markdown] slideshow={"slide_type": "slide", "minutes": 2, "path": "core"}
# ## A question
#
# Why does it fall?

# %% [markdown] slideshow={"slide_type": "notes"}
# Drop the toy now.

# %%
import toylib

print("profile dependent:", __import__("os").environ["COURSE_PROFILE"])

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
print(toylib.fall(2))

# %% tags=["nbval-check-output"]
toylib.fall(0)

# %% tags=["nbval-check-output"]
print(1)
print("two")
"""

LIBRARY = "def fall(t):\n    return 5 * t * t\n"


def make(folder: Path, *, source: str | None = SOURCE, library: str = LIBRARY) -> Course:
    """Write the toy course; its library lies in `library/`, to be put on PYTHONPATH."""
    (folder / "course.toml").write_text(MANIFEST)
    (folder / "lectures" / "src").mkdir(parents=True)
    (folder / "library").mkdir()
    (folder / "library" / "toylib.py").write_text(library)
    if source is not None:
        (folder / "lectures" / "src" / "07_toy.py").write_text(source)
    return manifest.load(folder)


def notebook_of(course: Course, *cells: str) -> Path:
    """Write the lecture's notebook by hand, of code cells only: it starts without torch, so that tests are fast."""
    made = [{"cell_type": "code", "id": f"cell{number}", "metadata": {}, "execution_count": None, "outputs": [],
             "source": code} for number, code in enumerate(cells)]
    path = course.root / "lectures" / "07_toy.ipynb"
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def texts(notebook: Path) -> Sequence[str]:
    """What each code cell of a notebook shows, as text."""
    cells = json.loads(notebook.read_text())["cells"]
    return ["".join("".join(output.get("text") or output.get("data", {}).get("text/plain") or output.get("ename", ""))
                    for output in cell["outputs"]) for cell in cells if cell["cell_type"] == "code"]
