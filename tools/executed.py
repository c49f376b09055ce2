"""Executed lectures, each run once: the cache knows the notebook, library, results and profile that made it."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from course_lib import lectures
from course_lib.claims import answers
from course_lib.files import sha256
from course_lib.manifest import Course, Lecture

Run = Callable[[Course, Lecture, str, Path], None]  # executes a lecture into a path, raises LectureFailed


class LectureFailed(RuntimeError):
    """A lecture's cell raised; the message says which and where the notebook is."""


def executed(course: Course, lecture: Lecture, *, profile: str, build: Path, run: Run | None = None) -> Path:
    """The executed notebook of a lecture, from the cache below `build` if nothing it depends on has changed."""
    folder = build / "executed" / profile
    path = folder / f"{lecture.stem}-{key(course, lecture, profile=profile)}.ipynb"
    if not path.exists():
        began = time.monotonic()
        print(f"executing {lecture.stem} at profile {profile} ...", flush=True)
        unfinished = folder / f"{lecture.stem}.ipynb"  # what stays here after a failure shows the failure
        folder.mkdir(parents=True, exist_ok=True)
        (run or run_lecture)(course, lecture, profile, unfinished)
        for stale in folder.glob(f"{lecture.stem}-*.ipynb"):
            stale.unlink()
        unfinished.replace(path)
        print(f"executed {lecture.stem} in {time.monotonic() - began:.0f} s", flush=True)
    return path


def key(course: Course, lecture: Lecture, *, profile: str) -> str:
    """A hash of what a run depends on: notebook, library, stored results, and whether the optional sets are there."""
    folders = (course.root / "course_lib", course.root / "results")
    files = [lectures.notebook(lecture, course.root),
             *sorted(path for folder in folders for path in folder.rglob("*")
                     if path.is_file() and "__pycache__" not in path.parts)]
    hashes = [[path.relative_to(course.root).as_posix(), sha256(path)] for path in files]
    return hashlib.sha256(json.dumps([profile, "COURSE_DATA" in os.environ, hashes]).encode()).hexdigest()[:16]


def run_lecture(course: Course, lecture: Lecture, profile: str, out: Path) -> None:
    """Run a lecture with the library's own runner. At profile lecture, that of the website and the decks, an answer
    that a live result contradicts is an error."""
    def say(number: int, total: int, line: str) -> None:
        print(f"  {number}/{total}  {line[:80]}", flush=True)

    result = lectures.execute(lecture, profile=profile, out=out, root=course.root, on_cell=say,
                              environment={answers.BOOK: "1"} if profile == "lecture" else None)
    if result.error is not None:
        raise LectureFailed(f"{lecture.stem} failed at profile {profile}; see {out}.\n{result.error}")
