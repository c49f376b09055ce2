"""Lecture notebooks are generated to the byte, keep the text of their checked cells, and tell when they are stale."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from course_lib import lectures, manifest, profiles
from tools import notebooks
from tools.percent import CHECKED

from .toys import SOURCE, make

FACTS = {"print(toylib.fall(2))": "20\n", "toylib.fall(0)": "0", 'print(1)\nprint("two")': "1\ntwo\n"}


@pytest.fixture
def course(tmp_path, monkeypatch):
    made = make(tmp_path)
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    return made


@pytest.fixture
def pretend(monkeypatch):
    """Replace the kernel: checked cells print FACTS, every other cell a picture. Returns the facts, to be changed."""
    facts = dict(FACTS)

    def execute(lecture, *, profile, out, on_cell, root):
        content = nbformat.read(root / "lectures" / f"{lecture.stem}.ipynb", as_version=4)
        for cell in (cell for cell in content.cells if cell.cell_type == "code"):
            shown = facts.get(cell.source, {"image/png": "AAAA", "text/plain": "<Figure>"})
            if isinstance(shown, str) and cell.source.startswith("print"):
                cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=line)
                                for line in shown.splitlines(keepends=True)]
            elif isinstance(shown, list):
                cell.outputs = shown
            else:
                data = {"text/plain": shown} if isinstance(shown, str) else shown
                cell.outputs = [nbformat.v4.new_output("execute_result", data=data, execution_count=99)]
        out.mkdir(parents=True, exist_ok=True)
        nbformat.write(content, out / f"{lecture.stem}.ipynb")
        return lectures.Result(out / f"{lecture.stem}.ipynb", 1.0, None)

    monkeypatch.setattr(lectures, "execute", execute)
    return facts


def path_of(course) -> Path:
    return course.root / "lectures" / "07_toy.ipynb"


def edit(course, old: str, new: str) -> None:
    source = course.root / "lectures" / "src" / "07_toy.py"
    assert old in source.read_text()
    source.write_text(source.read_text().replace(old, new))


def cells_of(course) -> list[dict]:
    return json.loads(path_of(course).read_text())["cells"]


def checked_of(course) -> dict[str, dict]:
    return {"".join(cell["source"]): cell for cell in cells_of(course) if CHECKED in cell["metadata"].get("tags", [])}


def complaints(capsys, *arguments: str) -> str:
    """What the command says when it fails."""
    capsys.readouterr()
    assert notebooks.main(["--check", *arguments]) == 1
    return capsys.readouterr().err


def test_a_notebook_is_valid_and_begins_with_header_and_setup(course):
    assert notebooks.main([]) == 0
    content = nbformat.read(path_of(course), as_version=4)
    nbformat.validate(content)
    assert content.nbformat_minor == 5 and set(content.metadata) == {"kernelspec", "language_info"}
    header, setup, text = content.cells[:3]
    assert (header.id, setup.id, text.source) == ("header", "setup", "## A question\n\nWhy does it fall?")
    assert header.source.startswith("# 07 · Toys: how they fall\n\nAfter this lecture you can say how a toy falls.")
    for link in ("https://colab.research.google.com/github/someone/toys/blob/v1/lectures/07_toy.ipynb", "gravity",
                 "](../exercises/student/07_toy.ipynb)", "/slides/07_toy.html)"):
        assert link in header.source
    assert '"git+https://github.com/someone/toys@v1"' in setup.source and '"--no-deps"' in setup.source
    assert [cell.metadata.get("slideshow", {}).get("slide_type") for cell in content.cells[2:6]] == \
        ["slide", "notes", None, "fragment"]


def test_a_notebook_is_written_as_jupyter_would_write_it_again(course, pretend):
    notebooks.main(["--outputs"])
    text = path_of(course).read_text()
    assert nbformat.writes(nbformat.reads(text, as_version=4)) + "\n" == text
    assert '"outputs": [\n' in text and '"display_name": "Python 3 (ipykernel)"' in text


def test_the_picture_of_the_badge_is_a_file_of_the_course(course, root):
    header = notebooks.header(course.lectures[0], course)
    assert "[![Open in Colab](../book/assets/colab.svg)](https://colab" in header and header.count("https://colab") == 1
    assert "(../../book/assets/colab.svg)" in notebooks.badge("exercises/student/07_toy.ipynb", course)
    assert (root / notebooks.BADGE).is_file()


def test_the_setup_cell_is_plain_python_so_that_every_ipython_runs_it(course):
    compile(notebooks.setup(course), "setup", "exec")


@pytest.fixture
def colab(tmp_path, monkeypatch):
    """A session of Colab without the library: what pip is asked for, and what it answers."""
    asked: list[list[str]] = []
    answers = [0]
    monkeypatch.setitem(sys.modules, "google.colab", object())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(profiles, "start", lambda: None)

    def pip(command, **more):
        asked.append(command)
        return subprocess.CompletedProcess(command, answers[0])

    monkeypatch.setattr(subprocess, "run", pip)
    return asked, answers, tmp_path


def run_setup(course, folder):
    exec(notebooks.setup(course).replace("/content", str(folder)), {})


def test_on_colab_the_setup_cell_fetches_the_library_and_nothing_else(course, colab):
    asked, _, folder = colab
    run_setup(course, folder)
    assert [command[1:] for command in asked] == [
        ["-m", "pip", "install", "--quiet", "--no-deps", "git+https://github.com/someone/toys@v1"]]


@pytest.mark.parametrize("place", ["", "drive/MyDrive"])
def test_on_colab_a_wheel_that_lies_there_is_taken(course, colab, place):
    asked, _, folder = colab
    wheel = folder / place / "course_lib-1.0-py3-none-any.whl"
    wheel.parent.mkdir(parents=True, exist_ok=True)
    wheel.touch()
    run_setup(course, folder)
    assert asked[0][-1] == str(wheel)


def test_on_colab_an_install_that_fails_says_what_to_do(course, colab):
    _, answers, folder = colab
    answers[0] = 1
    with pytest.raises(RuntimeError, match=r"could not be fetched from git.*Upload its wheel.*run this cell again"):
        run_setup(course, folder)


def test_elsewhere_nothing_is_fetched(course, colab, monkeypatch):
    monkeypatch.delitem(sys.modules, "google.colab")
    run_setup(course, colab[2])
    assert colab[0] == []


def test_a_placeholder_is_named_when_notebooks_are_written(course, tmp_path, capsys):
    assert notebooks.main([]) == 0 and "placeholder" not in capsys.readouterr().out
    path = tmp_path / "course.toml"
    path.write_text(path.read_text().replace("someone/toys", manifest.PLACEHOLDER))
    assert notebooks.main([]) == 0 and "set `repository` there to your own" in capsys.readouterr().out


def test_two_generations_are_equal_to_the_byte_under_any_hash_seed(course, root):
    made = []
    for seed in ("0", "1", "12345"):
        path_of(course).unlink(missing_ok=True)
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        subprocess.run([sys.executable, "-m", "tools.notebooks"], cwd=course.root, env=environment, check=True,
                       capture_output=True)
        made.append(path_of(course).read_bytes())
    assert made[0] == made[1] == made[2]
    before = path_of(course).stat().st_mtime_ns
    notebooks.main([])
    assert path_of(course).stat().st_mtime_ns == before, "an unchanged notebook is not written again"


def test_a_cell_keeps_its_id_when_others_move_and_equal_cells_differ(course):
    notebooks.main([])
    before = {"".join(cell["source"]): cell["id"] for cell in cells_of(course)}
    edit(course, "# %%\nimport toylib", "# %%\nx = 1\n\n# %%\nx = 1\n\n# %%\nimport toylib")
    notebooks.main([])
    after = cells_of(course)
    assert len({cell["id"] for cell in after}) == len(after)
    assert all(before.get("".join(cell["source"]), cell["id"]) == cell["id"] for cell in after)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell["id"]) for cell in after)


def test_minutes_are_those_measured_and_nothing_is_said_of_others(course):
    lecture = course.lectures[0]
    assert "minute" not in notebooks.header(lecture, course)
    results = course.root / "results" / "lectures"
    results.mkdir(parents=True)
    measured = {"lecture": {"seconds": 130.0, "hardware": "Chip 1000, 2 cores"},
                "smoke": {"seconds": 3.0, "hardware": "Chip 1000, 2 cores"}}
    (results / "07_toy.json").write_text(json.dumps(measured))
    assert "- **Running it takes** about 2 minutes on a CPU (Chip 1000, 2 cores)\n" in notebooks.header(lecture, course)
    measured["lecture@cuda"] = {"seconds": 31.0, "hardware": "Chip 1000, 16 cores, Card 9"}
    (results / "07_toy.json").write_text(json.dumps(measured))
    assert "2 cores), less than a minute on a GPU (Card 9)\n" in notebooks.header(lecture, course)


def test_prerequisites_of_the_course_are_links(course):
    lecture = course.lectures[0]
    course = manifest.Course(course.title, course.repository, course.release, course.parts,
                             (lecture, manifest.Lecture(3, "gravity", "Gravity", "A", "fall")), course.root)
    assert "- **Before this:** [03 · Gravity](03_gravity.ipynb)\n" in notebooks.header(lecture, course)


def test_outputs_stores_the_text_of_checked_cells_and_nothing_else(course, pretend):
    assert notebooks.main(["--outputs"]) == 0
    assert notebooks.main(["--check"]) == 0
    nbformat.validate(nbformat.read(path_of(course), as_version=4))
    checked = checked_of(course)
    assert {source: notebooks.plain(cell["outputs"]) for source, cell in checked.items()} == \
        {source: text.rstrip("\n") + "\n" for source, text in FACTS.items()}
    assert [cell["execution_count"] for cell in checked.values()] == [3, 4, 5], "nbval skips a cell without a number"
    assert checked["toylib.fall(0)"]["outputs"][0]["execution_count"] == 4
    code = [cell for cell in cells_of(course) if cell["cell_type"] == "code"]
    others = [cell for cell in code if cell not in checked.values()]
    assert len(others) == 2 and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in others)


def test_stored_text_is_carried_over_until_the_code_of_its_cell_changes(course, pretend, capsys):
    notebooks.main(["--outputs"])
    edit(course, "# Why does it fall?", "# Why does it fall, then?")
    edit(course, "# %%\nimport toylib", "# %%\n1 + 1\n\n# %%\nimport toylib")
    assert "07_toy.ipynb is stale: run `make generate`" in complaints(capsys)
    assert notebooks.main([]) == 0 and notebooks.main(["--check"]) == 0
    assert notebooks.plain(checked_of(course)["toylib.fall(0)"]["outputs"]) == "0\n"
    edit(course, "print(toylib.fall(2))", "print(toylib.fall(2) + 0)")
    assert notebooks.main([]) == 0
    assert checked_of(course)["print(toylib.fall(2) + 0)"]["outputs"] == []
    assert re.search(r"07_toy.py:\d+: no output is stored for this checked cell as it stands: run `make outputs`",
                     complaints(capsys))


def test_a_cell_edited_in_the_notebook_does_not_keep_its_output(course, pretend):
    """An editor keeps the id of a cell whose code was changed by hand; its output belongs to other code."""
    notebooks.main(["--outputs"])
    content = json.loads(path_of(course).read_text())
    for cell in content["cells"]:
        if "".join(cell["source"]) == "print(toylib.fall(2))":
            cell["source"] = ["print('by hand')"]
    path_of(course).write_text(json.dumps(content))
    notebooks.main([])
    assert checked_of(course)["print(toylib.fall(2))"]["outputs"] == []


def test_check_writes_nothing(course, pretend, capsys):
    assert "07_toy.ipynb is stale" in complaints(capsys) and not path_of(course).exists()
    notebooks.main(["--outputs"])
    edit(course, "Why", "How")
    before = path_of(course).read_bytes()
    complaints(capsys)
    assert path_of(course).read_bytes() == before


def test_a_loose_output_or_widget_state_is_found(course, pretend, capsys):
    notebooks.main(["--outputs"])
    good = path_of(course).read_text()
    content = json.loads(good)
    view = {"output_type": "display_data", "metadata": {}, "data": {"application/vnd.jupyter.widget-view+json": {}}}
    content["cells"][1]["outputs"] = [view]
    path_of(course).write_text(json.dumps(content))
    assert "cell setup stores an output that does not belong" in complaints(capsys)
    content = json.loads(good)
    content["metadata"]["widgets"] = {}
    path_of(course).write_text(json.dumps(content))
    assert "widget state is stored" in complaints(capsys)
    notebooks.main([])
    assert path_of(course).read_text() == good, "generating again repairs it and loses no stored text"


def test_a_lecture_needs_three_checked_cells_and_slides(course, pretend, capsys):
    edit(course, '# %% tags=["nbval-check-output"]\nprint(1)', "# %%\nprint(1)")
    notebooks.main(["--outputs"])
    assert "2 cells are tagged nbval-check-output; a lecture has at least 3" in complaints(capsys)
    edit(course, '"slide_type": "slide", "minutes": 2, "path": "core"', '"slide_type": "skip"')
    assert "no cell begins a slide" in complaints(capsys)


def test_a_lecture_without_a_source_and_a_source_without_a_lecture_are_found(course, capsys):
    (course.root / "lectures" / "src" / "08_other.py").write_text(SOURCE)
    (course.root / "lectures" / "08_old.ipynb").write_text("{}")
    (course.root / "lectures" / "src" / "07_toy.py").unlink()
    said = complaints(capsys)
    assert "course.toml lists lecture 07_toy, but there is no lectures/src/07_toy.py" in said
    assert "lectures/src/08_other.py belongs to no lecture" in said and "lectures/08_old.ipynb belongs to no" in said


def test_a_bad_source_is_named_and_the_notebook_stays(course, pretend, capsys):
    notebooks.main(["--outputs"])
    before = path_of(course).read_bytes()
    edit(course, '"minutes": 2', '"minutes": "two"')
    assert notebooks.main([]) == 1
    assert "lectures/src/07_toy.py:1: minutes is a positive number" in capsys.readouterr().err
    assert path_of(course).read_bytes() == before


def test_an_unknown_lecture_gets_a_suggestion(course, capsys):
    assert "did you mean 'toy'" in complaints(capsys, "toyy")


@pytest.mark.parametrize(("shown", "why"), [
    ({"image/png": "AAAA", "text/plain": "<Figure>"}, "it shows image/png, text/plain"),
    ({"application/vnd.jupyter.widget-view+json": {}}, "widget-view"),
    ("<object at 0x7f3a5c0012d0>", "an address in memory, 0x7f3a5c0012d0"),
    ([], "it shows nothing"),
    ([nbformat.v4.new_output("stream", name="stderr", text="careful")], "text on stderr"),
])
def test_only_plain_facts_are_stored(course, pretend, capsys, shown, why):
    pretend["toylib.fall(0)"] = shown
    assert notebooks.main(["--outputs"]) == 1
    said = capsys.readouterr().err
    assert why in said and re.search(r"lectures/src/07_toy.py:\d+: this cell is tagged", said)
    assert all(cell["outputs"] == [] for cell in checked_of(course).values())


def test_a_run_that_prints_another_text_is_shown_and_fails_under_check(course, pretend, capsys):
    notebooks.main(["--outputs"])
    assert notebooks.main(["--outputs", "--check", "--profile", "lecture"]) == 0
    pretend["print(toylib.fall(2))"] = "21\n"
    before = path_of(course).read_bytes()
    assert notebooks.main(["--outputs", "--check", "--profile", "lecture"]) == 1
    shown = capsys.readouterr()
    assert "-20\n+21\n" in shown.out and "profile lecture prints another text" in shown.err
    assert path_of(course).read_bytes() == before
    assert notebooks.main(["--outputs"]) == 0
    assert notebooks.plain(checked_of(course)["print(toylib.fall(2))"]["outputs"]) == "21\n"


def test_nothing_is_stored_of_a_run_that_failed(course, monkeypatch, capsys):
    broken = lectures.Result(Path("x.ipynb"), 1.0, "cell 2 of 3: it broke")
    monkeypatch.setattr(lectures, "execute", lambda lecture, **_: broken)
    assert notebooks.main(["--outputs"]) == 1
    assert "failed at profile smoke; nothing was stored. See x.ipynb\ncell 2 of 3: it broke" in capsys.readouterr().err


def test_no_stored_notebook_holds_a_widget(root):
    found = [path for folder in ("lectures", "exercises/student") for path in (root / folder).glob("*.ipynb")]
    for path in found:
        content = json.loads(path.read_text())
        assert "widgets" not in content["metadata"], path
        outputs = json.dumps([cell.get("outputs", []) for cell in content["cells"]])
        assert "application/vnd.jupyter.widget" not in outputs, path
