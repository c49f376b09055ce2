"""What a lecture quotes of the ledger: numbers for its tables, bars and lines, and a note on their origin.

    ablation = cite("dncnn-ablation")
    figures.bars(ablation.rows(kinds, norms), xlabel="PSNR (dB)", note=ablation)

A caption says what to see; who asks for the origin of the numbers unfolds the note below it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, Literal

from course_lib.arguments import suggest
from course_lib.claims import discover, select
from course_lib.claims.answers import Comparison, counted
from course_lib.claims.criteria import interval
from course_lib.claims.ledger import REPORTING, Claim, Experiment, LedgerError, first_seeds, measured, results
from course_lib.profiles import Profile

_Names = Mapping[str, object] | Iterable[str]
_Points = list[float | None]


def cite(what: Claim | Experiment | str, *, profile: Profile = "lecture", root: Path | None = None) -> Cited:
    """Quote what is stored of an experiment at its reporting seeds; nothing is measured.

    `what` is an experiment, or one of its claims, or the id of one of them. A claim quotes the metrics of its
    experiment, and the note names that claim alone.
    """
    claims: tuple[Claim, ...]
    if isinstance(what, Claim):
        experiment, claims = what.experiment, (what,)
    elif isinstance(what, Experiment):
        experiment, claims = what, tuple(claim for claim in discover() if claim.experiment == what)
    else:
        claims = select(discover(), [what])
        experiment = claims[0].experiment
        if several := sorted({claim.experiment.id for claim in claims} - {experiment.id}):
            raise LedgerError(f"{what!r} has several experiments, {experiment.id} and {', '.join(several)}: cite one")
    metrics = measured(experiment.id, profile, root=root)
    seeds = [result.seed for result in results(experiment.id, profile, root=root) if result.seed >= REPORTING]
    return Cited(experiment.id, profile, tuple(seeds), tuple(metrics), claims)


@dataclass(frozen=True, eq=False)
class Cited:
    """The metrics of an experiment by name, each as its mean over the seeds. A notebook shows the note, folded.

    `results` has the metrics of each seed. `row`, `rows` and `lines` find metrics by a pattern: in "{}_at_{}" the row
    "bn" and the column 15 are the metric "bn_at_15". Names are {label: part of the pattern}, or only parts where they
    are the labels too; `times` is a factor on the values, 100 for per cent.

    >>> rows = {"bn_at_15": 30.0, "nlm_at_15": 28.0}, {"bn_at_15": 31.0, "nlm_at_15": 28.0}
    >>> found = Cited("toy", "lecture", (100, 101), rows, claims=())
    >>> found["bn_at_15"]
    30.5
    >>> found.row({"with norm": "bn", "a filter": "nlm"}, "{}_at_15")
    {'with norm': 30.5, 'a filter': 28.0}
    >>> found.rows({"with norm": "bn"}, {"σ = 15": 15}, "{}_at_{}")
    {'with norm': {'σ = 15': 30.5}}
    >>> found.lines({"with norm": "bn"}, (15, 25), "{}_at_{}", spread="range")
    {'with norm': ([30.5, None], [30.0, None], [31.0, None])}
    >>> print(found.text)
    Measured over two seeds: `toy`. Seeds 100 to 101, profile lecture.
    """

    experiment: str
    profile: Profile
    seeds: tuple[int, ...]
    results: Sequence[dict[str, float]]
    claims: tuple[Claim, ...]

    # --- numbers ------------------------------------------------------------------------------------------------------

    def __getitem__(self, metric: str) -> float:
        return statistics.fmean(self._values(metric))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of all metrics."""
        return tuple(self.results[0])

    @property
    def paper(self) -> dict[str, float]:
        """The values that the paper prints, by the names of the metrics they belong to."""
        return {metric: value for claim in self.claims for metric, value in claim.paper.items()}

    def interval(self, metric: str | Callable[[dict[str, float]], float]) -> tuple[float, float]:
        """Compute the 95 % interval of the mean of a metric, or of a function of the metrics of one seed."""
        return interval(self._values(metric) if isinstance(metric, str) else [metric(row) for row in self.results])

    def compare(self, one: str, other: str, *, lower: bool = False, limit: float = 0.0) -> Comparison:
        """Compare two metrics seed by seed; `lower` says that the lower one is better, `limit` what counts as none."""
        sign = -1 if lower else 1
        return Comparison([sign * (a - b) for a, b in zip(self._values(one), self._values(other), strict=True)], limit)

    def row(self, names: _Names, pattern: str = "{}", *, times: float = 1, paper: bool = False) -> dict[str, float]:
        """Return the means of some metrics by label, for bars or a row of a table; with `paper`, the values of the
        paper."""
        source = self.paper if paper else {metric: self[metric] for metric in self.metrics}
        metrics = {label: pattern.format(part) for label, part in _parts(names)}
        return {label: times * self._value(source, metric) for label, metric in metrics.items()}

    def rows(
        self, rows: _Names, columns: _Names, pattern: str = "{}_{}", *, times: float = 1, paper: bool = False
    ) -> dict[str, dict[str, float]]:
        """Return the means by row and column, for a table or bars in groups; with `paper`, the values of the paper."""
        return {
            label: self.row(
                {one: pattern.format(row, column) for one, column in _parts(columns)}, times=times, paper=paper
            )
            for label, row in _parts(rows)
        }

    def lines(
        self,
        names: _Names,
        places: Sequence[object],
        pattern: str = "{}_{}",
        *,
        times: float = 1,
        spread: Literal["range", "interval"] | None = None,
    ) -> dict[str, _Points | tuple[_Points, _Points, _Points]]:
        """Return the means of each name at all places, None where nothing was measured.

        With a `spread` a line is (means, lower ends, upper ends): of the lowest and highest value over the seeds, or of
        the 95 % interval of the mean.
        """
        found: dict[str, _Points | tuple[_Points, _Points, _Points]] = {}
        for label, name in _parts(names):
            metrics = [pattern.format(name, place) for place in places]
            if not set(metrics) & set(self.metrics):
                raise LedgerError(f"{self.experiment!r} has none of the metrics {', '.join(metrics)}")
            points = [self._point(metric, times, spread) for metric in metrics]
            means, low, high = ([point[part] for point in points] for part in range(3))
            found[label] = (means, low, high) if spread else means
        return found

    def _point(self, metric: str, times: float, spread: str | None) -> tuple[float | None, float | None, float | None]:
        if metric not in self.metrics:
            return None, None, None
        values = self._values(metric)
        low, high = interval(values) if spread == "interval" else (min(values), max(values))
        return times * self[metric], times * low, times * high

    def _values(self, metric: str) -> list[float]:
        return [self._value(row, metric) for row in self.results]

    def _value(self, source: Mapping[str, float], metric: str) -> float:
        if metric not in source:
            hint = suggest(metric, source) or f"there are {', '.join(source)}"
            raise LedgerError(f"{self.experiment!r} has no metric {metric!r}: {hint}")
        return source[metric]

    # --- the note -----------------------------------------------------------------------------------------------------

    def about(self, *claims: str) -> Cited:
        """Return the same, with a note that names only these claims of the experiment."""
        by_id = {claim.id: claim for claim in self.claims}
        if unknown := [name for name in claims if name not in by_id]:
            hint = suggest(unknown[0], by_id) or f"there are {', '.join(by_id)}"
            raise LedgerError(f"no claim {unknown[0]!r} on the experiment {self.experiment!r}: {hint}")
        return replace(self, claims=tuple(by_id[name] for name in claims))

    @property
    def html(self) -> str:
        """The note, folded: how often was measured, and in it the seeds, the profile and the claims with verdicts."""
        claims = "".join(
            f"<li><code>{escape(claim.id)}</code> {self._verdict(claim)}: {escape(claim.sentence)}</li>"
            for claim in self.claims
        )
        return (
            f"<details><summary>{self._measured}: <code>{escape(self.experiment)}</code></summary>{self._where}"
            + (f"<ul>{claims}</ul>" if claims else "")
            + "</details>"
        )

    @property
    def text(self) -> str:
        """The note in plain text."""
        claims = [f"- `{claim.id}` {self._verdict(claim)}: {claim.sentence}" for claim in self.claims]
        return "\n".join([f"{self._measured}: `{self.experiment}`. {self._where}", *claims])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self.html, "text/plain": self.text}

    @property
    def _measured(self) -> str:
        return f"Measured over {counted(len(self.seeds))}"

    @property
    def _where(self) -> str:
        first, last = self.seeds[0], self.seeds[-1]
        together = list(self.seeds) == list(range(first, last + 1)) and first != last
        seeds = f"{first} to {last}" if together else ", ".join(map(str, self.seeds))
        return f"Seed{'s' * (first != last)} {seeds}, profile {self.profile}."

    def _verdict(self, claim: Claim) -> str:
        """What the stored results say of a claim; whether they are stale is for the report to say."""
        by_seed = dict(zip(self.seeds, self.results, strict=True))
        wanted = first_seeds(claim.seeds, report=True)
        if missing := [seed for seed in wanted if seed not in by_seed]:
            return f"is open (seed {missing[0]} is not measured)"
        return "holds" if claim.holds([dict(by_seed[seed]) for seed in wanted]).holds else "fails"


def _parts(names: _Names) -> list[tuple[str, object]]:
    """Labels, and what stands for them in a pattern."""
    return list(names.items()) if isinstance(names, Mapping) else [(name, name) for name in names]
