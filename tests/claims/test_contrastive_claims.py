"""The claims about the contrastive loss hold on metrics that say so, fail on others, and are measured as they say."""

import pytest
import torch
from criteria import criteria

from course_lib import profiles
from course_lib.claims import contrastive
from course_lib.claims.contrastive import CLAIMS, PEOPLE
from course_lib.metric.contrastive import hadsell_loss

GOOD = {"pixels": 0.45, "slide": 0.1, "hadsell": 0.12, "one_mean": 0.16, "margin_1": 0.11, "margin_16": 0.12,
        "people_5": 0.35, "people_20": 0.2, "people_5_own": 0.01, "people_20_own": 0.02,
        "slide_apart": 5.0, "hadsell_apart": 4.0, "one_mean_apart": 5.0, "margin_1_apart": 1.5, "margin_16_apart": 18.0,
        "people_5_apart": 3.0, "people_20_apart": 3.0, "people_5_own_apart": 6.0, "people_20_own_apart": 6.0}
BAD = {
    "contrastive-beats-pixels": [{"slide": 0.26}, {"hadsell": 0.26}],
    "contrastive-balance": [{"one_mean": 0.09}],
    "contrastive-margin-is-scale": [{"margin_16_apart": 8.0}, {"margin_1": 0.17}],
    "contrastive-few-people": [{"people_5_own": 0.06}, {"people_5": 0.19}],
    "contrastive-more-people": [{"people_20": 0.36}, {"people_20": 0.09}],
}

TestCriteria = criteria(CLAIMS, GOOD, BAD)


@pytest.mark.slow
def test_every_metric_that_a_claim_asks_for_is_measured():
    with profiles.using("smoke"):
        assert PEOPLE.measure("smoke", 0).keys() == GOOD.keys()


def test_nobody_is_learnt_from_and_measured_on():
    with profiles.using("smoke"):
        known, unknown = contrastive.crowd(0)
    assert not set(known.names) & set(unknown.names) and contrastive.first(known, 5).names == known.names[:5]


def test_what_is_measured_are_people_not_trained_on_but_for_the_metrics_that_say_own(monkeypatch):
    """Who each network learnt from and how, and on whose pictures each metric is: an error rate is its number here."""
    measured = []
    monkeypatch.setattr(contrastive, "trained", lambda images, *, seed, **how: (images.names, seed, how))
    monkeypatch.setattr(contrastive, "embed", lambda network, images: (network, images))
    monkeypatch.setattr(contrastive, "pixels", lambda images: ("pixels", images))
    monkeypatch.setattr(contrastive, "pair_distances", lambda f, labels: measured.append((*f, labels)) or (
        len(measured) - 1, torch.zeros(1)))
    monkeypatch.setattr(contrastive, "equal_error_rate", lambda number, _: number)
    with profiles.using("smoke"):
        metrics = contrastive.measure_people("smoke", 1)
        known, unknown = contrastive.crowd(1)
        few = contrastive.first(known, 5)
    assert metrics.keys() == GOOD.keys()
    for name, on in {name: {"people_5_own": few, "people_20_own": known}.get(name, unknown)
                     for name in GOOD if not name.endswith("_apart")}.items():
        network, images, labels = measured[metrics[name]]
        assert torch.equal(images, on.images) and torch.equal(labels, on.labels), name
        how = {"hadsell": {"loss": hadsell_loss}, "one_mean": {"balanced": False}, "margin_1": {"margin": 1.0},
               "margin_16": {"margin": 16.0}}.get(name, {})
        learnt_from = (few if name.startswith("people_5") else known).names
        assert network == ("pixels" if name == "pixels" else (learnt_from, 1, how)), name


def test_five_people_fill_a_batch_with_eight_pictures_each(monkeypatch):
    asked = []
    monkeypatch.setattr(contrastive.contrastive, "train", lambda images, **how: asked.append(how) or type("T", (), {
        "model": None}))
    with profiles.using("smoke"):
        known, _ = contrastive.crowd(0)
        contrastive.trained(contrastive.first(known, 5), seed=0)
        contrastive.trained(known, seed=0)
    assert [how["each"] for how in asked] == [8, 4]
