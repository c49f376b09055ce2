"""The generator: what it writes, what it refuses, and that no solution leaves the staff's folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from course_lib import manifest
from course_lib.checks import stored
from course_lib.checks.problem import Mutant, Variant
from tools import exercises

STEM = "10_dncnn"


# Refusals -----------------------------------------------------------------------------------------------------------


def mutant(solution, misconception="planted", message="A planted message."):
    return Mutant(solution, misconception, message)


def test_the_problems_of_the_course_are_accepted(loss):
    assert exercises.verify(loss).messages.keys() == {one.misconception for one in loss.mutants}


def only_one_image(problem):
    return lambda variant, seed: [case for case in problem.cases(variant, seed) if case.name == "one image"]


PLANTED = {
    "a mutant that is right": (
        lambda p: {"mutants": (*p.mutants, mutant(lambda estimate, z, y: p.reference(estimate, z, y)))},
        "do not tell 'planted' from residual_loss"),
    "a mutant hardly beyond the tolerance": (
        lambda p: {"mutants": (*p.mutants, mutant(lambda estimate, z, y: 1.0003 * p.reference(estimate, z, y)))},
        "do not tell 'planted' from residual_loss"),
    "two mutants that behave alike": (
        lambda p: {"mutants": (*p.mutants, mutant(lambda estimate, z, y: 2 * p.reference(estimate, z, y)))},
        "do not tell 'the half is missing' from 'planted'"),
    "cases blind to a misconception": (
        lambda p: {"cases": only_one_image(p)}, "do not tell 'not divided by N'"),
    "an alternate that is wrong": (
        lambda p: {"alternates": (*p.alternates, p.mutants[0].solution)}, "<lambda> counts as right"),
    "an alternate at the edge of the tolerance": (
        lambda p: {"alternates": (*p.alternates, lambda estimate, z, y: 1.0001 * p.reference(estimate, z, y))},
        "counts as right but is"),
    "a reference that fails": (lambda p: {"reference": torch.nn.functional.conv2d}, "the reference fails"),
    "a reference that is not finite": (
        lambda p: {"reference": lambda estimate, z, y: p.reference(estimate, z, y) / 0}, "not finite"),
    "a stub that is the solution": (
        lambda p: {"stub": "def residual_loss(estimate, z, y):\n"
                           "    return ((estimate - z + y) ** 2).sum() / 2 / len(z)\n"},
        "the untouched stub counts as Corr"),
    "a stub that gives a wrong answer": (
        lambda p: {"stub": "def residual_loss(estimate, z, y):\n    return estimate.sum()\n"},
        "the untouched stub counts as Incorrect"),
    "a stub that does not run": (lambda p: {"stub": "def residual_loss(:"}, "the stub does not run: SyntaxError"),
    "a stub without the entry": (lambda p: {"stub": "def loss():\n    ...\n"}, "does not define residual_loss"),
    "a stub line that does not fit": (lambda p: {"stub": p.stub + "#" * 100}, "longer than 88"),
    "one alternate": (lambda p: {"alternates": p.alternates[:1]}, "1 alternates, at least 2"),
    "three mutants": (lambda p: {"mutants": p.mutants[:3]}, "3 mutants, at least 4"),
    "two hints": (lambda p: {"hints": p.hints[:2]}, "2 hints, at least 3"),
    "an empty hint": (lambda p: {"hints": (*p.hints[:2], " ")}, "an empty goal, statement or hint"),
    "a message used twice": (
        lambda p: {"mutants": (*p.mutants[:-1], replace(p.mutants[-1], message=p.mutants[0].message))},
        "share a message"),
    "a message as long as a page": (
        lambda p: {"mutants": (*p.mutants[:-1], replace(p.mutants[-1], message="x" * 500))}, "longer than 420"),
    "a probe outside the closed set": (lambda p: {"probe": lambda solution, case: {"a": np.ones(1)}}, "probes.PROBES"),
    "no points": (lambda p: {"points": 0}, "0 points"),
}


@pytest.mark.parametrize("change, says", PLANTED.values(), ids=list(PLANTED))
def test_a_problem_that_would_mislead_is_refused(loss, change, says):
    with pytest.raises(exercises.Refused) as refused:
        exercises.verify(replace(loss, **change(loss)))
    assert says in str(refused.value)


def test_cases_of_another_variant_and_seed_are_other_questions_and_tell_the_mutants_apart_too(loss):
    practice, other = (exercises.verify(loss, Variant(name)) for name in ("practice", "student 12"))
    assert not np.array_equal(practice.cases[0].inputs["z"], other.cases[0].inputs["z"])
    again = exercises.verify(loss, Variant("student 12"))
    assert stored.text(other) == stored.text(again)


# What is written ----------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(root, tmp_path):
    """A course of its own with one problem, which is quick; the stored cases go to `cases`."""
    toml = (root / "course.toml").read_text()
    (tmp_path / "course.toml").write_text(re.sub("(?m)^problems = .*", 'problems = ["dncnn.residual_loss"]', toml))
    (tmp_path / "exercises" / "src").mkdir(parents=True)
    source = (root / "exercises" / "src" / f"{STEM}.py").read_text()
    (tmp_path / "exercises" / "src" / f"{STEM}.py").write_text(source + "\nPROBLEMS = PROBLEMS[:1]\n")
    return manifest.load(tmp_path)


def update(course, *, check):
    return exercises.update(course.lecture("dncnn"), course, check=check, folder=course.root / "cases")


def test_what_is_committed_is_what_the_sources_make(root):
    course = manifest.load(root)
    assert [*exercises.strays(course), *exercises.update(course.lecture("dncnn"), course, check=True)] == []


def test_generating_twice_gives_the_same_bytes_and_writes_once(copy, capsys):
    assert update(copy, check=False) == []
    first = {path.name: path.read_bytes() for path in copy.root.rglob("*.[ij]*")}
    assert len(first) == 2 and capsys.readouterr().out.count("wrote") == 2
    assert update(copy, check=False) == [] and update(copy, check=True) == []
    assert capsys.readouterr().out == ""
    assert first == {path.name: path.read_bytes() for path in copy.root.rglob("*.[ij]*")}
    cases = copy.root / "cases" / "dncnn.residual_loss.json"
    for path in (copy.root / "exercises" / "student" / f"{STEM}.ipynb", cases):
        edit_and_expect_stale(copy, path)
    rounding_is_no_change(copy, cases)
    cases.unlink()
    assert update(copy, check=True) == ["cases/dncnn.residual_loss.json is stale: run `make generate`"]
    (copy.root / "cases" / "dncnn.gone.json").write_text("{}")
    stray = "dncnn.gone.json belongs to no lecture or problem of course.toml"
    assert exercises.strays(copy, copy.root / "cases") == [stray]


def edit_and_expect_stale(copy, path):
    before = path.read_text()
    path.write_text(before.replace("noise", "nois", 1))
    assert update(copy, check=True) == [f"{path.relative_to(copy.root)} is stale: run `make generate`"]
    path.write_text(before)


def rounding_is_no_change(copy, path):
    content = json.loads(path.read_text())
    entry = content["cases"][0]["expected"][0]
    number = float(entry["values"])
    for factor, stale in ((1 + 1e-5, False), (1.01, True)):
        entry["values"] = str(number * factor)
        path.write_text(json.dumps(content))
        assert bool(update(copy, check=True)) is stale
    entry["values"] = str(number)
    path.write_text(json.dumps(content))


def test_a_source_that_disagrees_with_the_manifest_is_named(copy):
    toml = (copy.root / "course.toml").read_text()
    (copy.root / "course.toml").write_text(toml.replace('"dncnn.residual_loss"', '"dncnn.residual"'))
    failures = update(manifest.load(copy.root), check=True)
    assert "has the problems dncnn.residual_loss; course.toml lists dncnn.residual" in failures[0]


def test_a_solution_line_in_a_hint_stops_the_generator_and_nothing_is_written(copy):
    path = copy.root / "exercises" / "src" / f"{STEM}.py"
    leak = "return ((estimate - noise)**2).sum() / (2*len(z))"
    path.write_text(path.read_text().replace("First write down what", leak))
    says = "would show this line of a solution: return((estimate-noise)**2).sum()/(2*len(z))"
    assert says in update(copy, check=False)[0]
    assert not (copy.root / "cases").exists() and not (copy.root / "exercises" / "student").exists()


def test_the_command_reports_a_wrong_word_and_stale_files(copy, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_ROOT", str(copy.root))
    assert exercises.main(["--check", "dnncn"]) == 1
    assert "did you mean 'dncnn'?" in capsys.readouterr().err
    assert exercises.main(["--check", "dncnn"]) == 1
    assert f"exercises/student/{STEM}.ipynb is stale: run `make generate`" in capsys.readouterr().err


# No solution leaves -------------------------------------------------------------------------------------------------


def solution_lines(root):
    source = root / "exercises" / "src" / f"{STEM}.py"
    return exercises.solution_lines(source.read_text(), [problem.stub for problem in exercises.read(source)])


def test_neither_the_package_nor_the_student_notebook_holds_a_line_of_a_solution(root):
    lines = solution_lines(root)
    assert len(lines) > 50 and "return((estimate-noise)**2).sum()/(2*len(z))" in lines
    assert "return((estimate-z)**2).sum()/(2*len(y))" in lines                             # a lambda of a mutant
    kinds = (".py", ".json", ".md", ".js", ".html", ".txt", ".toml")
    texts = [path for path in (root / "course_lib").rglob("*") if path.suffix in kinds]
    texts += [root / "exercises" / "student" / f"{STEM}.ipynb"]
    found = {path.name: hits for path in texts if (hits := exercises.leaks(path.read_text(encoding="utf-8"), lines))}
    assert found == {}


def test_a_leak_is_found_whatever_its_layout(root):
    lines = solution_lines(root)
    leak = "x = 1\nif x:\n      return (\n   (estimate - noise) **2).sum()\\\n/ (2 * len(z))"
    assert exercises.leaks(leak.replace("\\", ""), lines)
    assert exercises.leaks(json.dumps({"source": ["    return z - self.residual(z)\n"]}), lines)
    assert not exercises.leaks("return estimate", lines)


def test_stored_cases_hold_numbers_and_sentences_and_no_place_in_a_solution(root, problem):
    content = json.loads((root / "course_lib" / "checks" / "cases" / f"{problem.id}.json").read_text())
    failures = [answer["failure"] for case in content["cases"] for answer in case["wrong"].values()
                if "failure" in answer]
    assert all(failure.keys() == {"kind", "message"} for failure in failures)
    assert set(content) == {"problem", "entry", "goal", "points", "probe", "hints", "messages", "decisive",
                            "cases"}


# The student's notebook ---------------------------------------------------------------------------------------------


def test_the_student_notebook_is_valid_and_has_no_outputs(root):
    notebook = nbformat.read(root / "exercises" / "student" / f"{STEM}.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


def test_a_cell_keeps_its_id_whatever_its_text_becomes(copy, loss):
    lecture = copy.lecture("dncnn")
    one, other = (json.loads(exercises.student_notebook(lecture, [problem], copy))["cells"]
                  for problem in (loss, replace(loss, stub="def residual_loss():\n    ...\n", statement="New.")))
    assert [cell["id"] for cell in one] == [cell["id"] for cell in other]


def test_a_student_who_runs_the_untouched_notebook_is_told_what_to_do(root):
    cells = json.loads((root / "exercises" / "student" / f"{STEM}.ipynb").read_text())["cells"]
    space: dict = {}
    verdicts = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and "check(" not in source:
            exec(source, space)
        elif cell["cell_type"] == "code":
            verdicts.append(repr(eval(source.splitlines()[-1], space)))
    assert len(verdicts) == 3 and all(verdict.startswith("Not attempted yet: ") for verdict in verdicts)


def test_a_check_works_in_an_installed_copy_far_from_the_repository(root, tmp_path):
    unused = shutil.ignore_patterns("__pycache__", "weights")
    shutil.copytree(root / "course_lib", tmp_path / "course_lib", ignore=unused)
    program = """
import sys
from course_lib.checks import check
print(check("dncnn.residual_loss"))
assert "torch" not in sys.modules, "looking at a problem should not load torch"
import torch
print(check("dncnn.residual_loss", lambda estimate, z, y: ((estimate - z + y) ** 2).sum() / (2 * len(y))))
print(sys.modules["course_lib"].__file__)
"""
    environment = {key: value for key, value in os.environ.items() if key != "COURSE_ROOT"}
    environment["PYTHONPATH"] = str(tmp_path)
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    first, second, where = ran.stdout.splitlines()
    assert first.startswith("Not attempted yet") and second == "Correct: All 3 cases agree."
    assert Path(where).is_relative_to(tmp_path)


@pytest.mark.slow
def test_in_a_real_kernel_verdicts_are_shown_with_the_line_of_the_cell(root, tmp_path):
    from course_lib import lectures

    notebook = nbformat.read(root / "exercises" / "student" / f"{STEM}.ipynb", as_version=4)
    answers = {
        "dncnn.residual_loss": "def residual_loss(estimate, z, y):\n    error = estimate - z + y\n"
                               "    return (error * error).sum() / 2 / len(y)",
        "dncnn.network": "class DnCNN(nn.Module):\n    def __init__(self, *, depth, width):\n"
                         "        super().__init__()\n        self.layers = nn.Conv2d(depth, width)",
        "dncnn.blind_batch": "def blind_batch(y, *, low, high, generator):\n"
                             "    return y + high * torch.randn(len(y), 1, 1, 1, generator=generator) * 0 + y * 0",
    }
    for cell in notebook.cells:
        for tag in cell.metadata.get("tags", []):
            if tag in answers:
                cell.source = answers[tag]
    (tmp_path / "lectures").mkdir()
    nbformat.write(notebook, tmp_path / "lectures" / f"{STEM}.ipynb")
    lecture = manifest.load(root).lecture("dncnn")
    ran = lectures.execute(lecture, profile="smoke", out=tmp_path / "done.ipynb", root=tmp_path)
    assert ran.error is None
    shown = [output.data for cell in nbformat.read(ran.path, as_version=4).cells if cell.cell_type == "code"
             for output in cell.outputs if "data" in output and "Verdict" not in str(output.data)]
    texts = [data["text/plain"] for data in shown]
    assert [text.split(":")[0] for text in texts] == ["Correct", "Incorrect", "Incorrect"]
    assert "line 4 of its cell: self.layers = nn.Conv2d(depth, width)" in texts[1]
    assert all("<strong>" in data["text/html"] for data in shown)
