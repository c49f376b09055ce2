"""The claims of lecture simclr hold on metrics that say so, fail on others, and are measured as they say."""

import math

import pytest
import torch
from criteria import criteria

from course_lib import profiles
from course_lib.claims import simclr
from course_lib.claims.simclr import CLAIMS
from course_lib.data import Labelled
from course_lib.data.shapes import shapes
from course_lib.pretext.views import Views

GOOD = {
    "alignment_before": 1.2, "alignment_after": 0.6, "relative_before": 0.9, "relative_after": 0.35,
    "uniformity_before": -2.7, "uniformity_after": -3.2,
    "random_linear": 0.28, "crops_linear": 0.2, "views_linear": 0.48, "head_linear": 0.45,
    "random_nearest": 0.2, "crops_nearest": 0.17, "views_nearest": 0.36, "head_nearest": 0.35,
    "told_h": 0.95, "told_z": 0.93,
    "original_linear": 0.44, "original_nearest": 0.3,
    "crops_loss": 1.4, "views_loss": 3.3, "random_own_kind": 0.12, "views_own_kind": 0.22,
}
_GEOMETRY = [{"alignment_after": 1.1}, {"uniformity_after": -2.75}]
_RANDOM = [{"random_linear": 0.44}, {"random_nearest": 0.37}]
BAD = {
    "simclr-geometry-shapes": _GEOMETRY,
    "simclr-geometry-cifar": [{"relative_after": 0.75}, {"uniformity_after": -2.75}],
    "simclr-beats-random-shapes": _RANDOM,
    "simclr-beats-random-cifar": _RANDOM,
    "simclr-original-shapes": [{"original_linear": 0.32}],
    "simclr-original-cifar": [{"original_linear": 0.32}],
    "simclr-colour-shortcut-shapes": [{"crops_loss": 3.0}, {"crops_linear": 0.44}],
    "simclr-colour-shortcut-cifar": [{"crops_loss": 3.0}, {"crops_linear": 0.49}],
    "simclr-crops-teach-no-shapes": [{"crops_linear": 0.29}],
    "simclr-before-the-head-cifar": [{"head_linear": 0.49}],
    "simclr-before-the-head-shapes": [{"head_linear": 0.49}],
    "simclr-head-forgets-shapes": [{"told_z": 0.96}],
    "simclr-head-forgets-cifar": [{"told_z": 0.96}],
    "simclr-pushes-own-kind": [{"views_own_kind": 0.14}],
}

TestCriteria = criteria(CLAIMS, GOOD, BAD)


def test_every_metric_that_a_claim_asks_for_is_measured_on_shapes():
    with profiles.using("smoke"):
        assert simclr.SHAPE_SET.measure("smoke", 0).keys() == GOOD.keys()


def test_one_of_the_trainings_has_the_pictures_themselves_beside_their_views(monkeypatch):
    asked, train = [], simclr.simclr.train
    monkeypatch.setattr(simclr.simclr, "train", lambda images, **how: asked.append(how) or train(images, **how))
    with profiles.using("smoke"):
        simclr.compare(*simclr.drawn_shapes(0), 4)
    assert [(how["view"], how.get("both", True)) for how in asked] == [
        (simclr.VIEWS["views"], True), (simclr.VIEWS["crops"], True), (simclr.VIEWS["views"], False)]
    assert {(how["seed"], how["temperature"], how["budget"].steps) for how in asked} == {(4, simclr.TEMPERATURE, 3)}


def test_every_metric_that_a_claim_asks_for_is_measured_on_photographs(course_data):
    with profiles.using("smoke"):
        assert simclr.CIFAR.measure("smoke", 0).keys() == GOOD.keys()


def test_training_and_test_pictures_share_none_at_any_seed():
    with profiles.using("smoke"):
        every = [picture.numpy().tobytes() for seed in (0, 1, 2) for part in simclr.drawn_shapes(seed)
                 for picture in part.images]
    assert len(set(every)) == len(every)


def test_the_untrained_network_has_the_first_weights_and_has_seen_the_pictures():
    with profiles.using("smoke"):
        fresh, model, again = simclr.network(3), *(simclr.untrained(3, shapes(4).images, batches=2) for _ in range(2))
    assert not model.training and model.encoder.features[1].num_batches_tracked == 2
    for (name, before), after in zip(fresh.state_dict().items(), model.state_dict().values(), strict=True):
        assert torch.equal(before, after) != ("running" in name or "num_batches" in name), name
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))


def test_pushes_by_hand():
    """Four pictures of two kinds in one point: of three strangers, with two views each, one is of the own kind."""
    pictures = Labelled(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 0, 1, 1]), ("a", "b"))
    one_point = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    assert simclr.pushes_on_own_kind(one_point, pictures, Views()) == pytest.approx(1 / 3, abs=1e-6)


def test_pushes_of_a_network_that_knows_the_kinds():
    """Kinds at right angles: one stranger with weight exp(1/tau), two with weight 1."""
    images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    images[2:] = 255
    pictures = Labelled(images, torch.tensor([0, 0, 1, 1]), ("a", "b"))
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[-1.0], [1.0]]).expand(2, 64) / 64)
        network[1].bias.copy_(torch.tensor([1.0, 0.0]))
    same = math.exp(1 / simclr.TEMPERATURE)
    plain = Views(area=(1, 1), mirror=False, strength=0, gray=0)
    assert simclr.pushes_on_own_kind(network, pictures, plain) == pytest.approx(same / (same + 2), abs=1e-5)


def test_the_sizes_by_profile():
    with profiles.using("lecture"):
        assert simclr.budget().steps * simclr.budget().batch == 160_000
    with profiles.using("full"):
        assert simclr.budget().batch == 512                           # the authors' for CIFAR-10
        assert simclr.network(0).head.layers[-1].num_features == 128
