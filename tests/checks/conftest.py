"""The exercise sources, for the tests that compare what students are told with what staff wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from course_lib.checks.problem import Problem
from tools import exercises

SOURCES = sorted((Path(__file__).resolve().parents[2] / "exercises" / "src").glob("*.py"))
PROBLEMS = {problem.id: problem for source in SOURCES for problem in exercises.read(source)}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with an argument `problem`, `right` or `mutant` runs for each problem, right solution or mutant."""
    if "right" in metafunc.fixturenames:
        pairs = [(p, solution) for p in PROBLEMS.values() for solution in (p.reference, *p.alternates)]
        metafunc.parametrize("problem, right", pairs, ids=[f"{p.id}:{exercises.name(s)}" for p, s in pairs])
    elif "mutant" in metafunc.fixturenames:
        pairs = [(p, mutant) for p in PROBLEMS.values() for mutant in p.mutants]
        metafunc.parametrize("problem, mutant", pairs, ids=[f"{p.id}:{m.misconception}" for p, m in pairs])
    elif "problem" in metafunc.fixturenames:
        metafunc.parametrize("problem", PROBLEMS.values(), ids=list(PROBLEMS))


@pytest.fixture(scope="session")
def loss() -> Problem:
    """A problem of the course that is quick to run."""
    return PROBLEMS["dncnn.residual_loss"]
