"""Features are judged on drawn objects by the same head for all networks, and the networks stay as they are."""

import copy

import pytest
import torch

from course_lib import profiles
from course_lib.claims import transfer
from course_lib.claims.transfer import Trunk
from course_lib.pretext.exemplar import ExemplarNet


def test_a_trunk_gives_what_its_network_gives():
    network = ExemplarNet(outputs=3, width=4)
    trunk = Trunk(network, lambda images: network.features(images, 2))
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(trunk.features(images, 1), network.features(images, 2))


def test_networks_stay_as_they_are_and_equal_ones_are_worth_the_same():
    with profiles.using("smoke"):
        networks = {name: ExemplarNet(outputs=3, width=4, seed=2) for name in ("one", "other")}
        before = copy.deepcopy(networks["one"].state_dict())
        found = transfer.worth({name: Trunk(of, of.features) for name, of in networks.items()}, 0)
    assert found["one"] == found["other"] and 0 <= found["one"] <= 1
    assert all(torch.equal(before[name], now) for name, now in networks["one"].state_dict().items())


def test_features_that_name_the_kind_are_worth_everything(monkeypatch):
    with profiles.using("smoke"):
        known, _ = transfer.drawn_objects(0)
    with profiles.using("lecture"):
        monkeypatch.setattr(transfer, "drawn_objects", lambda seed: (known, known))
        kinds = {image.numpy().tobytes(): int(label) for image, label in zip(known.images, known.labels, strict=True)}

        def told(images):
            labels = [kinds.get((image * 255).round().byte().numpy().tobytes(), 0) for image in images]
            return torch.nn.functional.one_hot(torch.tensor(labels), 10).float()

        assert transfer.worth({"told": Trunk(torch.nn.Linear(1, 1), told)}, 0)["told"] == pytest.approx(1.0)
