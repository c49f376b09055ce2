"""What holds for every test: no network, one thread, the smoke profile, no setting of whoever runs it."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import pytest

OFFLINE = Path(__file__).parent / "offline"
# Helpers and scripts beside the tests: nothing to collect, and nothing to import in search of examples.
collect_ignore = [
    str(path)
    for path in Path(__file__).parent.rglob("*.py")
    if not path.name.startswith("test_") and path.name != "__init__.py"
]

runpy.run_path(str(OFFLINE / "sitecustomize.py"))  # blocks this process; the variable blocks those that tests start
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(OFFLINE), os.environ.get("PYTHONPATH")]))
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["COURSE_PROFILE"] = "smoke"
for setting in ("COURSE_DEVICE", "COURSE_PRECISION", "COURSE_ROOT"):
    os.environ.pop(setting, None)
if os.environ.get("COURSE_DATA"):
    os.environ["COURSE_DATA"] = str(Path(os.environ["COURSE_DATA"]).resolve())  # tests and kernels run in other folders


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the repository."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def course_data() -> Path:
    """The folder of downloaded sets; a test that needs one is skipped where there is none."""
    named = os.environ.get("COURSE_DATA")
    if not named:
        pytest.skip("COURSE_DATA names no folder of downloaded sets")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"COURSE_DATA is {named}, which is no folder")
    return folder
