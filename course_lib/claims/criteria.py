"""What a claim may ask of the metrics that its experiment measured.

Each function makes a criterion, which gets one row of metrics per seed and returns a `Verdict` with its numbers. `over`
says what has to pass: the value at every seed, the mean of the seeds, or the whole 95 % interval of that mean.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from course_lib.claims.ledger import LedgerError, Verdict, number

Row = Mapping[str, float]
Criterion = Callable[[Sequence[Row]], Verdict]
Over = Literal["every seed", "the mean", "the 95 % interval"]


@dataclass(frozen=True)
class Metric:
    """A metric that is stored under its name, or a value that `of` computes from a row.

    Differences, ratios, multiples and absolute values of metrics are metrics too, and their names say how.

    >>> change = abs(Metric("new") / "old" - 1)
    >>> change.name, change({"new": 3.0, "old": 4.0})
    ('|(new / old) - 1|', 0.25)
    """

    name: str
    of: Callable[[Row], float] | None = None

    def __call__(self, row: Row) -> float:
        return row[self.name] if self.of is None else self.of(row)

    def __sub__(self, other: str | float | Metric) -> Metric:
        other = _metric(other)
        return Metric(f"{self._part} - {other._part}", lambda row: self(row) - other(row))

    def __truediv__(self, other: str | Metric) -> Metric:
        other = _metric(other)
        return Metric(f"{self._part} / {other._part}", lambda row: self(row) / other(row))

    def __rmul__(self, factor: float) -> Metric:
        return Metric(f"{factor:g} * {self._part}", lambda row: factor * self(row))

    def __abs__(self) -> Metric:
        return Metric(f"|{self.name}|", lambda row: abs(self(row)))

    @property
    def _part(self) -> str:
        """The name within a longer one."""
        return f"({self.name})" if " " in self.name and not self.name.startswith("|") else self.name


def bound(
    *metrics: str | Metric,
    above: float = -math.inf,
    at_least: float = -math.inf,
    at_most: float = math.inf,
    below: float = math.inf,
    over: Over = "every seed",
) -> Criterion:
    """Ask that every one of the metrics lies within the limits.

    >>> bound("psnr", above=29.0)([{"psnr": 29.5}, {"psnr": 29.0}])
    Verdict(holds=False, because='psnr 29.25 (29.00 to 29.50); needed of every seed: above 29')
    """
    limits = {"above": above, "at least": at_least, "at most": at_most, "below": below}
    needed = " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if math.isfinite(limit))
    if not metrics or not needed:
        raise LedgerError("`bound` needs a metric and a limit: without them every measurement would pass")

    def judge(rows: Sequence[Row]) -> Verdict:
        found = _found(metrics, rows)
        passes = (above < value < below and at_least <= value <= at_most
                  for _, values in found for value in _asked(values, over))
        return Verdict(all(passes), f"{_said(found, over)}; needed of {over}: {needed}")

    return judge


def exceeds(
    larger: str | Metric, smaller: str | Metric, *, by: float = 0.0, over: Over = "the 95 % interval"
) -> Criterion:
    """Ask that one metric is above another by more than `by`: so does the whole 95 % interval of their difference.

    >>> exceeds("dncnn", "nlm", by=1.0)([{"dncnn": 29.0, "nlm": 27.5}, {"dncnn": 29.2, "nlm": 27.7}]).holds
    True
    >>> exceeds("dncnn", "nlm", by=1.0)([{"dncnn": 29.0, "nlm": 27.5}, {"dncnn": 29.0, "nlm": 27.9}]).because
    'dncnn 29.00 - nlm 27.70 = 1.30 (95 % interval -1.24 to 3.84); needed of the 95 % interval: above 1'
    """

    def judge(rows: Sequence[Row]) -> Verdict:
        found = _found((larger, smaller), rows)
        gaps = [high - low for high, low in zip(*(values for _, values in found), strict=True)]
        said = " - ".join(f"{metric._part} {number(statistics.fmean(values))}" for metric, values in found)
        return Verdict(all(gap > by for gap in _asked(gaps, over)),
                       f"{said} = {_spread(gaps, over)}; needed of {over}: above {by:g}")

    return judge


def growing(*metrics: str | Metric, over: Over = "every seed") -> Criterion:
    """Ask that each metric is larger than the one named before it.

    >>> growing("five", "ten")([{"five": 1.0, "ten": 1.5}, {"five": 1.1, "ten": 1.6}])
    Verdict(holds=True, because='five 1.05 (1.00 to 1.10), ten 1.55 (1.50 to 1.60); needed of every seed: growing')
    """
    if len(metrics) < 2:
        raise LedgerError("`growing` needs two metrics or more: one alone would always pass")

    def judge(rows: Sequence[Row]) -> Verdict:
        found = _found(metrics, rows)
        steps = ([b - a for a, b in zip(low, high, strict=True)] for (_, low), (_, high) in pairwise(found))
        return Verdict(all(value > 0 for step in steps for value in _asked(step, over)),
                       f"{_said(found, over)}; needed of {over}: growing")

    return judge


def together(*criteria: Criterion) -> Criterion:
    """Ask for all of some criteria."""
    if not criteria:
        raise LedgerError("`together` needs a criterion: without one every measurement would pass")

    def judge(rows: Sequence[Row]) -> Verdict:
        verdicts = [criterion(rows) for criterion in criteria]
        return Verdict(all(v.holds for v in verdicts), "; ".join(v.because for v in verdicts))

    return judge


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Compute the 95 % interval of the mean of some values, by Student's t: three values leave it wide, one leaves it
    open.

    >>> tuple(round(end, 3) for end in interval([1.0, 2.0, 3.0]))                     # 2 -+ 4.303 / sqrt(3)
    (-0.484, 4.484)
    """
    from scipy.special import stdtrit

    if len(values) < 2 or not all(map(math.isfinite, values)):
        return -math.inf, math.inf
    mean = statistics.fmean(values)
    half = float(stdtrit(len(values) - 1, 0.975)) * statistics.stdev(values) / math.sqrt(len(values))
    return mean - half, mean + half


def _metric(of: str | float | Metric) -> Metric:
    if isinstance(of, Metric):
        return of
    return Metric(of) if isinstance(of, str) else Metric(f"{of:g}", lambda row: of)


def _found(metrics: Sequence[str | Metric], rows: Sequence[Row]) -> list[tuple[Metric, list[float]]]:
    """Each metric with its value at every seed."""
    return [(metric, [metric(row) for row in rows]) for metric in map(_metric, metrics)]


def _asked(values: Sequence[float], over: Over) -> Sequence[float]:
    """The numbers that have to pass."""
    if over == "every seed":
        return values
    if over == "the mean":
        return [statistics.fmean(values)]
    if over == "the 95 % interval":
        return interval(values)
    raise LedgerError(f"a criterion asks over {', '.join(get_args(Over))}, not over {over!r}")


def _spread(values: Sequence[float], over: Over) -> str:
    """The mean, with the lowest and the highest value or with its interval."""
    low, high = (min(values), max(values)) if over == "every seed" else interval(values)
    kind = "" if over == "every seed" else "95 % interval "
    return f"{number(statistics.fmean(values))} ({kind}{number(low)} to {number(high)})"


def _said(found: Sequence[tuple[Metric, Sequence[float]]], over: Over) -> str:
    return ", ".join(f"{metric.name} {_spread(values, over)}" for metric, values in found)
