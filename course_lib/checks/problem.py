"""What a problem is, and the plain data that travels between its parts.

    Problem  -- cases -->  Case  -- probe, beside the student's code -->  arrays or a Failure  -- judge -->  Verdict

A Problem is the instructor's and lives in `exercises/src`. What students install holds StoredProblems: arrays and
sentences that `tools/exercises.py` computed from it, and no solution.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Array = np.ndarray
Kind = Literal["not attempted", "raised", "returned nothing", "wrong type", "wrong shape", "signature",
               "changed an input", "hidden weights", "not finite", "no gradient"]


@dataclass(frozen=True)
class Failure:
    """The student's code gave no answer: what happened, in words for the student, and at which of their lines."""

    kind: Kind
    message: str
    place: str = ""   # the student's own line; never stored


Answer = Mapping[str, Array] | Failure


@dataclass(frozen=True)
class Tolerance:
    """Floats agree if |a - b| <= absolute + relative |b|."""

    relative: float = 1e-4
    absolute: float = 1e-5


@dataclass(frozen=True)
class Case:
    """One question put to the student's code: plain arrays, and how exactly its answers must agree.

    Arrays without axes reach the student's code as numbers, by keyword; the others as tensors, in this order.
    `letters` name the axes of an answer, `tolerances` are per answer; both by the names that the probe gives them.
    """

    name: str
    inputs: Mapping[str, Array]
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    letters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """An edition of a problem: the public one that `check` uses, or another one drawn from another name."""

    name: str = "practice"

    def numbers(self, seed: int, *names: str) -> np.random.RandomState:
        """Make the stream of random numbers of this variant; numpy promises that RandomState never changes."""
        digest = hashlib.sha256(repr((self.name, seed, *names)).encode()).digest()
        return np.random.RandomState(int.from_bytes(digest[:4], "big"))


@dataclass(frozen=True)
class Mutant:
    """A wrong solution that students do write, the belief behind it, and what to tell them.

    Its answers are recognised by all that the probe observes, or, where the rest depends on chance, by what is
    `decisive` only.
    """

    solution: Callable[..., Any]
    misconception: str
    message: str
    decisive: tuple[str, ...] = ()


def mutant(misconception: str, message: str, *,
           decisive: tuple[str, ...] = ()) -> Callable[[Callable[..., Any]], Mutant]:
    """Turn the function or class below into a Mutant; a wrong solution of one expression can be a lambda instead.

    >>> @mutant("not averaged", "You add the pixels up; divide by their number.")
    ... def summed(z, y):
    ...     return (z - y).square().sum()
    >>> summed.misconception
    'not averaged'
    """
    return lambda solution: Mutant(solution, misconception, message, decisive)


@dataclass(frozen=True)
class Problem:
    """One exercise, complete: the student's text, the right and the wrong solutions, and how to tell them apart."""

    id: str
    points: int
    goal: str
    statement: str
    stub: str
    reference: Callable[..., Any]
    alternates: tuple[Callable[..., Any], ...]
    mutants: tuple[Mutant, ...]
    cases: Callable[[Variant, int], list[Case]]
    probe: Callable[[object, Case], dict[str, Array]]   # one of probes.PROBES
    hints: tuple[str, ...]
    blocked: tuple[str, ...] = ()                       # library modules hidden while it is graded

    @property
    def entry(self) -> str:
        """The name that the student defines, the same as the reference's."""
        return self.reference.__name__


@dataclass(frozen=True)
class StoredCase(Case):
    """A case with its expected answers, and what each misconception answers to it."""

    expected: Mapping[str, Array] = field(default_factory=dict)
    wrong: Mapping[str, Answer] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)   # what each answer is, from the probe


@dataclass(frozen=True)
class StoredProblem:
    """What `check` knows of a problem: data only."""

    id: str
    entry: str
    goal: str
    points: int
    probe: str
    hints: tuple[str, ...]
    messages: Mapping[str, str]    # misconception -> what to tell the student; the first that fits is told
    decisive: Mapping[str, tuple[str, ...]]    # misconception -> the observations to recognise it by, if not all
    cases: tuple[StoredCase, ...]
