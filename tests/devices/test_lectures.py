"""Every lecture runs at smoke on the pretend GPU, with an error for what has no deterministic kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RUN = """
import runpy, sys
from pretend_cuda import pretend_cuda
from course_lib import profiles
with pretend_cuda():
    profiles.start()
    runpy.run_path(sys.argv[1], run_name="__main__")
"""
LECTURES = sorted(path.stem for path in (ROOT / "lectures" / "src").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name == "11_ffdnet" else pytest.mark.full)
                                  for name in LECTURES])
def test_a_lecture_runs_on_a_gpu(name, tmp_path):
    settings = {"COURSE_DEVICE": "cuda", "COURSE_PROFILE": "smoke", "COURSE_ROOT": str(ROOT), "MPLBACKEND": "agg",
                "PYTHONPATH": os.pathsep.join(map(str, [ROOT, HERE, os.environ.get("PYTHONPATH", "")]))}
    command = [sys.executable, "-c", RUN, str(ROOT / "lectures" / "src" / f"{name}.py")]
    done = subprocess.run(command, env=os.environ | settings, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Pretend GPU" in done.stdout, "the lecture says where it runs"
