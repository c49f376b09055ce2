"""The eight interfaces stand in CONTRIBUTING.md as they stand in the code."""

from __future__ import annotations

import ast
import re

import pytest
from sources import ROOT

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
Definition = ast.FunctionDef | ast.ClassDef


def promised() -> list[tuple[str, str]]:
    """The definitions in the guide, each with its file: `("course_lib/fit.py", "def fit(...): ...")`."""
    found = []
    for block in re.findall(r"(?s)```python\n(.*?)```", GUIDE):
        for path, code in re.findall(r"(?ms)^# (course_lib/\S+)\n(.*?)(?=^# course_lib|\Z)", block):
            found += [(path, ast.unparse(node)) for node in ast.parse(code).body if isinstance(node, Definition)]
    return found


def objections(door: str, code: str) -> list[str]:
    """In what a module departs from a definition of the guide. It may add arguments and fields, with defaults."""
    want = ast.parse(door).body[0]
    have = next(
        (node for node in ast.parse(code).body if getattr(node, "name", None) == getattr(want, "name", "")), None
    )
    if isinstance(want, ast.FunctionDef) and isinstance(have, ast.FunctionDef):
        return _arguments(want.args, have.args)
    if isinstance(want, ast.ClassDef) and isinstance(have, ast.ClassDef):
        wrong = []
        fields, own = _fields(want), _fields(have)
        wrong += [f"no field {name}" for name in fields if name not in own]
        wrong += [f"new field {name} without a default" for name in own if name not in fields and not own[name]]
        wrong += [] if [name for name in own if name in fields] == list(fields) else ["fields in another order"]
        methods = {node.name: node for node in have.body if isinstance(node, ast.FunctionDef)}
        for method in (node for node in want.body if isinstance(node, ast.FunctionDef)):
            other = methods.get(method.name)
            wrong += _arguments(method.args, other.args) if other else [f"no method {method.name}"]
        return wrong
    return ["not defined there"]


def _fields(definition: ast.ClassDef) -> dict[str, bool]:
    """The fields of a class and whether each has a default."""
    return {node.target.id: node.value is not None for node in definition.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}  # fmt: skip


def _arguments(want: ast.arguments, have: ast.arguments) -> list[str]:
    wrong = []
    if [a.arg for a in want.args] != [a.arg for a in have.args]:
        wrong.append(f"takes {[a.arg for a in have.args]}, not {[a.arg for a in want.args]}")
    named = [a.arg for a in want.kwonlyargs]
    if [a.arg for a in have.kwonlyargs if a.arg in named] != named:
        wrong.append(f"keywords {[a.arg for a in have.kwonlyargs]}, not {named}")
    new = [a.arg for a, default in zip(have.kwonlyargs, have.kw_defaults, strict=True) if default is None]
    return wrong + [f"new argument {name} without a default" for name in new if name not in named]


def test_the_guide_has_eight_doors() -> None:
    assert re.findall(r"(?m)^\*\*(\d)\. ", GUIDE) == [str(number) for number in range(1, 9)]
    assert len(promised()) > 16


@pytest.mark.parametrize(("path", "door"), promised(), ids=lambda text: text.split("(")[0].split(":")[0].split("\n")[0])
def test_the_code_is_as_the_guide_says(path: str, door: str) -> None:
    assert objections(door, (ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("door", "code"),
    [
        ("def f(a, *, b): ...", "def f(a, b): ..."),
        ("def f(a, *, b): ...", "def f(x, *, b): ..."),
        ("def f(a, *, b): ...", "def f(a, *, b, c): ..."),
        ("def f(a): ...", "def g(a): ..."),
        ("class A:\n    x: int", "class A:\n    y: int = 0"),
        ("class A:\n    x: int", "class A:\n    x: int\n    y: int"),
        ("class A:\n    x: int\n    y: int", "class A:\n    y: int\n    x: int"),
        ("class A:\n    def live(self): ...", "class A:\n    x: int = 0"),
    ],
)
def test_a_changed_door_is_found(door: str, code: str) -> None:
    assert objections(door, code)


@pytest.mark.parametrize(
    ("door", "code"),
    [
        ("def f(a, *, b): ...", "def f(a, *, b=1, c=2): ..."),
        ("class A:\n    x: int", "class A:\n    x: int\n    y: int = 0"),
    ],
)
def test_an_added_default_is_no_change(door: str, code: str) -> None:
    assert objections(door, code) == []
