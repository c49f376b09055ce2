"""The contract with Colab: installing there without dependencies works, and changes nothing.

`colab.txt` lists what a runtime had installed, and its Python.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from sources import ROOT, python

LISTED = (Path(__file__).parent / "colab.txt").read_text(encoding="utf-8")
RUNTIME = {canonicalize_name(name): version for name, version in re.findall(r"(?m)^([\w.-]+)==(\S+)$", LISTED)}
MODULES = {
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "IPython": "ipython",
    "yaml": "pyyaml",
}
# Where notebooks are run without a browser: on a staff machine, with the lab's packages, never in a Colab cell.
STAFF = {"course_lib/lectures.py": {"nbclient", "nbformat", "nbconvert", "jupyter_client", "jupyter_core"}}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def unmet(requirements: list[str]) -> list[str]:
    """The requirements that a Colab runtime does not meet as it is."""
    missing = []
    for line in requirements:
        requirement = Requirement(line)
        version = RUNTIME.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version):
            missing.append(line)
    return missing


def test_colab_meets_every_requirement_as_it_is() -> None:
    assert unmet(project()["dependencies"]) == []
    assert unmet(["torch>=2.12", "lightly", "ipywidgets>=8"]) == ["torch>=2.12", "lightly", "ipywidgets>=8"]


def test_colabs_python_is_supported() -> None:
    found = re.search(r"Python (\d+\.\d+\.\d+)", LISTED)
    assert found and SpecifierSet(project()["requires-python"]).contains(found.group(1))


def foreign(tree: ast.AST) -> Iterator[str]:
    """The top-level modules that a file imports and that neither Python nor the course brings."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        for name in names:
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names and top not in ("course_lib", "google"):
                yield top


def test_the_library_imports_only_what_colab_has() -> None:
    absent = {}
    for path, tree in python("course_lib"):
        allowed = STAFF.get(path.as_posix(), set())
        strangers = {
            name for name in foreign(tree) if canonicalize_name(MODULES.get(name, name)) not in RUNTIME
        } - allowed
        if strangers:
            absent[str(path)] = strangers
    assert absent == {}
    assert set(foreign(ast.parse("def f():\n    import bm3d, os\n    from torch import nn"))) == {"bm3d", "torch"}
