"""What a lecture quotes: means, intervals and the paper's values of stored results, with a folded note."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from course_lib import claims, files
from course_lib.claims import Claim, Experiment, LedgerError, Verdict
from course_lib.claims.cite import Cited, cite

Make = Callable[..., Claim]
ROWS = [
    {"bn_at_15": 31.0, "bn_at_25": 29.0, "plain_at_15": 30.0},
    {"bn_at_15": 32.0, "bn_at_25": 29.5, "plain_at_15": 30.5},
    {"bn_at_15": 33.0, "bn_at_25": 30.0, "plain_at_15": 31.0},
]


def store(root: Path, experiment: str = "toy-ablation", rows: list[dict[str, float]] = ROWS, first: int = 100) -> None:
    """Results as the ledger stores them, at seeds from `first` on."""
    stored = [{"seed": first + i, "figures": row, "fingerprint": "", "stamp": {}} for i, row in enumerate(rows)]
    path = root / "results" / experiment / "lecture.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(path, stored)


def verdict(holds: bool) -> Callable[[list[dict[str, float]]], Verdict]:
    return lambda metrics: Verdict(holds, f"{len(metrics)} seeds")


@pytest.fixture
def toys(make: Make, monkeypatch: pytest.MonkeyPatch) -> tuple[Claim, ...]:
    """Three claims, two of them on one experiment, in the place of the course's."""
    toys = (
        make(id="toy-wins", holds=verdict(True), paper={"bn_at_15": 31.73}),
        make(id="toy-loses", holds=verdict(False), sentence="A < B & <b>C</b>.", paper={"bn_at_25": 29.23}),
        make(id="toy-other", experiment=Experiment("toy-else", lambda profile, seed: {"a": 1.0})),
    )
    monkeypatch.setattr("course_lib.claims.cite.discover", lambda: toys)
    return toys


@pytest.fixture
def found(tmp_path: Path, toys: tuple[Claim, ...]) -> Cited:
    store(tmp_path)
    return cite("toy-ablation", root=tmp_path)


# --- what is cited ----------------------------------------------------------------------------------------------------


def test_an_experiment_its_claims_and_their_names_cite_the_same(tmp_path: Path, toys: tuple[Claim, ...]) -> None:
    store(tmp_path)
    for what in ("toy-ablation", "toy-loses", toys[0], toys[0].experiment):
        assert cite(what, root=tmp_path)["bn_at_15"] == 32.0
    assert [claim.id for claim in cite(toys[0].experiment, root=tmp_path).claims] == ["toy-wins", "toy-loses"]
    assert [claim.id for claim in cite("toy-ablation", root=tmp_path).claims] == ["toy-wins", "toy-loses"]
    assert [claim.id for claim in cite("toy-loses", root=tmp_path).claims] == ["toy-loses"]
    assert cite(toys[0], root=tmp_path).claims == toys[:1]


def test_development_seeds_are_not_cited(tmp_path: Path, toys: tuple[Claim, ...]) -> None:
    store(tmp_path, rows=[{"bn_at_15": 0.0}, *ROWS], first=99)
    found = cite("toy-ablation", root=tmp_path)
    assert found.seeds == (100, 101, 102) and found["bn_at_15"] == 32.0


def test_without_results_the_ledger_says_how_to_measure(tmp_path: Path, toys: tuple[Claim, ...]) -> None:
    with pytest.raises(LedgerError, match=r"nothing is stored.*`course claims run toy-ablation --profile lecture"):
        cite("toy-ablation", root=tmp_path)


@pytest.mark.parametrize(
    ("what", "message"),
    [("toy-win", "did you mean 'toy-wins'"), ("toy", "several experiments, toy-ablation and toy-else: cite one")],
)
def test_a_name_that_is_no_single_experiment_is_an_error(toys: tuple[Claim, ...], what: str, message: str) -> None:
    with pytest.raises(LedgerError, match=message):
        cite(what)


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_rows_have_means_by_label(found: Cited) -> None:
    assert found.row(["bn_at_15", "bn_at_25"]) == {"bn_at_15": 32.0, "bn_at_25": 29.5}
    assert found.row({"norm": "bn", "none": "plain"}, "{}_at_15", times=100) == {"norm": 3200.0, "none": 3050.0}
    levels = {"σ = 15": 15, "σ = 25": 25}
    assert found.rows({"norm": "bn"}, levels, "{}_at_{}") == {"norm": {"σ = 15": 32.0, "σ = 25": 29.5}}
    assert found.rows(levels, {"norm": "bn"}, "{1}_at_{0}") == {"σ = 15": {"norm": 32.0}, "σ = 25": {"norm": 29.5}}


def test_the_papers_values_stand_under_the_same_labels(found: Cited) -> None:
    assert found.paper == {"bn_at_15": 31.73, "bn_at_25": 29.23}
    levels = {"σ = 15": 15, "σ = 25": 25}
    assert found.rows({"paper": "bn"}, levels, "{}_at_{}", paper=True) == {"paper": {"σ = 15": 31.73, "σ = 25": 29.23}}


def test_lines_leave_out_what_was_not_measured(found: Cited) -> None:
    assert found.lines({"none": "plain"}, (15, 25), "{}_at_{}") == {"none": [30.5, None]}
    ranges = found.lines(["bn"], (15, 25, 50), "{}_at_{}", spread="range", times=10)
    assert ranges == {"bn": ([320.0, 295.0, None], [310.0, 290.0, None], [330.0, 300.0, None])}


def test_intervals_are_those_of_student(found: Cited) -> None:
    half = 4.302653 / math.sqrt(3)  # deviation 1 over three seeds
    assert found.interval("bn_at_15") == pytest.approx((32 - half, 32 + half), abs=1e-5)
    assert found.interval(lambda row: row["bn_at_15"] - row["bn_at_25"]) == pytest.approx(
        (2.5 - half / 2, 2.5 + half / 2), abs=1e-5
    )
    ((means, low, high),) = found.lines(["bn"], (15,), "{}_at_{}", spread="interval").values()
    assert (means, *low, *high) == ([32.0], *found.interval("bn_at_15"))


def test_the_interval_of_one_seed_is_open(tmp_path: Path, toys: tuple[Claim, ...]) -> None:
    store(tmp_path, rows=ROWS[:1])
    assert cite("toy-ablation", root=tmp_path).interval("bn_at_15") == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda found: found["bn_at_1"], "'toy-ablation' has no metric 'bn_at_1': did you mean 'bn_at_15'"),
        (lambda found: found.row({"a": "zebra"}), "no metric 'zebra': there are bn_at_15, bn_at_25, plain_at_15"),
        (lambda found: found.row(["plain_at_15"], paper=True), "no metric 'plain_at_15'"),
        (lambda found: found.lines(["bm"], (15, 25), "{}_at_{}"), "none of the metrics bm_at_15, bm_at_25"),
        (lambda found: found.about("toy-win"), "no claim 'toy-win' on the experiment 'toy-ablation': did you mean"),
    ],
)
def test_a_wrong_name_is_told_with_the_right_ones(found: Cited, ask: Callable[[Cited], object], message: str) -> None:
    with pytest.raises(LedgerError, match=message):
        ask(found)


# --- the note ---------------------------------------------------------------------------------------------------------


def test_the_note_is_folded_and_names_experiment_seeds_profile_and_verdicts(found: Cited) -> None:
    html = found._repr_mimebundle_()["text/html"]
    assert html.startswith("<details><summary>Measured over three seeds: <code>toy-ablation</code></summary>")
    assert "Seeds 100 to 102, profile lecture." in html and html.endswith("</details>")
    assert "<code>toy-wins</code> holds: The toy network beats the toy filter." in html
    assert "<code>toy-loses</code> fails: A &lt; B &amp; &lt;b&gt;C&lt;/b&gt;." in html


def test_the_note_has_a_plain_text(found: Cited) -> None:
    assert found._repr_mimebundle_()["text/plain"].splitlines() == [
        "Measured over three seeds: `toy-ablation`. Seeds 100 to 102, profile lecture.",
        "- `toy-wins` holds: The toy network beats the toy filter.",
        "- `toy-loses` fails: A < B & <b>C</b>.",
    ]


def test_a_note_can_be_about_some_claims(found: Cited) -> None:
    some = found.about("toy-loses")
    assert "toy-wins" not in some.html and "toy-loses" in some.html and some["bn_at_15"] == found["bn_at_15"]


@pytest.mark.parametrize(
    ("seeds", "said"),
    [((100,), "Measured over one seed: `t`. Seed 100, profile"), ((100, 102), "two seeds: `t`. Seeds 100, 102, ")],
)
def test_the_note_counts_the_seeds(seeds: tuple[int, ...], said: str) -> None:
    assert said in Cited("t", "lecture", seeds, [{"a": 1.0}] * len(seeds), ()).text


def test_a_claim_that_needs_more_seeds_is_open(tmp_path: Path, toys: tuple[Claim, ...]) -> None:
    store(tmp_path, rows=ROWS[:2])
    assert "`toy-wins` is open (seed 102 is not measured)" in cite("toy-wins", root=tmp_path).text


@pytest.mark.slow
def test_everything_that_was_measured_for_the_course_can_be_cited(root: Path) -> None:
    for experiment in {claim.experiment.id for claim in claims.discover()}:
        assert "is open" not in cite(experiment, root=root).text
