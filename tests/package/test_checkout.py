"""A checkout has the same bytes on every system, or its hashes and its generated files would be stale."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

KINDS = {"course_lib/fit.py": "lf", "lectures/10_dncnn.ipynb": "lf", "course_lib/data/hashes/Set12.sha256": "lf",
         "course_lib/weights/dncnn-s25-w32.json": "lf", "course_lib/weights/dncnn-s25-w32.safetensors": "",
         "course_lib/widgets/player.js": "lf", "requirements.lock": "lf", "course.toml": "lf", "Makefile": "lf",
         "book/assets/readme.png": "", "book/assets/logo.svg": "lf", ".ci/run": "lf",
         "tests/package/public_names.txt": "lf"}  # fmt: skip


def git(*words: str, root: Path) -> str:
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    """A repository with one file of each kind, as it stands here."""
    if not (root / ".gitattributes").exists() or shutil.which("git") is None:
        pytest.skip("no checkout by git")
    origin = tmp_path / "origin"
    for name in (".gitattributes", *KINDS):
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, origin / name)
    git("init", "--quiet", root=origin)
    git("add", "--force", ".", root=origin)
    me = ("-c", "user.name=me", "-c", "user.email=me@here")
    git(*me, "commit", "--quiet", "-m", "All", root=origin)
    git("clone", "--quiet", "-c", "core.autocrlf=true", str(origin), str(tmp_path / "clone"), root=tmp_path)
    return tmp_path / "clone"


def test_git_knows_which_files_are_text(clone: Path) -> None:
    for name, ending in KINDS.items():
        said = git("check-attr", "text", "eol", "diff", "--", name, root=clone).splitlines()
        text, eol, diff = (line.rpartition(": ")[2] for line in said)
        assert (text, diff) == (("auto", "unspecified") if ending else ("unset", "unset")), name
        assert eol == "lf", name


def test_a_checkout_that_turns_line_ends_has_the_same_bytes(clone: Path, root: Path) -> None:
    for name in KINDS:
        here, there = (hashlib.sha256((folder / name).read_bytes()).hexdigest() for folder in (root, clone))
        assert here == there, name
    assert git("status", "--porcelain", root=clone) == ""


def test_no_file_here_has_line_ends_of_another_system(root: Path) -> None:
    if not (root / ".git").exists():
        pytest.skip("no checkout by git")
    for line in git("ls-files", "--eol", root=root).splitlines():
        assert "crlf" not in line and "mixed" not in line.split("\t")[0], line
