"""The quizzes of all lectures together: where the right option stands says nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from course_lib.widgets.quiz import Question, Quiz
from tools.percent import parse

RARE = 0.001


@pytest.fixture(scope="module")
def questions(root) -> list[Question]:
    return [question for path in sorted((root / "lectures" / "src").glob("*.py"))
            for cell in parse(path.read_text(encoding="utf-8"), name=path.name) if cell.kind == "code"
            for text in _quizzes(cell.source) for question in Quiz.parse(text).questions]


def _quizzes(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Quiz.parse":
            yield ast.literal_eval(node.args[0])


def chance(places: Sequence[int], counts: Sequence[int], place: int) -> float:
    """How probable it is that the right option stands in a place as often as in `places`, or more often; `counts` says
    how many options each question has."""
    distribution = np.ones(1)
    for count in counts:
        share = (place < count) / count
        distribution = np.convolve(distribution, [1 - share, share])
    return float(distribution[sum(found == place for found in places):].sum())


def test_the_right_option_is_in_no_place_more_often_than_chance_allows(questions):
    assert len(questions) >= 40
    places = [[option.correct for option in question.shuffled].index(True) for question in questions]
    counts = [len(question.options) for question in questions]
    assert [place for place in range(max(counts)) if chance(places, counts, place) < RARE] == []


def test_a_place_that_gives_the_answer_away_is_caught():
    assert chance([0] * 42, [3] * 42, 0) < RARE
    assert chance([0] * 26 + [1] * 16, [3] * 42, 0) < RARE
    assert chance([0, 1, 2] * 14, [3] * 42, 0) == pytest.approx(0.5, abs=0.1)
    assert chance([0, 0], [2, 4], 0) == 1 / 8
