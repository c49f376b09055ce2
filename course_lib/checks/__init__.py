"""Tell students at once whether their answer is right, and if not, which belief led astray.

>>> from course_lib.checks import check
>>> check("dncnn.residual_loss")
Not attempted yet: Write `residual_loss`, then run `check("dncnn.residual_loss", residual_loss)`.

Works wherever the package is installed: everything it knows is in `cases/*.json`.
A check runs in the student's own process without a time limit. It helps; it is not the grading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Final

from course_lib.checks import stored
from course_lib.checks.verdicts import Correct, Hint, Incorrect, NotAttempted, Verdict

__all__ = ["NOT_ATTEMPTED", "Correct", "Hint", "Incorrect", "NotAttempted", "Verdict", "check", "hint"]

NOT_ATTEMPTED: Final = object()
LONGEST_OUTPUT = 2000   # characters of what the student's code prints during a check
_hints_given: Counter[str] = Counter()


def check(problem: str, answer: object = NOT_ATTEMPTED) -> Verdict:
    """Judge an answer to a problem on its practice cases: correct, not attempted, or incorrect and why."""
    task = stored.load(problem)
    if answer is NOT_ATTEMPTED or answer is ...:
        return NotAttempted(f'write `{task.entry}`, then run `check("{problem}", {task.entry})`.')
    from course_lib.checks import judge, probes

    with _short_output():
        answers = [probes.observe(probes.PROBES[task.probe], answer, case) for case in task.cases]
    return judge.diagnose(task, answers)


def hint(problem: str, number: int | None = None) -> Hint:
    """Show the next hint for a problem, each says more than the last; or the one of that number, from 1."""
    hints = stored.load(problem).hints
    if number is None:
        _hints_given[problem] = number = min(_hints_given[problem] + 1, len(hints))
    if not 1 <= number <= len(hints):
        raise ValueError(f"there are hints 1 to {len(hints)} for {problem}, not {number}.")
    return Hint(hints[number - 1], number, len(hints))


class _Bounded(StringIO):
    """Keeps the first characters that are written to it, and forgets the rest."""

    def write(self, text: str) -> int:
        super().write(text[:max(0, LONGEST_OUTPUT + 1 - self.tell())])
        return len(text)


@contextmanager
def _short_output() -> Iterator[None]:
    """Show what the student's code prints, but not megabytes of it."""
    printed = _Bounded()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            yield
    finally:
        if text := printed.getvalue():
            print(text[:LONGEST_OUTPUT] + (" ... (the rest is not shown)" if len(text) > LONGEST_OUTPUT else ""))
