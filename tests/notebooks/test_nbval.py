"""nbval is what CI compares the checked cells with: it passes on a right library and fails on a changed fact."""

import os
import shutil
import subprocess
import sys

import pytest

from course_lib import lectures, manifest
from tools import notebooks, percent

from .toys import LIBRARY, make


def nbval(course, *, library) -> subprocess.CompletedProcess:
    """Compare the toy lecture's notebook as CI does, with a library from the given folder."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(library), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", "-q",
               "--color=no", str(course.root / "lectures")]
    return subprocess.run(command, cwd=course.root, env=environment, capture_output=True, text=True)


def without_torch(library) -> None:
    """Stand in for what the setup cell imports: the comparison is tested here, and torch takes seconds to load."""
    (library / "course_lib").mkdir()
    (library / "course_lib" / "__init__.py").touch()
    (library / "course_lib" / "profiles.py").write_text("def start():\n    print('profile smoke')\n")


@pytest.mark.slow
def test_a_change_of_the_method_that_changes_a_printed_fact_fails_under_nbval(tmp_path, monkeypatch, root):
    course = make(tmp_path)
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), str(tmp_path / "library"), os.environ["PYTHONPATH"]]))
    assert notebooks.main(["--outputs"]) == 0 and notebooks.main(["--check"]) == 0
    without_torch(tmp_path / "library")

    untouched = nbval(course, library=tmp_path / "library")
    assert untouched.returncode == 0 and "5 passed" in untouched.stdout, untouched.stdout

    changed = shutil.copytree(tmp_path / "library", tmp_path / "changed")
    (changed / "toylib.py").write_text(LIBRARY.replace("5 * t * t", "4 * t * t"))
    planted = nbval(course, library=changed)
    assert planted.returncode == 1 and "1 failed, 4 passed" in planted.stdout, planted.stdout
    assert "print(toylib.fall(2))" in planted.stdout and "16" in planted.stdout and "20" in planted.stdout


@pytest.mark.full
@pytest.mark.parametrize("lecture", manifest.load().lectures, ids=lambda lecture: lecture.stem)
def test_checked_cells_print_the_stored_text_at_every_profile_a_laptop_runs(lecture, root):
    source = root / "lectures" / "src" / f"{lecture.stem}.py"
    cells = percent.parse(source.read_text(encoding="utf-8"), name=source.name)
    course = manifest.load(root)
    stored = notebooks.stored_outputs(lectures.notebook(lecture, root), cells, lecture.stem)
    texts = {name: notebooks.plain(outputs) for name, outputs in stored.items()}
    assert len(texts) >= notebooks.FEWEST_CHECKED
    for profile in ("smoke", "lecture"):
        shown = notebooks.run(lecture, course, cells, profile=profile)
        assert {name: notebooks.plain(outputs) for name, outputs in shown.items()} == texts, profile
