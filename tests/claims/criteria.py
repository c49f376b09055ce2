"""What is tried of all claims: a criterion says yes to metrics made up for a yes, and no where one is spoilt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from course_lib import profiles
from course_lib.claims import Claim, Experiment

Figures = Mapping[str, float]


def each_experiment(claims: Iterable[Claim]) -> pytest.MarkDecorator:
    """Run a test once for each experiment behind these claims: @each_experiment(CLAIMS)."""
    experiments = {claim.experiment.id: claim.experiment for claim in claims}
    return pytest.mark.parametrize("experiment", experiments.values(), ids=list(experiments))


def measured(experiment: Experiment, claims: Iterable[Claim]) -> Figures:
    """What an experiment measures at smoke; its claims find in it whatever they ask for."""
    with profiles.using("smoke"):
        metrics = experiment.measure("smoke", 0)
    for claim in claims:
        if claim.experiment is experiment:
            assert claim.holds([metrics] * 2).because                   # KeyError where a metric is missing
    return metrics


def criteria(claims: Iterable[Claim], good: Figures, spoilt: Mapping[str, Figures | list[Figures]]) -> type:
    """The tests as a class, for pytest to find: TestCriteria = criteria(CLAIMS, GOOD, SPOILT).

    good: metrics of one seed to which every claim says yes; spoilt: for each claim by its id the changes of which each
    alone, at one seed of three or at two of five, makes it say no.
    """
    by_id = {claim.id: claim for claim in claims}
    listed = {name: changes if isinstance(changes, list) else [changes] for name, changes in spoilt.items()}

    class TestCriteria:
        @pytest.mark.parametrize("name", by_id)
        def test_a_claim_holds_on_metrics_that_say_so(self, name: str) -> None:
            verdict = by_id[name].holds([dict(good)] * by_id[name].seeds)
            assert verdict.holds, verdict.because
            assert any(character.isdigit() for character in verdict.because)

        @pytest.mark.parametrize(("name", "change"), [(name, change) for name in by_id for change in listed[name]])
        def test_seeds_that_say_otherwise_make_it_fail(self, name: str, change: Figures) -> None:
            rows = [dict(good) for _ in range(by_id[name].seeds)]
            for row in rows[len(rows) // 2 :: 2]:   # one of three, two of five: an interval of five may outvote one
                row.update(change)
            verdict = by_id[name].holds(rows)
            assert not verdict.holds, verdict.because
            assert verdict.because

        def test_every_claim_has_metrics_that_fail_it_and_they_are_read(self) -> None:
            assert by_id.keys() == listed.keys() and all(listed.values())
            assert not {key for changes in listed.values() for change in changes for key in change} - set(good)

    return TestCriteria
