"""The course as `course.toml` lists it: lectures, their methods, and where the repository is published."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib import files
from course_lib.arguments import UnknownName, one_of, suggest

__all__ = ["Course", "Lecture", "UnknownName", "find_root", "load", "suggest"]

FILE = "course.toml"
PLACEHOLDER = "without-ground-truth/course"
NOBODYS = (f"the repository in {FILE} is a placeholder: badges and the install on Colab lead to nobody. To host the "
           "course, set `repository` there to your own and run `make generate`; the guide for staff says more")


@dataclass(frozen=True)
class Lecture:
    """One lecture: what it is called, promises, teaches and needs."""

    number: int
    name: str
    title: str
    part: str
    promise: str
    methods: tuple[str, ...] = ()
    prerequisites: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    optional_data: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The name of its files: `10_dncnn`."""
        return f"{self.number:02d}_{self.name}"


@dataclass(frozen=True)
class Course:
    """The whole manifest."""

    title: str
    repository: str
    release: str
    parts: Mapping[str, str]
    lectures: tuple[Lecture, ...]
    root: Path

    @property
    def nobodys(self) -> bool:
        """Whether the repository is still the placeholder, which is published nowhere."""
        return self.repository == PLACEHOLDER

    def lecture(self, word: str) -> Lecture:
        """Find a lecture by name, by stem or by number."""
        for lecture in self.lectures:
            if word in (lecture.name, lecture.stem, str(lecture.number), f"{lecture.number:02d}"):
                return lecture
        one_of(word, [lecture.name for lecture in self.lectures], what="lecture")
        raise AssertionError("unreachable")


def find_root(start: Path | None = None) -> Path:
    """Find the folder that holds course.toml: `COURSE_ROOT`, else upwards from here, else beside the package."""
    if named := os.environ.get("COURSE_ROOT"):
        return _holding(files.folder(named, setting="COURSE_ROOT"),
                        f"COURSE_ROOT is {named}, but there is no {FILE} in it.")
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder
    return _holding(Path(__file__).resolve().parent.parent,
                    f"found no {FILE} in {here} or above. Lectures live in the course's repository: "
                    "run this inside a clone of it, or set COURSE_ROOT to one.")


def load(root: Path | None = None) -> Course:
    """Read course.toml."""
    root = root or find_root()
    with open(root / FILE, "rb") as stream:
        content = tomllib.load(stream)
    tuples: list[dict[str, Any]] = [{key: tuple(value) if isinstance(value, list) else value
                                     for key, value in entry.items()} for entry in content["lecture"]]
    return Course(**content["course"], parts=content["parts"], lectures=tuple(Lecture(**entry) for entry in tuples),
                  root=root)


def _holding(folder: Path, otherwise: str) -> Path:
    if not (folder / FILE).is_file():
        raise FileNotFoundError(otherwise)
    return folder
