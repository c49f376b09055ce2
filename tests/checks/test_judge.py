"""The judge's promises, each with broken judges that they must catch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from course_lib.checks import judge, stored
from course_lib.checks.problem import Failure, StoredCase, StoredProblem, Tolerance
from course_lib.checks.verdicts import Correct, Incorrect, NotAttempted

EXPECTED = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
CASE = StoredCase("a case", {}, {"a": Tolerance(1e-3, 1e-3)}, {"a": "H W"}, expected={"a": EXPECTED, "b": np.array(7)})
RIGHT = {"a": EXPECTED, "b": np.array(7)}


def changed(index, by):
    array = EXPECTED.copy()
    array[index] += by
    return array


class Liar(np.ndarray):
    def __sub__(self, other):
        return np.zeros(self.shape)


# what is observed, and what the judge must say of it
PROMISES = {
    "equal": (RIGHT, Correct),
    "within the tolerance": (RIGHT | {"a": EXPECTED * 1.0005}, Correct),
    "of another float type": (RIGHT | {"a": EXPECTED.astype(np.float32)}, Correct),
    "whole numbers that are right": (RIGHT | {"a": EXPECTED.astype(np.int64)}, Correct),
    "one number wrong": (RIGHT | {"a": changed((1, 2), 0.1)}, Incorrect),
    "one number slightly too small": (RIGHT | {"a": changed((0, 0), -0.01)}, Incorrect),
    "all numbers wrong": (RIGHT | {"a": -EXPECTED}, Incorrect),
    "a NaN": (RIGHT | {"a": changed((0, 1), np.nan)}, Incorrect),
    "only NaN": (RIGHT | {"a": np.full((2, 3), np.nan)}, Incorrect),
    "an infinity": (RIGHT | {"a": changed((0, 1), np.inf)}, Incorrect),
    "transposed": (RIGHT | {"a": EXPECTED.T}, Incorrect),
    "an axis too many": (RIGHT | {"a": EXPECTED[None]}, Incorrect),
    "a row that would broadcast": (RIGHT | {"a": EXPECTED[:1]}, Incorrect),
    "complex": (RIGHT | {"a": EXPECTED.astype(complex)}, Incorrect),
    "text": (RIGHT | {"a": EXPECTED.astype(str)}, Incorrect),
    "objects": (RIGHT | {"a": EXPECTED.astype(object)}, Incorrect),
    "a lying subclass": (RIGHT | {"a": (-EXPECTED).view(Liar)}, Incorrect),
    "a missing answer": ({"a": EXPECTED}, Incorrect),
    "a wrong second answer": (RIGHT | {"b": np.array(8)}, Incorrect),
    "a count that is almost right": (RIGHT | {"b": np.array(7.0001)}, Incorrect),
    "an exception": (Failure("raised", "NameError"), Incorrect),
    "an untouched stub": (Failure("not attempted", "nothing yet"), NotAttempted),
}


def kept(judge_one) -> set[str]:
    """The promises that a judge keeps; an exception keeps none."""
    result = set()
    for name, (answer, outcome) in PROMISES.items():
        try:
            if type(judge_one(CASE, answer)) is outcome:
                result.add(name)
        except Exception:
            continue
    return result


def broken(agree):
    """A judge that compares arrays in its own way."""
    def one(case, answer):
        if isinstance(answer, Failure):
            return judge.judge(case, answer)
        same = all(name in answer and agree(answer[name], b) for name, b in case.expected.items())
        return Correct("") if same else Incorrect("")
    return one


BROKEN = {
    "a single number suffices": lambda a, b: bool((a == b).any()),
    "exact equality": lambda a, b: a.shape == b.shape and bool((a == b).all()),
    "NaN passes, as no error is above the limit": lambda a, b: a.shape == b.shape and not (abs(a - b) > 0.01).any(),
    "NaN is set to zero error": lambda a, b: a.shape == b.shape and np.nanmax(abs(a - b), initial=0) < 0.007,
    "shapes may broadcast": lambda a, b: bool(np.isclose(a, b, rtol=1e-3).all()),
    "the sign of the error is lost": lambda a, b: a.shape == b.shape and bool((a - b <= 0.007).all()),
    "the mean error decides": lambda a, b: a.shape == b.shape and abs((a - b).mean()) < 0.02,
    "the count may be rounded": lambda a, b: a.shape == b.shape and a.dtype.kind in "biuf" and type(a) is np.ndarray
    and bool(np.allclose(a, b, rtol=1e-3, atol=1e-3)),
    "everything is right": lambda a, b: True,
}


def test_the_judge_keeps_every_promise():
    assert kept(judge.judge) == set(PROMISES)


@pytest.mark.parametrize("agree", BROKEN.values(), ids=list(BROKEN))
def test_the_promises_catch_a_broken_judge(agree):
    assert kept(broken(agree)) < set(PROMISES)


def test_a_judge_that_looks_at_the_first_answer_only_is_caught():
    def first(case, answer):
        return judge.judge(StoredCase("", {}, case.tolerances, expected={"a": EXPECTED}), answer)

    assert kept(first) < set(PROMISES)


floats = arrays.arrays(np.float64, arrays.array_shapes(max_dims=3, max_side=4), elements=st.floats(-1e3, 1e3, width=32))


@settings(max_examples=60, deadline=None)
@given(floats, st.floats(-3, 3), st.data())
def test_a_change_counts_exactly_if_it_exceeds_the_tolerance(expected, size, data):
    case = StoredCase("", {}, {"a": Tolerance(1e-2, 1e-2)}, expected={"a": expected})
    index = data.draw(st.tuples(*(st.integers(0, n - 1) for n in expected.shape)))
    answer = expected.copy()
    answer[index] += size * (1e-2 + 1e-2 * abs(expected[index]))
    if abs(abs(size) - 1) > 1e-6:
        assert isinstance(judge.judge(case, {"a": answer}), Correct) == (abs(size) < 1)


@settings(max_examples=60, deadline=None)
@given(floats, st.sampled_from([np.nan, np.inf, -np.inf]), st.data())
def test_what_is_not_finite_is_never_correct_even_where_it_is_stored(expected, bad, data):
    index = data.draw(st.tuples(*(st.integers(0, n - 1) for n in expected.shape)))
    answer = expected.copy()
    answer[index] = bad
    for stored_as in (expected, answer):
        case = StoredCase("", {}, expected={"a": stored_as})
        assert type(judge.judge(case, {"a": answer})) is Incorrect


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["float32", "float64", "int64", "bool"]), st.data())
def test_a_stored_input_reads_back_as_the_very_same_array(dtype, data):
    array = data.draw(arrays.arrays(np.dtype(dtype), arrays.array_shapes(min_dims=0, max_dims=4, max_side=3)))
    case = StoredCase("", {"z": array, "a": array[None]}, expected={"q": np.ones(2), "b": np.zeros(1)})
    task = StoredProblem("p", "f", "g", 1, "result", (), {}, {}, (case,))
    back = stored.decode(stored.encode(task)).cases[0]
    assert list(back.inputs) == ["z", "a"] and list(back.expected) == ["q", "b"]
    assert back.inputs["z"].dtype == array.dtype and back.inputs["z"].shape == array.shape
    np.testing.assert_array_equal(back.inputs["z"], array)


# Diagnosis over several cases ---------------------------------------------------------------------------------------


def task_with(*wrong, message="told", decisive=()):
    """A problem whose cases expect a = 1, 2, ... and know the answers of one misconception."""
    cases = tuple(StoredCase(f"case {i}", {}, expected={"a": np.array(1.0 + i)}, wrong={"belief": answer})
                  for i, answer in enumerate(wrong))
    return StoredProblem("p", "f", "g", 1, "result", (), {"belief": message}, {"belief": decisive}, cases)


def answers(*numbers):
    return [{"a": np.array(number)} for number in numbers]


def test_a_misconception_has_to_explain_every_case():
    task = task_with(*answers(-1.0, -2.0))
    assert judge.diagnose(task, answers(-1.0, -2.0)).why == "told"
    other = judge.diagnose(task, answers(-1.0, 9.0))
    assert type(other) is Incorrect and other.why.startswith("Case 'case 0'")


def test_a_misconception_that_is_right_in_one_case_is_found_by_the_other():
    task = task_with(*answers(1.0, 4.0))
    assert judge.diagnose(task, answers(1.0, 4.0)).why == "told"
    assert type(judge.diagnose(task, answers(1.0, 2.0))) is Correct


def test_a_misconception_with_a_decisive_observation_is_recognised_by_it_alone():
    wrong = {"a": np.array(1.0), "stuck": np.array(1.0)}
    seen = [{"a": np.array(7.0), "stuck": np.array(1.0)}]
    assert judge.diagnose(task_with(wrong, decisive=("stuck",)), seen).why == "told"
    assert judge.diagnose(task_with(wrong), seen).why != "told"
    assert judge.diagnose(task_with(wrong, decisive=("stuck",)), [{"a": np.array(7.0)}]).why != "told"


def test_the_same_failure_is_recognised_and_another_one_is_not():
    task = task_with(Failure("raised", "IndexError: 3"))
    for failure, says in ((Failure("raised", "IndexError: 3", "line 2"), "told"),
                          (Failure("raised", "KeyError: 3", "line 2"), "KeyError: 3")):
        verdict = judge.diagnose(task, [failure])
        assert verdict.why == says and verdict.place == "line 2"


def test_a_missing_gradient_is_told_what_cuts_it_off():
    case = StoredCase("case", {}, expected={"gradient": np.ones(2)}, words={"gradient": "the gradient of the loss"})
    assert "`.item()`" in judge.judge(case, {}).why
    assert judge.judge(StoredCase("case", {}, expected={"a": np.ones(2)}), {}).why.endswith("a is missing.")


def test_of_two_numbers_the_wrong_one_is_named_and_its_answer_is_not():
    case = StoredCase("case", {}, expected={"a": np.array([0.5, 8.25])}, words={"a": "your answer"})
    why = judge.judge(case, {"a": np.array([0.5, 2.75])}).why
    assert "of the 2 numbers of your answer the second is 2.75, which is too small by a factor of about 3" in why
    assert "first" not in why and "8.25" not in why


def test_a_shape_is_named_as_python_writes_it():
    case = StoredCase("case", {}, expected={"a": np.zeros(8)}, letters={"a": "N"})
    assert "expected (N,) = (8,)" in judge.judge(case, {"a": np.zeros(3)}).why


def test_the_judge_imports_no_torch_and_no_probe(root):
    source = (root / "course_lib" / "checks" / "judge.py").read_text()
    assert "torch" not in source and "probes" not in source
