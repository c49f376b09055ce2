"""The public surface changes only on purpose."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools import public_names


def test_the_stored_list_of_public_names_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert public_names.main(["--check"]) == 0, capsys.readouterr().out


def test_the_root_exports_its_version_only(root: Path) -> None:
    tree = ast.parse((root / "course_lib" / "__init__.py").read_text(encoding="utf-8"))
    assert public_names.public(tree) == ["__version__"]


def test_names_are_found_with_and_without_a_list_of_exports() -> None:
    code = "A, b = 1, 2\n_c = 3\ndef f(): ...\nclass D:\n    x: int = 1\nfrom os import path\n"
    assert public_names.public(ast.parse(code)) == ["A", "D", "b", "f"]
    assert public_names.public(ast.parse(code + "__all__ = ['f', 'path']")) == ["f", "path"]


def test_a_new_name_makes_the_list_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / "course_lib" / "noise.py"
    module.parent.mkdir()
    (tmp_path / public_names.SNAPSHOT).parent.mkdir(parents=True)
    module.write_text("def gaussian(): ...\n", encoding="utf-8")
    monkeypatch.setattr(public_names, "ROOT", tmp_path)
    assert (public_names.main([]), public_names.main(["--check"])) == (0, 0)
    module.write_text("def gaussian(): ...\ndef poisson(): ...\n", encoding="utf-8")
    assert public_names.main(["--check"]) == 1
    assert "new:  course_lib.noise.poisson" in capsys.readouterr().out
