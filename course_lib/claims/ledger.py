"""Write down what an experiment measured, and judge sentences by what is written down.

An `Experiment` is expensive and returns named metrics for one profile and one seed. A `Claim` is a sentence of the
course with a criterion over those metrics. `run` measures and stores; `status` judges what is stored and never
measures, so that the ledger can be read anywhere.

Results live in `results/<experiment>/<profile>.json`, a list of {seed, figures, fingerprint, stamp}. A result whose
fingerprint is not the one of today's code and data is stale. Seeds below 100 are for developing; the reporting seeds,
from 100 on, are measured only on request, so that nobody tunes a method on the metrics that the pages show.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from course_lib import files, manifest, profiles, provenance
from course_lib.profiles import Profile

REPORTING = 100  # the first reporting seed
_NAME = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*")
_PACKAGED = Path(__file__).resolve().parent.parent / "_results"  # where the wheel carries results/

Metrics = Mapping[str, float]
State = Literal["holds", "fails", "stale", "missing"]


class LedgerError(ValueError):
    """A result that cannot be stored, read or judged; the message says what to do."""


@dataclass(frozen=True)
class Verdict:
    """Whether a claim holds, and the numbers that say so."""

    holds: bool
    because: str


@dataclass(frozen=True)
class Experiment:
    """One expensive measurement that feeds several claims.

    `measure(profile, seed)` returns named, finite metrics and depends on nothing else; the profile is also in force.
    `uses` are the functions and classes whose change makes the metrics stale (`measure` itself is always among them),
    `data` the names of the data sets it reads, `weights` those of the trained weights. `times` are the metrics that
    say how long something took, which no two runs agree on.
    """

    id: str
    measure: Callable[[Profile, int], dict[str, float]]
    uses: tuple = ()
    data: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    times: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_name("experiment", self.id)

    def fingerprint(self) -> str:
        """Hash the code, data and weights that the metrics depend on."""
        return provenance.fingerprint(self.measure, *self.uses, data=self.data, weights=self.weights)


@dataclass(frozen=True, eq=False)
class Claim:
    """A sentence of the course and the criterion by which stored metrics decide it.

    `holds` gets one dictionary of metrics per seed, in the order of the seeds. `paper` has the source's own values
    under the names of the metrics they belong to; they are shown beside the measured ones and never judged.
    """

    id: str
    sentence: str
    source: str
    paper: dict[str, float]
    experiment: Experiment
    holds: Callable[[list[dict[str, float]]], Verdict]
    seeds: int = 3

    def __post_init__(self) -> None:
        _check_name("claim", self.id)
        if not self.sentence.strip() or not self.source.strip():
            raise LedgerError(f"claim {self.id!r} needs a sentence and a source")
        if self.seeds < 1:
            raise LedgerError(f"claim {self.id!r} needs at least one seed, not {self.seeds}")


@dataclass(frozen=True)
class Result:
    """What one run of an experiment left behind."""

    seed: int
    metrics: dict[str, float]
    fingerprint: str
    stamp: dict[str, object]
    confirmed: dict[str, object] | None = None  # how a later tree was shown to give the same (`confirm`)


@dataclass(frozen=True)
class Summary:
    """A metric over several seeds: mean, standard deviation (n - 1; zero for one seed), lowest and highest value."""

    n: int
    mean: float
    std: float
    low: float
    high: float

    def __str__(self) -> str:
        spread = f"{self.std:.2f}" if 0.1 <= abs(self.mean) < 1000 else number(self.std)  # digits as the mean has
        return f"{number(self.mean)} ± {spread}" if self.n > 1 else number(self.mean)


@dataclass(frozen=True, eq=False)
class Status:
    """Where a claim stands: its verdict on the stored metrics, and whether these are fresh."""

    claim: Claim
    profile: str
    seeds: tuple[int, ...]  # the seeds it was judged on
    metrics: dict[str, Summary]
    verdict: Verdict | None  # None: results are missing
    stale: bool
    because: str

    @property
    def state(self) -> State:
        if self.verdict is None:
            return "missing"
        if self.stale:
            return "stale"
        return "holds" if self.verdict.holds else "fails"


# --- seeds ------------------------------------------------------------------------------------------------------------


def first_seeds(count: int, *, report: bool = False) -> tuple[int, ...]:
    """List the first seeds of a kind: 0, 1, 2, ... for developing, 100, 101, 102, ... for reporting.

    >>> first_seeds(3), first_seeds(2, report=True)
    ((0, 1, 2), (100, 101))
    """
    first = REPORTING if report else 0
    return tuple(range(first, first + count))


# --- storing ----------------------------------------------------------------------------------------------------------


def run(
    experiment: Experiment,
    *,
    profile: Profile,
    seeds: Sequence[int],
    report: bool = False,
    force: bool = False,
    root: Path | None = None,
    on_seed: Callable[[int, bool], None] | None = None,
) -> list[Result]:
    """Measure an experiment at these seeds and store each result as soon as it is there.

    A fresh result is kept unless `force`; a stale one is replaced. An interruption loses only the seed in progress.
    `on_seed(seed, measured)` is told after each seed whether it was measured now or had been there.
    """
    if (early := [seed for seed in seeds if seed >= REPORTING]) and not report:
        raise LedgerError(
            f"seeds from {REPORTING} on are for reporting, and {early[0]} was asked for: develop on seeds 0, 1, 2, ..."
            " and measure the reporting seeds once, at the end, with --report"
        )
    if late := [seed for seed in seeds if seed < REPORTING and report]:
        raise LedgerError(f"a report is measured on seeds from {REPORTING} on, not on {late[0]}")
    today = experiment.fingerprint()
    path = _writable(experiment.id, profile, root)
    done: list[Result] = []
    for seed in seeds:
        kept = {} if force else {old.seed: old for old in _read(path) if old.fingerprint == today}
        result = kept.get(seed)
        if result is None:
            with profiles.using(profile):
                metrics = experiment.measure(profile, seed)
                stamp = asdict(provenance.stamp())
            result = Result(seed, _finite(metrics, experiment.id, seed), today, stamp)
            _write(path, [old for old in _read(path) if old.seed != seed] + [result])
        done.append(result)
        if on_seed is not None:
            on_seed(seed, seed not in kept)
    return done


def results(experiment_id: str, profile: Profile, *, root: Path | None = None) -> list[Result]:
    """Read all stored results of an experiment, by seed; an empty list where there are none."""
    for folder in _folders(root):
        path = folder / experiment_id / f"{profile}.json"
        if path.exists():
            return _read(path)
    return []


def rewrite(experiment_id: str, new_id: str, *, change: Callable[[Result], Result], root: Path | None = None) -> None:
    """Change the stored results of an experiment, and move them where its id changed."""
    for profile in profiles.PROFILES:
        path = _writable(experiment_id, profile, root)
        if rows := _read(path):
            _write(_writable(new_id, profile, root), map(change, rows))
            if new_id != experiment_id:
                path.unlink()
                if not any(path.parent.iterdir()):
                    path.parent.rmdir()


def measured(
    experiment_id: str, profile: Profile = "lecture", *, report: bool = True, root: Path | None = None
) -> list[dict[str, float]]:
    """Read the stored metrics of an experiment, one dictionary per reporting seed: what a lecture cites.

    With `report=False` those of the development seeds.
    """
    stored = [r.metrics for r in results(experiment_id, profile, root=root) if (r.seed >= REPORTING) == report]
    if not stored:
        kind = " --report" if report else ""
        raise LedgerError(
            f"nothing is stored for the experiment {experiment_id!r} at profile {profile!r}:"
            f" `course claims run {experiment_id} --profile {profile}{kind}` measures it"
        )
    return stored


# --- judging ----------------------------------------------------------------------------------------------------------


def status(
    claim: Claim, profile: Profile = "lecture", *, seeds: Iterable[int] | None = None, root: Path | None = None
) -> Status:
    """Judge a claim by what is stored, on its reporting seeds or on those given. Nothing is measured."""
    wanted = tuple(seeds) if seeds is not None else first_seeds(claim.seeds, report=True)
    stored = {r.seed: r for r in results(claim.experiment.id, profile, root=root) if r.seed in wanted}
    missing = [seed for seed in wanted if seed not in stored]
    found = [stored[seed] for seed in wanted if seed in stored]
    today = claim.experiment.fingerprint() if found else ""
    metrics = [dict(r.metrics) for r in found]
    base = Status(
        claim,
        profile,
        tuple(r.seed for r in found),
        summarise(metrics),
        None,
        any(r.fingerprint != today for r in found),
        "",
    )
    if missing or not wanted:
        command = f"course claims run {claim.experiment.id} --profile {profile}"
        command += " --report" if all(seed >= REPORTING for seed in wanted) else ""
        return replace(base, because=f"{len(found)} of {len(wanted)} seeds are stored: `{command}`")
    try:
        verdict = claim.holds(metrics)
    except KeyError as error:
        known = ", ".join(sorted(metrics[0]))
        verdict = Verdict(False, f"the claim asks for the metric {error}, the stored results have {known}")
    return replace(base, verdict=verdict, because=verdict.because)


def summarise(metrics: Sequence[Metrics]) -> dict[str, Summary]:
    """Compute the mean and the spread of every metric that all seeds have.

    >>> summarise([{"psnr": 29.0}, {"psnr": 31.0}])["psnr"].mean
    30.0
    """
    names = [name for name in (metrics[0] if metrics else {}) if all(name in row for row in metrics)]
    return {name: _summary([row[name] for row in metrics]) for name in names}


def number(value: float) -> str:
    """Format a number with two decimals, more digits for small values, none for large ones.

    >>> number(29.4567), number(0.0123), number(554112), number(0)
    ('29.46', '0.0123', '554112', '0.00')
    """
    if value and abs(value) < 0.1:
        return f"{value:.3g}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.2f}"


# --- files ------------------------------------------------------------------------------------------------------------


def _check_name(kind: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise LedgerError(
            f"the {kind} id {name!r} must be lower-case words joined by hyphens, such as 'dncnn-ablation'"
        )


def _finite(metrics: object, experiment_id: str, seed: int) -> dict[str, float]:
    """The metrics as plain floats in the order of their names; refuses everything else."""
    where = f"experiment {experiment_id!r}, seed {seed}"
    if not isinstance(metrics, Mapping) or not metrics:
        raise LedgerError(f"{where}: measure must return a dictionary of named metrics, it returned {metrics!r:.60}")
    plain = {}
    for name, value in metrics.items():
        try:
            plain[str(name)] = float(value)
        except (TypeError, ValueError):
            raise LedgerError(f"{where}: the metric {name!r} must be a number, it is {value!r:.60}") from None
    if bad := [name for name, value in plain.items() if not math.isfinite(value)]:
        raise LedgerError(
            f"{where}: the metric {bad[0]!r} is {plain[bad[0]]} and is not stored. Usual causes: a training that"
            " diverged (lower the learning rate), a mean over no images, the PSNR of two equal images"
        )
    return dict(sorted(plain.items()))


def _summary(values: Sequence[float]) -> Summary:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return Summary(len(values), statistics.fmean(values), spread, min(values), max(values))


def _folders(root: Path | None) -> list[Path]:
    """Where results may be read: the course's folder, then the copy in the installed package."""
    if root is not None:
        return [root / "results"]
    try:
        return [manifest.find_root() / "results", _PACKAGED]
    except (ValueError, OSError):
        return [_PACKAGED]


def _writable(experiment_id: str, profile: str, root: Path | None) -> Path:
    return (root or manifest.find_root()) / "results" / experiment_id / f"{profile}.json"


def _read(path: Path) -> list[Result]:
    if not path.exists():
        return []
    try:
        found = [
            Result(
                int(row["seed"]),
                {k: float(v) for k, v in row["figures"].items()},
                str(row["fingerprint"]),
                dict(row["stamp"]),
                row.get("confirmed"),
            )
            for row in json.loads(path.read_text(encoding="utf-8"))
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LedgerError(
            f"{path} is not a file of results ({type(error).__name__}: {error}). Bring it back with"
            f" `git checkout -- {path}`, or delete it and measure again with `course claims run`"
        ) from None
    return sorted(found, key=lambda result: result.seed)


def _write(path: Path, rows: Iterable[Result]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = {"metrics": "figures"}      # what the files call them
    plain = [asdict(row) for row in sorted(rows, key=lambda row: row.seed)]
    files.write_json(path, [{names.get(key, key): value for key, value in row.items() if value is not None}
                            for row in plain])
