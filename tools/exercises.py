"""Exercises: `exercises/src/NN_name.py` becomes the student's notebook and the stored cases that `check` reads.

`python -m tools.exercises [--check] [LECTURE ...]`

A problem is refused unless its cases tell every wrong solution from every right one, and the wrong ones from each
other, with a wide margin. With `--check` nothing is written, and what is stale or missing is listed.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import runpy
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from course_lib import manifest
from course_lib.arguments import UnknownName
from course_lib.checks import judge, probes, stored
from course_lib.checks.problem import Answer, Case, Problem, StoredCase, StoredProblem, Variant
from course_lib.checks.verdicts import Correct, Incorrect, NotAttempted
from course_lib.files import atomic
from course_lib.manifest import Course, Lecture
from tools import notebooks

RIGHT_WITHIN = 0.5     # tolerances: how near a right solution must come to the reference
WRONG_BEYOND = 5.0     # tolerances: how far a wrong one must stay away from every right one, in one case at least
FEWEST = {"alternates": 2, "mutants": 4, "hints": 3}
LONGEST_STUB_LINE = 88
LONGEST_MESSAGE = 420  # letters
SHORTEST_LEAK = 20     # letters without blanks; shorter lines (`return total`) say nothing
SEED = 0
IMPORTS = """\
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.checks import check, hint"""


class Refused(ValueError):
    """A problem that would mislead students; the message lists why."""


# Verifying a problem ------------------------------------------------------------------------------------------------


def verify(problem: Problem, variant: Variant = Variant()) -> StoredProblem:
    """Run every solution on every case; return what is stored, or refuse with all the reasons."""
    reasons = [*_incomplete(problem)]
    cases = _as_stored(problem, problem.cases(variant, SEED))
    right = {name(solution): [probes.observe(problem.probe, solution, case) for case in cases]
             for solution in (problem.reference, *problem.alternates)}
    wrong = {mutant.misconception: [probes.observe(problem.probe, mutant.solution, case) for case in cases]
             for mutant in problem.mutants}
    decisive = {mutant.misconception: mutant.decisive for mutant in problem.mutants if mutant.decisive}
    expected = right[name(problem.reference)]
    if failed := [answer for answer in expected if isinstance(answer, probes.Failure)]:
        raise Refused(f"{problem.id}: the reference fails: {failed[0].message} {failed[0].place}")
    reasons += [f"the reference's {key} is not finite in case {case.name!r}"
                for case, answer in zip(cases, expected, strict=True)
                for key, array in answer.items() if not np.isfinite(array).all()]
    for alternate, answers in right.items():
        if (far := _farthest(cases, answers, expected)) > RIGHT_WITHIN:
            reasons.append(f"{alternate} counts as right but is {far:.2g} tolerances from the reference (at most "
                           f"{RIGHT_WITHIN:g}) {_words(answers)}")
    for misconception, answers in wrong.items():
        for solution, others in right.items():
            if (far := _farthest(cases, answers, others)) < WRONG_BEYOND:
                reasons.append(f"the cases do not tell {misconception!r} from {solution}: {far:.2g} tolerances apart "
                               f"(at least {WRONG_BEYOND:g})")
    for one, other in combinations(wrong, 2):   # the first that fits is told, so it must not fit the later one
        if (far := _farthest(cases, wrong[one], wrong[other], decisive.get(one))) < WRONG_BEYOND:
            reasons.append(f"the cases do not tell {one!r} from {other!r}: {far:.2g} tolerances apart")
    cases = [replace(case, expected=answer, wrong={key: answers[i] for key, answers in wrong.items()})
             for i, (case, answer) in enumerate(zip(cases, expected, strict=True))]
    task = _task(problem, cases)
    reasons += _stub(problem, task)
    if not reasons:   # what is written must judge as what was measured
        again = stored.decode(json.loads(json.dumps(stored.encode(task))))
        reasons += [f"{key}: the stored case says {verdict!r}" for key, answers, outcome in
                    [*((key, answers, Correct) for key, answers in right.items()),
                     *((key, answers, Incorrect) for key, answers in wrong.items())]
                    if type(verdict := judge.diagnose(again, answers)) is not outcome
                    or (outcome is Incorrect and verdict.why != again.messages[key])]
    if reasons:
        raise Refused("\n  - ".join([f"{problem.id} is refused:", *reasons]))
    return task


def _as_stored(problem: Problem, cases: Iterable[Case]) -> list[StoredCase]:
    """The cases as students will have them: their inputs written and read once."""
    words = problem.probe.words if isinstance(problem.probe, probes.Probe) else {}
    drafts = [StoredCase(case.name, case.inputs, case.tolerances, case.letters, words=words) for case in cases]
    return list(stored.decode(stored.encode(_task(problem, drafts))).cases)


def _task(problem: Problem, cases: Iterable[StoredCase]) -> StoredProblem:
    probe = next((probe.name for probe in probes.PROBES.values() if probe is problem.probe), "")
    messages = {mutant.misconception: mutant.message for mutant in problem.mutants}
    return StoredProblem(problem.id, problem.entry, problem.goal, problem.points, probe, problem.hints, messages,
                         {mutant.misconception: mutant.decisive for mutant in problem.mutants if mutant.decisive},
                         tuple(cases))


def _farthest(cases: Sequence[StoredCase], answers: Sequence[Answer], others: Sequence[Answer],
              names: Sequence[str] | None = None) -> float:
    """The distance in the case that tells two solutions apart best."""
    return max(judge.distance(case, a, b, names) for case, a, b in zip(cases, answers, others, strict=True))


def _words(answers: Sequence[Answer]) -> str:
    return "; ".join(f"{answer.message} {answer.place}" for answer in answers if isinstance(answer, probes.Failure))


def _incomplete(problem: Problem) -> Iterable[str]:
    """What a problem lacks that can be seen without running it."""
    for what, fewest in FEWEST.items():
        if len(getattr(problem, what)) < fewest:
            yield f"{len(getattr(problem, what))} {what}, at least {fewest} are needed"
    if problem.probe not in probes.PROBES.values():
        yield "its probe is not one of probes.PROBES"
    if problem.points < 1:
        yield f"{problem.points} points"
    if not all(text.strip() for text in (problem.goal, problem.statement, *problem.hints)):
        yield "an empty goal, statement or hint"
    for attribute in ("misconception", "message"):
        texts = [getattr(mutant, attribute) for mutant in problem.mutants]
        if len(set(texts)) < len(texts) or not all(text.strip() for text in texts):
            yield f"two mutants share a {attribute}, or one has none"
    for mutant in problem.mutants:
        if len(mutant.message) > LONGEST_MESSAGE:
            yield f"the message of {mutant.misconception!r} is longer than {LONGEST_MESSAGE} letters"
    for line in problem.stub.splitlines():
        if len(line) > LONGEST_STUB_LINE:
            yield f"a stub line is longer than {LONGEST_STUB_LINE}: {line.strip()}"


def _stub(problem: Problem, task: StoredProblem) -> list[str]:
    """The stub must run as it stands, define the entry, and count as not attempted."""
    space: dict[str, Any] = {"__name__": "student"}
    try:
        exec(compile(IMPORTS + "\n" + problem.stub, f"<stub of {problem.id}>", "exec"), space)
    except Exception as error:
        return [f"the stub does not run: {type(error).__name__}: {error}"]
    if problem.entry not in space:
        return [f"the stub does not define {problem.entry}, the name of the reference"]
    answers = [probes.observe(problem.probe, space[problem.entry], case) for case in task.cases]
    verdict = judge.diagnose(task, answers)
    return [] if isinstance(verdict, NotAttempted) else [f"the untouched stub counts as {verdict!r}"]


def name(solution: Any) -> str:
    return getattr(solution, "__qualname__", repr(solution))


# Leaks --------------------------------------------------------------------------------------------------------------


def solution_lines(source: str, stubs: Iterable[str]) -> set[str]:
    """Every line of a solution in an exercise source, without blanks, that no stub shows and that says something."""
    lines = source.splitlines()
    shown = [squeezed(stub) for stub in stubs]
    found, tree = set(), ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("cases_"):
            found |= {squeezed(line) for line in lines[node.lineno:node.end_lineno] if '"""' not in line}
    for node in ast.walk(tree):
        match node:   # the same expression in a function would be a line that begins with return
            case ast.Call(ast.Name("Mutant"), [ast.Lambda(body=body), *_]):
                found.add(squeezed(f"return {ast.get_source_segment(source, body)}"))
    return {line for line in found if len(line) >= SHORTEST_LEAK and not line.startswith(("def", "class"))
            and not any(line in stub for stub in shown)}


def squeezed(text: str) -> str:
    """Text without blanks, with one kind of quote, so that another layout hides nothing."""
    return "".join(text.split()).replace("'", '"')


def leaks(text: str, lines: Iterable[str]) -> list[str]:
    """The solution lines that a text contains."""
    text = squeezed(text)
    return sorted(line for line in lines if line in text)


# Writing ------------------------------------------------------------------------------------------------------------


def student_notebook(lecture: Lecture, problems: Sequence[Problem], course: Course) -> str:
    """The notebook that students fill: for each problem its statement, its stub, and the call that checks it."""
    cells = [_cell("markdown", lecture, "header", header(lecture, problems, course)),
             _cell("code", lecture, "setup", notebooks.setup(course), tags=["setup"]),
             _cell("code", lecture, "imports", IMPORTS)]
    for number, problem in enumerate(problems, start=1):
        points = f"{problem.points} point{'s' * (problem.points > 1)}"
        title = f"## {number} · {problem.goal} ({points})"
        cells += [_cell("markdown", lecture, f"{problem.id} statement", f"{title}\n\n{problem.statement.strip()}"),
                  _cell("code", lecture, f"{problem.id} answer", problem.stub.strip("\n"), tags=["answer", problem.id]),
                  _cell("code", lecture, f"{problem.id} check",
                        f'# Stuck? hint("{problem.id}") shows a hint, and a further one each time.\n'
                        f'check("{problem.id}", {problem.entry})')]
    content = {"cells": cells, "metadata": notebooks.METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def header(lecture: Lecture, problems: Sequence[Problem], course: Course) -> str:
    """The first cell: what there is to do and how checking works."""
    return "\n\n".join([
        f"# Exercises {lecture.number:02d} · {lecture.title}",
        notebooks.badge(f"exercises/student/{lecture.stem}.ipynb", course),
        f"{len(problems)} problems, {sum(problem.points for problem in problems)} points. They belong to "
        f"[lecture {lecture.number:02d}](../../lectures/{lecture.stem}.ipynb).",
        "Replace each `...` by your code and run the cell, then run the check below it. A check tries your code on "
        "small inputs and says what it found, as often as you like. It has no time limit: if your code never "
        "ends, press the stop button. The grading asks the same questions with other numbers."])


def _cell(kind: str, lecture: Lecture, role: str, source: str, tags: Sequence[str] = ()) -> dict[str, Any]:
    """A cell whose id depends on its role only, so that an answer is found again whatever was written into it."""
    digest = hashlib.sha256("\0".join((lecture.stem, role)).encode()).hexdigest()[:12]
    return notebooks._notebook_cell(kind, digest, source, tags=list(tags))


def read(path: Path) -> tuple[Problem, ...]:
    """The problems of an exercise source."""
    return tuple(runpy.run_path(str(path), run_name=path.stem)["PROBLEMS"])


def update(lecture: Lecture, course: Course, *, check: bool, folder: Path = stored.FOLDER) -> list[str]:
    """Write one lecture's notebook and stored cases, or only compare. Returns what is wrong."""
    source = course.root / "exercises" / "src" / f"{lecture.stem}.py"
    place = source.relative_to(course.root).as_posix()
    if not source.is_file():
        return [f"{place} is missing; course.toml lists problems of it"] if lecture.problems else []
    problems = read(source)
    if (ids := [problem.id for problem in problems]) != list(lecture.problems):
        return [f"{place} has the problems {', '.join(ids)}; course.toml lists {', '.join(lecture.problems)}"]
    tasks, refusals = [], []
    for problem in problems:
        try:
            tasks.append(verify(problem))
        except Refused as refused:
            refusals.append(f"{place}: {refused}")
    if refusals:
        return refusals
    notebook = course.root / "exercises" / "student" / f"{lecture.stem}.ipynb"
    files = {notebook: student_notebook(lecture, problems, course)}
    files |= {folder / f"{task.id}.json": stored.text(task) for task in tasks}
    lines = solution_lines(source.read_text(encoding="utf-8"), [problem.stub for problem in problems])
    if found := [f"{path.name} would show this line of a solution: {line}" for path, text in files.items()
                 for line in leaks(text, lines)]:
        return found
    failures = []
    for path, text in files.items():
        shown = path.relative_to(course.root).as_posix() if path.is_relative_to(course.root) else str(path)
        if path.is_file() and same(path.read_text(encoding="utf-8"), text, numbers=path.suffix == ".json"):
            continue
        if check:
            failures.append(f"{shown} is stale: run `make generate`")
        else:
            with atomic(path) as stream:
                stream.write(text.encode())
            print(f"wrote {shown}")
    return failures


def same(old: str, new: str, *, numbers: bool) -> bool:
    """Equal texts; with `numbers`, also JSON whose answers differ by the rounding of another processor."""
    if old == new or not numbers:
        return old == new
    try:
        return _alike(json.loads(old), json.loads(new))
    except json.JSONDecodeError:
        return False


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if a.get("kind") == b.get("kind") == "raised":   # torch words its errors anew from time to time
            return True
        if "values" in a and a.keys() == b.keys() and a["shape"] == b["shape"] and a["type"] == b["type"]:
            return np.allclose(*(np.array(one["values"].split(), dtype=float) for one in (a, b)), rtol=1e-3, atol=1e-5,
                               equal_nan=True)
        return a.keys() == b.keys() and all(_alike(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_alike, a, b))
    return bool(a == b)


def strays(course: Course, folder: Path = stored.FOLDER) -> list[str]:
    """Sources, notebooks and stored cases that course.toml does not know."""
    stems = {lecture.stem for lecture in course.lectures}
    ids = {problem for lecture in course.lectures for problem in lecture.problems}
    found = [path for pattern in ("exercises/src/*.py", "exercises/student/*.ipynb")
             for path in course.root.glob(pattern) if path.stem not in stems]
    found += [path for path in folder.glob("*.json") if path.name.removesuffix(".json") not in ids]
    return [f"{path.name} belongs to no lecture or problem of course.toml" for path in sorted(found)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.exercises", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="LECTURE", help="a name or number; all of them if none is given")
    parser.add_argument("--check", action="store_true", help="write nothing; list what is stale and exit with 1")
    options = parser.parse_args(arguments)
    course = manifest.load()
    try:
        chosen = [course.lecture(word) for word in options.names] or list(course.lectures)
        failures = [] if options.names else strays(course)
        for lecture in chosen:
            failures += update(lecture, course, check=options.check)
    except UnknownName as error:
        failures = [str(error)]
    for line in failures:
        print(line, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
