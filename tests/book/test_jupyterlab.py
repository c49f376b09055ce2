"""The course in a real JupyterLab, started as `make lab` does: before anybody trusts a notebook, and at first sight."""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
import toy

from tools import lab, notebooks
from tools.chromium import PROGRAM, Chromium, chromium

pytest.importorskip("jupyterlab")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="no Chromium here to look at JupyterLab")]
TOKEN = "of-the-tests"
MOST_LINES = 5
SOURCE = '''\
# %% [markdown] slideshow={"slide_type": "slide"}
# ## Play

# %%
import torch

from course_lib.widgets.forces import Forces
from course_lib.widgets.player import Axis, Player
from course_lib.widgets.quiz import Quiz

GRAYS = Axis("gray", (0, 25, 50), "Gray level", start=1)

# %%
Player(lambda gray: {"a square": torch.full((1, 160, 200), gray / 100)}, (GRAYS,),
       alt=lambda gray: f"A square of gray {gray}", caption="Move the slider.", note=lambda gray: f"level {gray} %")

# %%
Player(lambda gray: torch.rand(3, 12, 12), (GRAYS,), alt=lambda gray: f"Colours at {gray}", caption="Small.")

# %%
Forces(((-1.0, 0.5), (1.2, 0.4), (0.0, -0.8), (0.4, 1.1)), (0, 0, 1, 1), caption="Drag a point.")

# %%
Quiz.parse("""
Which gray is the darkest?
- [x] the `zeroth` | No light at all.
- [ ] the second | There is a darker one.
- [ ] the third | This is the brightest.

Is it loud?
- [ ] yes | Grays are silent.
- [x] no
""")
'''
ALTS = ["A square of gray 25", "Colours at 25",
        "4 pictures of 2 people as points in the plane, with an arrow each. "
        "Loss: contrastive, slide form, margin 2.0: 1.30."]
WORDS = [["Move the slider.", "a square", "level 25 %", "Gray level: 25"], ["Small.", "Gray level: 25"],
         ["Drag a point."],
         ["Which gray is the darkest?", ") the zeroth", ") the second", ") the third", "Is it loud?", ") yes", ") no"]]
REPLIES = ["No light at all", "There is a darker one", "Right.", "Grays are silent"]
OUTPUTS = """[...document.querySelectorAll(".jp-RenderedHTMLCommon.jp-OutputArea-output")].map((shown) => ({
  text: shown.innerText, frames: shown.querySelectorAll("iframe").length, height: shown.offsetHeight,
  images: [...shown.querySelectorAll("img")].map((one) => [one.alt, one.naturalWidth, one.width, one.height])}))"""


@dataclass
class Lab:
    """A JupyterLab of a small course: its folder, its address, and a browser that is logged in."""

    root: Path
    address: str
    browser: Chromium

    def open(self, notebook: str) -> None:
        """Open a notebook of the course and wait until its kernel has said what it is."""
        shutil.rmtree(self.root / "home" / ".jupyter" / "lab", ignore_errors=True)  # no tabs of the test before
        self.browser.open(f"{self.address}/lab/tree/{notebook}", height=3000)
        self.browser.wait("jupyterapp.restored.then(() => true)", 120)
        self.browser.wait("((shown) => shown.context.isReady && shown.sessionContext.session.kernel.info"
                          ".then(() => true))(jupyterapp.shell.currentWidget)", 120)
        self.browser.rest(2)

    def command(self, name: str) -> None:
        """Start a command of JupyterLab, as its palette would, and wait for its end."""
        self.browser.page.js(f"void jupyterapp.commands.execute({name!r}).then(() => {{ window.done = {name!r}; }})")
        self.browser.wait(f"window.done === {name!r} || !!document.querySelector('.jp-Dialog')", 60)

    def outputs(self) -> list[dict[str, Any]]:
        return self.browser.page.js(OUTPUTS)


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lecture, generated and executed, in a JupyterLab whose user has an empty home."""
    root = tmp_path_factory.mktemp("course")
    course = toy.course(root)
    (root / "lectures" / "src").mkdir(parents=True)
    (root / "lectures" / "src" / "01_toy.py").write_text(SOURCE)
    assert notebooks.update(course.lectures[0], course, check=False) == []
    home = root / "home"
    (home / ".jupyter").mkdir(parents=True)
    (home / ".jupyter" / "jupyter_lab_config.py").write_text("c.LabApp.expose_app_in_browser = True")
    shutil.copytree(toy.ROOT / "tools" / "jupyter", root / "tools" / "jupyter")
    shutil.copy(toy.ROOT / "tools" / "lab.py", root / "tools")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    paths = os.pathsep.join([str(toy.ROOT), environment.get("PYTHONPATH", "")])
    environment |= {"HOME": str(home), "JUPYTER_TOKEN": TOKEN, "COURSE_ROOT": str(root), "PYTHONPATH": paths}
    run = ["course_lib.cli", "run", "toy", "--profile", "smoke", "--out", str(root / "run")]
    subprocess.run([sys.executable, "-m", *run], cwd=root, env=environment, check=True)
    port = lab.free_port()
    server = subprocess.Popen([sys.executable, "tools/lab.py", f"--port={port}"], cwd=root, start_new_session=True,
                              env=environment | {"PATH": "/usr/bin:/bin"})
    address = f"http://{lab.HOST}:{port}"
    try:
        with chromium(tmp_path_factory.mktemp("profile")) as browser:
            _await(f"{address}/api?token={TOKEN}")
            browser.open(f"{address}/api/status?token={TOKEN}")  # leaves a cookie
            yield Lab(root, address, browser)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _await(address: str, *, patience: float = 120) -> None:
    end = time.monotonic() + patience
    while True:
        try:
            urllib.request.urlopen(address).close()
            return
        except OSError:
            assert time.monotonic() < end, f"no answer at {address}"
            time.sleep(0.3)


def downloaded(jupyterlab: Lab, name: str = "lectures/downloaded.ipynb", *, without: str = "nothing") -> str:
    """What `course run` wrote, as a file that this user has not signed; `without` is taken out of its outputs."""
    content = nbformat.read(jupyterlab.root / "run" / "01_toy.ipynb", as_version=4)
    for output in (output for cell in content.cells for output in cell.get("outputs", []) if "data" in output):
        output.data["text/html"] = re.sub(without, "", output.data["text/html"], flags=re.DOTALL)
    content.metadata["downloaded"] = True
    nbformat.write(content, jupyterlab.root / name)
    return name


def unseen(outputs: list[dict[str, Any]]) -> list[str]:
    """Which of the lecture's pictures and words a reader of these outputs does not see."""
    seen = [alt for shown in outputs for alt, natural, *size in shown["images"] if natural and min(size) > 200]
    text = " ".join(" ".join(shown["text"].split()) for shown in outputs)
    return [*(alt for alt in ALTS if alt not in seen), *(word for some in WORDS for word in some if word not in text)]


# Without trust --------------------------------------------------------------------------------------------------------


def test_before_anybody_trusts_it_every_player_is_a_picture_and_every_quiz_a_text(jupyterlab: Lab) -> None:
    jupyterlab.open(downloaded(jupyterlab))
    outputs = jupyterlab.outputs()
    assert unseen(outputs) == []
    assert [shown["frames"] for shown in outputs] == [0] * len(WORDS)
    assert max(shown["height"] for shown in outputs) < 700, "room is kept for a frame that is not there"
    text = " ".join(shown["text"] for shown in outputs)
    assert text.count("Trust Notebook") == len(WORDS) and not [reply for reply in REPLIES if reply in text]
    assert jupyterlab.browser.external() == [] and jupyterlab.browser.errors == []


def test_trusting_it_turns_the_frames_on(jupyterlab: Lab) -> None:
    jupyterlab.open(downloaded(jupyterlab))
    jupyterlab.command("notebook:trust")
    jupyterlab.browser.page.js("document.querySelector('.jp-Dialog .jp-mod-accept').click()")
    jupyterlab.browser.wait(f"document.querySelectorAll('.jp-OutputArea-output iframe').length === {len(WORDS)}")
    assert [shown["images"] for shown in jupyterlab.outputs()] == [[]] * len(WORDS)


def test_what_this_user_ran_is_trusted_and_its_links_lead_somewhere(jupyterlab: Lab) -> None:
    jupyterlab.open("run/01_toy.ipynb")
    outputs = jupyterlab.outputs()
    assert [(shown["frames"], shown["images"]) for shown in outputs] == [(1, [])] * len(WORDS)
    assert "Trust Notebook" not in " ".join(shown["text"] for shown in outputs)
    assert len(jupyterlab.browser.inside("input[type=range]")) == len(ALTS)
    assert jupyterlab.browser.page.js(BADGE) > 0


@pytest.mark.full
def test_frames_without_anything_in_their_place_are_caught(jupyterlab: Lab) -> None:
    jupyterlab.open(downloaded(jupyterlab, "lectures/bare.ipynb", without="<noscript>.*?</noscript>"))
    assert set(ALTS) | set(WORDS[-1]) <= set(unseen(jupyterlab.outputs()))


# At first sight -------------------------------------------------------------------------------------------------------

BADGE = "document.querySelector('img[alt=\"Open in Colab\"]').naturalWidth"


def test_it_asks_nothing_and_asks_no_other_machine(jupyterlab: Lab) -> None:
    jupyterlab.open("lectures/01_toy.ipynb")
    jupyterlab.browser.rest(3)
    assert jupyterlab.browser.page.js("document.querySelector('.Toastify')?.innerText ?? ''") == ""
    assert jupyterlab.browser.page.js(BADGE) > 0
    assert jupyterlab.browser.external() == [] and jupyterlab.browser.errors == []


def saved(jupyterlab: Lab, notebook: str) -> int:
    """How many lines of a notebook change when it is opened and saved."""
    path = jupyterlab.root / notebook
    before = path.read_text().splitlines()
    jupyterlab.open(notebook)
    jupyterlab.command("docmanager:save")
    difference = list(difflib.unified_diff(before, path.read_text().splitlines(), lineterm=""))[2:]
    assert difference, "it was not saved: the version of Python is missing"
    return sum(line[0] in "+-" for line in difference)


def test_saving_a_lecture_as_it_is_changes_a_few_lines(jupyterlab: Lab) -> None:
    assert saved(jupyterlab, "lectures/01_toy.ipynb") <= MOST_LINES


@pytest.mark.full
def test_a_notebook_that_is_written_otherwise_than_jupyterlab_does_is_caught(jupyterlab: Lab) -> None:
    content = json.loads((jupyterlab.root / "lectures" / "01_toy.ipynb").read_text())
    content["metadata"]["language_info"] = {"name": "python"}
    (jupyterlab.root / "lectures" / "other.ipynb").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    assert saved(jupyterlab, "lectures/other.ipynb") > MOST_LINES


def test_its_terminals_know_the_course_command(jupyterlab: Lab) -> None:
    websocket = pytest.importorskip("websocket")
    request = urllib.request.Request(f"{jupyterlab.address}/api/terminals?token={TOKEN}", data=b"{}", method="POST")
    with urllib.request.urlopen(request) as answer:
        name = json.load(answer)["name"]
    place = f"{jupyterlab.address.replace('http', 'ws')}/terminals/websocket/{name}?token={TOKEN}"
    terminal = websocket.create_connection(place, timeout=60)
    terminal.send(json.dumps(["stdin", "command -v course; echo the''end\r"]))
    said = ""
    while "theend" not in said:
        kind, *text = json.loads(terminal.recv())
        said += "".join(text) if kind == "stdout" else ""
    terminal.close()
    assert str(Path(sys.executable).parent / "course") in said
