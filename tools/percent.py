"""Sources of notebooks in the percent format: text that diffs well, read with errors that name the line.

`# %%` begins a code cell and `# %% [markdown]` a text cell, whose lines are comments. Behind that may stand
`tags=["nbval-check-output"]` and `slideshow={"slide_type": "slide", "minutes": 3, "path": "core", "notes": "..."}`, the
notes for the lecturer. A path stands where a slide begins: "core", or "more", which is what stands for none.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from course_lib.arguments import suggest

CHECKED = "nbval-check-output"
TAGS = (CHECKED, "hide-input", "hide-output", "hide-cell", "remove-input", "remove-output", "remove-cell")
SLIDE_TYPES = ("slide", "subslide", "fragment", "skip", "notes", "-")
MARKER = re.compile(r"# %%(?P<markdown> \[markdown\])?(?P<metadata>( .*)?)$")


class SourceError(ValueError):
    """A source breaks a rule; the message begins with the file and the line."""


@dataclass(frozen=True)
class Cell:
    """One cell of a source, and the line at which it begins."""

    kind: str  # "code" or "markdown"
    source: str
    line: int
    tags: tuple[str, ...] = ()
    slideshow: Mapping[str, Any] = field(default_factory=dict)

    @property
    def checked(self) -> bool:
        return CHECKED in self.tags


def parse(text: str, *, name: str) -> list[Cell]:
    """The cells of a source; `name` is what the error messages call the file."""
    blocks: list[tuple[int, list[str]]] = []  # the line of the marker, and the marker with the lines below it
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("# %%"):
            blocks.append((number, [line]))
        elif blocks:
            blocks[-1][1].append(line)
        elif line.strip():
            raise SourceError(f"{name}:{number}: text before the first cell; a cell begins with `# %%` "
                              "or `# %% [markdown]`")
    if not blocks:
        raise SourceError(f"{name}:1: no cells; a cell begins with `# %%` or `# %% [markdown]`")
    return [_cell(lines, where=f"{name}:{number}", line=number, name=name) for number, lines in blocks]


def _cell(lines: list[str], *, where: str, line: int, name: str) -> Cell:
    marker = MARKER.fullmatch(lines[0].rstrip())
    if marker is None:
        raise SourceError(f"{where}: cannot read {lines[0]!r}; a cell begins with `# %%` or `# %% [markdown]`")
    kind = "markdown" if marker["markdown"] else "code"
    tags, slideshow = _metadata(marker["metadata"], kind=kind, where=where)
    body = [_uncommented(text, where=f"{name}:{number}") if kind == "markdown" else text.rstrip()
            for number, text in enumerate(lines[1:], start=line + 1)]
    source = "\n".join(body).strip("\n")
    if not source:
        raise SourceError(f"{where}: this cell is empty")
    if kind == "code":
        try:
            ast.parse("\n".join(body))
        except SyntaxError as error:
            raise SourceError(f"{name}:{line + (error.lineno or 1)}: {error.msg}") from None
    return Cell(kind, source, line, tags, slideshow)


def _uncommented(line: str, *, where: str) -> str:
    if line.strip() and not re.match("#( |$)", line.rstrip()):
        raise SourceError(f"{where}: a line of a text cell begins with `# `, got {line!r}; "
                          "code needs a `# %%` line above it")
    return line[2:].rstrip()


def _metadata(text: str, *, kind: str, where: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The `key=JSON` pairs behind a marker, checked against what the course knows."""
    found: dict[str, Any] = {}
    rest = text.strip()
    while rest:
        pair = re.match(r"(\w+)=", rest)
        if pair is None:
            raise SourceError(f"{where}: expected `tags=[...]` or `slideshow={{...}}`, got {rest!r}")
        try:
            found[pair[1]], end = json.JSONDecoder().raw_decode(rest, pair.end())
        except json.JSONDecodeError as error:
            raise SourceError(f"{where}: the value of {pair[1]} is not JSON: {error.msg} "
                              f"at {rest[error.pos:]!r}") from None
        rest = rest[end:].strip()
    _known(found, ("tags", "slideshow"), what="cell metadata", where=where)
    tags, slideshow = found.get("tags", []), found.get("slideshow", {})
    if not isinstance(tags, list) or not isinstance(slideshow, dict):
        raise SourceError(f"{where}: tags is a list of words and slideshow a dictionary, got {text.strip()!r}")
    _known(tags, TAGS, what="tag", where=where)
    if CHECKED in tags and kind == "markdown":
        raise SourceError(f"{where}: a text cell has no output to check")
    if slideshow:
        _check_slideshow(slideshow, kind=kind, where=where)
    return tuple(tags), slideshow


def _check_slideshow(slideshow: dict[str, Any], *, kind: str, where: str) -> None:
    _known(slideshow, ("slide_type", "minutes", "path", "notes"), what="slideshow metadata", where=where)
    _known([slideshow.get("slide_type")], SLIDE_TYPES, what="slide_type", where=where)
    _known([slideshow.get("path", "more")], ("core", "more"), what="path", where=where)
    if "path" in slideshow and slideshow["slide_type"] not in ("slide", "subslide"):
        raise SourceError(f"{where}: a path stands where a slide or a subslide begins; what joins it has the same")
    minutes = slideshow.get("minutes", 1)
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or minutes <= 0:
        raise SourceError(f"{where}: minutes is a positive number, got {minutes!r}")
    if not isinstance(slideshow.get("notes", ""), str):
        raise SourceError(f"{where}: notes is text, got {slideshow['notes']!r}")
    if slideshow["slide_type"] == "notes" and kind == "code":
        raise SourceError(f"{where}: speaker notes are text; this is a code cell")


def _known(words: Iterable[Any], known: tuple[str, ...], *, what: str, where: str) -> None:
    for word in words:
        if word not in known:
            hint = suggest(str(word), known)
            raise SourceError(f"{where}: unknown {what} {word!r}{': ' + hint if hint else ''} "
                              f"(there are: {', '.join(known)})")
