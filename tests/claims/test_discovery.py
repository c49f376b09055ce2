"""Claims are found by their module, belong to a method, and are asked for by name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from course_lib import claims, manifest, provenance, zoo
from course_lib.claims import Claim, Experiment, LedgerError

Make = Callable[..., Claim]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Add course_lib/claims/<name>.py with these CLAIMS to an otherwise empty package."""
    monkeypatch.setattr(claims, "__path__", [str(tmp_path)])

    def add(name: str, content: object) -> None:
        (tmp_path / f"{name}.py").touch()
        fake = ModuleType(f"course_lib.claims.{name}")
        if content is not None:
            fake.CLAIMS = content
        monkeypatch.setitem(sys.modules, fake.__name__, fake)

    return add


def test_every_module_beside_the_machinery_is_asked(module: Callable[..., None], make: Make) -> None:
    first, second = make(id="toy-a"), make(id="other-b")
    module("toy", (first,))
    module("other", (second,))
    module("ledger", None)
    assert claims.discover() == (second, first)


@pytest.mark.parametrize("content", [None, [], ("words",)])
def test_a_module_without_a_tuple_of_claims_is_an_error(module: Callable[..., None], content: object) -> None:
    module("toy", content)
    with pytest.raises(LedgerError, match=r"claims/toy\.py needs a tuple CLAIMS"):
        claims.discover()


def test_a_claim_is_named_after_its_method(module: Callable[..., None], make: Make) -> None:
    module("toy", (make(id="dncnn-beats"),))
    with pytest.raises(LedgerError, match=r"'dncnn-beats' must be named toy-"):
        claims.discover()


def test_two_claims_or_two_experiments_cannot_share_a_name(module: Callable[..., None], make: Make) -> None:
    module("toy", (make(), make()))
    with pytest.raises(LedgerError, match="two claims"):
        claims.discover()
    other = make(id="toy-other", experiment=Experiment("toy-ablation", lambda profile, seed: {"a": 1.0}))
    module("toy", (make(), other))
    with pytest.raises(LedgerError, match="two experiments"):
        claims.discover()


def test_claims_are_selected_by_claim_experiment_or_method(make: Make) -> None:
    a, b = make(id="toy-a"), make(id="toy-b")
    c = make(id="more-c", experiment=Experiment("more-work", a.experiment.measure))
    every = (a, b, c)
    assert claims.select(every, []) == every
    assert claims.select(every, ["toy-b"]) == (b,)
    assert claims.select(every, ["toy-ablation"]) == (a, b)
    assert claims.select(every, ["more", "toy-a"]) == (a, c)


def test_an_unknown_claim_gets_a_suggestion(make: Make) -> None:
    with pytest.raises(LedgerError, match=r"unknown claim or experiment 'toy-beets': did you mean 'toy-beats'\?"):
        claims.select((make(),), ["toy-beets"])


def test_the_claims_of_the_course_belong_to_its_methods() -> None:
    methods = {method for lecture in manifest.load().lectures for method in lecture.methods}
    for claim in claims.discover():
        assert claim.id.split("-")[0] in methods
        assert claim.experiment.id.split("-")[0] in methods
        assert claim.experiment.fingerprint()


def test_experiments_that_read_trained_weights_name_them() -> None:
    load = provenance.definition(zoo.load)
    for experiment in {claim.experiment.id: claim.experiment for claim in claims.discover()}.values():
        roots = [provenance.definition(one) for one in (experiment.measure, *experiment.uses)]
        assert bool(experiment.weights) == (load in provenance.code().closure(roots)), experiment.id
        assert set(experiment.weights) <= set(zoo.names())
