"""Lectures have the form of a lecture: an hour of core, folded cells, answered predictions, compared with evidence."""

import re
from pathlib import Path

import nbformat
import pytest

from course_lib import manifest
from tools import form
from tools.percent import Cell, SourceError, parse

COURSE = manifest.load()
COMPARING = re.compile(r"\b(better|ahead|worse|behind|hardly|no difference)\b", re.IGNORECASE)
QUIZ = "Quiz.parse('''\n{}\n''')"
ALLOWED = Path(__file__).parent / "comparing"


def code(source: str, **slideshow: object) -> Cell:
    return Cell("code", source, 1, (), slideshow)


def text(source: str, **slideshow: object) -> Cell:
    return Cell("markdown", source, 1, (), slideshow)


def cells_of(stem: str) -> list[Cell]:
    name = f"lectures/src/{stem}.py"
    return parse((COURSE.root / name).read_text(encoding="utf-8"), name=name)


# The rules, each with what breaks it --------------------------------------------------------------------------------


def test_cells_have_the_path_of_the_slide_they_join():
    cells = [code("a = 1"), text("b", slide_type="slide", minutes=2, path="core"), code("c", slide_type="-"),
             text("d", slide_type="subslide", minutes=3), code("e", slide_type="fragment"),
             text("f", slide_type="skip")]
    assert form.paths(cells) == ["core", "core", "core", "more", "more", "more"]
    assert form.plan(cells) == form.Plan(core_minutes=2, core_slides=2, minutes=5, slides=3)


def test_a_path_stands_only_where_a_slide_begins():
    with pytest.raises(SourceError, match="a path stands where"):
        parse('# %% slideshow={"slide_type": "-", "path": "core"}\na = 1\n', name="x.py")
    with pytest.raises(SourceError, match="unknown path 'cor'"):
        parse('# %% slideshow={"slide_type": "slide", "path": "cor"}\na = 1\n', name="x.py")


@pytest.mark.parametrize("source", [
    "import math\nfrom torch import nn",
    "figures.lines([1], {'a': [2]}, caption='What it shows. More.')",
    "alt = 'words'\nlimits = {'a': (1, 2)}\nfigures.images(shown, alt=alt)",
    "stored = cite('x')\nfigures.table(stored.rows(a, b), note=stored)",
    "answer(f'It is {value:.2f}.')",
    "def drawn(k):\n    return k + 1\n\nPlayer(render=drawn, axes=())",
    "Quiz.parse('''a''')",
])
def test_a_cell_that_only_shows_is_folded(source):
    assert form.folded(code(source))


@pytest.mark.parametrize("source", [
    "x = train(1)\nfigures.lines([1], x)",
    "x = [f(k) for k in range(3)]",
    "def loss(z):\n    return z\n\nfigures.lines([1], 2)",
    "print(1)",
    "for k in range(3):\n    figures.lines(k)",
])
def test_a_cell_with_a_computation_of_its_own_stays_in_sight(source):
    assert not form.folded(code(source))


def test_a_checked_cell_is_never_folded():
    assert not form.folded(Cell("code", "figures.table({})", 1, ("nbval-check-output",)))


def test_a_folded_cell_is_called_after_its_caption():
    assert form.title(code("caption = 'Noise of 25. Left: more.'\nfigures.images(x, caption=caption)")) == "Noise of 25"
    assert form.title(code("figures.lines(x, caption=f'Level {k}: two networks.')")) == "Level …"
    assert form.title(code("Quiz.parse('''a''')")) == "Check yourself"
    assert form.title(code("import math")) == "Imports"


def test_a_prediction_needs_an_answer_before_the_next_one():
    asked, answered = text("**Predict:** which?"), code("answer('This one.')")
    assert form.predictions([asked, code("x = 1"), answered]) == [(asked, answered)]
    assert form.predictions([asked, text("**Predict:** again"), answered])[0] == (asked, None)
    assert form.predictions([answered, asked]) == [(asked, None)]
    assert form.predictions([text("**Bet:** a"), answered]) == [(text("**Bet:** a"), answered)]
    twice = text("**Predict:** one. **Predict:** two.")
    assert [answer is not None for _, answer in form.predictions([twice, answered])] == [True, False]


@pytest.mark.parametrize(("cell", "complaint"), [
    (text("a", slide_type="slide", minutes=60, path="core"), "the core takes 61 minutes, at most 60"),
    (text("a", slide_type="slide", minutes=100), "the lecture takes 101 minutes, at most 100"),
    (code("\n".join(f"a{k} = f({k})" for k in range(26)), slide_type="-"), "26 lines in sight, at most 25"),
    (code(QUIZ.format("a\n- [x] b\n- [ ] c | d\n\ne\n- [x] f\n- [ ] g | h")), "several questions on one slide"),
    (text("**Predict** it"), "a prediction without an answer"),
])
def test_what_is_out_of_form_is_listed(cell, complaint):
    fine = text("b", slide_type="slide", minutes=1, path="core")
    assert form.faults([fine], "x.py") == []
    found = form.faults([fine, cell], "x.py")
    assert len(found) == 1 and complaint in found[0]


def test_a_core_of_fifteen_slides_is_too_long():
    slide = text("a", slide_type="subslide", minutes=1, path="core")
    assert form.faults([slide] * 13, "x.py") == []
    assert "the core has 15 slides with its title, at most 14" in form.faults([slide] * 14, "x.py")[0]


# The lectures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lecture", COURSE.lectures, ids=lambda lecture: lecture.name)
def test_a_lecture_is_in_form(lecture):
    assert form.faults(cells_of(lecture.stem), f"{lecture.stem}.py") == []


@pytest.mark.parametrize("lecture", COURSE.lectures, ids=lambda lecture: lecture.name)
def test_words_that_compare_stand_in_answers_or_have_a_reason(lecture):
    path = ALLOWED / f"{lecture.name}.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    allowed = dict(line.split("\t", 1) for line in lines if line.strip())
    assert all(reason.strip() for reason in allowed.values())
    said = [line for cell in cells_of(lecture.stem) if cell.kind == "markdown"
            for line in cell.source.splitlines() if COMPARING.search(line)]
    assert [line for line in said if not any(phrase in line for phrase in allowed)] == []
    assert [phrase for phrase in allowed if not any(phrase in line for line in said)] == []


@pytest.mark.slow
@pytest.mark.parametrize("lecture", COURSE.lectures, ids=lambda lecture: lecture.name)
def test_the_core_runs_without_the_rest(lecture, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("COURSE_PROFILE", "smoke")
    notebook = nbformat.read(COURSE.root / "lectures" / f"{lecture.stem}.ipynb", as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "more" not in cell.metadata.get("tags", [])]
    NotebookClient(notebook, timeout=600, startup_timeout=240,
                   resources={"metadata": {"path": str(COURSE.root / "lectures")}}).execute()
