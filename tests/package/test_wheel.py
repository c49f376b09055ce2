"""The wheel: everything a reader needs, no solution, small."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from sources import ROOT, files

LIMIT = 25 * 2**20


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def unwanted(names: list[str]) -> list[str]:
    """What is neither the library nor its metadata."""
    return [
        name for name in names if not name.startswith("course_lib/") and ".dist-info/" not in name.split("/")[0] + "/"
    ]


def test_it_holds_the_library_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    assert unwanted(wheel.namelist()) == []
    assert unwanted(["course_lib/noise.py", "exercises/src/10_dncnn.py", "tools/book.py"]) == [
        "exercises/src/10_dncnn.py",
        "tools/book.py",
    ]


def test_it_holds_every_file_of_the_library_weights_and_cases_included(wheel: zipfile.ZipFile) -> None:
    expected = {path.relative_to(ROOT).as_posix() for path in files() if path.is_relative_to(ROOT / "course_lib")}
    assert expected - set(wheel.namelist()) == set()
    assert expected, "no file of the library found"


def test_it_carries_what_was_measured(wheel: zipfile.ZipFile) -> None:
    measured = {path.relative_to(ROOT / "results").as_posix() for path in (ROOT / "results").rglob("*.json")}
    carried = {name.removeprefix("course_lib/_results/") for name in wheel.namelist() if "/_results/" in name}
    assert carried == measured


def test_it_holds_no_solution(wheel: zipfile.ZipFile) -> None:
    sources = [path.read_bytes() for path in (ROOT / "exercises" / "src").glob("*.py")]
    assert [name for name in wheel.namelist() if wheel.read(name) in sources or "solution" in Path(name).stem] == []


def test_it_is_below_25_mb(wheel: zipfile.ZipFile) -> None:
    assert Path(str(wheel.filename)).stat().st_size < LIMIT


def test_its_metadata_pins_nothing_and_names_both_licences(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(wheel.read(name).decode())
    required = metadata.get_all("Requires-Dist") or []
    assert required and not [line for line in required if "==" in line or "<" in line]
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata.get_all("License-File") == ["LICENSE", "LICENSE-texts"]
