"""Lecture notebooks: `lectures/src/NN_name.py` becomes `lectures/NN_name.ipynb`, each time the same to the byte.

`python -m tools.notebooks [--check] [--outputs] [--profile smoke] [LECTURE ...]`

The sources are cells as `tools.percent` reads them. The header and the setup cell are not in a source: they are made
from `course.toml`. Only cells tagged `nbval-check-output` store an output. `--outputs` runs the lecture and stores what
they print; it is carried over for as long as the code of the cell stays the same. With `--check` nothing is written,
and whatever is stale, missing or stored without leave is listed.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from course_lib import lectures, manifest, profiles
from course_lib.arguments import UnknownName
from course_lib.files import atomic
from course_lib.manifest import Course, Lecture
from tools import form
from tools.percent import CHECKED, Cell, SourceError, parse

FEWEST_CHECKED = 3
BADGE = "book/assets/colab.svg"
ADDRESS_IN_MEMORY = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
METADATA = {  # what JupyterLab writes when it saves, but for the version of Python
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"codemirror_mode": {"name": "ipython", "version": 3}, "file_extension": ".py",
                      "mimetype": "text/x-python", "name": "python", "nbconvert_exporter": "python",
                      "pygments_lexer": "ipython3"}}
Outputs = list[dict[str, Any]]


class Unstorable(ValueError):
    """The output of a checked cell is not a fact to compare; the message says why."""


# Writing a notebook -----------------------------------------------------------------------------------------------


def build(cells: Sequence[Cell], lecture: Lecture, course: Course, stored: Mapping[str, Outputs]) -> str:
    """The notebook as text: header, setup, then the cells, the checked ones with their `stored` output by cell id."""
    made = [_notebook_cell("markdown", "header", header(lecture, course), tags=["header"]),
            _notebook_cell("code", "setup", setup(course), tags=["setup"], count=1)]
    for cell, name, path in zip(cells, ids(cells, lecture.stem), form.paths(cells), strict=True):
        count = 1 + sum(one["cell_type"] == "code" for one in made)
        outputs = stored.get(name, []) if cell.checked else []
        tags = [*cell.tags, *(["more"] if path == "more" else [])]
        made.append(_notebook_cell(cell.kind, name, cell.source, tags=tags, slideshow=dict(cell.slideshow),
                                   outputs=outputs, count=count))
        if form.folded(cell):
            _fold(made[-1], form.title(cell), hidden="remove-input" if form.quizzes(cell) else "hide-input")
    notebook = {"cells": made, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def ids(cells: Sequence[Cell], stem: str) -> list[str]:
    """Names of the cells: they depend on what a cell says, not on where it stands; equal cells are counted."""
    seen: Counter[tuple[str, str]] = Counter()
    names = []
    for cell in cells:
        seen[cell.kind, cell.source] += 1
        parts = (stem, cell.kind, cell.source, str(seen[cell.kind, cell.source]))
        names.append(hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12])
    return names


def header(lecture: Lecture, course: Course) -> str:
    """The first cell: title, promise, badge, minutes where they were measured, what comes before and after."""
    owner, _, repository = course.repository.partition("/")
    facts = [f"- **Part {lecture.part}:** {course.parts[lecture.part]}",
             *(f"- **Running it takes** {time}" for time in [_times(lecture, course)] if time),
             *(f"- **Before this:** {before}" for before in [_before(lecture, course)] if before),
             f"- **After this:** the [exercise](../exercises/student/{lecture.stem}.ipynb) · "
             f"to teach it: the [slides](https://{owner}.github.io/{repository}/slides/{lecture.stem}.html)"]
    return "\n\n".join([f"# {lecture.number:02d} · {lecture.title}",
                        f"After this lecture you can {lecture.promise.rstrip('.')}.",
                        badge(f"lectures/{lecture.stem}.ipynb", course),
                        "\n".join(facts)])


def badge(notebook: str, course: Course) -> str:
    """The link that opens a notebook of the course on Colab; its picture is a file of the course, so that JupyterLab
    and GitHub show it, and no other machine is asked for it."""
    colab = f"https://colab.research.google.com/github/{course.repository}/blob/{course.release}/{notebook}"
    return f"[![Open in Colab]({'../' * notebook.count('/')}{BADGE})]({colab})"


def setup(course: Course) -> str:
    """The second cell: on Colab fetch the library without touching anything else; everywhere say what is in force."""
    return f'''\
import importlib.util
import subprocess
import sys
from pathlib import Path

if "google.colab" in sys.modules and importlib.util.find_spec("course_lib") is None:
    places = ("/content", "/content/drive/MyDrive")  # a wheel of the library may lie here
    wheels = [str(file) for place in places for file in Path(place).glob("course_lib-*.whl")]
    library = [*wheels, "git+https://github.com/{course.repository}@{course.release}"][0]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", library]
    if subprocess.run(pip).returncode:
        raise RuntimeError(
            f"The library could not be fetched from {{library}}. Upload its wheel, a file "
            "course_lib-....whl, to this session (the folder at the left) or to your Drive and "
            "mount that; then run this cell again. Your lecturer has the wheel."
        )
    importlib.invalidate_caches()

from course_lib import profiles

profiles.start()'''


def _times(lecture: Lecture, course: Course) -> str:
    """Measured minutes at profile lecture; what was not measured is not mentioned."""
    path = course.root / "results" / "lectures" / f"{lecture.stem}.json"
    measured = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    places = {"lecture": "on a CPU ({})", "lecture+busy": "beside another program that computes",
              "lecture@cuda": "on a GPU ({})"}
    return ", ".join(f"{_minutes(measured[key]['seconds'])} {place.format(_machine(key, measured[key]['hardware']))}"
                     for key, place in places.items() if key in measured)


def _machine(key: str, hardware: str) -> str:
    """The part of "processor, 2 cores, accelerator" that computed."""
    parts = hardware.split(", ")
    return parts[-1] if key.endswith("@cuda") else ", ".join(parts[:2])


def _minutes(seconds: float) -> str:
    whole = max(1, round(seconds / 60))
    return "less than a minute" if seconds < 60 else f"about {whole} minute{'s' * (whole > 1)}"


def _before(lecture: Lecture, course: Course) -> str:
    """The prerequisites: links to lectures of this course, other words as they are."""
    def link(word: str) -> str:
        try:
            known = course.lecture(word)
        except UnknownName:
            return word
        return f"[{known.number:02d} · {known.title}]({known.stem}.ipynb)"

    return ", ".join(map(link, lecture.prerequisites))


def _notebook_cell(kind: str, name: str, source: str, *, tags: list[str], slideshow: dict[str, Any] | None = None,
                   outputs: Sequence[dict[str, Any]] = (), count: int = 0) -> dict[str, Any]:
    metadata = {key: value for key, value in (("tags", tags), ("slideshow", slideshow)) if value}
    cell: dict[str, Any] = {"cell_type": kind, "id": name, "metadata": metadata, "source": _lines(source)}
    if kind == "code":  # nbval compares only cells that have been run, that is, have a number
        cell["execution_count"] = count if outputs else None
        cell["outputs"] = [output | {"execution_count": count} if output["output_type"] == "execute_result" else output
                           for output in outputs]
    return cell


def _fold(cell: dict[str, Any], title: str, *, hidden: str) -> None:
    """Fold the source of a cell in JupyterLab, on Colab (its form view, which reads a comment) and on the page."""
    cell["metadata"] |= {"cellView": "form", "jupyter": {"source_hidden": True},
                         "tags": [*cell["metadata"].get("tags", []), hidden]}
    cell["source"] = _lines(f"# @title {title}\n" + "".join(cell["source"]))


# Stored outputs ---------------------------------------------------------------------------------------------------


def text_only(outputs: Outputs) -> Outputs:
    """The outputs of a checked cell as they are stored: printed text and plain results, nothing else."""
    kept: Outputs = []
    for output in outputs:
        kind, data = output["output_type"], output.get("data", {})
        if kind == "stream" and output["name"] == "stdout":
            if kept and kept[-1]["output_type"] == "stream":
                kept[-1]["text"] += _lines(output["text"])
            else:
                kept.append({"output_type": "stream", "name": "stdout", "text": _lines(output["text"])})
        elif kind in ("execute_result", "display_data") and set(data) == {"text/plain"}:
            kept.append({"output_type": kind, "data": {"text/plain": _lines(data["text/plain"])}, "metadata": {}})
        else:
            what = {"stream": "text on stderr (a warning?)", "error": "an error"}.get(kind, ", ".join(sorted(data)))
            raise Unstorable(f"it shows {what}; a checked cell shows printed text only")
    for output in kept:
        lines = output.get("text") or output["data"]["text/plain"]
        lines[:] = "".join(lines).splitlines(keepends=True)
        if found := ADDRESS_IN_MEMORY.search("".join(lines)):
            raise Unstorable(f"it shows an address in memory, {found[0]}, which differs in each run")
    if not kept:
        raise Unstorable("it shows nothing; a checked cell prints a fact")
    return kept


def plain(outputs: Outputs) -> str:
    """Stored outputs as one text, to compare and to show."""
    texts = ("".join(output.get("text") or output["data"]["text/plain"]) for output in outputs)
    return "".join(text.rstrip("\n") + "\n" for text in texts)


def stored_outputs(notebook: Path, cells: Sequence[Cell], stem: str) -> dict[str, Outputs]:
    """What a notebook stores for its checked cells, by cell id; without what is no plain text or of another code."""
    codes = {name: cell.source for cell, name in zip(cells, ids(cells, stem), strict=True) if cell.checked}
    found = {}
    for cell in _read(notebook).get("cells", []):
        name, outputs = cell.get("id"), cell.get("outputs")
        if outputs and name in codes and "".join(cell["source"]) == codes[name]:
            with suppress(Unstorable):
                found[name] = text_only(outputs)
    return found


def run(lecture: Lecture, course: Course, cells: Sequence[Cell], *, profile: str) -> dict[str, Outputs]:
    """Execute the generated notebook and return the outputs of its checked cells by cell id."""
    out = course.root / "build" / "outputs" / profile
    result = lectures.execute(lecture, profile=profile, out=out, root=course.root,
                              on_cell=lambda number, total, line: print(f"  [{number}/{total}] {line}", flush=True))
    if result.interrupted:
        raise KeyboardInterrupt
    if result.error is not None:
        raise RuntimeError(f"{lecture.stem} failed at profile {profile}; nothing was stored. "
                           f"See {result.path}\n{result.error}")
    shown = {cell["id"]: cell.get("outputs", []) for cell in _read(result.path)["cells"]}
    found = {}
    for cell, name in zip(cells, ids(cells, lecture.stem), strict=True):
        if cell.checked:
            try:
                found[name] = text_only(shown[name])
            except Unstorable as why:
                raise Unstorable(f"{_source(lecture)}:{cell.line}: this cell is tagged {CHECKED}, but {why}") from None
    return found


def _lines(text: str | list[str]) -> list[str]:
    return ("".join(text)).splitlines(keepends=True)


def _read(notebook: Path) -> dict[str, Any]:
    return json.loads(notebook.read_text(encoding="utf-8")) if notebook.is_file() else {}


# The command ------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="LECTURE", help="a name or number; all of them if none is given")
    parser.add_argument("--check", action="store_true", help="write nothing; list what is stale and exit with 1")
    parser.add_argument("--outputs", action="store_true", help="run the lectures, store what checked cells print")
    parser.add_argument("--profile", choices=profiles.PROFILES, default="smoke", help="how much --outputs computes")
    options = parser.parse_args(arguments)
    course = manifest.load()
    failures: list[str] = []
    try:
        chosen = [course.lecture(name) for name in options.names] or list(course.lectures)
        failures += [] if options.names else strays(course)
        profile = options.profile if options.outputs else None
        for lecture in chosen:
            failures += update(lecture, course, check=options.check, profile=profile)
    except UnknownName as error:
        failures.append(str(error))
    if course.nobodys and not options.check:
        print(f"note: {manifest.NOBODYS}")
    for line in failures:
        print(line, file=sys.stderr)
    return 1 if failures else 0


def update(lecture: Lecture, course: Course, *, check: bool, profile: str | None = None) -> list[str]:
    """Write one notebook, or with `check` only compare; `profile` runs it for its outputs. Returns what is wrong."""
    source, path = _source(lecture), course.root / "lectures" / f"{lecture.stem}.ipynb"
    if not (course.root / source).is_file():
        return [f"course.toml lists lecture {lecture.stem}, but there is no {source}"]
    try:
        cells = parse((course.root / source).read_text(encoding="utf-8"), name=source)
        before = stored_outputs(path, cells, lecture.stem)
        text = build(cells, lecture, course, before)
        failures = _stale(text, path, before, course) if check else []
        if not check:
            _write(path, text, course)
        if profile is not None and not failures:
            after = run(lecture, course, cells, profile=profile)
            changes = _changes(before, after, cells, lecture)
            print(*changes, sep="\n", end="\n" if changes else "")
            before = after
            if check:
                failures += [f"{source}: profile {profile} prints another text than the stored one"] if changes else []
            else:
                _write(path, build(cells, lecture, course, after), course)
    except (SourceError, Unstorable, RuntimeError, ModuleNotFoundError) as error:
        return [str(error)]
    remarks = _remarks(cells, lecture, before)
    if not check:
        print(*(f"note: {remark}" for remark in remarks), sep="\n", end="\n" if remarks else "")
    return failures + (remarks if check else [])


def strays(course: Course) -> list[str]:
    """Sources and notebooks that course.toml does not know."""
    stems = {lecture.stem for lecture in course.lectures}
    found = [*course.root.glob("lectures/src/*.py"), *course.root.glob("lectures/*.ipynb")]
    return [f"{path.relative_to(course.root).as_posix()} belongs to no lecture of course.toml"
            for path in sorted(found) if path.stem not in stems]


def _remarks(cells: Sequence[Cell], lecture: Lecture, stored: Mapping[str, Outputs]) -> list[str]:
    """What a finished lecture must have and this one lacks."""
    source = _source(lecture)
    checked = [(cell, name) for cell, name in zip(cells, ids(cells, lecture.stem), strict=True) if cell.checked]
    remarks = [f"{source}:{cell.line}: no output is stored for this checked cell as it stands: run `make outputs`"
               for cell, name in checked if name not in stored]
    if len(checked) < FEWEST_CHECKED:
        remarks.append(f"{source}: {len(checked)} cells are tagged {CHECKED}; a lecture has at least {FEWEST_CHECKED}")
    if not any(cell.slideshow.get("slide_type") == "slide" for cell in cells):
        remarks.append(f'{source}: no cell begins a slide; give some `slideshow={{"slide_type": "slide"}}`')
    return remarks


def _stale(text: str, path: Path, known: Mapping[str, Outputs], course: Course) -> list[str]:
    name = path.relative_to(course.root).as_posix()
    if path.is_file() and path.read_bytes() == text.encode():
        return []
    stored = _read(path)
    loose = [f"{name}: cell {cell['id']} stores an output that does not belong in a committed notebook"
             for cell in stored.get("cells", [])
             if cell.get("outputs") and cell["id"] not in known]
    state = [f"{name}: widget state is stored in its metadata"] if "widgets" in stored.get("metadata", {}) else []
    return [*loose, *state, f"{name} is stale: run `make generate`"]


def _changes(before: Mapping[str, Outputs], after: Mapping[str, Outputs], cells: Sequence[Cell],
             lecture: Lecture) -> list[str]:
    """The stored texts that a run replaces, as differences."""
    lines = {name: cell.line for cell, name in zip(cells, ids(cells, lecture.stem), strict=True)}
    return [line for name, outputs in after.items() if name in before and plain(before[name]) != plain(outputs)
            for line in difflib.unified_diff(plain(before[name]).splitlines(), plain(outputs).splitlines(),
                                             f"{_source(lecture)}:{lines[name]} stored", "now", lineterm="")]


def _source(lecture: Lecture) -> str:
    return f"lectures/src/{lecture.stem}.py"


def _write(path: Path, text: str, course: Course) -> None:
    if not path.is_file() or path.read_bytes() != text.encode():
        with atomic(path) as stream:
            stream.write(text.encode())
        print(f"wrote {path.relative_to(course.root).as_posix()}")


if __name__ == "__main__":
    sys.exit(main())
