"""Answers to a lecture's predictions: one sentence that holds the number, written from the result.

    stored = cite("triplet-people")
    answer(stored.compare("triplet_eer", "classifier_eer", lower=True)
           .sentence("the distance learnt from triplets", "the classifier's", what="equal error rate", digits=3))

One rule of evidence decides the words. *Ahead* and *behind*: the 95 % interval of the difference lies on one side of
zero. *No difference*: the whole interval lies within a limit that was named before. Otherwise a difference is *not
shown*. Seeds are the sample.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from course_lib.claims.criteria import interval

Verdict = Literal["ahead", "behind", "no difference", "not shown"]
BOOK = "COURSE_BOOK"  # set where a run will be published: an answer that came out otherwise is an error there
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class CameOutOtherwise(AssertionError):
    """A live result contradicts the sentence that the page would print; the message has both."""


def counted(seeds: int) -> str:
    """Say how many seeds, in words up to ten.

    >>> counted(1), counted(3), counted(12)
    ('one seed', 'three seeds', '12 seeds')
    """
    return f"{_COUNTS[seeds] if seeds < len(_COUNTS) else seeds} seed{'s' * (seeds != 1)}"


@dataclass(frozen=True)
class Answer:
    """The answer to a prediction, as a notebook shows it."""

    text: str

    @property
    def html(self) -> str:
        return f'<p class="answer"><strong>Answer.</strong> {escape(self.text)}</p>'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self.html, "text/plain": f"Answer. {self.text}"}


def answer(sentence: str, *, holds: bool = True, otherwise: str = "") -> Answer:
    """Answer a prediction with a sentence that holds the number.

    A sentence on numbers that were computed just now says under which condition it `holds`; where it does not, the
    notebook prints `otherwise`. Where the run will be published, that is an error instead.

    >>> answer("The loss falls to 0.25.", holds=0.25 < 1).text
    'The loss falls to 0.25.'
    >>> answer("The loss falls.", holds=2 < 1, otherwise="In this run the loss rose to 2.").text
    'In this run the loss rose to 2.'
    """
    if holds:
        return Answer(sentence)
    if os.environ.get(BOOK):
        raise CameOutOtherwise(f"the page would say {sentence!r}, and this run says otherwise: {otherwise or 'no'}")
    return Answer(otherwise or f"Not in this run. Usually: {sentence[0].lower()}{sentence[1:]}")


@dataclass(frozen=True)
class Comparison:
    """How far one thing is ahead of another: a difference for each seed, above zero where the first is better.

    `limit` is the largest difference that counts as none; without it nothing is called equal.

    >>> Comparison((1.0, 1.2, 0.9)).verdict
    'ahead'
    >>> Comparison((0.01, -0.01, 0.0), limit=0.1).verdict
    'no difference'
    >>> Comparison((1.0, -1.0, 0.5)).sentence("the new network", "the old one", what="PSNR", unit="dB")
    'Whether the new network is ahead of the old one in PSNR is not shown: the difference is 0.17 dB in the mean \
(95 % interval -2.42 to 2.75, three seeds).'
    """

    differences: Sequence[float]
    limit: float = 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean difference."""
        return interval(self.differences)

    @property
    def verdict(self) -> Verdict:
        low, high = self.interval
        if -self.limit < low and high < self.limit:
            return "no difference"
        return "ahead" if low > 0 else "behind" if high < 0 else "not shown"

    def sentence(self, one: str, other: str, *, what: str, unit: str = "", digits: int = 2, verb: str = "is",
                 times: float = 1) -> str:
        """Say it in one sentence: who is ahead of whom in what, by how much, with the interval and the seeds."""
        low, high = (times * end for end in self.interval)
        mean = times * statistics.fmean(self.differences)

        def rounded(value: float) -> str:
            return f"{round(value, digits) + 0.0:.{digits}f}"           # no minus zero

        seeds = counted(len(self.differences))
        space = f" {unit}" if unit else ""
        ends = f"(95 % interval {rounded(low)} to {rounded(high)}, {seeds})" if math.isfinite(low) else f"({seeds})"
        verdict = self.verdict
        if verdict in ("ahead", "behind"):
            sign = 1 if verdict == "ahead" else -1
            ends = ends if sign > 0 else f"(95 % interval {rounded(-high)} to {rounded(-low)}, {seeds})"
            whom = f"ahead of {other}" if sign > 0 else f"behind {other}"
            text = f"{one} {verb} {whom} in {what}, by {rounded(sign * mean)}{space} {ends}."
            return text[0].upper() + text[1:]
        if verdict == "no difference":
            return (f"Between {one} and {other} there is no difference in {what}: it lies within "
                    f"{times * self.limit:g}{space} {ends}.")
        return (f"Whether {one} {verb} ahead of {other} in {what} is not shown: the difference is "
                f"{rounded(mean)}{space} in the mean {ends}.")
