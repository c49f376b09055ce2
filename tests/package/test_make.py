"""The Makefile keeps what it says: its help, its targets, its exit codes, and its word to an old Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from sources import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# These tests may themselves run under `make test PYTHON=...`, which hands its words on to every process.
WORDS = {"PYTHON", "PROFILE", "PORT", "TORCH", "JOBS", "NAME", "MFLAGS"}
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name not in WORDS}


def make(*arguments: str, folder: Path = ROOT, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=folder, env=CLEAN | settings, capture_output=True, text=True)


def test_help_lists_every_target_with_its_text() -> None:
    targets = re.findall(r"(?m)^([a-z-]+):(?! *=)", MAKEFILE)
    listed = re.findall(r"(?m)^  ([a-z-]+) +\S", make("help").stdout)
    assert listed == [target for target in targets if target != "check"]
    assert make().stdout == make("help").stdout


def test_every_module_and_file_that_a_target_runs_exists() -> None:
    modules = [name.replace(".", "/") for name in re.findall(r"-m ((?:tools|course_lib|benchmarks)[\w.]*)", MAKEFILE)]
    scripts = re.findall(r"tools/\w+\.py", MAKEFILE)
    either = [(f"{name}.py", f"{name}/__main__.py") for name in modules] + [(name,) for name in scripts]
    assert [names for names in either if not any((ROOT / name).is_file() for name in names)] == []


def test_the_readme_names_only_targets_that_exist() -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):(?! *=)", MAKEFILE))
    texts = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    named = set(re.findall(r"`make ([a-z-]+)", texts)) | set(re.findall(r"(?m)^make ([a-z-]+)", texts))
    assert {"lab", "test"} <= named <= targets


def test_no_recipe_hides_a_failure() -> None:
    recipes = re.findall(r"(?m)^\t(.*)", MAKEFILE)
    assert [
        line
        for line in recipes
        if line.lstrip("@").startswith("-") or "|| true" in line or re.search(r"[^|]\|[^|]", line)
    ] == []


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A folder with the Makefile and an interpreter `old` that calls itself Python 3.9."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    pretend = "import sys; sys.version_info = (3, 9, 1, 'final', 0); sys.version = '3.9.1 (old)'; exec(sys.argv[1])"
    old = tmp_path / "old"
    old.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{pretend}" "$2"\n', encoding="utf-8")
    old.chmod(0o755)
    return tmp_path


def test_an_old_python_is_refused_with_a_word_on_what_to_do(course: Path) -> None:
    done = make("lab", "PYTHON=./old", folder=course)
    assert done.returncode != 0
    assert "needs Python 3.11 or newer; ./old is 3.9.1" in done.stderr and "PYTHON=python3.12" in done.stderr
    assert not (course / ".venv").exists()


def test_a_python_that_is_not_there_is_named(course: Path) -> None:
    done = make("lab", "PYTHON=./absent", folder=course)
    assert done.returncode != 0 and "No ./absent here" in done.stderr


def test_only_a_chosen_interpreter_is_an_order(course: Path) -> None:
    (course / "tools").mkdir()
    (course / "tools" / "bootstrap.py").write_text("import sys; print(sys.argv[1:])", encoding="utf-8")
    assert "--strict" in make("env", f"PYTHON={sys.executable}", folder=course).stdout
    assert "['--torch', 'cpu']" in make("env", "TORCH=cpu", folder=course).stdout


def test_without_a_home_the_build_folder_is_one(course: Path) -> None:
    (course / "tools").mkdir()
    (course / "tools" / "bootstrap.py").write_text("import os; print(os.environ['HOME'])", encoding="utf-8")
    done = make("env", f"PYTHON={sys.executable}", folder=course, HOME="")
    assert done.stdout.strip() == str(course / "build" / "home")
    assert make("env", f"PYTHON={sys.executable}", folder=course, HOME="/somewhere").stdout.strip() == "/somewhere"


def test_a_failing_step_fails_its_target(course: Path) -> None:
    (course / "tools").mkdir()
    (course / "tools" / "bootstrap.py").write_text("raise SystemExit(3)", encoding="utf-8")
    assert make("test", f"PYTHON={sys.executable}", folder=course).returncode != 0


def test_the_workflow_runs_what_the_makefile_tests_on_every_supported_python() -> None:
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    assert "run: .ci/run" in workflow and re.search(r'python: \["3.11", "3.12", "3.13"\]', workflow)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"


def test_the_ci_script_ends_with_make_test_and_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").rstrip().endswith("\nmake test")
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
