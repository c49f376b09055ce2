"""A lecture runs without a browser in this Python, and its executed notebook is kept whatever happens."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from course_lib import files, lectures
from course_lib.arguments import UnknownName

from .toys import make, notebook_of, texts


@pytest.fixture
def course(tmp_path):
    return make(tmp_path, source=None)


def run(course, out, **more) -> lectures.Result:
    return lectures.execute(course.lectures[0], profile="smoke", out=out, root=course.root, **more)


def test_a_lecture_runs_in_this_python_at_the_profile_in_its_folder(course, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "full")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("JUPYTER_PATH", str(other_python_as_python3(tmp_path)))
    notebook_of(course, "import os, sys\nprint(os.environ['COURSE_PROFILE'], os.getcwd(), os.environ['MPLBACKEND'])",
                "sys.executable", "", "from course_lib import manifest\nprint(manifest.find_root())")
    calls = []
    result = run(course, tmp_path / "out", on_cell=lambda *seen: calls.append(seen))
    assert result.error is None and not result.interrupted
    assert result.path == tmp_path / "out" / "07_toy.ipynb"
    where, python, _, root = texts(result.path)
    assert where == f"smoke {course.root / 'lectures'} module://matplotlib_inline.backend_inline\n"
    assert python == repr(sys.executable) and root == f"{course.root}\n"
    assert calls == [(1, 4, "import os, sys"), (2, 4, "sys.executable"), (3, 4, ""),
                     (4, 4, "from course_lib import manifest")]
    assert [(cell.number, cell.line) for cell in result.cells] == [(number, line) for number, _, line in calls]
    assert 0 < sum(cell.seconds for cell in result.cells) < result.seconds
    nbformat.validate(nbformat.read(result.path, as_version=4))


def other_python_as_python3(folder: Path) -> Path:
    """A user's folder that registers a kernel named python3 which does not start."""
    spec = folder / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text('{"argv": ["/nowhere/python", "{connection_file}"], "display_name": "?"}')
    return spec.parents[1]


def test_the_failing_cell_its_line_and_its_traceback_are_named_and_the_notebook_is_saved(course, tmp_path):
    failing = "x = 0\n\ndef f():\n    return 1 / x\n\nprint('in it')\nf()"
    notebook_of(course, "print('before')", failing, "print('after')")
    result = run(course, tmp_path / "kept.ipynb")
    assert result.error.startswith("cell 2 of 3, line 7: f()\n") and "----> 4     return 1 / x" in result.error
    assert result.error.endswith("ZeroDivisionError: division by zero") and "\x1b" not in result.error
    assert texts(tmp_path / "kept.ipynb") == ["before\n", "in it\nZeroDivisionError", ""]
    assert len(result.cells) == 2


def test_a_syntax_error_is_named_too(course, tmp_path):
    notebook_of(course, "x = 1\ny = = 2")
    assert run(course, tmp_path).error.startswith("cell 1 of 1, line 2: y = = 2\n")


def test_stored_outputs_of_cells_that_did_not_run_are_not_kept(course, tmp_path):
    path = notebook_of(course, "1 / 0", "print('later')")
    content = nbformat.read(path, as_version=4)
    content.cells[1].outputs = [nbformat.v4.new_output("stream", text="of an earlier time")]
    nbformat.write(content, path)
    assert texts(run(course, tmp_path / "out").path) == ["ZeroDivisionError", ""]


def test_a_dead_kernel_is_reported_and_the_notebook_is_saved(course, tmp_path):
    notebook_of(course, "print('before')", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "print('after')")
    result = run(course, tmp_path / "out")
    assert result.error.startswith("the kernel died in cell 2 of 3: import os, signal") and "memory" in result.error
    assert texts(result.path) == ["before\n", "", ""]


def test_a_cell_over_its_time_is_stopped(course, tmp_path):
    notebook_of(course, "print('begun', flush=True)\nimport time\ntime.sleep(60)")
    result = run(course, tmp_path / "out", timeout=0.5)
    assert result.error == "cell 1 of 1: print('begun', flush=True) ran longer than the limit of 0.5 s"
    assert result.seconds < 30 and texts(result.path) == ["begun\n"]


def test_control_c_saves_what_was_shown_and_leaves_no_kernel(course, tmp_path, root):
    waiting = "import os, time\nprint('begun', flush=True)\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)"
    notebook_of(course, waiting, "print('after')")
    script = ("import signal, sys\nfrom pathlib import Path\nfrom course_lib import lectures, manifest\n"
              "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
              f"course = manifest.load(Path({str(course.root)!r}))\n"
              "result = lectures.execute(course.lectures[0], profile='smoke', out=Path('out'), root=course.root,\n"
              "                          on_cell=lambda *cell: print('cell', flush=True))\n"
              "print(result.interrupted, result.error)\n")
    child = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(root)})
    pid = course.root / "lectures" / "pid"
    wait_until(lambda: pid.exists() and pid.read_text())
    time.sleep(1)  # the printed text is on its way
    child.send_signal(signal.SIGINT)
    said, complaints = child.communicate(timeout=30)
    assert said == "cell\nTrue stopped by Ctrl-C in cell 1 of 2: import os, time\n"
    assert complaints == "" and child.returncode == 0
    assert texts(tmp_path / "out" / "07_toy.ipynb") == ["begun\n", ""]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def wait_until(condition, *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def test_an_older_executed_notebook_stays_when_the_disk_is_full(course, tmp_path, monkeypatch):
    notebook_of(course, "print('new')")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "07_toy.ipynb").write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="disk is full"):
        run(course, tmp_path / "out")
    assert (tmp_path / "out" / "07_toy.ipynb").read_text() == "old"


def test_wrong_calls_are_explained_before_anything_starts(course, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="run `make generate`"):
        run(course, tmp_path)
    notebook_of(course, "1")
    with pytest.raises(UnknownName, match="did you mean 'smoke'"):
        lectures.execute(course.lectures[0], profile="smoky", out=tmp_path, root=course.root)
    monkeypatch.setattr(lectures.importlib.util, "find_spec", lambda name: None if name == "nbclient" else name)
    with pytest.raises(ModuleNotFoundError, match=r"needs nbclient.*pip install jupyterlab"):
        run(course, tmp_path)


def test_importing_the_runner_loads_no_notebook_library():
    script = "import sys, course_lib.lectures; print({'nbformat', 'nbclient', 'torch'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == "set()\n"
