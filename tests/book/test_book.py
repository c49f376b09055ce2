"""What is laid out for the website: contents, notebooks as pages, the ledger, executed lectures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import toy

from course_lib import lectures
from course_lib.claims import Claim, Experiment, Status, Summary, Verdict, answers
from course_lib.manifest import Course, Lecture
from tools import book, executed, vendor


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return toy.course(tmp_path / "course")


# Contents and pages ---------------------------------------------------------------------------------------------------


def test_the_contents_list_every_part_lecture_and_exercise(course: Course) -> None:
    text = json.dumps(book.contents(course))
    assert [text.count(f'"parts/{part}"') for part in "abcde"] == [1] * 5
    assert text.count('"lectures/01_toy"') == text.count('"exercises/student/01_toy"') == 1
    for entry in [chapter["file"] for part in book.contents(course)["parts"] for chapter in part["chapters"]]:
        assert entry == "ledger" or (toy.ROOT / "book" / f"{entry}.md").is_file()


def test_a_part_without_lectures_says_so(course: Course) -> None:
    assert book.lecture_list(course, part="A") == "No lecture of this part is published yet."
    assert "[01 · Gray squares](../lectures/01_toy.ipynb)" in book.lecture_list(course, part="C")
    assert "After it you can tell one gray from another." in book.lecture_list(course)


def test_a_page_fetches_no_badge_and_links_to_the_deck_beside_it(course: Course) -> None:
    page = book.page_of(json.loads(toy.lecture(course=course).read_text()), up="../")
    header, setup = page["cells"][:2]
    assert "](../assets/colab.svg)" in header["source"] and "colab-badge.svg" not in header["source"]
    assert '<a href="../slides/01_toy.html">slides</a>' in header["source"]
    assert "hide-input" in setup["metadata"]["tags"]


def test_thebe_is_dropped_and_nothing_is_executed(course: Course) -> None:
    settings: dict = {}
    exec(book.configuration(course, toy.ROOT / "book" / "_config.yml", mathjax="offline/x.js"), settings)
    assert {"myst_nb", "sphinx_book_theme", "sphinxcontrib.bibtex"} <= set(settings["extensions"])
    assert not {"sphinx_thebe", "sphinx_comments"} & set(settings["extensions"])
    assert settings["nb_execution_mode"] == "off"
    assert settings["html_theme_options"]["repository_url"] == "https://github.com/without-ground-truth/course"
    assert settings["html_theme_options"]["launch_buttons"]["colab_url"] == ""


def test_a_folder_that_the_book_did_not_make_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("three years")
    with pytest.raises(FileExistsError, match="did not make"):
        book._empty(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "three years"
    book._empty(tmp_path / "new")
    (tmp_path / "new" / "old.html").write_text("x")
    book._empty(tmp_path / "new")
    assert not (tmp_path / "new" / "old.html").exists()


# The ledger -----------------------------------------------------------------------------------------------------------


def status(*, stale: bool = False, holds: bool | None = True) -> Status:
    experiment = Experiment("toy-grays", measure=lambda profile, seed: {"psnr": 1.0})
    claim = Claim("toy-wins", "Gray beats black.", "Doe 2001, table 2", {"psnr": 30.44}, experiment,
                  lambda rows: Verdict(True, ""))
    metrics = {"psnr": Summary(3, 28.5, 0.25, 28.25, 28.75)} if holds is not None else {}
    return Status(claim, "lecture", (100, 101, 102) if metrics else (), metrics,
                  None if holds is None else Verdict(holds, "28.50 > 27"), stale, "28.50 > 27")


def test_the_ledger_marks_the_papers_value_and_shows_the_spread() -> None:
    page = book.ledger_page([status()])
    assert "| metric | the paper's value | measured, lecture profile, 3 seeds |" in page
    assert "| psnr | 30.44 | 28.50 ± 0.25 |" in page
    assert "| psnr | 28.50 ± 0.25 | 28.25 to 28.75 |" in page
    assert "Gray beats black." in page and "Doe 2001, table 2" in page and "**Holds.**" in page


def test_an_experiment_of_several_claims_shows_its_figures_once() -> None:
    page = book.ledger_page([status(), status(stale=True)])
    assert page.count("### toy-grays") == 1 and page.count("30.44") == 2


@pytest.mark.parametrize(("shown", "words"), [
    (status(stale=True), "**Stale:**"),
    (status(holds=False), "**Fails.**"),
    (status(holds=None), "**Not measured yet.**"),
])
def test_the_ledger_never_says_holds_of_what_is_stale_failed_or_missing(shown: Status, words: str) -> None:
    page = book.ledger_page([shown])
    assert words in page and "**Holds.**" not in page


# Executed lectures ----------------------------------------------------------------------------------------------------


class Runs:
    """A runner that counts, and fails when told to."""

    def __init__(self) -> None:
        self.count, self.fails = 0, False

    def __call__(self, course: Course, lecture: Lecture, profile: str, out: Path) -> None:
        self.count += 1
        out.write_text(f"{profile} {self.count}")
        if self.fails:
            raise executed.LectureFailed("cell 3")


@pytest.fixture
def written(course: Course) -> Course:
    (course.root / "lectures").mkdir()
    (course.root / "lectures" / "01_toy.ipynb").write_text("{}")
    (course.root / "course_lib").mkdir()
    (course.root / "course_lib" / "noise.py").write_text("sigma = 25 / 255\n")
    return course


def get(course: Course, runs: Runs, profile: str = "smoke") -> str:
    build = course.root / "build"
    return executed.executed(course, course.lectures[0], profile=profile, build=build, run=runs).read_text()


def test_a_lecture_runs_again_only_when_what_it_depends_on_changes(written: Course) -> None:
    runs = Runs()
    assert get(written, runs) == get(written, runs) == "smoke 1"
    (written.root / "lectures" / "01_toy.ipynb").write_text("{ }")
    assert get(written, runs) == "smoke 2"
    (written.root / "course_lib" / "noise.py").write_text("sigma = 50 / 255\n")
    assert get(written, runs) == "smoke 3"
    (written.root / "results").mkdir()
    (written.root / "results" / "lecture.json").write_text("[]")
    assert get(written, runs) == "smoke 4"
    assert get(written, runs, "lecture") == "lecture 5"
    assert get(written, runs) == "smoke 4"


def test_a_failed_lecture_is_not_taken_for_an_executed_one(written: Course) -> None:
    runs = Runs()
    runs.fails = True
    for _ in range(2):
        with pytest.raises(executed.LectureFailed):
            get(written, runs)
    assert runs.count == 2
    assert (written.root / "build" / "executed" / "smoke" / "01_toy.ipynb").exists()  # to be looked at
    runs.fails = False
    assert get(written, runs) == "smoke 3"


@pytest.mark.parametrize("profile", ["smoke", "lecture"])
def test_answers_are_held_to_their_results_where_a_lecture_is_published(
    written: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    given = []

    def execute(lecture: Lecture, *, environment: dict[str, str] | None, **_: object) -> lectures.Result:
        given.append(environment or {})
        return lectures.Result(tmp_path, 0.0, None)

    monkeypatch.setattr(lectures, "execute", execute)
    executed.run_lecture(written, written.lectures[0], profile, tmp_path)
    assert given == [{answers.BOOK: "1"} if profile == "lecture" else {}]


# Scripts from npm -----------------------------------------------------------------------------------------------------


def test_without_npm_pages_use_a_network_and_the_build_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                               capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    address = vendor.mathjax(tmp_path / "offline", cache=tmp_path / "npm")
    assert address == f"{vendor.CDN}/mathjax@3.2.2/es5/tex-mml-chtml.js"
    assert "npm is not installed" in capsys.readouterr().out


def test_a_package_with_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def install(command: list[str], *, cwd: Path, **_: object) -> object:
        folder = cwd / "node_modules" / "mathjax"
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"version": "3.2.2"}')
        lock = {"packages": {"node_modules/mathjax": {"integrity": "sha512-another"}}}
        (cwd / "package-lock.json").write_text(json.dumps(lock))
        return type("Run", (), {"returncode": 0})()

    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/npm")
    monkeypatch.setattr(vendor.subprocess, "run", install)
    with pytest.raises(ValueError, match="another hash"):
        vendor.package("mathjax", cache=tmp_path)
    assert not (tmp_path / "node_modules" / "mathjax").exists()
