"""Decide on data: what was observed beside what was expected, in numbers that are already plain.

The judge never holds a student's object, so none of its tricks (an `__eq__` that always agrees) can reach it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from course_lib.checks.problem import Answer, Array, Failure, StoredCase, StoredProblem, Tolerance
from course_lib.checks.verdicts import Correct, Incorrect, NotAttempted, Verdict

EXACT = Tolerance(0.0, 0.0)
PLACES = ("first", "second", "third")
CUT_OFF = (" Your loss is cut off from it: `.item()`, `.detach()`, `.numpy()`, `float(...)`, `tensor(...)` and "
           "`no_grad` do that.")
NOT_FINITE = {
    "NaN": "0 / 0, infinity minus infinity or times zero, or the root of a negative number; in a gradient also a root "
           "at 0, where its slope is infinite",
    "infinite": "a division by zero, the logarithm of zero, or minus infinity where a softmax has its right answer",
}
MATCHES_WITHIN = 2.0   # tolerances; wrong answers lie 5 apart and 5 from the right ones, so one at most fits


def judge(case: StoredCase, answer: Answer) -> Verdict:
    """Judge one answer: it is correct if every expected array is there, with its shape, finite, and within the
    tolerance."""
    if isinstance(answer, Failure):
        outcome = NotAttempted if answer.kind == "not attempted" else Incorrect
        return outcome(answer.message, answer.place)
    for name, expected in case.expected.items():
        what = case.words.get(name, name)
        if why := _objection(what, expected, answer.get(name), case.tolerances.get(name), case.letters.get(name)):
            return Incorrect(f"Case {case.name!r}: {why}")
    return Correct("it agrees.")


def diagnose(task: StoredProblem, answers: Sequence[Answer]) -> Verdict:
    """Judge all cases together: correct, a misconception that explains every answer, or the first difference."""
    verdicts = [judge(case, answer) for case, answer in zip(task.cases, answers, strict=True)]
    wrong = [verdict for verdict in verdicts if not isinstance(verdict, Correct)]
    if not wrong:
        return Correct(f"all {len(task.cases)} cases agree.")
    for verdict in wrong:
        if isinstance(verdict, NotAttempted):
            return verdict
    for misconception, message in task.messages.items():
        if all(distance(case, answer, case.wrong[misconception], task.decisive.get(misconception)) <= MATCHES_WITHIN
               for case, answer in zip(task.cases, answers, strict=True)):
            return Incorrect(message, wrong[0].place)
    return wrong[0]


def distance(case: StoredCase, answer: Answer, other: Answer, names: Sequence[str] | None = None) -> float:
    """Measure how far two answers are apart, in tolerances of the case: up to 1 is the same, infinity is another kind.

    With `names`, only the arrays of these names are compared.
    """
    if isinstance(answer, Failure) or isinstance(other, Failure):
        same = (isinstance(answer, Failure) and isinstance(other, Failure)
                and (answer.kind, answer.message) == (other.kind, other.message))
        return 0.0 if same else np.inf
    if answer.keys() != other.keys():
        return np.inf
    return max(_apart(answer[name], other[name], case.tolerances.get(name)) for name in names or other)


def _apart(a: Array, b: Array, tolerance: Tolerance | None) -> float:
    if not (_is_plain(a) and _is_plain(b)) or a.shape != b.shape:
        return np.inf
    finite = np.isfinite(b)
    if not np.array_equal(np.isfinite(a), finite) or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return np.inf
    error = _error(a[finite], b[finite], tolerance)
    return float(error.max(initial=0.0))


def _error(a: Array, b: Array, tolerance: Tolerance | None) -> Array:
    """|a - b| in units of the tolerance at b; whole numbers must be equal."""
    tolerance = (tolerance or Tolerance()) if b.dtype.kind == "f" else EXACT
    a, b = a.astype(np.float64), b.astype(np.float64)
    difference, allowed = np.abs(a - b), tolerance.absolute + tolerance.relative * np.abs(b)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(difference == 0, 0.0, difference / allowed)


def _is_plain(a: object) -> bool:
    return type(a) is np.ndarray and a.dtype.kind in "biuf"


def _objection(what: str, expected: Array, answer: Array | None, tolerance: Tolerance | None,
               letters: str | None) -> str:
    """What to tell the student about this answer; nothing if it is right."""
    if answer is None:
        return f"{what} is missing.{CUT_OFF if 'gradient' in what else ''}"
    if not _is_plain(answer):
        return f"{what} is not made of real numbers ({getattr(answer, 'dtype', type(answer).__name__)})."
    if answer.shape != expected.shape:
        return f"{what} has the shape {answer.shape}; expected {_shape(expected, letters)}."
    if not np.isfinite(answer).all():
        kind = "NaN" if np.isnan(answer).any() else "infinite"
        return f"{what} is not finite ({kind}{_at(~np.isfinite(answer))}). Usual causes: {NOT_FINITE[kind]}."
    error = _error(answer, expected, tolerance)
    if error.max(initial=0.0) <= 1:
        return ""
    a, b = answer.astype(np.float64), expected.astype(np.float64)
    whole = (" Yours are whole numbers: was something rounded, or divided with //?"
             if answer.dtype.kind in "biu" and expected.dtype.kind == "f" and expected.size > 1 else "")
    if expected.dtype.kind == "b" and expected.size == 1:
        return f"it should {'' if expected else 'not '}hold that {what}."
    if a.size == 1:
        return f"{what} is {_beside(a.item(), b.item())}.{whole}"
    if a.shape in ((2,), (3,)):
        wrong = [f"the {PLACES[place]} is {_beside(a[place], b[place])}" for place in np.flatnonzero(error > 1)]
        return f"of the {a.size} numbers of {what} {'; '.join(wrong)}.{whole}"
    difference = np.abs(a - b)
    return (f"{what} differs in {int((error > 1).sum())} of {a.size} numbers, most by "
            f"{np.max(difference):.2g}{_at(difference == np.max(difference))}. Yours lie between {np.min(a):.2g} and "
            f"{np.max(a):.2g}, the right ones between {np.min(b):.2g} and {np.max(b):.2g}.{whole}")


def _shape(expected: Array, letters: str | None) -> str:
    if expected.ndim == 0:
        return "one number, a scalar ()"
    names = letters.split() if letters else []
    if all(name.isdigit() for name in names):   # the numbers say as much
        return f"{expected.shape}"
    return f"({', '.join(names)}{',' if len(names) == 1 else ''}) = {expected.shape}"


def _beside(a: float, b: float) -> str:
    return f"{a:.4g}, which is too {'large' if a > b else 'small'}{_factor(a, b)}"


def _at(where: Array) -> str:
    return f" at index {tuple(int(i) for i in np.argwhere(where)[0])}" if where.ndim else ""


def _factor(a: float, b: float) -> str:
    if a * b <= 0:
        return ""
    factor = max(a / b, b / a)
    return f" by a factor of about {factor:.2g}" if factor >= 1.1 else " by a few per cent or less"
