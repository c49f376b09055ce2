"""What the ledger promises: results are whole, fresh or marked, finite, and not tuned on."""

from __future__ import annotations

import importlib.util
import json
import math
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from course_lib import claims, profiles, provenance
from course_lib.claims import Claim, Experiment, LedgerError, Verdict

Make = Callable[..., Claim]


class Counting:
    """A measurement that remembers for which seeds it was asked."""

    def __init__(self, metrics: Callable[[int], dict[str, float]] = lambda seed: {"psnr": float(seed)}) -> None:
        self._seeds: list[int] = []     # no part of the experiment's identity
        self.metrics = metrics

    @property
    def seeds(self) -> list[int]:
        return self._seeds

    def experiment(self) -> Experiment:
        def measure(profile: str, seed: int) -> dict[str, float]:
            self._seeds.append(seed)
            return self.metrics(seed)

        return Experiment("toy-count", measure)


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set the fingerprint of all code to a word."""

    def freeze(word: str) -> None:
        monkeypatch.setattr(provenance, "fingerprint", lambda *objects, data=(), weights=(): word)

    return freeze


def run(experiment: Experiment, *seeds: int, **more: bool) -> list[claims.Result]:
    return claims.run(experiment, profile="smoke", seeds=seeds or (0, 1, 2), **more)


# --- storing ----------------------------------------------------------------------------------------------------------


def test_a_run_is_stored_as_the_interface_says(course: Path, make: Make) -> None:
    run(make().experiment, 1, 0)
    rows = json.loads((course / "results/toy-ablation/smoke.json").read_text())
    assert [sorted(row) for row in rows] == [["figures", "fingerprint", "seed", "stamp"]] * 2
    assert [row["seed"] for row in rows] == [0, 1]
    assert rows[1]["figures"] == {"dncnn": 29.1, "nlm": 27.0}
    assert rows[0]["stamp"]["profile"] == "smoke" and rows[0]["stamp"]["versions"]["torch"]


def test_the_same_results_make_the_same_bytes(course: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = provenance.stamp()
    monkeypatch.setattr(provenance, "stamp", lambda: stamp)
    path = course / "results/toy-ablation/smoke.json"
    run(make().experiment, 0, 1)
    first = path.read_bytes()
    run(make().experiment, 1, 0, force=True)
    assert path.read_bytes() == first


def test_the_profile_is_in_force_while_measuring(course: Path) -> None:
    seen = []
    experiment = Experiment("toy-profile", lambda profile, seed: seen.append((profile, profiles.current())) or {"a": 1})
    claims.run(experiment, profile="full", seeds=(0,))
    assert seen == [("full", "full")] and profiles.current() == "smoke"


def test_fresh_results_are_kept_and_force_measures_again(course: Path) -> None:
    counting = Counting()
    experiment = counting.experiment()
    told: list[tuple[int, bool]] = []
    run(experiment, 0, 1)
    claims.run(experiment, profile="smoke", seeds=(0, 1, 2), on_seed=lambda *words: told.append(words))
    assert counting.seeds == [0, 1, 2] and told == [(0, False), (1, False), (2, True)]
    run(experiment, 1, force=True)
    assert counting.seeds == [0, 1, 2, 1] and len(claims.results("toy-count", "smoke")) == 3


def test_results_of_other_code_are_replaced_and_nothing_else_is(course: Path, frozen: Callable[[str], None]) -> None:
    counting = Counting()
    experiment = counting.experiment()
    frozen("old")
    run(experiment, 0, 1)
    frozen("new")
    run(experiment, 1)
    assert [(r.seed, r.fingerprint) for r in claims.results("toy-count", "smoke")] == [(0, "old"), (1, "new")]
    assert counting.seeds == [0, 1, 1]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_an_interruption_loses_only_the_seed_in_progress(course: Path, stop: type[BaseException]) -> None:
    def metrics(seed: int) -> dict[str, float]:
        if seed == 2 and len(counting.seeds) < 4:
            raise stop
        return {"psnr": 1.0}

    counting = Counting(metrics)
    experiment = counting.experiment()
    with pytest.raises(stop):
        run(experiment)
    assert [r.seed for r in claims.results("toy-count", "smoke")] == [0, 1]
    assert list((course / "results/toy-count").iterdir()) == [course / "results/toy-count/smoke.json"]
    run(experiment)
    assert counting.seeds == [0, 1, 2, 2]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_metrics_that_are_not_finite_are_refused_by_name(course: Path, value: float) -> None:
    with pytest.raises(LedgerError, match=r"'toy-count', seed 1: the metric 'psnr' is (nan|inf|-inf)"):
        run(Counting(lambda seed: {"ok": 1.0, "psnr": value if seed == 1 else 2.0}).experiment())
    assert [r.seed for r in claims.results("toy-count", "smoke")] == [0]


@pytest.mark.parametrize("metrics", [{}, None, [1.0], {"psnr": "high"}, {"psnr": None}])
def test_a_measurement_must_return_named_numbers(course: Path, metrics: object) -> None:
    with pytest.raises(LedgerError, match=r"must (return a dictionary|be a number)"):
        run(Counting(lambda seed: metrics).experiment())
    assert not (course / "results").exists()


def test_tensors_and_integers_are_stored_as_plain_numbers(course: Path) -> None:
    import torch

    run(Counting(lambda seed: {"b": torch.tensor(2.5), "a": 554112}).experiment(), 0)
    assert claims.results("toy-count", "smoke")[0].metrics == {"a": 554112.0, "b": 2.5}


def test_a_full_disk_keeps_what_was_there(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Counting().experiment()
    run(experiment, 0)
    path = course / "results/toy-count/smoke.json"
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk is full"):
        run(experiment, 1)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        '{"seed": 0}',
        '[{"seed": 0}]',
        '[{"seed": 0, "figures": {"a": "x"}, "fingerprint": "", "stamp": {}}]',
    ],
)
def test_a_corrupt_file_is_named_with_the_way_out(course: Path, make: Make, text: str) -> None:
    path = course / "results/toy-ablation/smoke.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    for look in (
        lambda: claims.measured("toy-ablation", "smoke"),
        lambda: claims.status(make(), "smoke"),
        lambda: run(make().experiment),
    ):
        with pytest.raises(LedgerError, match=r"smoke\.json is not a file of results .*git checkout"):
            look()
    assert path.read_text() == text


# --- seeds ------------------------------------------------------------------------------------------------------------


def test_reporting_seeds_are_measured_only_on_request(course: Path) -> None:
    counting = Counting()
    with pytest.raises(LedgerError, match="--report"):
        run(counting.experiment(), 0, 100)
    assert counting.seeds == []
    run(counting.experiment(), 100, 101, report=True)
    assert counting.seeds == [100, 101]


def test_a_report_takes_no_development_seed(course: Path) -> None:
    with pytest.raises(LedgerError, match="seeds from 100 on, not on 7"):
        run(Counting().experiment(), 7, report=True)


def test_lectures_cite_the_reporting_seeds_only(course: Path, make: Make) -> None:
    run(make().experiment, 0, 1)
    with pytest.raises(LedgerError, match=r"`course claims run toy-ablation --profile smoke --report`"):
        claims.measured("toy-ablation", "smoke")
    run(make().experiment, 100, 103, report=True)
    assert claims.measured("toy-ablation", "smoke") == [{"dncnn": 29.0, "nlm": 27.0}, {"dncnn": 29.3, "nlm": 27.0}]
    assert len(claims.measured("toy-ablation", "smoke", report=False)) == 2


def test_an_installed_package_cites_the_results_it_carries(
    course: Path, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run(make().experiment, 100, report=True)
    packaged = tmp_path_factory.mktemp("wheel") / "_results"
    (course / "results").rename(packaged)
    monkeypatch.setattr("course_lib.claims.ledger._PACKAGED", packaged)
    assert claims.measured("toy-ablation", "smoke") == [{"dncnn": 29.0, "nlm": 27.0}]
    monkeypatch.setenv("COURSE_ROOT", str(packaged / "nowhere"))
    assert claims.measured("toy-ablation", "smoke") == [{"dncnn": 29.0, "nlm": 27.0}]


# --- judging ----------------------------------------------------------------------------------------------------------


def test_a_claim_is_missing_until_all_its_seeds_are_there(course: Path, make: Make) -> None:
    claim = make()
    assert claims.status(claim, "smoke").state == "missing"
    run(claim.experiment, 100, 101, report=True)
    found = claims.status(claim, "smoke")
    assert (found.state, found.seeds) == ("missing", (100, 101))
    assert (
        "2 of 3 seeds" in found.because and "course claims run toy-ablation --profile smoke --report" in found.because
    )
    run(claim.experiment, 102, report=True)
    assert claims.status(claim, "smoke").state == "holds"


def test_a_claim_holds_or_fails_by_its_own_criterion(course: Path, make: Make) -> None:
    held = make()
    failed = make(lambda profile, seed: {"dncnn": 27.5, "nlm": 27.0}, experiment=Experiment("toy-bad", _bad))
    for claim in (held, failed):
        run(claim.experiment, 100, 101, 102, report=True)
    assert [claims.status(claim, "smoke").state for claim in (held, failed)] == ["holds", "fails"]
    assert claims.status(failed, "smoke").because == "smallest gap 0.50 dB"


def _bad(profile: str, seed: int) -> dict[str, float]:
    return {"dncnn": 27.5, "nlm": 27.0}


def test_a_criterion_sees_the_seeds_in_order_and_cannot_change_what_is_stored(course: Path, make: Make) -> None:
    def spoil(metrics: list[dict[str, float]]) -> Verdict:
        seen.append([row["dncnn"] for row in metrics])
        metrics[0].clear()
        return Verdict(True, "")

    seen: list[list[float]] = []
    claim = make(holds=spoil)
    run(claim.experiment, 102, 100, 101, report=True)
    for _ in range(2):
        assert claims.status(claim, "smoke").metrics["dncnn"].n == 3
    assert seen == [[29.0, 29.1, 29.2]] * 2


def test_development_results_judge_nothing_that_is_reported(course: Path, make: Make) -> None:
    run(make().experiment)
    assert claims.status(make(), "smoke").state == "missing"
    assert claims.status(make(), "smoke", seeds=(0, 1)).state == "holds"


def test_a_claim_that_asks_for_a_metric_nobody_measured_fails_and_says_so(course: Path, make: Make) -> None:
    claim = make(holds=lambda metrics: Verdict(metrics[0]["bm3d"] > 0, ""))
    run(claim.experiment, 100, 101, 102, report=True)
    found = claims.status(claim, "smoke")
    assert found.state == "fails" and "'bm3d'" in found.because and "dncnn, nlm" in found.because


def test_one_stale_seed_makes_the_claim_stale(course: Path, make: Make, frozen: Callable[[str], None]) -> None:
    claim = make()
    frozen("old")
    run(claim.experiment, 100, 101, 102, report=True)
    frozen("new")
    assert claims.status(claim, "smoke").state == "stale"
    run(claim.experiment, 100, 101, report=True)
    found = claims.status(claim, "smoke")
    assert found.state == "stale" and found.verdict == Verdict(True, "smallest gap 2.00 dB")
    run(claim.experiment, 102, report=True)
    assert claims.status(claim, "smoke").state == "holds"


METHOD = '''
def helper(x):
    """{words}"""
    return {constant} * x  # {words}

def measure(profile, seed):
    return {{"psnr": helper(seed + 1.0)}}
'''


def _load(path: Path, **parts: object) -> ModuleType:
    path.write_text(METHOD.format(**parts))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_a_changed_function_makes_results_stale_and_a_changed_comment_does_not(
    course: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "toy_method_of_the_ledger_test"
    monkeypatch.setitem(sys.modules, name, ModuleType(name))  # removed again afterwards
    path = course / f"{name}.py"

    def state(**parts: object) -> str:
        experiment = Experiment("toy-code", _load(path, **parts).measure)
        claim = make(experiment=experiment, holds=lambda metrics: Verdict(True, ""), seeds=1)
        if not claims.results("toy-code", "smoke"):
            run(experiment, 100, report=True)
        return claims.status(claim, "smoke").state

    assert state(constant=2, words="double it") == "holds"
    assert state(constant=2, words="said otherwise, and longer") == "holds"
    assert state(constant=3, words="double it") == "stale"


def test_other_data_make_results_stale() -> None:
    one, two = (Experiment("toy-data", _bad, data=names).fingerprint() for names in ((), ("photographs",)))
    assert one != two


# --- metrics ----------------------------------------------------------------------------------------------------------


def test_summaries_are_mean_sample_deviation_and_range() -> None:
    values = [29.0, 30.5, 28.5]
    summary = claims.summarise([{"a": value, "b": 1.0} for value in values])["a"]
    assert summary.mean == pytest.approx(sum(values) / 3)
    assert summary.std == pytest.approx(math.sqrt(sum((v - sum(values) / 3) ** 2 for v in values) / 2))
    assert summary.std != pytest.approx(statistics.pstdev(values))  # the broken variant: divided by n
    assert (summary.n, summary.low, summary.high) == (3, 28.5, 30.5)


def test_a_metric_that_one_seed_lacks_is_not_summarised() -> None:
    assert list(claims.summarise([{"a": 1.0, "b": 1.0}, {"b": 2.0}])) == ["b"]
    assert claims.summarise([]) == {}


# --- declarations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "../dncnn", "DnCNN", "dncnn ablation", "-dncnn", "a/b", "dncnn-"])
def test_a_name_that_could_leave_the_folder_is_refused(name: str, make: Make) -> None:
    with pytest.raises(LedgerError, match="lower-case words"):
        Experiment(name, _bad)
    with pytest.raises(LedgerError, match="lower-case words"):
        make(id=name)


@pytest.mark.parametrize("changes", [{"sentence": " "}, {"source": ""}, {"seeds": 0}])
def test_a_claim_needs_a_sentence_a_source_and_seeds(changes: dict[str, object], make: Make) -> None:
    with pytest.raises(LedgerError, match="toy-beats"):
        make(**changes)
