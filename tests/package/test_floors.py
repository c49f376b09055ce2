"""The floors of the library: imports go down, and the root is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter

import pytest
from sources import ROOT, python

FLOORS = {
    "cli": 5, "doctor": 5,
    "claims": 4, "checks": 4, "grading": 4, "lectures": 4,
    "widgets": 3, "figures": 3, "recipes": 3,
    "metric": 2, "pretext": 2, "denoise": 2, "noisy_only": 2, "restore": 2,
    "fit": 1, "guard": 1, "checkpoints": 1, "progress": 1, "optimisers": 1, "networks": 1, "embeddings": 1, "zoo": 1,
    "data": 0, "noise": 0, "operators": 0, "layers": 0, "quality": 0, "denoiser": 0, "randomness": 0, "arguments": 0,
    "canonical": 0, "deterministic": 0, "devices": 0, "published": 0, "provenance": 0, "files": 0, "manifest": 0,
    "profiles": 0,
}  # fmt: skip
PARTS = ("metric", "pretext", "denoise", "noisy_only", "restore")  # of floor 2, in the order of the course
Edge = tuple[str, str, str]  # importing unit, imported unit, place


def imports(tree: ast.Module, *, package: str) -> Iterator[tuple[str, int]]:
    """The modules that a file imports, inside functions too, relative ones resolved. `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *filter(None, [node.module])])
            for alias in node.names:
                yield f"{base}.{alias.name}", node.lineno


def edges(sources: Iterable[tuple[str, ast.Module]]) -> list[Edge]:
    """Which unit of the library imports which. A unit stands directly below course_lib: a module or a package."""
    found = []
    for path, tree in sources:
        parts = path.removesuffix(".py").split("/")
        package = ".".join(parts[:-1])
        unit = parts[1] if len(parts) > 1 else "__init__"
        for name, line in imports(tree, package=package):
            pieces = name.split(".")
            if pieces[0] == "course_lib" and len(pieces) > 1 and pieces[1] not in (unit, "__version__"):
                found.append((unit, pieces[1], f"{path}:{line}"))
    return found


def faults(found: Iterable[Edge]) -> list[str]:
    """What the house forbids: going up, parts using later parts, claims that draw, and a root that imports."""
    wrong = []
    for unit, other, place in found:
        if unit == "__init__":
            wrong.append(f"{place}: the package root imports nothing")
        elif unit not in FLOORS or other not in FLOORS:
            wrong.append(f"{place}: {other if unit in FLOORS else unit} has no floor; give it one in FLOORS")
        elif FLOORS[other] > FLOORS[unit]:
            wrong.append(f"{place}: {unit} (floor {FLOORS[unit]}) imports {other} (floor {FLOORS[other]})")
        elif unit in PARTS and other in PARTS and PARTS.index(other) > PARTS.index(unit):
            wrong.append(f"{place}: {unit} imports the later part {other}")
        elif unit == "claims" and other in ("figures", "widgets"):
            wrong.append(f"{place}: claims import no figures and no widgets")
    return wrong


def library() -> list[Edge]:
    return edges((path.as_posix(), tree) for path, tree in python("course_lib"))


def test_imports_go_down_only() -> None:
    assert faults(library()) == []


def test_units_do_not_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for unit, other, _ in library():
        graph.setdefault(unit, set()).add(other)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize(
    ("path", "code", "complaint"),
    [
        (
            "course_lib/noise.py",
            "def f():\n    from course_lib.fit import fit",
            "noise (floor 0) imports fit (floor 1)",
        ),
        ("course_lib/noise.py", "def f():\n    from . import fit", "noise (floor 0) imports fit (floor 1)"),
        (
            "course_lib/data/sources.py",
            "from ..widgets.player import Player",
            "data (floor 0) imports widgets (floor 3)",
        ),
        ("course_lib/denoise/dncnn.py", "import course_lib.restore.swap", "denoise imports the later part restore"),
        ("course_lib/claims/dncnn.py", "from course_lib import figures", "claims import no figures"),
        ("course_lib/__init__.py", "from course_lib.noise import Gaussian", "the package root imports nothing"),
        ("course_lib/misc.py", "from course_lib import noise", "misc has no floor"),
    ],
)
def test_a_planted_violation_is_found(path: str, code: str, complaint: str) -> None:
    assert [complaint in fault for fault in faults(edges([(path, ast.parse(code))]))] == [True]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("course_lib/cli.py", "from course_lib import __version__, claims"),
        ("course_lib/restore/swap.py", "from course_lib.denoise.dncnn import DnCNN"),
        ("course_lib/data/sources.py", "from . import sets\nimport torch"),
    ],
)
def test_going_down_is_allowed(path: str, code: str) -> None:
    assert faults(edges([(path, ast.parse(code))])) == []


def test_importing_the_root_loads_nothing_heavy() -> None:
    code = "import sys; before = set(sys.modules); import course_lib; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "course_lib" in loaded
    assert [name for name in loaded if not name.startswith("course_lib")] == []
