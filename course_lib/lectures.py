"""Run a lecture from its first cell to its last without a browser, and keep what it showed, come what may."""

from __future__ import annotations

import importlib.util
import math
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import course_lib
from course_lib import manifest, profiles
from course_lib.arguments import one_of
from course_lib.files import atomic
from course_lib.manifest import Lecture
from course_lib.profiles import PROFILES

OnCell = Callable[[int, int, str], None]
TRACEBACK_LINES = 15
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LINE_OF_THE_CELL = re.compile(r"^-+> *(\d+)\b|^ *Cell In ?\[\d+\], line (\d+)|^ *File .*, line (\d+)", re.M)

_RELATIVE = re.compile(r"\]\(([^)\s#:]+)")  # where a link or a picture of Markdown leads, but for other machines

KERNEL_START = 240  # seconds that a kernel may take to answer: a busy machine is slow, not broken


@dataclass(frozen=True)
class CellRun:
    """One code cell that was started: its number (from 1), its first line, and how long it took."""

    number: int
    line: str
    seconds: float


@dataclass(frozen=True)
class Result:
    """What came of a run: the executed notebook, its duration, and the error if there was one."""

    path: Path
    seconds: float
    error: str | None
    cells: tuple[CellRun, ...] = ()
    interrupted: bool = False


def notebook(lecture: Lecture, root: Path | None = None) -> Path:
    """Find the generated notebook of a lecture, `lectures/10_dncnn.ipynb`."""
    path = (root or manifest.find_root()) / "lectures" / f"{lecture.stem}.ipynb"
    if not path.is_file():
        raise FileNotFoundError(f"the notebook {path} is not there. It is generated from "
                                f"lectures/src/{lecture.stem}.py: run `make generate`.")
    return path


def execute(lecture: Lecture, *, profile: str, out: Path, on_cell: OnCell | None = None,
            timeout: float | None = None, root: Path | None = None,
            environment: Mapping[str, str] | None = None) -> Result:
    """Run every code cell of a lecture in one fresh kernel of this Python, as "Run All" would.

    The kernel works in the notebook's own folder, as in JupyterLab. `out` is a folder, or the file ending in
    `.ipynb` to write. The notebook is written there in any case: after the last cell, after the first cell
    that fails, when the kernel dies, and on Ctrl-C, with the outputs shown up to then.
    `on_cell(number, total, first line)` is called before each code cell, counting from 1; `timeout` limits each cell,
    in seconds; `environment` is added to that of the kernel. What went wrong in the lecture is in `Result.error`;
    exceptions are for a wrong call.
    """
    one_of(profile, PROFILES, what="profile")
    root = (root or manifest.find_root()).resolve()
    source = notebook(lecture, root)
    nbformat, nbclient = _runner_modules()
    out = Path(out)
    path = out if out.suffix == ".ipynb" else out / source.name
    content = nbformat.read(source, as_version=4)
    code = [(index, cell) for index, cell in enumerate(content.cells) if cell.cell_type == "code"]
    for _, cell in code:
        cell.outputs, cell.execution_count = [], None

    cells: list[CellRun] = []
    error, interrupted = None, False
    started = time.perf_counter()
    try:
        with _kernel(content, timeout=timeout, folder=source.parent,
                     environment=_environment(profile, root) | dict(environment or {})) as kernel:
            for number, (index, cell) in enumerate(code, start=1):
                line = _first_line(cell.source)
                if on_cell is not None:
                    on_cell(number, len(code), line)
                began = time.perf_counter()
                try:
                    kernel.execute_cell(cell, index)
                finally:
                    cells.append(CellRun(number, line, time.perf_counter() - began))
    except KeyboardInterrupt:
        error, interrupted = f"stopped by Ctrl-C in {_place(cells, code)}", True
    except nbclient.exceptions.CellExecutionError as failure:
        error = _describe(cells, code, failure)
    except nbclient.exceptions.CellTimeoutError:
        error = f"{_place(cells, code)} ran longer than the limit of {timeout:g} s"
    except (nbclient.exceptions.DeadKernelError, RuntimeError) as failure:
        error = (f"the kernel died in {_place(cells, code)} ({failure}). The usual cause is too little memory; "
                 "close other programs, or take a smaller profile")
    finally:
        with atomic(path) as stream:
            stream.write((nbformat.writes(content) + "\n").encode())
    return Result(path, time.perf_counter() - started, error, tuple(cells), interrupted)


def settle(path: Path, *, source: Path) -> None:
    """Make an executed notebook at home where it lies: its links lead where those of `source` do, and JupyterLab shows
    its players and quizzes at once.

    JupyterLab trusts what this user has signed. The signatures are in Jupyter's own data folder; an OSError says that
    it cannot be written.
    """
    import nbformat
    from jupyter_core.paths import jupyter_data_dir
    from nbformat.sign import NotebookNotary

    def moved(link: re.Match[str]) -> str:
        target = source.parent / link[1]
        return f"]({Path(os.path.relpath(target, path.parent)).as_posix()}" if target.exists() else link[0]

    content = nbformat.read(path, as_version=4)
    for cell in content.cells:
        if cell.cell_type == "markdown":
            cell.source = _RELATIVE.sub(moved, cell.source)
    with atomic(path) as stream:
        stream.write((nbformat.writes(content) + "\n").encode())
    folder = Path(jupyter_data_dir())
    folder.mkdir(parents=True, exist_ok=True)
    notary = NotebookNotary(data_dir=str(folder))
    try:
        notary.sign(content)
    finally:
        notary.store.close()


def _runner_modules() -> tuple[Any, Any]:
    missing = [name for name in ("nbformat", "nbclient", "ipykernel") if importlib.util.find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(f"running a lecture without a browser needs {', '.join(missing)}. They come with "
                                  "JupyterLab: `pip install jupyterlab`, or `make lab`, which installs everything.")
    import nbclient
    import nbclient.exceptions
    import nbformat

    return nbformat, nbclient


@contextmanager
def _kernel(content: Any, *, timeout: float | None, folder: Path, environment: dict[str, str]) -> Iterator[Any]:
    """A kernel of this very Python, whatever kernel the user's folders register as "python3"; killed at the end."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import run_sync
    from nbclient import NotebookClient

    class ThisPython(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> Any:
            return KernelSpec(argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                              display_name="Python 3", language="python")

    with tempfile.TemporaryDirectory(prefix="course-") as short:  # a path of a socket has at most a hundred letters
        manager = AsyncKernelManager(kernel_spec_manager=ThisPython(), connection_file=os.path.join(short, "k.json"))
        if os.name == "posix":  # files instead of ports: nobody else on a lab machine can listen or connect
            manager.transport, manager.ip = "ipc", os.path.join(short, "k")
        client = NotebookClient(content, km=manager, timeout=timeout and math.ceil(timeout), store_widget_state=False,
                                coalesce_streams=True, startup_timeout=KERNEL_START)
        try:
            client.start_new_kernel(cwd=str(folder), env=environment)
            client.start_new_kernel_client()
            yield client
        finally:
            run_sync(_abandon_tasks)()
            if client.kc is not None:
                client.kc.stop_channels()
            if manager.has_kernel:
                run_sync(manager.shutdown_kernel)(now=True)


async def _abandon_tasks() -> None:
    """End what waits for the kernel: after Ctrl-C it still does, and would complain about the kernel's end."""
    import asyncio

    waiting = asyncio.all_tasks() - {asyncio.current_task()}
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def _environment(profile: str, root: Path) -> dict[str, str]:
    """This process's environment with the profile, inline figures, and this copy of the library first."""
    environment = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}
    environment.update({"COURSE_PROFILE": profile, "COURSE_ROOT": str(root), "PYDEVD_DISABLE_FILE_VALIDATION": "1",
                        profiles.ALONE: "1"})
    paths = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    home = Path(course_lib.__file__).resolve().parent.parent
    if home.name != "site-packages":
        paths.insert(0, str(home))
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment


def _first_line(source: str) -> str:
    return next((line.strip() for line in source.splitlines() if line.strip()), "")


def _place(cells: list[CellRun], code: list[tuple[int, Any]]) -> str:
    return f"cell {cells[-1].number} of {len(code)}: {cells[-1].line}" if cells else "its start, before the first cell"


def _describe(cells: list[CellRun], code: list[tuple[int, Any]], failure: Any) -> str:
    """Which cell, which of its lines, and the end of the traceback in plain text."""
    cell = code[len(cells) - 1][1]
    texts = ["\n".join(output.traceback) for output in cell.outputs if output.output_type == "error"]
    traceback = _COLOURS.sub("", texts[-1] if texts else str(failure))
    place = f"cell {len(cells)} of {len(code)}"
    if found := _LINE_OF_THE_CELL.search(traceback):
        number, lines = int(next(filter(None, found.groups()))), cell.source.splitlines()
        place += f", line {number}" + (f": {lines[number - 1].strip()}" if number <= len(lines) else "")
    else:
        place += f": {cells[-1].line}"
    tail = [line.rstrip() for line in traceback.splitlines() if line.strip(" -")][1:][-TRACEBACK_LINES:]
    return "\n".join([place, *tail])
